//! Southbound `/notes/<id>.txt`.

use std::io;

use component::{ContentSource, Entry, Listed, LookupError, LookupRequest, Resolved, generated};
use tokio::runtime::Handle;

use crate::NAME;
use crate::records::{Note, Notes};

/// Each note as a text file: as it was left, and later in capitals.
pub(crate) struct Texts(pub(crate) Notes);

impl ContentSource for Texts {
    fn prefix(&self) -> &str {
        NAME
    }

    fn on_change(&self, listener: Box<dyn Fn() + Send + Sync>) {
        self.0.changes.listen(listener);
    }

    fn find(&self, request: &LookupRequest) -> Result<Resolved, LookupError> {
        match request.decoded.as_slice() {
            [] => self.list(),
            [name] => self.file(name),
            _ => Err(LookupError::NotFound),
        }
    }
}

impl Texts {
    fn list(&self) -> Result<Resolved, LookupError> {
        let all = Handle::current().block_on(self.0.all()).map_err(io::Error::other)?;
        let entry = |(id, note): (String, Note)| Entry {
            name: format!("{id}.txt").into(),
            size: Some(bytes(&note).len() as u64),
            modified: Some(note.created.into()),
        };
        Ok(Resolved::Directory(Listed { entries: all.into_iter().map(entry).collect(), source: None }))
    }

    fn file(&self, name: &[u8]) -> Result<Resolved, LookupError> {
        let id = str::from_utf8(name).ok().and_then(|name| name.strip_suffix(".txt"));
        let id = id.ok_or(LookupError::NotFound)?;
        let found = Handle::current().block_on(self.0.get(id.into())).map_err(io::Error::other)?;
        let note = found.ok_or(LookupError::NotFound)?;
        let tag = format!("{id}-{}", u8::from(note.shout.is_some()));
        let content = generated(&bytes(&note), note.created.into(), tag)?;
        Ok(Resolved::File(content, name.into()))
    }
}

fn bytes(note: &Note) -> Vec<u8> {
    format!("{}\n", note.shout.as_ref().unwrap_or(&note.text)).into_bytes()
}
