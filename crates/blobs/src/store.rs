//! A store: its folder, its complete files and its limits.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Access, AtFlags, CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::disk::{Disk, Disks, make_folder};
use super::error::StoreError;
use super::spelling::{folds_names, other_spelling};
use super::unfinished_files::UnfinishedFiles;
use model::identity::Identity;
use model::lock_wait;
use model::names::FileName;
use model::settings::Live;
use model::stored_file::StoreKind;

/// A store: a folder of complete files, by name.
#[derive(Debug)]
pub struct Store {
    pub(crate) kind: StoreKind,
    pub(crate) folder: PathBuf,
    pub(crate) limits: Live<Limits>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Another process uses the folder, and goes on to do so for ten seconds; or the disk fails.
    pub fn open(
        kind: StoreKind,
        folder: PathBuf,
        limits: impl Into<Live<Limits>>,
        disks: &Disks,
    ) -> Result<Self, StoreError> {
        let incoming = folder.join(FileName::INCOMING);
        let io = |action, error| StoreError::Io { action, kind, error };
        let lock = make_folder(&incoming).and_then(|()| File::open(&incoming));
        let lock = lock.map_err(|error| io("make a folder", error))?;
        let is_locked = lock_wait::take(|| {
            Ok(rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK))
        });
        if !is_locked.map_err(|error| io("lock a folder", error))? {
            return Err(StoreError::InUse(kind));
        }
        let folds_names = folds_names(&incoming);
        let unfinished = UnfinishedFiles::find(incoming, |checkpoint| {
            let complete = checkpoint.complete.map(|complete| complete.identity);
            let named = fs::symlink_metadata(folder.join(checkpoint.plan.name.as_str()));
            let has_name = |identity: Identity| {
                named.is_ok_and(|named| named.is_file() && Identity::of(&named).same_version(&identity))
            };
            complete.is_some_and(has_name)
        });
        let unfinished = unfinished.map_err(|error| io("list", error))?;
        let metadata = lock.metadata().map_err(|error| io("look at a folder", error))?;
        let device = metadata.dev();
        let disk = disks.disk(device);
        let naming = Mutex::new(());
        let store =
            Self { kind, folder, limits: limits.into(), unfinished, device, disk, lock, folds_names, naming };
        store.unfinished.promise(|checkpoint, has| {
            store.promise_again(checkpoint.plan.client, checkpoint.plan.size, (checkpoint.offset, has))
        });
        // A folder that cannot be listed is no store. One that cannot be written to can be served.
        fs::read_dir(&store.folder).map_err(|error| io("list", error))?;
        if let Err(error) = store.check_writable() {
            tracing::warn!(%kind, error = error.public_message(), "files are served, but none can be received");
        }
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
            _ => Err(self.io("find the folder", io::ErrorKind::NotFound.into())),
        }
    }

    /// Fails if the store can receive no files: the file system is read-only or has no inodes left, or the
    /// service has no permission. Nothing is written.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        for folder in [&self.folder, &self.incoming()] {
            let access =
                rustix::fs::accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
            access.map_err(|errno| self.io("write", errno.into()))?;
        }
        let space = rustix::fs::statvfs(&self.folder).map_err(|errno| self.io("write", errno.into()))?;
        // A file system without a fixed number of inodes tells that it has none.
        if space.f_files > 0 && space.f_favail == 0 {
            return Err(self.error("write", io::ErrorKind::StorageFull.into()));
        }
        Ok(())
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
            Ok(metadata) if metadata.is_symlink() => Err(StoreError::Link(self.kind)),
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
        self.sync()?;
        self.forget_uploads(name);
        Ok(())
    }

    /// Forgets that uploads of this name were complete, because the file is gone.
    pub fn forget_uploads(&self, name: &FileName) {
        if let Err(error) = self.unfinished.forget_published(name, None) {
            tracing::warn!(kind = %self.kind, %name, %error, "a checkpoint of a removed file stays behind");
        }
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
        let is_full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match rustix::fs::statvfs(&self.folder) {
            // The figures of the space would be a riddle.
            Ok(space) if space.f_files > 0 && space.f_favail == 0 => self.error(action, source),
            _ if is_full => self.full(None),
            _ => self.error(action, source),
        }
    }

    fn error(&self, action: &'static str, error: io::Error) -> StoreError {
        StoreError::Io { action, kind: self.kind, error }
    }
}
