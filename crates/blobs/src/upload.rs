//! Receives a file: written below `.incoming`, digested as it arrives, synced, renamed. An early drop removes
//! a plain upload, and leaves an unfinished file at its last checkpoint.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use serde_json::Value;

use super::checkpoint::{Checkpoint, CompleteFile};
use super::disk::Promise;
use super::error::StoreError;
use super::hashers::Hashers;
use super::publish::{Published, Rollback};
use super::sharing::{Duplicate, Shared};
use super::staging::Staging;
use super::store::Store;
use model::digest::{Expected, Sha256};
use model::identity::Identity;
use model::names::FileName;
use model::unfinished_file::UnfinishedFileId;

/// Bounds of the bytes after which free space is checked again. Between them it is half of the space that was
/// left. A file of known size is allocated ahead by the most, so that a promise alone takes no disk.
const LEAST_STEP: u64 = 1 << 20;
const MOST_STEP: u64 = 64 << 20;

/// The time between two checkpoints while bytes arrive. A crash loses no more than this.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(2);

/// A file being received. All calls block on the disk.
#[derive(Debug)]
pub struct Upload {
    file: File,
    staging: Staging,
    name: FileName,
    expected: Expected,
    hashers: Hashers,
    size: u64,
    /// The size at which free space is checked again.
    unchecked: u64,
    /// Bytes that are allocated to the file.
    allocated: u64,
    promise: Arc<Promise>,
    /// The bytes of another file, to be published instead of its own.
    shared: Option<Shared>,
    /// The size and the digests before bytes that may be taken back.
    held: Option<(u64, Hashers)>,
    /// A sync failed, so bytes may be lost.
    is_broken: bool,
    /// Whether a file that it replaces comes back after a crash before the record.
    needs_record: bool,
}

/// A complete file.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its name in the store.
    pub name: FileName,
    /// Its identity on disk.
    pub identity: Identity,
    /// The digest of its bytes.
    pub sha256: Sha256,
    /// Whether it shares the bytes of another file.
    pub shared: bool,
}

impl Upload {
    /// A file that cannot be resumed.
    pub(super) fn plain(
        store: &Store,
        promise: Arc<Promise>,
        name: FileName,
        expected: Expected,
    ) -> Result<Self, StoreError> {
        let (file, staging) = Staging::plain(store)?;
        Ok(Self::of(file, staging, promise, name, expected, Hashers::new(&expected)))
    }

    /// An unfinished file without bytes.
    pub(super) fn unfinished(
        store: &Store,
        promise: Arc<Promise>,
        id: &UnfinishedFileId,
        checkpoint: Checkpoint,
    ) -> Result<Self, StoreError> {
        let plan = checkpoint.plan.clone();
        let (file, staging) = Staging::unfinished(store, id, checkpoint)?;
        let hashers = Hashers::new(&plan.expected);
        let mut upload = Self::of(file, staging, promise, plan.name, plan.expected, hashers);
        match upload.checkpoint(store, None) {
            Ok(()) => {
                store.unfinished.set_promise(id, &upload.promise);
                Ok(upload)
            }
            Err(error) => {
                upload.discard(store);
                Err(error)
            }
        }
    }

    /// An unfinished file at its last checkpoint.
    pub(super) fn resumed(
        store: &Store,
        promise: Arc<Promise>,
        id: &UnfinishedFileId,
        checkpoint: Checkpoint,
    ) -> Result<Self, StoreError> {
        let hashers = checkpoint.hashers().unwrap_or_else(|| Hashers::new(&checkpoint.plan.expected));
        let (plan, offset) = (checkpoint.plan.clone(), checkpoint.offset);
        let (file, staging) = Staging::resumed(store, id, checkpoint)?;
        let mut upload = Self::of(file, staging, promise, plan.name, plan.expected, hashers.clone());
        upload.cut(store, offset, hashers)?;
        Ok(upload)
    }

    fn of(
        file: File,
        staging: Staging,
        promise: Arc<Promise>,
        name: FileName,
        expected: Expected,
        hashers: Hashers,
    ) -> Self {
        let (size, unchecked) = (0, 0);
        Self {
            file,
            staging,
            name,
            expected,
            hashers,
            size,
            unchecked,
            allocated: 0,
            promise,
            shared: None,
            held: None,
            is_broken: false,
            needs_record: false,
        }
    }

    /// Makes sure that there is space for `by` more bytes, and for a file of known size allocates some ahead,
    /// if the file system can.
    fn make_room(&mut self, store: &Store, by: u64) -> Result<(), StoreError> {
        // The lock keeps free and promised space consistent for other files.
        let promises = store.disk.promises();
        let left = store.may_grow(&promises, &self.promise, by.saturating_sub(self.allocated_ahead()))?;
        let step = by.max((left / 2).clamp(LEAST_STEP, MOST_STEP).min(left));
        self.unchecked = self.size + step;
        let Some(lacks) = self.promise.lacks().filter(|lacks| *lacks >= by) else { return Ok(()) };
        let ahead = lacks.min(MOST_STEP).min(left + self.allocated_ahead()).max(by);
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, self.size + ahead) {
            Ok(()) => {
                self.allocated = self.size + ahead;
                self.promise.record(self.size, self.allocated);
            }
            Err(Errno::NOSPC | Errno::DQUOT) => {
                // Some file systems have allocated the rest of the disk, which an unfinished file must not
                // hold.
                self.cut_off(store)?;
                drop(promises);
                return Err(store.full(Some(ahead)));
            }
            Err(error) => tracing::debug!(%error, "space cannot be taken in advance"),
        }
        Ok(())
    }

    fn allocated_ahead(&self) -> u64 {
        self.allocated.saturating_sub(self.size)
    }

    /// Appends bytes.
    pub fn write(&mut self, store: &Store, bytes: &[u8]) -> Result<(), StoreError> {
        let size = self.size + bytes.len() as u64;
        if size > store.limits.get().max_file_size {
            return Err(StoreError::TooLarge { limit: store.limits.get().max_file_size });
        }
        if size > self.allocated && size > self.unchecked {
            self.make_room(store, bytes.len() as u64)?;
        }
        self.file.write_all(bytes).map_err(|source| store.io("write a file", source))?;
        self.hashers.update(bytes);
        self.size = size;
        self.promise.record(size, self.allocated);
        match &self.staging {
            Staging::Resumable(resumable)
                if self.held.is_none() && resumable.saved.elapsed() >= CHECKPOINT_INTERVAL =>
            {
                self.checkpoint(store, None)
            }
            _ => Ok(()),
        }
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The path of the staging file.
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// A file that this one replaces comes back after a crash before the record.
    pub fn need_record(&mut self) {
        self.needs_record = true;
    }

    /// Whether it is an unfinished file with bytes beyond its checkpoint.
    pub fn has_unsaved_bytes(&self) -> bool {
        let is_ready = self.held.is_none() && !self.is_broken;
        match &self.staging {
            Staging::Resumable(resumable) => is_ready && resumable.checkpoint.offset != self.size,
            Staging::Plain(_) => false,
        }
    }

    /// Writes the checkpoint of an unfinished file, with new data of its owner if there is some. When this
    /// returns, it and all bytes before it are on disk.
    pub fn checkpoint(&mut self, store: &Store, resume_data: Option<Value>) -> Result<(), StoreError> {
        let Staging::Resumable(resumable) = &mut self.staging else { return Ok(()) };
        if let Some(resume_data) = resume_data {
            resumable.checkpoint.plan.resume_data = resume_data;
        }
        let (size, hashers) =
            self.held.as_ref().map_or((self.size, &self.hashers), |(size, hashers)| (*size, hashers));
        // Bytes before the last checkpoint need no second sync.
        if resumable.checkpoint.offset != size {
            sync(&self.file, &mut self.is_broken).map_err(|source| store.io("sync a file", source))?;
        }
        resumable.checkpoint.advance(size, hashers);
        resumable.save(store)
    }

    /// Sets the size of the complete file, and has its space promised.
    pub fn set_size(&mut self, store: &Store, size: Option<u64>) -> Result<(), StoreError> {
        self.plan_size(store, size)?;
        self.checkpoint(store, None)
    }

    fn plan_size(&mut self, store: &Store, size: Option<u64>) -> Result<(), StoreError> {
        store.promise_more(&self.promise, size)?;
        if let Staging::Resumable(resumable) = &mut self.staging {
            resumable.checkpoint.plan.size = size;
        }
        Ok(())
    }

    /// Holds the bytes that follow: they may be taken back, and no checkpoint counts them until
    /// [`release`](Self::release).
    pub fn hold(&mut self) {
        self.held = Some((self.size, self.hashers.clone()));
    }

    /// Keeps the held bytes.
    pub fn release(&mut self) {
        self.held = None;
    }

    /// Takes back the held bytes.
    pub fn take_back(&mut self, store: &Store) -> Result<(), StoreError> {
        match self.held.take() {
            Some((size, hashers)) => self.cut(store, size, hashers),
            None => Ok(()),
        }
    }

    /// Takes back all bytes, because the sender starts over with a file of this size, if it is known. If
    /// there is no space for another size than before, the bytes stay.
    pub fn restart(&mut self, store: &Store, size: Option<u64>) -> Result<(), StoreError> {
        let is_planned = match &self.staging {
            Staging::Resumable(resumable) => resumable.checkpoint.plan.size == size,
            Staging::Plain(_) => false,
        };
        if !is_planned {
            self.plan_size(store, size)?;
        }
        self.held = None;
        (self.size, self.hashers) = (0, Hashers::new(&self.expected));
        // The bytes of a checkpoint must exist at every instant, so the checkpoint goes first.
        self.checkpoint(store, None)?;
        self.cut(store, 0, self.hashers.clone())
    }

    /// Goes back to an earlier size. The promise stays.
    fn cut(&mut self, store: &Store, size: u64, hashers: Hashers) -> Result<(), StoreError> {
        (self.size, self.hashers) = (size, hashers);
        self.unchecked = size;
        self.cut_off(store)?;
        self.file.seek(SeekFrom::Start(size)).map_err(|source| store.io("cut a file", source))?;
        Ok(())
    }

    /// Returns all space beyond the bytes of the file.
    fn cut_off(&mut self, store: &Store) -> Result<(), StoreError> {
        self.allocated = 0;
        self.promise.record(self.size, 0);
        self.file.set_len(self.size).map_err(|source| store.io("cut a file", source))
    }

    /// Closes the upload. An unfinished file keeps all its bytes but those on hold, and no space beyond them.
    pub fn suspend(mut self, store: &Store) -> Result<(), StoreError> {
        self.take_back(store)?;
        if self.allocated_ahead() > 0 {
            self.cut_off(store)?;
        }
        if self.has_unsaved_bytes() { self.checkpoint(store, None) } else { Ok(()) }
    }

    /// Closes the upload and removes its bytes.
    pub fn discard(self, store: &Store) {
        self.staging.discard(store);
    }

    /// The digest of the bytes so far.
    pub fn sha256(&self) -> Sha256 {
        self.hashers.clone().finish().sha256
    }

    /// Shares the bytes of `duplicate` with this complete file, if they are the same. Returns whether it
    /// does.
    pub fn share(&mut self, store: &Store, duplicate: &Duplicate) -> bool {
        let path = self.path().with_extension("same");
        self.shared = store.share(duplicate, self.sha256(), &self.name, path);
        self.shared.is_some()
    }

    /// Checks the digests, syncs the file and gives it its name, which replaces an older file in one step.
    /// Until the result is kept, a drop brings the older file back.
    ///
    /// # Errors
    ///
    /// A digest is not the expected one, and the file is removed; or the disk fails.
    pub fn finish(mut self, store: &Store) -> Result<(Received, Published), StoreError> {
        let digests = self.hashers.clone().finish();
        if let Err(mismatch) = self.expected.check(&digests) {
            self.discard(store);
            return Err(mismatch.into());
        }
        if self.allocated > self.size {
            self.file.set_len(self.size).map_err(|source| store.io("cut a file", source))?;
        }
        sync(&self.file, &mut self.is_broken).map_err(|source| store.io("sync a file", source))?;
        let metadata = match &self.shared {
            None => self.file.metadata(),
            Some(shared) => fs::symlink_metadata(&shared.path),
        };
        let metadata = metadata.map_err(|source| store.io("look at a file", source))?;
        let identity = Identity::of(&metadata);
        let shared = self.shared.is_some();
        let received = Received { name: self.name.clone(), identity, sha256: digests.sha256, shared };
        let rollback = self.staging.prepare(
            store,
            self.size,
            &self.hashers,
            CompleteFile { identity, sha256: digests.sha256 },
        )?;
        let rollback = match rollback {
            Rollback::Nothing if self.needs_record => Rollback::Record,
            rollback => rollback,
        };
        let from = self.shared.as_ref().map_or(self.path(), |shared| &shared.path);
        let published = Published::publish(store, from, &self.name, rollback)?;
        if self.shared.is_none() {
            self.staging.set_published();
        }
        store.sync()?;
        Ok((received, published))
    }
}

/// Syncs a file. The kernel reports bytes that it could not write once, and drops them; the next sync
/// succeeds. So a file is never trusted after a failed sync.
fn sync(file: &File, is_broken: &mut bool) -> io::Result<()> {
    if *is_broken {
        return Err(io::Error::other("bytes were lost before"));
    }
    file.sync_all().inspect_err(|_| *is_broken = true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sync_is_trusted_after_one_that_failed() {
        // A pipe cannot be synced, which stands for a disk that fails.
        let (_reader, writer) = io::pipe().expect("a pipe");
        let pipe = File::from(std::os::fd::OwnedFd::from(writer));
        let whole = tempfile::tempfile().expect("a file");
        let mut is_broken = false;
        assert!(sync(&whole, &mut is_broken).is_ok() && !is_broken);
        assert!(sync(&pipe, &mut is_broken).is_err() && is_broken);
        assert!(sync(&whole, &mut is_broken).is_err(), "the next one would be good");
    }
}
