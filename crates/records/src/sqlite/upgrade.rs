//! Creates the tables of a component, or upgrades those of an earlier version.

use rusqlite::OptionalExtension;
use serde_json::Value as Json;

use super::Session;
use crate::schema::Upgrade;
use crate::table::Stored;
use crate::{Error, Schema, TableSpec, Value, sql};

/// The table that gets the rows while their table is built anew. No component can have this name.
const REBUILT: &str = "records.rebuilt";

impl Session {
    /// Creates or upgrades the tables of a component, in one transaction.
    pub(crate) fn declare(&self, schema: &Schema) -> Result<(), Error> {
        self.begin()?;
        match self.declare_in_transaction(schema) {
            Ok(()) => self.commit(),
            Err(error) => {
                self.rollback();
                Err(error)
            }
        }
    }

    fn declare_in_transaction(&self, schema: &Schema) -> Result<(), Error> {
        let (found, known) = (self.version(schema.component)?, schema.version());
        if let Some(found) = found
            && !(1..=known).contains(&found)
        {
            let what = schema.component.to_owned();
            return Err(Error::Newer { path: self.path.clone(), what, found, known });
        }
        let done = found.map_or(known, |found| found) - 1;
        let pending = schema.migrations.iter().skip(usize::try_from(done).unwrap_or(usize::MAX));
        for (number, migration) in (done + 1..).zip(pending) {
            migration(&mut Upgrade::new(self))?;
            tracing::info!(component = schema.component, number, "a migration of the database is done");
        }
        for table in schema.tables {
            self.shape(table)?;
        }
        if found != Some(known) {
            self.execute(sql::SET_VERSION, [schema.component.into(), Value::Integer(known)])?;
        }
        Ok(())
    }

    /// Replaces the JSON of each row, and marks the columns as out of date.
    pub(crate) fn rewrite(
        &self,
        table: &'static str,
        change: &mut dyn FnMut(&mut Json),
    ) -> Result<(), Error> {
        if self.shape_of(table)?.is_none() {
            return Ok(());
        }
        self.execute(sql::SET_SHAPE, [table, ""])?;
        self.walk(table, &mut |key, text| {
            let failed = |source| Error::Decode {
                table: table.to_owned(),
                key: key.to_string(),
                source: std::sync::Arc::new(source),
            };
            let mut row: Json = serde_json::from_str(&text).map_err(failed)?;
            change(&mut row);
            self.execute(&sql::rewrite(table), [&Value::Text(row.to_string()), &key]).map(drop)
        })
    }

    pub(crate) fn remove_table(&self, table: &'static str) -> Result<(), Error> {
        self.run("upgrade", &sql::drop_table(table))?;
        self.execute(sql::FORGET_SHAPE, [table]).map(drop)
    }

    fn version(&self, component: &str) -> Result<Option<i64>, Error> {
        let found = self.connection.query_row(sql::VERSION, [component], |row| row.get(0)).optional();
        found.map_err(|error| self.failed("read", error))
    }

    fn shape_of(&self, table: &str) -> Result<Option<String>, Error> {
        let found = self.connection.query_row(sql::SHAPE, [table], |row| row.get(0)).optional();
        found.map_err(|error| self.failed("read", error))
    }

    /// Creates a table, or builds it anew if its columns or indexes changed.
    fn shape(&self, spec: &TableSpec) -> Result<(), Error> {
        let (found, wanted) = (self.shape_of(spec.name)?, spec.shape());
        match found {
            Some(found) if found == wanted => return Ok(()),
            Some(_) => {
                self.run("upgrade", &sql::create_table(spec, REBUILT))?;
                self.walk(spec.name, &mut |key, row| {
                    spec.check_key(&key)?;
                    let columns = (spec.extract)(&key, &row)?;
                    self.put(spec, REBUILT, Stored { key, columns, row })
                })?;
                self.run("upgrade", &sql::drop_table(spec.name))?;
                self.run("upgrade", &sql::rename_table(REBUILT, spec.name))?;
                tracing::info!(table = spec.name, "a table of the database was built anew");
            }
            None => self.run("upgrade", &sql::create_table(spec, spec.name))?,
        }
        for index in sql::create_indexes(spec) {
            self.run("upgrade", &index)?;
        }
        self.execute(sql::SET_SHAPE, [spec.name, &wanted]).map(drop)
    }

    /// Calls `visit` for each row, some at a time, in the order of keys.
    fn walk(
        &self,
        table: &str,
        visit: &mut dyn FnMut(Value, String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut last: Option<Value> = None;
        loop {
            let read = || {
                let mut statement = self.connection.prepare(&sql::walk(table, last.is_none()))?;
                let rows = statement
                    .query_map(rusqlite::params_from_iter(&last), |row| Ok((row.get(0)?, row.get(1)?)))?;
                rows.collect::<rusqlite::Result<Vec<(Value, String)>>>()
            };
            let rows = read().map_err(|error| self.failed("read", error))?;
            let Some((key, _)) = rows.last() else { return Ok(()) };
            last = Some(key.clone());
            rows.into_iter().try_for_each(|(key, row)| visit(key, row))?;
        }
    }
}
