//! The tables of a component, and the migrations of rows of its earlier versions.

use serde_json::Value as Json;

use crate::table::is_word;
use crate::{Error, TableSpec, sqlite};

/// The tables of one component. Columns and indexes are made from the declaration: when it changes, they are
/// taken from the rows anew. Only a change of the rows themselves needs a migration.
#[derive(Clone)]
pub struct Schema {
    /// The part of the names of tables before the dot.
    pub component: &'static str,
    /// All tables of this version.
    pub tables: &'static [TableSpec],
    /// Migration number *n*, counted from 1, turns version *n* into version *n* + 1. A migration that was
    /// released stays as it is.
    pub migrations: &'static [Migration],
}

/// Changes the rows of one version into those of the next.
pub type Migration = fn(&mut Upgrade<'_>) -> Result<(), Error>;

/// The operations of a migration. All migrations of a component happen together or not at all.
pub struct Upgrade<'a> {
    session: &'a sqlite::Session,
}

impl Schema {
    /// The version that this program knows: one more than there are migrations.
    pub fn version(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX).saturating_add(1)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |problem: &str| {
            Err(Error::Declaration { name: self.component.to_owned(), problem: problem.to_owned() })
        };
        if !is_word(self.component) || self.component == "records" {
            return refuse("its name is not a word, or taken");
        }
        for (index, table) in self.tables.iter().enumerate() {
            if self.tables[..index].iter().any(|other| other.name() == table.name()) {
                return refuse("it declares one table twice");
            }
            table.check_declaration(self.component)?;
        }
        Ok(())
    }
}

impl<'a> Upgrade<'a> {
    pub(crate) fn new(session: &'a sqlite::Session) -> Self {
        Self { session }
    }

    /// Changes the JSON of each row. Its columns are taken from it anew. A table that does not exist yet has
    /// no rows.
    pub fn rewrite(&mut self, table: &'static str, mut change: impl FnMut(&mut Json)) -> Result<(), Error> {
        self.session.rewrite(table, &mut change)
    }

    /// Removes a table that this version has no more, with its rows.
    pub fn remove_table(&mut self, table: &'static str) -> Result<(), Error> {
        self.session.remove_table(table)
    }
}
