#![doc = include_str!("../README.md")]

mod checkpoint;
mod disk;
mod hashers;
mod publish;
mod reading;
mod replaced;
mod sharing;
mod space;
mod staging;
mod unfinished_files;
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
use unfinished_files::UnfinishedFiles;

pub use disk::Disks;
pub use publish::Published;
pub use reading::{Way, Whole, read_whole};
pub use sharing::{Bytes, Duplicate};
pub use space::{Bound, FileSystem, Usage};
pub use upload::{CHECKPOINT_INTERVAL, Received, Upload};

/// Unfinished files that a store may have. Each takes a checkpoint in memory and two files.
const MAX_UNFINISHED_FILES: usize = 1000;

/// A store: a folder of complete files, by name.
#[derive(Debug)]
pub struct Store {
    kind: StoreKind,
    folder: PathBuf,
    limits: Limits,
    unfinished: UnfinishedFiles,
    device: u64,
    disk: Arc<Disk>,
    /// The folder of unfinished files, locked against other processes.
    lock: File,
}

/// The limits of a store.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest file, in bytes.
    pub max_file_size: u64,
    /// Bytes of the disk that stay free.
    pub reserve: u64,
    /// Bytes that the store may hold; 0 is no limit.
    pub quota: u64,
}

/// An unfinished file as a resume finds it.
#[derive(Debug)]
pub enum Resumed {
    /// It lacks bytes, or at least its name.
    Unfinished(Box<Upload>),
    /// It had its name already when the program ended.
    Published(Received),
}

/// Why a store refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No complete file of that name.
    #[error("the {0} store has no file of that name")]
    NotFound(StoreKind),
    /// A folder, a link or a device has that name.
    #[error("the {0} store holds something of that name that is not a regular file")]
    NotAFile(StoreKind),
    /// Another process uses the folder.
    #[error("the {0} store is in use by another image-service")]
    InUse(StoreKind),
    /// The file does not fit.
    #[error("not enough space in the {kind} store: {}{available} bytes are available{bound}", needed.map(|needed| format!("{needed} bytes are needed, ")).unwrap_or_default())]
    Full {
        /// Which store.
        kind: StoreKind,
        /// Bytes that are needed, where that is known.
        needed: Option<u64>,
        /// Bytes that may still be written.
        available: u64,
        /// The limit that is reached.
        bound: Bound,
    },
    /// The file is larger than the configuration allows.
    #[error("the file is larger than the {limit} bytes that `maxFileSize` allows")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// No unfinished file of that id.
    #[error("there is no unfinished file of that id")]
    NoSuchUnfinishedFile,
    /// An unfinished file has that id.
    #[error("there is an unfinished file of that id")]
    UnfinishedFileExists,
    /// The store has the most unfinished files.
    #[error(
        "{MAX_UNFINISHED_FILES} unfinished files wait in the {0} store; finish or remove some of them first"
    )]
    TooManyUnfinishedFiles(StoreKind),
    /// The file does not have the expected digests.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The disk failed.
    #[error("cannot {action} in the {kind} store: {source}")]
    Io {
        /// The action that failed.
        action: &'static str,
        /// Which store.
        kind: StoreKind,
        /// The error of the system.
        source: io::Error,
    },
}

impl Store {
    /// Opens the store in `folder`, which is made if missing, and removes temporary files that no checkpoint
    /// describes.
    ///
    /// # Errors
    ///
    /// Another process uses the folder, or the disk fails.
    pub fn open(kind: StoreKind, folder: PathBuf, limits: Limits, disks: &Disks) -> Result<Self, StoreError> {
        let incoming = folder.join(FileName::INCOMING);
        let lock = fs::create_dir_all(&incoming).and_then(|()| File::open(&incoming));
        let lock = lock.map_err(|source| StoreError::Io { action: "make a folder", kind, source })?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Err(StoreError::InUse(kind));
        }
        let unfinished = UnfinishedFiles::find(incoming, |checkpoint| {
            let complete = checkpoint.complete.map(|complete| complete.identity);
            let named = fs::symlink_metadata(folder.join(checkpoint.plan.name.as_str()));
            let has_name = |identity: Identity| {
                named.is_ok_and(|named| named.is_file() && Identity::of(&named).same_version(&identity))
            };
            checkpoint.is_published || complete.is_some_and(has_name)
        });
        let unfinished = unfinished.map_err(|source| StoreError::Io { action: "list", kind, source })?;
        let metadata =
            lock.metadata().map_err(|source| StoreError::Io { action: "look at a folder", kind, source })?;
        let device = metadata.dev();
        let disk = disks.disk(device);
        unfinished.promise(|checkpoint, has| {
            let promise = disk.promises().make(kind, checkpoint.plan.size);
            promise.record(checkpoint.offset, has);
            promise
        });
        Ok(Self { kind, folder, limits, unfinished, device, disk, lock })
    }

    /// The kind of the store.
    pub fn kind(&self) -> StoreKind {
        self.kind
    }

    /// The folder that holds the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the file `name`, which need not exist.
    pub fn path(&self, name: &FileName) -> PathBuf {
        self.folder.join(name.as_str())
    }

    /// Fails if the folder is not the one that was opened. An unmounted disk shows an empty folder, and
    /// another disk other files.
    pub fn expect_in_place(&self) -> Result<(), StoreError> {
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let found = fs::metadata(self.incoming()).map(identity);
        let opened =
            self.lock.metadata().map(identity).map_err(|source| self.io("look at a folder", source))?;
        match found {
            Ok(found) if found == opened => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io("look at a folder", error)),
            _ => Err(self.io("find the folder", io::Error::other("another one is in its place"))),
        }
    }

    /// All complete files, by name. Folders, links, devices and invalid names are passed over.
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
            // A file may vanish between the listing and the `stat`.
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

    /// Begins to receive a file of the announced `size`. A file that does not have the `expected` digests is
    /// never published.
    ///
    /// # Errors
    ///
    /// The file does not fit, or its name belongs to something else than a file.
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

    /// Begins an unfinished file, which stays until its owner resumes it, even after a crash.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive); or the id exists, or the store has too many unfinished files.
    pub fn begin_unfinished(&self, id: &UnfinishedFileId, plan: Plan) -> Result<Upload, StoreError> {
        if self.unfinished.checkpoint(id).is_some() {
            return Err(StoreError::UnfinishedFileExists);
        }
        if self.unfinished.count() >= MAX_UNFINISHED_FILES {
            return Err(StoreError::TooManyUnfinishedFiles(self.kind));
        }
        self.check_name(&plan.name)?;
        let promise = self.promise(plan.size)?;
        Upload::unfinished(self, promise, id, Checkpoint::new(plan))
    }

    /// Resumes an unfinished file. Callers hold a lock on its id.
    ///
    /// # Errors
    ///
    /// There is no such file, or the disk fails.
    pub fn resume_unfinished(&self, id: &UnfinishedFileId) -> Result<Resumed, StoreError> {
        let checkpoint = self
            .unfinished
            .checkpoint(id)
            .filter(|checkpoint| !checkpoint.is_published)
            .ok_or(StoreError::NoSuchUnfinishedFile)?;
        if let Some(received) = self.published(&checkpoint) {
            return Ok(Resumed::Published(received));
        }
        if fs::exists(self.unfinished.bytes(id)).map_err(|source| self.io("look at a file", source))? {
            let promise = self.unfinished.promised(id).unwrap_or_else(|| {
                // The file was published, and that was undone.
                let promise = self.disk.promises().make(self.kind, checkpoint.plan.size);
                promise.record(checkpoint.offset, 0);
                self.unfinished.set_promise(id, &promise);
                promise
            });
            let checkpoint = self
                .unfinished
                .unshare(id, checkpoint)
                .map_err(|source| self.io("look at a file", source))?;
            return Ok(Resumed::Unfinished(Box::new(Upload::resumed(self, promise, id, checkpoint)?)));
        }
        // The published file was removed or replaced meanwhile.
        self.discard_unfinished(id)?;
        Err(StoreError::NoSuchUnfinishedFile)
    }

    /// The published file of this checkpoint, if it has its name already.
    fn published(&self, checkpoint: &Checkpoint) -> Option<Received> {
        let (complete, name) = (checkpoint.complete?, &checkpoint.plan.name);
        let found = fs::symlink_metadata(self.path(name)).ok().filter(Metadata::is_file)?;
        let identity = Identity::of(&found);
        if !identity.same_version(&complete.identity) {
            return None;
        }
        let shared = found.nlink() > 1;
        Some(Received { name: name.clone(), identity, sha256: complete.sha256, shared })
    }

    /// The publication of an unfinished file that already had its name when the program ended.
    pub fn published_earlier(&self, id: &UnfinishedFileId, name: &FileName) -> Published {
        Published::earlier(self, name, id.clone())
    }

    /// All unfinished files, and uploads that became complete lately.
    pub fn unfinished_files(&self) -> Vec<UnfinishedFile> {
        self.unfinished.list()
    }

    /// Removes an unfinished file that is not in use. A published file keeps its name.
    ///
    /// # Errors
    ///
    /// There is no such file, or the disk fails.
    pub fn discard_unfinished(&self, id: &UnfinishedFileId) -> Result<(), StoreError> {
        self.unfinished.checkpoint(id).ok_or(StoreError::NoSuchUnfinishedFile)?;
        self.unfinished.remove(id).map_err(|source| self.io("remove a file", source))
    }

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// There is no such file, or the disk fails.
    pub fn remove(&self, name: &FileName) -> Result<(), StoreError> {
        self.stat(name)?;
        fs::remove_file(self.path(name)).map_err(|source| self.io("remove a file", source))?;
        self.sync()
    }

    /// Refuses the name of a folder, a link or a device.
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
mod sharing_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unfinished_file_tests;
