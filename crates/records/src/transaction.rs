//! The operations of a change and of a read.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use crate::feed::Change;
use crate::memory;
use crate::query::{Cursor, Page};
use crate::table::{Stored, decode};
use crate::{Error, Key, Query, Table, TableSpec, Value, sqlite};

/// The names of tables that components declared.
pub(crate) type Declared = Arc<RwLock<BTreeSet<&'static str>>>;

/// A state of the database that does not change while it is read.
pub struct Reader<'a> {
    rows: Rows<'a>,
    declared: &'a Declared,
}

/// The changes of one caller. All of them become durable together, or none.
pub struct Transaction<'a> {
    rows: ChangedRows<'a>,
    declared: &'a Declared,
    touched: Vec<Change>,
    /// The database failed; so nothing of the group can be kept.
    failure: Option<Error>,
}

pub(crate) enum Rows<'a> {
    Sqlite(&'a sqlite::Session),
    Memory(&'a memory::Tables),
}

pub(crate) enum ChangedRows<'a> {
    Sqlite(&'a sqlite::Session),
    Memory(&'a mut memory::Pending),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(rows: Rows<'a>, declared: &'a Declared) -> Self {
        Self { rows, declared }
    }

    /// The row with this key.
    pub fn get<T: Table>(&self, key: &T::Key) -> Result<Option<T::Row>, Error> {
        let spec = self.spec::<T>()?;
        let key = key.to_value();
        spec.check_key(&key)?;
        let row = match &self.rows {
            Rows::Sqlite(session) => session.get(&spec, &key)?,
            Rows::Memory(tables) => tables.get(&spec, &key),
        };
        row.map(|row| decode::<T>(&key, &row)).transpose()
    }

    /// The rows that a query finds, up to its limit.
    pub fn page<T: Table>(&self, query: &Query) -> Result<Page<T>, Error> {
        let spec = self.spec::<T>()?;
        query.check(&spec)?;
        let found = match &self.rows {
            Rows::Sqlite(session) => session.page(&spec, query)?,
            Rows::Memory(tables) => tables.page(&spec, query),
        };
        let mut rows = Vec::with_capacity(found.rows.len());
        let mut last = None;
        for (value, text) in found.rows {
            let row = decode::<T>(&value, &text)?;
            let key = T::Key::from_value(value.clone());
            let key =
                key.ok_or_else(|| Error::Value { table: T::NAME, column: "key", value: value.to_string() })?;
            rows.push((key, row));
            last = Some(value);
        }
        let next = match (found.has_more, last, rows.last()) {
            (true, Some(key), Some((_, row))) => Some(Cursor { order: order_of::<T>(query, row), key }),
            _ => None,
        };
        Ok(Page { rows, next })
    }

    /// How many rows the filters and bounds of a query leave.
    pub fn count<T: Table>(&self, query: &Query) -> Result<u64, Error> {
        let spec = self.spec::<T>()?;
        query.check(&spec)?;
        match &self.rows {
            Rows::Sqlite(session) => session.count(&spec, query),
            Rows::Memory(tables) => Ok(tables.count(&spec, query)),
        }
    }

    fn spec<T: Table>(&self) -> Result<TableSpec, Error> {
        declared::<T>(self.declared)
    }
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(rows: ChangedRows<'a>, declared: &'a Declared) -> Self {
        Self { rows, declared, touched: Vec::new(), failure: None }
    }

    /// The touched rows, or the failure of the database.
    pub(crate) fn finish(self) -> Result<Vec<Change>, Error> {
        self.failure.map_or(Ok(self.touched), Err)
    }

    /// The row with this key, as this change and all before it left it.
    pub fn get<T: Table>(&mut self, key: &T::Key) -> Result<Option<T::Row>, Error> {
        let found = self.reader().get::<T>(key);
        self.record_failure(found)
    }

    /// The rows that a query finds, up to its limit.
    pub fn page<T: Table>(&mut self, query: &Query) -> Result<Page<T>, Error> {
        let found = self.reader().page::<T>(query);
        self.record_failure(found)
    }

    /// How many rows the filters and bounds of a query leave.
    pub fn count<T: Table>(&mut self, query: &Query) -> Result<u64, Error> {
        let found = self.reader().count::<T>(query);
        self.record_failure(found)
    }

    /// Inserts a row, or replaces the one with this key.
    pub fn put<T: Table>(&mut self, key: &T::Key, row: &T::Row) -> Result<(), Error> {
        let spec = declared::<T>(self.declared)?;
        let stored = Stored::of::<T>(key, row)?;
        let change = Change { table: T::NAME, key: stored.key.to_string() };
        let done = match &mut self.rows {
            ChangedRows::Sqlite(session) => session.put(&spec, spec.name, stored),
            ChangedRows::Memory(pending) => {
                pending.put(&spec, stored);
                Ok(())
            }
        };
        self.record_failure(done)?;
        self.touched.push(change);
        Ok(())
    }

    /// Removes a row; `false` if there is none with this key.
    pub fn remove<T: Table>(&mut self, key: &T::Key) -> Result<bool, Error> {
        let spec = declared::<T>(self.declared)?;
        let key = key.to_value();
        spec.check_key(&key)?;
        let removed = match &mut self.rows {
            ChangedRows::Sqlite(session) => session.remove(&spec, &key),
            ChangedRows::Memory(pending) => Ok(pending.remove(&spec, &key)),
        };
        let was_there = self.record_failure(removed)?;
        if was_there {
            self.touched.push(Change { table: T::NAME, key: key.to_string() });
        }
        Ok(was_there)
    }

    fn reader(&self) -> Reader<'_> {
        let rows = match &self.rows {
            ChangedRows::Sqlite(session) => Rows::Sqlite(session),
            ChangedRows::Memory(pending) => Rows::Memory(&pending.tables),
        };
        Reader::new(rows, self.declared)
    }

    fn record_failure<V>(&mut self, result: Result<V, Error>) -> Result<V, Error> {
        if let Err(error) = &result
            && error.is_of_database()
        {
            self.failure.get_or_insert_with(|| error.clone());
        }
        result
    }
}

fn declared<T: Table>(declared: &Declared) -> Result<TableSpec, Error> {
    if declared.read().unwrap_or_else(PoisonError::into_inner).contains(T::NAME) {
        return Ok(TableSpec::of::<T>());
    }
    Err(Error::Undeclared(T::NAME))
}

fn order_of<T: Table>(query: &Query, row: &T::Row) -> Option<Value> {
    let order = query.order?;
    let position = T::COLUMNS.iter().position(|column| column.name == order)?;
    T::columns(row).into_iter().nth(position)
}
