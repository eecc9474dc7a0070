//! Databases from outside: one suite that every backend passes, and what files go through.

mod contract;
mod crash;
mod file;
mod same_answers;
mod upgrade;

use records::feed::Feed;
use records::{Column, Database, Error, Memory, Schema, Table, TableSpec, Value};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// Requests of users, by number.
pub(crate) struct Requests;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) user: String,
    pub(crate) state: String,
    pub(crate) created: i64,
}

impl Table for Requests {
    const NAME: &'static str = "builds.requests";
    type Key = i64;
    type Row = Request;
    const COLUMNS: &'static [Column] =
        &[Column::text("user"), Column::text("state"), Column::integer("created")];
    const INDEXES: &'static [&'static [&'static str]] = &[&["created"], &["user", "created"], &["state"]];

    fn columns(row: &Request) -> Vec<Value> {
        vec![row.user.as_str().into(), row.state.as_str().into(), row.created.into()]
    }
}

/// Notes, by text.
pub(crate) struct Notes;

impl Table for Notes {
    const NAME: &'static str = "builds.notes";
    type Key = String;
    type Row = String;
}

pub(crate) const SCHEMA: Schema = Schema {
    component: "builds",
    tables: &[TableSpec::of::<Requests>(), TableSpec::of::<Notes>()],
    migrations: &[],
};

pub(crate) fn request(user: &str, state: &str, created: i64) -> Request {
    Request { user: user.into(), state: state.into(), created }
}

/// Each kind of database, ready for `SCHEMA`, and what must live as long.
pub(crate) async fn databases() -> Vec<(&'static str, Database, TempDir)> {
    let (folder, other) = (folder(), folder());
    let file = Database::at(folder.path().join("state.db"), Feed::default());
    let memory = Database::in_memory(Memory::default(), Feed::default());
    let all = vec![("sqlite", file, folder), ("memory", memory, other)];
    for (name, database, _) in &all {
        database.declare(SCHEMA).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    all
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

pub(crate) async fn put_request(database: &Database, key: i64, row: Request) -> Result<(), Error> {
    database.commit(move |change| change.put::<Requests>(&key, &row)).await
}

pub(crate) async fn put_note(database: &Database, key: &str, text: &str) -> Result<(), Error> {
    let (key, text) = (key.to_owned(), text.to_owned());
    database.commit(move |change| change.put::<Notes>(&key, &text)).await
}

pub(crate) async fn note(database: &Database, key: &str) -> Option<String> {
    let key = key.to_owned();
    database.read(move |reader| reader.get::<Notes>(&key)).await.unwrap_or_else(|error| panic!("{error}"))
}
