//! Stores equal bytes of two files once: as a clone where the file system has clones, else as a second link
//! to the same file, which is never written to.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr, getxattr, ioctl_ficlone};

use super::disk::remove_if_exists;
use super::error::StoreError;
use super::reading::{Way, read_whole};
use super::store::Store;
use model::digest::{Expected, Sha256};
use model::identity::Identity;
use model::names::FileName;

/// The extended attribute that clones of each other share. Other traces of a clone need privileges.
const MARK: &str = "user.image-service.clones";

/// A mark is a random UUID.
const MARK_BYTES: usize = 36;

/// A complete file with the same digest as another one.
#[derive(Debug, Clone)]
pub struct Duplicate {
    /// Its path.
    pub path: PathBuf,
    /// Its identity when its digest was computed.
    pub identity: Identity,
}

/// The bytes of a file that other files may share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Bytes {
    /// Bytes of a file with more than one name.
    Linked {
        /// Its device number.
        device: u64,
        /// Its inode number.
        inode: u64,
    },
    /// Bytes of clones, by their mark.
    Cloned(String),
}

/// A second name for the bytes of a duplicate, removed on drop unless it was renamed.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) path: PathBuf,
}

impl Bytes {
    /// The bytes of the file at `path`; `None` if it shares none.
    pub(super) fn of(path: &Path, metadata: &Metadata) -> Option<Self> {
        if metadata.nlink() > 1 {
            return Some(Self::Linked { device: metadata.dev(), inode: metadata.ino() });
        }
        let mut mark = [0; MARK_BYTES];
        let length = getxattr(path, MARK, &mut mark).ok()?;
        marked(mark.get(..length)?)
    }
}

impl Store {
    /// Gives `duplicate` a second name at `path`, for the file `name`. `None` if the disk cannot, or if the
    /// duplicate no longer has these bytes: damaged bytes must not replace good ones.
    pub(super) fn share(
        &self,
        duplicate: &Duplicate,
        sha256: Sha256,
        name: &FileName,
        path: PathBuf,
    ) -> Option<Shared> {
        let shared = self.shared(duplicate, sha256, name, path);
        let shared = shared.inspect_err(|error| {
            tracing::warn!(kind = %self.kind, %name, %error, "stored bytes cannot be shared");
        });
        shared.ok().flatten()
    }

    fn shared(
        &self,
        duplicate: &Duplicate,
        sha256: Sha256,
        name: &FileName,
        path: PathBuf,
    ) -> io::Result<Option<Shared>> {
        let file = File::open(&duplicate.path)?;
        if file.metadata()?.dev() != self.device {
            return Ok(None);
        }
        let whole = read_whole(&file, &Expected::default(), Way::Disk, |_| true)?;
        if whole.is_none_or(|whole| {
            !whole.identity.same_version(&duplicate.identity) || whole.digests.sha256 != sha256
        }) {
            return Err(io::Error::other("they are not what they were"));
        }
        let shared = Shared { path };
        match clone(&file, &shared.path) {
            Ok(()) => return Ok(Some(shared)),
            Err(error) => tracing::debug!(%error, "the file system does not clone files"),
        }
        // A client that compares times must not take an older file for the one that had this name.
        let found = Identity::of(&file.metadata()?);
        let is_older = |named: Metadata| {
            let named = Identity::of(&named);
            named.modified() >= found.modified() && (named.device, named.inode) != (found.device, found.inode)
        };
        if fs::symlink_metadata(self.path(name)).is_ok_and(is_older) {
            return Ok(None);
        }
        fs::hard_link(&duplicate.path, &shared.path)?;
        if Identity::of(&fs::symlink_metadata(&shared.path)?) != Identity::of(&file.metadata()?) {
            return Err(io::Error::other("they were replaced meanwhile"));
        }
        // A write to one name would change both. The mode stops all but privileged programs.
        if let Err(error) = file.set_permissions(Permissions::from_mode(file.metadata()?.mode() & 0o555)) {
            tracing::debug!(%error, "a shared file can still be written to");
        }
        Ok(Some(shared))
    }

    /// Whether another file may have the bytes of this one. No other file is looked at.
    pub fn may_share(&self, name: &FileName) -> bool {
        let path = self.path(name);
        fs::symlink_metadata(&path).is_ok_and(|metadata| Bytes::of(&path, &metadata).is_some())
    }

    /// All complete files, and for each the bytes that it may share.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn list_bytes(&self) -> Result<Vec<(FileName, Identity, Option<Bytes>)>, StoreError> {
        let files = self.walk()?.into_iter().map(|(name, metadata)| {
            let bytes = Bytes::of(&self.path(&name), &metadata);
            (name, Identity::of(&metadata), bytes)
        });
        Ok(files.collect())
    }
}

/// Makes a clone of `file` at `path`, and marks both.
fn clone(file: &File, path: &Path) -> io::Result<()> {
    let duplicate = File::options().write(true).create_new(true).open(path)?;
    let cloned = ioctl_ficlone(&duplicate, file).map_err(io::Error::from).and_then(|()| {
        // Without a mark they share bytes as well, but the usage does not show it.
        if let Err(error) = mark(file, &duplicate) {
            tracing::debug!(%error, "clones cannot be marked");
        }
        duplicate.set_permissions(Permissions::from_mode(0o644))?;
        duplicate.sync_all()
    });
    if cloned.is_err() {
        fs::remove_file(path)?;
    }
    cloned
}

fn mark(file: &File, duplicate: &File) -> io::Result<()> {
    let mut known = [0; MARK_BYTES];
    let known = fgetxattr(file, MARK, &mut known).ok().and_then(|length| marked(known.get(..length)?));
    let mark = match known {
        Some(Bytes::Cloned(mark)) => mark,
        _ => uuid::Uuid::new_v4().to_string(),
    };
    fsetxattr(file, MARK, mark.as_bytes(), XattrFlags::empty())?;
    Ok(fsetxattr(duplicate, MARK, mark.as_bytes(), XattrFlags::empty())?)
}

fn marked(mark: &[u8]) -> Option<Bytes> {
    let is_fine = mark.len() == MARK_BYTES && mark.is_ascii();
    is_fine.then(|| Bytes::Cloned(String::from_utf8_lossy(mark).into_owned()))
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Err(error) = remove_if_exists(&self.path) {
            tracing::warn!(%error, "a second name stays behind until the next start");
        }
    }
}
