//! The parts of a store: `<id>.part` has the bytes and `<id>.json` the note. Both outlive the program, and what has only one of them does not.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::disk::Promise;
use super::named::remove_if_there;
use super::note::Note;
use super::replaced;
use crate::model::part::{Part, PartId};

/// What is known of the parts in one folder. Clones know the same.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    folder: PathBuf,
    known: Arc<Mutex<BTreeMap<PartId, Known>>>,
}

#[derive(Debug)]
struct Known {
    note: Note,
    /// When it was noted last, by a clock that does not jump.
    noted: Instant,
    /// How old it was then.
    age: Duration,
    /// The space that it waits for.
    promise: Option<Arc<Promise>>,
}

impl Parts {
    /// Finds the parts of an earlier run, and clears away all else that lies in the folder. `named` tells whether a file that was about to get
    /// its name has it.
    pub(super) fn find(folder: PathBuf, named: impl Fn(&Note) -> bool) -> io::Result<Self> {
        let parts = Self { folder, known: Arc::default() };
        let mut unreadable = BTreeSet::<OsString>::new();
        for entry in fs::read_dir(&parts.folder)? {
            let path = entry?.path();
            if path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            match parts.taken_up(&path, &named) {
                Ok(Some((id, note))) => {
                    let age = Timestamp::now().duration_since(note.touched).try_into().unwrap_or_default();
                    parts.lock().insert(id, Known { note, noted: Instant::now(), age, promise: None });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(name = ?path.file_name(), %error, "an unfinished file cannot be read now, and waits for the next start");
                    unreadable.extend(path.file_stem().map(OsStr::to_owned));
                }
            }
        }
        for entry in fs::read_dir(&parts.folder)? {
            let path = entry?.path();
            // Replaced files are settled when the records are known.
            let is_replaced = path.extension() == Some(OsStr::new(replaced::EXTENSION));
            if is_replaced || path.file_stem().is_some_and(|stem| unreadable.contains(stem)) {
                continue;
            }
            let id = path.file_stem().and_then(OsStr::to_str).and_then(|stem| PartId::new(stem).ok());
            let is_known = id.is_some_and(|id| {
                let has_bytes = parts.lock().get(&id).map(|known| !known.note.whole);
                match path.extension().and_then(OsStr::to_str) {
                    Some("json") => has_bytes.is_some(),
                    Some("part") => has_bytes == Some(true),
                    _ => false,
                }
            });
            if !is_known {
                tracing::info!(name = ?path.file_name(), "removing an unfinished upload of an earlier run");
                if let Err(error) = fs::remove_file(&path) {
                    tracing::warn!(name = ?path.file_name(), %error, "it stays");
                }
            }
        }
        Ok(parts)
    }

    /// The part whose note lies at `path`, if its bytes are there or have got their name. Fails where that cannot be told just now.
    fn taken_up(&self, path: &Path, named: impl Fn(&Note) -> bool) -> io::Result<Option<(PartId, Note)>> {
        let id = path.file_stem().and_then(OsStr::to_str).and_then(|stem| PartId::new(stem).ok());
        let Some(id) = id else { return Ok(None) };
        let mut note = match Note::read(path) {
            Err(error) if Note::is_lost(&error) => {
                tracing::warn!(%id, %error, "a note is not understood");
                return Ok(None);
            }
            read => read?,
        };
        match fs::symlink_metadata(self.bytes(&id)) {
            Ok(metadata) if metadata.is_file() => {
                if metadata.len() < note.offset || note.hashers().is_none() {
                    tracing::warn!(%id, "an unfinished file begins again");
                    note.begin_again();
                }
                Ok(Some((id, note)))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(named(&note).then_some((id, note))),
        }
    }

    /// Where the bytes of a part lie.
    pub(super) fn bytes(&self, id: &PartId) -> PathBuf {
        self.folder.join(format!("{id}.part"))
    }

    fn note_path(&self, id: &PartId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    pub(super) fn count(&self) -> usize {
        self.lock().values().filter(|known| !known.note.whole).count()
    }

    pub(super) fn note(&self, id: &PartId) -> Option<Note> {
        self.lock().get(id).map(|known| known.note.clone())
    }

    pub(super) fn list(&self) -> Vec<Part> {
        let known = self.lock();
        known.iter().map(|(id, known)| known.shown(id)).collect()
    }

    /// Writes a note down. When this returns it is on disk.
    pub(super) fn keep(&self, id: &PartId, note: Note) -> io::Result<()> {
        note.write(&self.note_path(id))?;
        let mut known = self.lock();
        let promise = known.remove(id).and_then(|known| known.promise).filter(|_| !note.whole);
        known.insert(id.clone(), Known { note, noted: Instant::now(), age: Duration::ZERO, promise });
        Ok(())
    }

    /// Promises space to all parts that were found, by their notes and what the file system counts as used by them.
    pub(super) fn promise(&self, promise: impl Fn(&Note, u64) -> Arc<Promise>) {
        for (id, known) in &mut *self.lock() {
            // What has its name already needs nothing more.
            if let Ok(metadata) = fs::metadata(self.bytes(id)) {
                known.promise = Some(promise(&known.note, metadata.blocks() * 512));
            }
        }
    }

    /// The space that was promised to a part.
    pub(super) fn promised(&self, id: &PartId) -> Option<Arc<Promise>> {
        self.lock().get(id)?.promise.clone()
    }

    /// From now on the space is the part's, whoever works with it.
    pub(super) fn leave_promise(&self, id: &PartId, promise: &Arc<Promise>) {
        if let Some(known) = self.lock().get_mut(id) {
            known.promise = Some(Arc::clone(promise));
        }
    }

    /// Bytes that somebody gave another name must not be written to under this one: then the part begins again.
    pub(super) fn own_bytes(&self, id: &PartId, mut note: Note) -> io::Result<Note> {
        let path = self.bytes(id);
        if fs::symlink_metadata(&path)?.nlink() > 1 {
            fs::remove_file(&path)?;
            File::create_new(&path)?;
            note.begin_again();
            self.keep(id, note.clone())?;
        }
        Ok(note)
    }

    /// Forgets a part and removes what there is of it. The whole file that it has become stays.
    pub(super) fn remove(&self, id: &PartId) -> io::Result<()> {
        self.lock().remove(id);
        remove_if_there(&self.note_path(id))?;
        remove_if_there(&self.bytes(id))
    }

    /// Makes the names of parts and notes durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PartId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn shown(&self, id: &PartId) -> Part {
        Part {
            id: id.clone(),
            plan: self.note.plan.clone(),
            offset: self.note.offset,
            whole: self.note.whole,
            created: self.note.created,
            age: self.age + self.noted.elapsed(),
        }
    }
}
