//! A file on its way in: written below `.incoming`, digested as it comes, fsynced, renamed. Let go early, a plain upload leaves nothing, and
//! a part keeps what it noted last.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use serde_json::Value;

use super::checkpoint::{Arrived, Checkpoint};
use super::disk::Promise;
use super::hashers::Hashers;
use super::publish::{Published, Rollback};
use super::sharing::{Duplicate, Shared};
use super::staging::Staging;
use super::{Store, StoreError};
use model::digest::{Expected, Sha256};
use model::identity::Identity;
use model::names::FileName;
use model::unfinished_file::UnfinishedFileId;

/// Free space is asked for again after half of what was left, but not before and not later than after so many bytes.
const LEAST_STEP: u64 = 1 << 20;
const MOST_STEP: u64 = 64 << 20;

/// What a part has got is noted so often while bytes come: a crash costs no more than this.
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
    /// The size at which free space is asked for again.
    unchecked: u64,
    /// So many bytes are the file's own already.
    allocated: u64,
    promise: Arc<Promise>,
    /// The bytes of another file, which this one is to have instead of its own.
    shared: Option<Shared>,
    /// Where it was when bytes began to come that are not certain to stay, and its digests there.
    held: Option<(u64, Hashers)>,
    /// Bytes of it may be lost on their way to the disk.
    is_broken: bool,
    /// Without a record that comes with it, it is not to take another's place.
    needs_record: bool,
}

/// A file that arrived whole.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its name in the store.
    pub name: FileName,
    /// What it is now on disk.
    pub identity: Identity,
    /// The digest of what was written.
    pub sha256: Sha256,
    /// Whether it has the bytes of another file.
    pub shared: bool,
}

impl Upload {
    /// A file that nobody goes on with.
    pub(super) fn plain(
        store: &Store,
        promise: Arc<Promise>,
        name: FileName,
        size: Option<u64>,
        expected: Expected,
    ) -> Result<Self, StoreError> {
        let (file, staging) = Staging::plain(store)?;
        let mut upload = Self::of(file, staging, promise, name, expected, Hashers::new(&expected));
        upload.allocate(store, size)?;
        Ok(upload)
    }

    /// A part without bytes.
    pub(super) fn part(
        store: &Store,
        promise: Arc<Promise>,
        id: &UnfinishedFileId,
        checkpoint: Checkpoint,
    ) -> Result<Self, StoreError> {
        let plan = checkpoint.plan.clone();
        let (file, staging) = Staging::part(store, id, checkpoint)?;
        let hashers = Hashers::new(&plan.expected);
        let mut upload = Self::of(file, staging, promise, plan.name, plan.expected, hashers);
        match upload.allocate(store, plan.size).and_then(|()| upload.checkpoint(store, None)) {
            Ok(()) => {
                store.parts.leave_promise(id, &upload.promise);
                Ok(upload)
            }
            Err(error) => {
                upload.discard(store);
                Err(error)
            }
        }
    }

    /// A part as it was noted last.
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
        upload.cut(store, offset, hashers, plan.size)?;
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

    /// Takes the space that the whole file needs, so that it is there when the bytes come. Not every file system can.
    fn allocate(&mut self, store: &Store, size: Option<u64>) -> Result<(), StoreError> {
        let Some(size) = size.filter(|size| *size > self.size) else { return Ok(()) };
        // Meanwhile nobody may count what is free and what is promised.
        let promises = store.disk.promises();
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, size) {
            Ok(()) => {
                self.allocated = size;
                self.promise.reach(self.size, size);
            }
            Err(Errno::NOSPC | Errno::DQUOT) => {
                // Some file systems have taken what there was, which a part that waits must not hold.
                self.cut_off(store)?;
                drop(promises);
                return Err(store.full(Some(size - self.size)));
            }
            Err(error) => tracing::debug!(%error, "space cannot be taken in advance"),
        }
        Ok(())
    }

    /// Appends bytes.
    pub fn write(&mut self, store: &Store, bytes: &[u8]) -> Result<(), StoreError> {
        let size = self.size + bytes.len() as u64;
        if size > store.limits.max_file_size {
            return Err(StoreError::TooLarge { limit: store.limits.max_file_size });
        }
        if size > self.allocated && size > self.unchecked {
            let count = bytes.len() as u64;
            let left = store.may_grow(&self.promise, count)?;
            let step = (left / 2).clamp(LEAST_STEP, MOST_STEP).min(left);
            self.unchecked = self.size + count.max(step);
        }
        self.file.write_all(bytes).map_err(|source| store.io("write a file", source))?;
        self.hashers.update(bytes);
        self.size = size;
        self.promise.reach(size, self.allocated);
        match &self.staging {
            Staging::Part(kept) if self.held.is_none() && kept.saved.elapsed() >= CHECKPOINT_INTERVAL => {
                self.checkpoint(store, None)
            }
            _ => Ok(()),
        }
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the bytes are until the file has its name.
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// If there is a crash before the file has a record, a file that it replaced is to come back.
    pub fn need_record(&mut self) {
        self.needs_record = true;
    }

    /// Whether it is a part that has got more than is noted.
    pub fn is_unnoted(&self) -> bool {
        let is_ready = self.held.is_none() && !self.is_broken;
        matches!(&self.staging, Staging::Part(kept) if is_ready && kept.checkpoint.offset != self.size)
    }

    /// Notes what a part has got, and what its owner wants to find again. When this returns, all of it is on disk.
    pub fn checkpoint(&mut self, store: &Store, resume_data: Option<Value>) -> Result<(), StoreError> {
        let Staging::Part(kept) = &mut self.staging else { return Ok(()) };
        if let Some(resume_data) = resume_data {
            kept.checkpoint.plan.resume_data = resume_data;
        }
        let (size, hashers) =
            self.held.as_ref().map_or((self.size, &self.hashers), |(size, hashers)| (*size, hashers));
        // Bytes that have long been noted need not be flushed again.
        if kept.checkpoint.offset != size {
            sync(&self.file, &mut self.is_broken).map_err(|source| store.io("sync a file", source))?;
        }
        kept.checkpoint.reach(size, hashers);
        kept.keep(store)
    }

    /// Learns the size of the whole file, and takes the space for it.
    pub fn set_size(&mut self, store: &Store, size: Option<u64>) -> Result<(), StoreError> {
        store.promise_more(&self.promise, size)?;
        if let Staging::Part(kept) = &mut self.staging {
            kept.checkpoint.plan.size = size;
        }
        self.allocate(store, size)?;
        self.checkpoint(store, None)
    }

    /// Bytes that come from now on may be taken back, and are not noted until they are [released](Self::release).
    pub fn hold(&mut self) {
        self.held = Some((self.size, self.hashers.clone()));
    }

    /// The bytes that were held stay.
    pub fn release(&mut self) {
        self.held = None;
    }

    /// Takes back the bytes that are held.
    pub fn take_back(&mut self, store: &Store) -> Result<(), StoreError> {
        match self.held.take() {
            Some((size, hashers)) => self.cut(store, size, hashers, Some(self.allocated)),
            None => Ok(()),
        }
    }

    /// Takes back all bytes: the sender has another file now.
    pub fn restart(&mut self, store: &Store) -> Result<(), StoreError> {
        self.held = None;
        (self.size, self.hashers) = (0, Hashers::new(&self.expected));
        // What is noted must be there at every instant, so the note goes first.
        self.checkpoint(store, None)?;
        self.cut(store, 0, self.hashers.clone(), Some(self.allocated))
    }

    /// Goes back to an earlier size. What is cut off stays promised.
    fn cut(
        &mut self,
        store: &Store,
        size: u64,
        hashers: Hashers,
        whole: Option<u64>,
    ) -> Result<(), StoreError> {
        (self.size, self.hashers) = (size, hashers);
        self.unchecked = size;
        let found = self.file.metadata().map_err(|source| store.io("look at a file", source))?;
        // What lies there is the file's own already. To set the same size would give back the space beyond it.
        if found.len() == size {
            self.promise.reach(size, found.blocks() * 512);
        } else {
            self.cut_off(store)?;
        }
        self.file.seek(SeekFrom::Start(size)).map_err(|source| store.io("cut a file", source))?;
        self.allocate(store, whole)
    }

    /// Gives back all space beyond the bytes that count.
    fn cut_off(&mut self, store: &Store) -> Result<(), StoreError> {
        self.allocated = 0;
        self.promise.reach(self.size, 0);
        self.file.set_len(self.size).map_err(|source| store.io("cut a file", source))
    }

    /// Ends the work for now. A part stays with all that it has got.
    pub fn suspend(mut self, store: &Store) -> Result<(), StoreError> {
        self.take_back(store)?;
        if self.is_unnoted() { self.checkpoint(store, None) } else { Ok(()) }
    }

    /// Ends the work for good; nothing stays.
    pub fn discard(self, store: &Store) {
        self.staging.discard(store);
    }

    /// The digest of what came so far.
    pub fn sha256(&self) -> Sha256 {
        self.hashers.clone().finish().sha256
    }

    /// All bytes are here, and `twin` is said to have the same: if that is so, they are stored once. Tells whether they are.
    pub fn share(&mut self, store: &Store, duplicate: &Duplicate) -> bool {
        let path = self.path().with_extension("same");
        self.shared = store.share(duplicate, self.sha256(), &self.name, path);
        self.shared.is_some()
    }

    /// Holds the file against what is expected of it, makes it durable and gives it its name, replacing an older file of that name in
    /// one step. Until the result is kept, the older file can come back. A file that is not what was expected goes.
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
        let after = self.staging.arrive(
            store,
            self.size,
            &self.hashers,
            Arrived { identity, sha256: digests.sha256 },
        )?;
        let after = match after {
            Rollback::Nothing if self.needs_record => Rollback::Record,
            after => after,
        };
        let from = self.shared.as_ref().map_or(self.path(), |shared| &shared.path);
        let named = Published::give(store, from, &self.name, after)?;
        if self.shared.is_none() {
            self.staging.leave();
        }
        store.sync()?;
        Ok((received, named))
    }
}

/// Makes sure that all bytes are on disk. The kernel tells of bytes that it could not write once, and drops them; the next sync would be good
/// again, so a file is never trusted after one that was not.
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
        // A pipe cannot be synced, which is as good as a disk that fails.
        let (_reader, writer) = io::pipe().expect("a pipe");
        let pipe = File::from(std::os::fd::OwnedFd::from(writer));
        let whole = tempfile::tempfile().expect("a file");
        let mut is_broken = false;
        assert!(sync(&whole, &mut is_broken).is_ok() && !is_broken);
        assert!(sync(&pipe, &mut is_broken).is_err() && is_broken);
        assert!(sync(&whole, &mut is_broken).is_err(), "the next one would be good");
    }
}
