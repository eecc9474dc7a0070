//! The table of notes.

use std::sync::Arc;

use component::ContentChanges;
use jiff::Timestamp;
use records::{Column, Database, Error, Query, Schema, Table, TableSpec, Value};
use serde::{Deserialize, Serialize};

/// The table.
struct Rows;

/// A note.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) text: String,
    pub(crate) created: Timestamp,
    /// The text in capitals, once the job is done.
    pub(crate) shout: Option<String>,
}

impl Table for Rows {
    const NAME: &'static str = "notes.notes";
    type Key = String;
    type Row = Note;
    const COLUMNS: &'static [Column] = &[Column::integer("created")];
    const INDEXES: &'static [&'static [&'static str]] = &[&["created"]];

    fn columns(note: &Note) -> Vec<Value> {
        vec![note.created.as_millisecond().into()]
    }
}

const SCHEMA: Schema = Schema { component: crate::NAME, tables: &[TableSpec::of::<Rows>()], migrations: &[] };

/// All notes. Clones are handles of the same ones.
#[derive(Clone)]
pub(crate) struct Notes {
    database: Database,
    limit: u64,
    pub(crate) changes: Arc<ContentChanges>,
}

/// A note cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotesError {
    /// As many as are allowed are there.
    #[error("there are {0} notes, and no more are allowed")]
    Full(u64),
    /// The database refuses.
    #[error(transparent)]
    Records(#[from] Error),
}

impl Notes {
    /// Declares the table.
    pub(crate) async fn open(database: Database, limit: u64) -> Result<Self, Error> {
        database.declare(SCHEMA).await?;
        Ok(Self { database, limit, changes: Arc::default() })
    }

    /// Keeps a new note.
    pub(crate) async fn add(&self, id: String, text: String) -> Result<Note, NotesError> {
        let note = Note { text, created: Timestamp::now(), shout: None };
        let (row, limit) = (note.clone(), self.limit);
        let added = self.database.commit(move |change| {
            if change.count::<Rows>(&Query::new())? >= limit {
                return Err(NotesError::Full(limit));
            }
            Ok(change.put::<Rows>(&id, &row)?)
        });
        added.await?;
        self.changes.publish();
        Ok(note)
    }

    pub(crate) async fn get(&self, id: String) -> Result<Option<Note>, Error> {
        self.database.read(move |reader| reader.get::<Rows>(&id)).await
    }

    /// All notes, the oldest first.
    pub(crate) async fn all(&self) -> Result<Vec<(String, Note)>, Error> {
        let read = self.database.read(|reader| -> Result<_, Error> {
            let (mut all, mut query) = (Vec::new(), Query::new().order_by("created"));
            loop {
                let page = reader.page::<Rows>(&query)?;
                all.extend(page.rows);
                if page.next.is_none() {
                    return Ok(all);
                }
                query = query.after(page.next);
            }
        });
        read.await
    }

    /// Sets the shout of a note; `false` if there is no such note.
    pub(crate) async fn shout(&self, id: String, greeting: String) -> Result<bool, Error> {
        let changed = self.database.commit(move |change| -> Result<_, Error> {
            let Some(mut note) = change.get::<Rows>(&id)? else { return Ok(false) };
            note.shout = Some(format!("{greeting} {}", note.text.to_uppercase()));
            change.put::<Rows>(&id, &note)?;
            Ok(true)
        });
        let is_there = changed.await?;
        self.changes.publish();
        Ok(is_there)
    }

    /// Removes a note; `false` if there is no such note.
    pub(crate) async fn remove(&self, id: String) -> Result<bool, Error> {
        let was_there = self.database.commit(move |change| change.remove::<Rows>(&id)).await?;
        self.changes.publish();
        Ok(was_there)
    }

    /// Fails if there is no room for another note.
    pub(crate) async fn expect_room(&self) -> Result<(), NotesError> {
        let count = self.database.read(|reader| reader.count::<Rows>(&Query::new())).await?;
        if count < self.limit { Ok(()) } else { Err(NotesError::Full(count)) }
    }
}
