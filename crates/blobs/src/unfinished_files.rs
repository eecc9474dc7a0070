//! The unfinished files of a store: `<id>.part` has the bytes, `<id>.json` the checkpoint. Both survive the
//! program; a file without its counterpart is removed at the start.

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
use super::disk::{Promise, remove_if_exists};
use model::client::ClientKey;
use model::names::FileName;
use model::unfinished_file::{UnfinishedFile, UnfinishedFileId};

/// The extension of a replaced file that waits for the record of the new one.
pub(super) const REPLACED: &str = "replaced";

/// The unfinished files of one folder. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct UnfinishedFiles {
    folder: PathBuf,
    known: Arc<Mutex<BTreeMap<UnfinishedFileId, Known>>>,
}

#[derive(Debug)]
struct Known {
    checkpoint: Checkpoint,
    /// When the checkpoint was written, by a clock that does not jump.
    saved: Instant,
    /// The age of the last bytes at that time.
    age: Duration,
    /// The space that is promised to it.
    promise: Option<Arc<Promise>>,
}

impl UnfinishedFiles {
    /// Finds the unfinished files of an earlier run, and removes all other files of the folder.
    /// `is_published` tells whether the file of a checkpoint has its name.
    pub(super) fn find(folder: PathBuf, is_published: impl Fn(&Checkpoint) -> bool) -> io::Result<Self> {
        let files = Self { folder, known: Arc::default() };
        let mut unreadable = BTreeSet::<OsString>::new();
        for entry in fs::read_dir(&files.folder)? {
            let path = entry?.path();
            if path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            match files.load(&path, &is_published) {
                Ok(Some((id, checkpoint))) => {
                    let age =
                        Timestamp::now().duration_since(checkpoint.touched).try_into().unwrap_or_default();
                    files.lock().insert(id, Known { checkpoint, saved: Instant::now(), age, promise: None });
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(name = ?path.file_name(), %error, "an unfinished file cannot be read now, and waits for the next start");
                    unreadable.extend(path.file_stem().map(OsStr::to_owned));
                }
            }
        }
        for entry in fs::read_dir(&files.folder)? {
            let path = entry?.path();
            // Replaced files are kept until the records are read.
            let is_replaced = path.extension() == Some(OsStr::new(REPLACED));
            if is_replaced || path.file_stem().is_some_and(|stem| unreadable.contains(stem)) {
                continue;
            }
            let id =
                path.file_stem().and_then(OsStr::to_str).and_then(|stem| UnfinishedFileId::new(stem).ok());
            let is_known = id.is_some_and(|id| {
                let has_bytes = files.lock().get(&id).map(|known| !known.checkpoint.is_published);
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
        Ok(files)
    }

    /// The unfinished file with the checkpoint at `path`, if its bytes exist or are published. Fails if the
    /// disk cannot tell now.
    fn load(
        &self,
        path: &Path,
        is_published: impl Fn(&Checkpoint) -> bool,
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
            _ => Ok(is_published(&checkpoint).then_some((id, checkpoint))),
        }
    }

    /// The path of the bytes.
    pub(super) fn bytes(&self, id: &UnfinishedFileId) -> PathBuf {
        self.folder.join(format!("{id}.part"))
    }

    fn checkpoint_path(&self, id: &UnfinishedFileId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// The number of all unfinished files, and of those of one client.
    pub(super) fn count(&self, client: Option<ClientKey>) -> (usize, usize) {
        let known = self.lock();
        let unfinished = known.values().filter(|known| !known.checkpoint.is_published);
        unfinished.fold((0, 0), |(all, own), known| {
            (all + 1, own + usize::from(known.checkpoint.plan.client == client))
        })
    }

    pub(super) fn checkpoint(&self, id: &UnfinishedFileId) -> Option<Checkpoint> {
        self.lock().get(id).map(|known| known.checkpoint.clone())
    }

    pub(super) fn list(&self) -> Vec<UnfinishedFile> {
        let known = self.lock();
        known.iter().map(|(id, known)| known.shown(id)).collect()
    }

    /// Writes a checkpoint. When this returns it is on disk.
    pub(super) fn save(&self, id: &UnfinishedFileId, checkpoint: Checkpoint) -> io::Result<()> {
        checkpoint.write(&self.checkpoint_path(id))?;
        self.sync()?;
        let mut known = self.lock();
        let before = known.remove(id);
        // A file that still has no byte keeps its age.
        let is_empty = |checkpoint: &Checkpoint| checkpoint.offset == 0 && !checkpoint.is_published;
        let (saved, age) = match &before {
            Some(before) if is_empty(&before.checkpoint) && is_empty(&checkpoint) => {
                (before.saved, before.age)
            }
            _ => (Instant::now(), Duration::ZERO),
        };
        let promise = before.and_then(|known| known.promise).filter(|_| !checkpoint.is_published);
        known.insert(id.clone(), Known { checkpoint, saved, age, promise });
        Ok(())
    }

    /// Promises space to all files that were found, by their checkpoints and the space that they use already.
    pub(super) fn promise(&self, promise: impl Fn(&Checkpoint, u64) -> Arc<Promise>) {
        for (id, known) in &mut *self.lock() {
            // A published file needs no more space.
            if let Ok(metadata) = fs::metadata(self.bytes(id)) {
                known.promise = Some(promise(&known.checkpoint, metadata.blocks() * 512));
            }
        }
    }

    /// The space that is promised to a file.
    pub(super) fn promised(&self, id: &UnfinishedFileId) -> Option<Arc<Promise>> {
        self.lock().get(id)?.promise.clone()
    }

    /// Keeps the promise for as long as the file exists, so that it outlives an upload.
    pub(super) fn set_promise(&self, id: &UnfinishedFileId, promise: &Arc<Promise>) {
        if let Some(known) = self.lock().get_mut(id) {
            known.promise = Some(Arc::clone(promise));
        }
    }

    /// Replaces bytes that have another name as well by an empty file, because a write would change both
    /// names.
    pub(super) fn unshare(
        &self,
        id: &UnfinishedFileId,
        mut checkpoint: Checkpoint,
    ) -> io::Result<Checkpoint> {
        let path = self.bytes(id);
        if fs::symlink_metadata(&path)?.nlink() > 1 {
            fs::remove_file(&path)?;
            File::create_new(&path)?;
            checkpoint.begin_again();
            self.save(id, checkpoint.clone())?;
        }
        Ok(checkpoint)
    }

    /// Removes the checkpoints of published files of this name, which is another file now, or none.
    pub(super) fn forget_published(
        &self,
        name: &FileName,
        except: Option<&UnfinishedFileId>,
    ) -> io::Result<()> {
        let known = self.lock();
        let is_outdated = |(id, known): &(&UnfinishedFileId, &Known)| {
            known.checkpoint.is_published && known.checkpoint.plan.name == *name && Some(*id) != except
        };
        let outdated: Vec<_> = known.iter().filter(is_outdated).map(|(id, _)| id.clone()).collect();
        drop(known);
        outdated.iter().try_for_each(|id| self.remove(id))
    }

    /// Removes an unfinished file. A published file keeps its name.
    pub(super) fn remove(&self, id: &UnfinishedFileId) -> io::Result<()> {
        self.lock().remove(id);
        remove_if_exists(&self.checkpoint_path(id))?;
        remove_if_exists(&self.bytes(id))
    }

    /// Makes the names in the folder durable.
    fn sync(&self) -> io::Result<()> {
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
            whole: self.checkpoint.is_published,
            created: self.checkpoint.created,
            age: self.age + self.saved.elapsed(),
        }
    }
}
