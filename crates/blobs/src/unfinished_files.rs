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

use super::checkpoint::Checkpoint;
use super::disk::Promise;
use super::publish::remove_if_there;
use super::replaced;
use model::unfinished_file::{UnfinishedFile, UnfinishedFileId};

/// What is known of the parts in one folder. Clones know the same.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    folder: PathBuf,
    known: Arc<Mutex<BTreeMap<UnfinishedFileId, Known>>>,
}

#[derive(Debug)]
struct Known {
    checkpoint: Checkpoint,
    /// When it was noted last, by a clock that does not jump.
    saved: Instant,
    /// How old it was then.
    age: Duration,
    /// The space that it waits for.
    promise: Option<Arc<Promise>>,
}

impl Parts {
    /// Finds the parts of an earlier run, and clears away all else that lies in the folder. `named` tells whether a file that was about to get
    /// its name has it.
    pub(super) fn find(folder: PathBuf, named: impl Fn(&Checkpoint) -> bool) -> io::Result<Self> {
        let parts = Self { folder, known: Arc::default() };
        let mut unreadable = BTreeSet::<OsString>::new();
        for entry in fs::read_dir(&parts.folder)? {
            let path = entry?.path();
            if path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            match parts.taken_up(&path, &named) {
                Ok(Some((id, checkpoint))) => {
                    let age =
                        Timestamp::now().duration_since(checkpoint.touched).try_into().unwrap_or_default();
                    parts.lock().insert(id, Known { checkpoint, saved: Instant::now(), age, promise: None });
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
            let id =
                path.file_stem().and_then(OsStr::to_str).and_then(|stem| UnfinishedFileId::new(stem).ok());
            let is_known = id.is_some_and(|id| {
                let has_bytes = parts.lock().get(&id).map(|known| !known.checkpoint.whole);
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
    fn taken_up(
        &self,
        path: &Path,
        named: impl Fn(&Checkpoint) -> bool,
    ) -> io::Result<Option<(UnfinishedFileId, Checkpoint)>> {
        let id = path.file_stem().and_then(OsStr::to_str).and_then(|stem| UnfinishedFileId::new(stem).ok());
        let Some(id) = id else { return Ok(None) };
        let mut checkpoint = match Checkpoint::read(path) {
            Err(error) if Checkpoint::is_lost(&error) => {
                tracing::warn!(%id, %error, "a checkpoint is not understood");
                return Ok(None);
            }
            read => read?,
        };
        match fs::symlink_metadata(self.bytes(&id)) {
            Ok(metadata) if metadata.is_file() => {
                if metadata.len() < checkpoint.offset || checkpoint.hashers().is_none() {
                    tracing::warn!(%id, "an unfinished file begins again");
                    checkpoint.begin_again();
                }
                Ok(Some((id, checkpoint)))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(named(&checkpoint).then_some((id, checkpoint))),
        }
    }

    /// Where the bytes of a part lie.
    pub(super) fn bytes(&self, id: &UnfinishedFileId) -> PathBuf {
        self.folder.join(format!("{id}.part"))
    }

    fn note_path(&self, id: &UnfinishedFileId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    pub(super) fn count(&self) -> usize {
        self.lock().values().filter(|known| !known.checkpoint.whole).count()
    }

    pub(super) fn checkpoint(&self, id: &UnfinishedFileId) -> Option<Checkpoint> {
        self.lock().get(id).map(|known| known.checkpoint.clone())
    }

    pub(super) fn list(&self) -> Vec<UnfinishedFile> {
        let known = self.lock();
        known.iter().map(|(id, known)| known.shown(id)).collect()
    }

    /// Writes a note down. When this returns it is on disk.
    pub(super) fn keep(&self, id: &UnfinishedFileId, checkpoint: Checkpoint) -> io::Result<()> {
        checkpoint.write(&self.note_path(id))?;
        let mut known = self.lock();
        let promise = known.remove(id).and_then(|known| known.promise).filter(|_| !checkpoint.whole);
        known.insert(id.clone(), Known { checkpoint, saved: Instant::now(), age: Duration::ZERO, promise });
        Ok(())
    }

    /// Promises space to all parts that were found, by their notes and what the file system counts as used by them.
    pub(super) fn promise(&self, promise: impl Fn(&Checkpoint, u64) -> Arc<Promise>) {
        for (id, known) in &mut *self.lock() {
            // What has its name already needs nothing more.
            if let Ok(metadata) = fs::metadata(self.bytes(id)) {
                known.promise = Some(promise(&known.checkpoint, metadata.blocks() * 512));
            }
        }
    }

    /// The space that was promised to a part.
    pub(super) fn promised(&self, id: &UnfinishedFileId) -> Option<Arc<Promise>> {
        self.lock().get(id)?.promise.clone()
    }

    /// From now on the space is the part's, whoever works with it.
    pub(super) fn leave_promise(&self, id: &UnfinishedFileId, promise: &Arc<Promise>) {
        if let Some(known) = self.lock().get_mut(id) {
            known.promise = Some(Arc::clone(promise));
        }
    }

    /// Bytes that somebody gave another name must not be written to under this one: then the part begins again.
    pub(super) fn own_bytes(
        &self,
        id: &UnfinishedFileId,
        mut checkpoint: Checkpoint,
    ) -> io::Result<Checkpoint> {
        let path = self.bytes(id);
        if fs::symlink_metadata(&path)?.nlink() > 1 {
            fs::remove_file(&path)?;
            File::create_new(&path)?;
            checkpoint.begin_again();
            self.keep(id, checkpoint.clone())?;
        }
        Ok(checkpoint)
    }

    /// Forgets a part and removes what there is of it. The whole file that it has become stays.
    pub(super) fn remove(&self, id: &UnfinishedFileId) -> io::Result<()> {
        self.lock().remove(id);
        remove_if_there(&self.note_path(id))?;
        remove_if_there(&self.bytes(id))
    }

    /// Makes the names of parts and notes durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<UnfinishedFileId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn shown(&self, id: &UnfinishedFileId) -> UnfinishedFile {
        UnfinishedFile {
            id: id.clone(),
            plan: self.checkpoint.plan.clone(),
            offset: self.checkpoint.offset,
            whole: self.checkpoint.whole,
            created: self.checkpoint.created,
            age: self.age + self.saved.elapsed(),
        }
    }
}
