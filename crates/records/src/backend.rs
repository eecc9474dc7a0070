//! The closed set of databases. PostgreSQL will be one variant more.

use std::path::{Path, PathBuf};

use crate::memory::{Memory, Pending};
use crate::sqlite::Session;
use crate::transaction::{ChangedRows, Rows};
use crate::{Error, Schema};

/// Where a database is.
#[derive(Clone)]
pub(crate) enum Backend {
    Sqlite(PathBuf),
    Memory(Memory),
}

/// The writer's access.
pub(crate) enum Writing {
    Sqlite(Session),
    Memory(Memory, Pending),
}

/// The access of one reader.
pub(crate) enum Reading {
    Sqlite(Session),
    Memory(Memory),
}

impl Backend {
    /// Where it is, for errors.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Sqlite(path) => path,
            Self::Memory(_) => Path::new("in memory"),
        }
    }

    pub(crate) fn writer(&self) -> Result<Writing, Error> {
        Ok(match self {
            Self::Sqlite(path) => Writing::Sqlite(Session::writer(path)?),
            Self::Memory(memory) => Writing::Memory(memory.clone(), Pending::default()),
        })
    }

    pub(crate) fn reader(&self) -> Result<Reading, Error> {
        Ok(match self {
            Self::Sqlite(path) => Reading::Sqlite(Session::reader(path)?),
            Self::Memory(memory) => Reading::Memory(memory.clone()),
        })
    }
}

impl Writing {
    pub(crate) fn declare(&self, schema: &Schema) -> Result<(), Error> {
        match self {
            Self::Sqlite(session) => session.declare(schema),
            // Tables in memory are created by their first row.
            Self::Memory(..) => Ok(()),
        }
    }

    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(session) => session.begin(),
            Self::Memory(memory, pending) => {
                pending.tables = memory.snapshot();
                Ok(())
            }
        }
    }

    pub(crate) fn set_savepoint(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(session) => session.set_savepoint(),
            Self::Memory(_, pending) => {
                pending.set_savepoint();
                Ok(())
            }
        }
    }

    pub(crate) fn rows(&mut self) -> ChangedRows<'_> {
        match self {
            Self::Sqlite(session) => ChangedRows::Sqlite(session),
            Self::Memory(_, pending) => ChangedRows::Memory(pending),
        }
    }

    pub(crate) fn release_savepoint(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(session) => session.release_savepoint(),
            Self::Memory(..) => Ok(()),
        }
    }

    pub(crate) fn back_to_savepoint(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(session) => session.back_to_savepoint(),
            Self::Memory(_, pending) => {
                pending.back_to_savepoint();
                Ok(())
            }
        }
    }

    /// Makes everything since [`Writing::begin`] durable and visible, or undoes it.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(session) => session.commit(),
            Self::Memory(memory, pending) => memory.commit(pending),
        }
    }

    pub(crate) fn rollback(&mut self) {
        match self {
            Self::Sqlite(session) => session.rollback(),
            Self::Memory(_, pending) => *pending = Pending::default(),
        }
    }
}

impl Reading {
    /// Calls `read` with the rows of one durable state.
    pub(crate) fn with_rows<V>(&self, read: impl FnOnce(Rows<'_>) -> V) -> Result<V, Error> {
        match self {
            Self::Sqlite(session) => {
                session.begin_reading()?;
                let value = read(Rows::Sqlite(session));
                session.rollback();
                Ok(value)
            }
            Self::Memory(memory) => Ok(read(Rows::Memory(&memory.snapshot()))),
        }
    }
}
