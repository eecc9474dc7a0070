//! The shelf of bytes: names → complete files. A name is visible only once its file is whole and on disk.
//! Files registered where they lie are no business of this room.

mod checkpoint;
mod disk;
mod hashers;
mod parts;
mod publish;
mod reading;
mod replaced;
mod sharing;
mod space;
mod staging;
mod upload;

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use model::digest::{Expected, Mismatch};
use model::identity::Identity;
use model::names::FileName;
use model::stored_file::StoreKind;
use model::unfinished_file::{Plan, UnfinishedFile, UnfinishedFileId};

use checkpoint::Checkpoint;
use disk::Disk;
use parts::Parts;

pub use disk::Disks;
pub use publish::Published;
pub use reading::{Way, Whole, read_whole};
pub use sharing::{Bytes, Duplicate};
pub use space::{Bound, FileSystem, Usage};
pub use upload::{CHECKPOINT_INTERVAL, Received, Upload};

/// Unfinished files that may wait in a store. Each is a note in memory and two files.
const MAX_PARTS: usize = 1000;

/// One shelf: a folder of files.
#[derive(Debug)]
pub struct Store {
    kind: StoreKind,
    folder: PathBuf,
    limits: Limits,
    parts: Parts,
    device: u64,
    disk: Arc<Disk>,
    /// The folder of unfinished files, locked against other processes.
    lock: File,
}

/// What intake must respect.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest file, in bytes.
    pub max_file_size: u64,
    /// Bytes of the disk that stay free.
    pub reserve: u64,
    /// Bytes that the store may hold; 0 is no limit.
    pub quota: u64,
}

/// What there is of a part.
#[derive(Debug)]
pub enum Resumed {
    /// It lacks bytes, or at least its name.
    Unfinished(Box<Upload>),
    /// It had got its name when the program ended.
    Published(Received),
}

/// The shelf could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No complete file of that name.
    #[error("the {0} store has no file of that name")]
    NotFound(StoreKind),
    /// A folder, a link or something else that is no file has that name.
    #[error("the {0} store holds something of that name that is not a regular file")]
    NotAFile(StoreKind),
    /// Another process works with it.
    #[error("the {0} store is in use by another image-service")]
    InUse(StoreKind),
    /// It cannot fit.
    #[error("not enough space in the {kind} store: {}{available} bytes are available{bound}", needed.map(|needed| format!("{needed} bytes are needed, ")).unwrap_or_default())]
    Full {
        /// Which store.
        kind: StoreKind,
        /// How much is needed, where that is known.
        needed: Option<u64>,
        /// How much may still be written.
        available: u64,
        /// Why not more.
        bound: Bound,
    },
    /// Larger than the configuration allows.
    #[error("the file is larger than the {limit} bytes that `maxFileSize` allows")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// No unfinished file of that id.
    #[error("there is no unfinished file of that id")]
    NoSuchPart,
    /// Somebody has taken that id.
    #[error("there is an unfinished file of that id")]
    PartExists,
    /// Too many wait.
    #[error("{MAX_PARTS} unfinished files wait in the {0} store; finish or remove some of them first")]
    TooManyParts(StoreKind),
    /// It is not the file that somebody expected.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The disk failed.
    #[error("cannot {action} in the {kind} store: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// Where.
        kind: StoreKind,
        /// What the system said.
        source: io::Error,
    },
}

impl Store {
    /// Opens the shelf in `folder`, which is made if missing, and clears away what an interrupted intake left that nobody can go on with.
    pub fn open(kind: StoreKind, folder: PathBuf, limits: Limits, disks: &Disks) -> Result<Self, StoreError> {
        let incoming = folder.join(FileName::INCOMING);
        let lock = fs::create_dir_all(&incoming).and_then(|()| File::open(&incoming));
        let lock = lock.map_err(|source| StoreError::Io { action: "make a folder", kind, source })?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Err(StoreError::InUse(kind));
        }
        let parts = Parts::find(incoming, |checkpoint| {
            let arrived = checkpoint.arrived.map(|arrived| arrived.identity);
            let named = fs::symlink_metadata(folder.join(checkpoint.plan.name.as_str()));
            let has_name = |identity: Identity| {
                named.is_ok_and(|named| named.is_file() && Identity::of(&named).same_version(&identity))
            };
            checkpoint.whole || arrived.is_some_and(has_name)
        });
        let parts = parts.map_err(|source| StoreError::Io { action: "list", kind, source })?;
        let metadata =
            lock.metadata().map_err(|source| StoreError::Io { action: "look at a folder", kind, source })?;
        let device = metadata.dev();
        let disk = disks.disk(device);
        parts.promise(|checkpoint, has| {
            let promise = disk.promises().make(kind, checkpoint.plan.size);
            promise.reach(checkpoint.offset, has);
            promise
        });
        Ok(Self { kind, folder, limits, parts, device, disk, lock })
    }

    /// Which shelf this is.
    pub fn kind(&self) -> StoreKind {
        self.kind
    }

    /// The folder that holds the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the file `name` lies or would lie.
    pub fn path(&self, name: &FileName) -> PathBuf {
        self.folder.join(name.as_str())
    }

    /// Fails if the folder is not the one that was opened: a disk that is not mounted just now shows an empty folder, and another disk
    /// other files.
    pub fn expect_in_place(&self) -> Result<(), StoreError> {
        let staging = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let found = fs::metadata(self.incoming()).map(staging);
        let opened =
            self.lock.metadata().map(staging).map_err(|source| self.io("look at a folder", source))?;
        match found {
            Ok(found) if found == opened => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io("look at a folder", error)),
            _ => Err(self.io("find the folder", io::Error::other("another one is in its place"))),
        }
    }

    /// All complete files, by name. Folders, links, devices and names that could not be asked for are passed over.
    pub fn list(&self) -> Result<Vec<(FileName, Identity)>, StoreError> {
        let files = self.walk()?.into_iter().map(|(name, metadata)| (name, Identity::of(&metadata)));
        Ok(files.collect())
    }

    fn walk(&self) -> Result<Vec<(FileName, Metadata)>, StoreError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(|source| self.io("list", source))? {
            let entry = entry.map_err(|source| self.io("list", source))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(name) = FileName::existing(name) else { continue };
            // A file may vanish between the listing and the look at it.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_file() {
                files.push((name, metadata));
            }
        }
        files.sort_by(|first, second| first.0.cmp(&second.0));
        Ok(files)
    }

    /// Size and time of a file.
    pub fn stat(&self, name: &FileName) -> Result<Identity, StoreError> {
        match fs::symlink_metadata(self.path(name)) {
            Ok(metadata) if metadata.is_file() => Ok(Identity::of(&metadata)),
            Ok(_) => Err(StoreError::NotFound(self.kind)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::NotFound(self.kind)),
            Err(source) => Err(self.io("look at a file", source)),
        }
    }

    /// Opens a file for reading.
    pub fn open_file(&self, name: &FileName) -> Result<(File, Identity), StoreError> {
        self.stat(name)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = rustix::fs::open(self.path(name), flags, Mode::empty()).map(File::from);
        let file = file.map_err(|errno| self.io("open a file", errno.into()))?;
        let metadata = file.metadata().map_err(|source| self.io("look at a file", source))?;
        if metadata.is_file() {
            Ok((file, Identity::of(&metadata)))
        } else {
            Err(StoreError::NotFound(self.kind))
        }
    }

    /// Begins to receive a file. `size` is what the sender told; what cannot fit is refused here. A file that is not what is `expected`
    /// never gets its name.
    pub fn receive(
        &self,
        name: FileName,
        size: Option<u64>,
        expected: Expected,
    ) -> Result<Upload, StoreError> {
        self.check_name(&name)?;
        let promise = self.promise(size)?;
        Upload::plain(self, promise, name, size, expected)
    }

    /// Begins a part: a file that stays until somebody goes on with it, also after a crash.
    pub fn begin_part(&self, id: &UnfinishedFileId, plan: Plan) -> Result<Upload, StoreError> {
        if self.parts.checkpoint(id).is_some() {
            return Err(StoreError::PartExists);
        }
        if self.parts.count() >= MAX_PARTS {
            return Err(StoreError::TooManyParts(self.kind));
        }
        self.check_name(&plan.name)?;
        let promise = self.promise(plan.size)?;
        Upload::part(self, promise, id, Checkpoint::new(plan))
    }

    /// Goes on with a part. Two must not do so at once.
    pub fn resume_part(&self, id: &UnfinishedFileId) -> Result<Resumed, StoreError> {
        let checkpoint =
            self.parts.checkpoint(id).filter(|checkpoint| !checkpoint.whole).ok_or(StoreError::NoSuchPart)?;
        if let Some(received) = self.named(&checkpoint) {
            return Ok(Resumed::Published(received));
        }
        if fs::exists(self.parts.bytes(id)).map_err(|source| self.io("look at a file", source))? {
            let promise = self.parts.promised(id).unwrap_or_else(|| {
                // Its bytes had got their name and lost it again.
                let promise = self.disk.promises().make(self.kind, checkpoint.plan.size);
                promise.reach(checkpoint.offset, 0);
                self.parts.leave_promise(id, &promise);
                promise
            });
            let checkpoint =
                self.parts.own_bytes(id, checkpoint).map_err(|source| self.io("look at a file", source))?;
            return Ok(Resumed::Unfinished(Box::new(Upload::resumed(self, promise, id, checkpoint)?)));
        }
        // Somebody removed or replaced it meanwhile.
        self.discard_part(id)?;
        Err(StoreError::NoSuchPart)
    }

    /// What the file is that has got its name, if that is so.
    fn named(&self, checkpoint: &Checkpoint) -> Option<Received> {
        let (arrived, name) = (checkpoint.arrived?, &checkpoint.plan.name);
        let found = fs::symlink_metadata(self.path(name)).ok().filter(Metadata::is_file)?;
        let identity = Identity::of(&found);
        if !identity.same_version(&arrived.identity) {
            return None;
        }
        let shared = found.nlink() > 1;
        Some(Received { name: name.clone(), identity, sha256: arrived.sha256, shared })
    }

    /// The name that a part had got when the program ended.
    pub fn named_earlier(&self, id: &UnfinishedFileId, name: &FileName) -> Published {
        Published::earlier(self, name, id.clone())
    }

    /// All parts, and those that have become whole lately.
    pub fn parts(&self) -> Vec<UnfinishedFile> {
        self.parts.list()
    }

    /// Removes a part that nobody works with. A file that has its name already keeps it.
    pub fn discard_part(&self, id: &UnfinishedFileId) -> Result<(), StoreError> {
        self.parts.checkpoint(id).ok_or(StoreError::NoSuchPart)?;
        self.parts.remove(id).map_err(|source| self.io("remove a file", source))
    }

    /// Removes a file for good.
    pub fn remove(&self, name: &FileName) -> Result<(), StoreError> {
        self.stat(name)?;
        fs::remove_file(self.path(name)).map_err(|source| self.io("remove a file", source))?;
        self.sync()
    }

    /// Refuses a name that something else than a file has.
    fn check_name(&self, name: &FileName) -> Result<(), StoreError> {
        match fs::symlink_metadata(self.path(name)) {
            Ok(metadata) if !metadata.is_file() => Err(StoreError::NotAFile(self.kind)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io("look at a file", error)),
            _ => Ok(()),
        }
    }

    fn incoming(&self) -> PathBuf {
        self.folder.join(FileName::INCOMING)
    }

    fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| self.io("sync the folder", source))
    }

    fn io(&self, action: &'static str, source: io::Error) -> StoreError {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return self.full(None);
        }
        StoreError::Io { action, kind: self.kind, source }
    }
}

#[cfg(test)]
mod part_tests;
#[cfg(test)]
mod sharing_tests;
#[cfg(test)]
mod tests;
