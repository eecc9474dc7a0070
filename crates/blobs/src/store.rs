//! A store: its folder, its complete files and its limits.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::disk::{Disk, Disks};
use super::error::StoreError;
use super::spelling::{folds_names, other_spelling};
use super::unfinished_files::UnfinishedFiles;
use model::identity::Identity;
use model::names::FileName;
use model::stored_file::StoreKind;

/// A store: a folder of complete files, by name.
#[derive(Debug)]
pub struct Store {
    pub(crate) kind: StoreKind,
    pub(crate) folder: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) unfinished: UnfinishedFiles,
    pub(crate) device: u64,
    pub(crate) disk: Arc<Disk>,
    /// The folder of unfinished files, locked against other processes.
    pub(crate) lock: File,
    /// Whether the file system takes two spellings for one name.
    folds_names: bool,
    /// Held while a file gets its name on such a file system.
    naming: Mutex<()>,
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
        let folds_names = folds_names(&incoming);
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
        let naming = Mutex::new(());
        let store = Self { kind, folder, limits, unfinished, device, disk, lock, folds_names, naming };
        store.unfinished.promise(|checkpoint, has| {
            store.promise_again(checkpoint.plan.client, checkpoint.plan.size, (checkpoint.offset, has))
        });
        Ok(store)
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

    pub(crate) fn walk(&self) -> Result<Vec<(FileName, Metadata)>, StoreError> {
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
        self.expect_spelling(name)?;
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

    /// Refuses the name of a folder, a link or a device, and another spelling of a file's name.
    pub(crate) fn check_name(&self, name: &FileName) -> Result<(), StoreError> {
        self.expect_spelling(name)?;
        match fs::symlink_metadata(self.path(name)) {
            Ok(metadata) if !metadata.is_file() => Err(StoreError::NotAFile(self.kind)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io("look at a file", error)),
            _ => Ok(()),
        }
    }

    /// Refuses another spelling of a file's name. While the caller holds the lock, no other file gets a name.
    pub(crate) fn lock_spelling(&self, name: &FileName) -> Result<Option<MutexGuard<'_, ()>>, StoreError> {
        let lock = self.folds_names.then(|| self.naming.lock().unwrap_or_else(PoisonError::into_inner));
        self.expect_spelling(name)?;
        Ok(lock)
    }

    fn expect_spelling(&self, name: &FileName) -> Result<(), StoreError> {
        if !self.folds_names {
            return Ok(());
        }
        let other = other_spelling(&self.folder, name).map_err(|source| self.io("look at a file", source))?;
        match other {
            Some(existing) => {
                Err(StoreError::OtherSpelling { kind: self.kind, name: name.clone(), existing })
            }
            None => Ok(()),
        }
    }

    pub(crate) fn incoming(&self) -> PathBuf {
        self.folder.join(FileName::INCOMING)
    }

    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| self.io("sync the folder", source))
    }

    pub(crate) fn io(&self, action: &'static str, source: io::Error) -> StoreError {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return self.full(None);
        }
        StoreError::Io { action, kind: self.kind, source }
    }
}
