//! What can go wrong with a database.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The error of the system or a library, shared by all commits of a group.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// A database could not be opened, read or changed. Except for [`Error::Disk`] with `full`, a repetition
/// fails as well.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The database was closed, or no component has declared tables yet.
    #[error("the database is not open")]
    Closed,
    /// Another process has the file.
    #[error("the database {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The file is damaged, or belongs to another program.
    #[error(
        "the database {} cannot be read: {problem}. Nothing was deleted. Restore it from a backup, or move it away \
         together with the files whose names begin with its own",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A later version of the program wrote the file. Nothing was changed.
    #[error(
        "the database {} was written by a newer version of this program: {what} has version {found}, and this \
         program knows {known}. Nothing was changed; use the newer program, or restore a backup",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// A component, or the database itself.
        what: String,
        /// The version in the file.
        found: i64,
        /// The latest version that this program knows.
        known: i64,
    },
    /// The disk refused. Nothing was changed.
    #[error("cannot {action} the database {}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// Whether space was missing.
        full: bool,
        /// What the system said.
        #[source]
        source: Cause,
    },
    /// A table or a component is declared in a way that cannot work: a bug of the component.
    #[error("{name} cannot be declared: {problem}")]
    Declaration {
        /// The table or the component.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// No component declared this table: a bug of its component, or the component is off.
    #[error("the table {0} is not declared")]
    Undeclared(&'static str),
    /// A query asks for what its table does not have, such as an order without an index.
    #[error("the table {table} cannot be asked for that: {problem}")]
    Query {
        /// The table.
        table: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A key or a column is too long, of the wrong type or holds a NUL.
    #[error("{value} is no value for {column} of the table {table}")]
    Value {
        /// The table.
        table: &'static str,
        /// The column, or `key`.
        column: &'static str,
        /// The value, shortened.
        value: String,
    },
    /// A row is larger than [`MAX_ROW`](crate::MAX_ROW).
    #[error("a row of {bytes} bytes is too large for the table {table}")]
    RowTooLarge {
        /// The table.
        table: &'static str,
        /// The size of the row as JSON.
        bytes: usize,
    },
    /// A row cannot be written as JSON.
    #[error("a row of the table {table} cannot be encoded")]
    Encode {
        /// The table.
        table: &'static str,
        /// What serde said.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// A stored row is not what its type expects: a migration is missing.
    #[error("the row {key} of the table {table} cannot be decoded")]
    Decode {
        /// The table.
        table: String,
        /// The key.
        key: String,
        /// What serde said.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// A read took longer than it may.
    #[error("a query was stopped after {0:?}")]
    TooSlow(Duration),
    /// A closure panicked. Nothing was changed.
    #[error("a change or a read panicked")]
    Panicked,
    /// The database refused a statement: a bug of this crate.
    #[error("the database refused to {action}")]
    Statement {
        /// What was attempted.
        action: &'static str,
        /// What the database said.
        #[source]
        source: Cause,
    },
}

impl Error {
    pub(crate) fn disk(path: &Path, action: &'static str, source: io::Error) -> Self {
        let full = source.kind() == io::ErrorKind::StorageFull;
        Self::Disk { path: path.to_owned(), action, full, source: Arc::new(source) }
    }

    /// Whether the database as a whole is at fault, so that all commits of a group fail together.
    pub(crate) fn is_of_database(&self) -> bool {
        matches!(self, Self::Disk { .. } | Self::Corrupt { .. } | Self::Closed)
    }
}
