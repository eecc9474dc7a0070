//! Rows in one SQLite file, with a write-ahead log that is synced at each commit. SQL that SQLite alone
//! speaks stays in this module.

mod failure;
mod upgrade;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};

use crate::query::Found;
use crate::table::Stored;
use crate::{Error, Query, TableSpec, Value, files, sql};
use failure::QUERY_TIME;

/// Steps of SQLite's virtual machine between two checks of the clock: some tens of microseconds.
const STEPS: i32 = 5_000;

/// Statements that a connection keeps compiled.
const STATEMENTS: usize = 64;

/// Marks our files (`PRAGMA application_id`), in ASCII: "imsv".
const APPLICATION: i64 = 0x696d_7376;

/// The version of this crate's own tables (`PRAGMA user_version`).
const LAYOUT: i64 = 1;

/// The log is truncated to this size, in bytes, after larger changes.
const LOG_BYTES: i64 = 64 << 20;

/// One connection. Threads use one after the other.
pub(crate) struct Session {
    connection: Connection,
    path: PathBuf,
    /// Milliseconds after `opened` at which a query is stopped; 0 for never.
    deadline: Arc<AtomicU64>,
    opened: Instant,
}

impl Session {
    /// Opens the file for the one writer, and makes it if it is missing. The caller holds the lock.
    pub(crate) fn writer(path: &Path) -> Result<Self, Error> {
        files::create(path).map_err(|error| Error::disk(path, "create", error))?;
        let session = Self::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        session.prepare_file()?;
        Ok(session)
    }

    /// Opens the file for reading, while the writer has it open.
    pub(crate) fn reader(path: &Path) -> Result<Self, Error> {
        Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn open(path: &Path, flags: OpenFlags) -> Result<Self, Error> {
        let deadline = Arc::new(AtomicU64::new(0));
        let opened = Instant::now();
        let (limit, start) = (Arc::clone(&deadline), opened);
        let is_late = move || {
            let limit = limit.load(Ordering::Relaxed);
            limit != 0 && start.elapsed() > Duration::from_millis(limit)
        };
        let connect = || {
            let mut connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            connection.progress_handler(STEPS, Some(is_late))?;
            connection.busy_timeout(QUERY_TIME)?;
            connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY")?;
            Ok(connection)
        };
        let connection = connect().map_err(|error| failure::of(path, "open", error))?;
        Ok(Self { connection, path: path.to_owned(), deadline, opened })
    }

    /// Checks that the file is a database of this crate. Initializes an empty file.
    fn prepare_file(&self) -> Result<(), Error> {
        let ask = |question: &str| -> Result<i64, Error> {
            let answer = self.connection.query_row(question, [], |row| row.get(0));
            answer.map_err(|error| self.failed("read", error))
        };
        let (application, layout) = (ask("PRAGMA application_id")?, ask("PRAGMA user_version")?);
        let is_empty = ask("SELECT count(*) FROM sqlite_master")? == 0;
        if application != APPLICATION && !(is_empty && application == 0) {
            let problem = "it is the database of another program".to_owned();
            return Err(Error::Corrupt { path: self.path.clone(), problem });
        }
        if layout > LAYOUT {
            let (path, what) = (self.path.clone(), "the database itself".to_owned());
            return Err(Error::Newer { path, what, found: layout, known: LAYOUT });
        }
        let mode: String = self
            .connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .map_err(|error| self.failed("prepare", error))?;
        if mode != "wal" {
            let source = std::io::Error::other("the file system allows no write-ahead log");
            return Err(Error::disk(&self.path, "prepare", source));
        }
        self.run("prepare", &format!("PRAGMA synchronous = FULL; PRAGMA journal_size_limit = {LOG_BYTES}"))?;
        if is_empty {
            self.run(
                "prepare",
                &format!(
                    "BEGIN IMMEDIATE; {} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {LAYOUT}; COMMIT",
                    sql::CREATE_OWN_TABLES
                ),
            )?;
        }
        Ok(())
    }

    pub(crate) fn begin(&self) -> Result<(), Error> {
        self.run("change", "BEGIN IMMEDIATE")
    }

    /// Begins to read one state.
    pub(crate) fn begin_reading(&self) -> Result<(), Error> {
        self.run("read", "BEGIN")
    }

    /// Makes all changes since [`Session::begin`] durable, or undoes them.
    pub(crate) fn commit(&self) -> Result<(), Error> {
        let committed = self.run("write", "COMMIT");
        if committed.is_err() {
            self.rollback();
        }
        committed
    }

    pub(crate) fn rollback(&self) {
        // Some failures have rolled back already.
        if !self.connection.is_autocommit()
            && let Err(error) = self.run("roll back", "ROLLBACK")
        {
            tracing::error!(%error, "a transaction cannot be rolled back");
        }
    }

    pub(crate) fn set_savepoint(&self) -> Result<(), Error> {
        self.run("change", "SAVEPOINT change")
    }

    pub(crate) fn release_savepoint(&self) -> Result<(), Error> {
        self.run("change", "RELEASE SAVEPOINT change")
    }

    pub(crate) fn back_to_savepoint(&self) -> Result<(), Error> {
        self.run("change", "ROLLBACK TO SAVEPOINT change; RELEASE SAVEPOINT change")
    }

    pub(crate) fn get(&self, spec: &TableSpec, key: &Value) -> Result<Option<String>, Error> {
        self.timed(|connection| {
            connection.prepare_cached(&sql::get(spec.name))?.query_row([key], |row| row.get(0)).optional()
        })
    }

    pub(crate) fn page(&self, spec: &TableSpec, query: &Query) -> Result<Found, Error> {
        let statement = sql::page(spec, query);
        self.timed(|connection| {
            let mut prepared = connection.prepare_cached(&statement.text)?;
            let rows = prepared
                .query_map(params_from_iter(&statement.values), |row| Ok((row.get(0)?, row.get(1)?)))?;
            Found::take(query, rows)
        })
    }

    pub(crate) fn count(&self, spec: &TableSpec, query: &Query) -> Result<u64, Error> {
        let statement = sql::count(spec, query);
        let count: i64 = self.timed(|connection| {
            let mut prepared = connection.prepare_cached(&statement.text)?;
            prepared.query_row(params_from_iter(&statement.values), |row| row.get(0))
        })?;
        Ok(count.unsigned_abs())
    }

    /// Inserts or replaces a row of the table `name`, which has the columns of `spec`.
    pub(crate) fn put(&self, spec: &TableSpec, name: &str, stored: Stored) -> Result<(), Error> {
        let values = [stored.key].into_iter().chain(stored.columns).chain([Value::Text(stored.row)]);
        self.execute(&sql::put(spec, name), values).map(drop)
    }

    pub(crate) fn remove(&self, spec: &TableSpec, key: &Value) -> Result<bool, Error> {
        Ok(self.execute(&sql::remove(spec.name), [key])? > 0)
    }

    fn execute<V: ToSql>(&self, text: &str, values: impl IntoIterator<Item = V>) -> Result<usize, Error> {
        let execute = || self.connection.prepare_cached(text)?.execute(params_from_iter(values));
        execute().map_err(|error| self.failed("change", error))
    }

    fn run(&self, action: &'static str, text: &str) -> Result<(), Error> {
        self.connection.execute_batch(text).map_err(|error| self.failed(action, error))
    }

    /// Runs a query for [`QUERY_TIME`] at most. Statements that write are never stopped: that would undo the
    /// changes of other callers.
    fn timed<V>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<V>) -> Result<V, Error> {
        let limit = (self.opened.elapsed() + QUERY_TIME).as_millis();
        self.deadline.store(u64::try_from(limit).unwrap_or(u64::MAX), Ordering::Relaxed);
        let result = query(&self.connection);
        self.deadline.store(0, Ordering::Relaxed);
        result.map_err(|error| self.failed("read", error))
    }

    fn failed(&self, action: &'static str, error: rusqlite::Error) -> Error {
        failure::of(&self.path, action, error)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Integer(number) => number.to_sql(),
            Self::Text(text) => text.to_sql(),
        }
    }
}

impl FromSql for Value {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Integer(number) => Ok(Self::Integer(number)),
            ValueRef::Text(_) => Ok(Self::Text(value.as_str()?.to_owned())),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Err(FromSqlError::InvalidType),
        }
    }
}

#[cfg(test)]
mod tests;
