//! A file on its way in: written to a temporary, digested as it comes, fsynced, renamed. Dropped early it leaves nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::hashers::Hashers;
use super::{Store, StoreError};
use crate::model::digest::{Expected, Sha256};
use crate::model::identity::Identity;
use crate::model::names::FileName;

/// Free space is asked for again after this many bytes.
const SPACE_CHECK_INTERVAL: u64 = 64 << 20;

/// A file being received. All calls block on the disk.
#[derive(Debug)]
pub struct Upload {
    file: File,
    temporary: Temporary,
    name: FileName,
    hashers: Hashers,
    expected: Expected,
    size: u64,
    checked: u64,
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
}

impl Upload {
    pub(super) fn begin(store: &Store, name: FileName, expected: Expected) -> Result<Self, StoreError> {
        let path = store.incoming().join(format!("{}.part", uuid::Uuid::new_v4()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(&path);
        let file = file.map_err(|source| store.io("make a file", source))?;
        Ok(Self {
            file,
            temporary: Temporary { path, named: false },
            name,
            hashers: Hashers::new(&expected),
            expected,
            size: 0,
            checked: 0,
        })
    }

    /// Appends bytes.
    pub fn write(&mut self, store: &Store, bytes: &[u8]) -> Result<(), StoreError> {
        self.size += bytes.len() as u64;
        if self.size > store.limits.max_file_size {
            return Err(StoreError::TooLarge { limit: store.limits.max_file_size });
        }
        if self.size - self.checked >= SPACE_CHECK_INTERVAL {
            self.checked = self.size;
            if store.available()? == 0 {
                return Err(StoreError::Full { shelf: store.shelf, needed: None, available: 0 });
            }
        }
        self.file.write_all(bytes).map_err(|source| store.io("write a file", source))?;
        self.hashers.update(bytes);
        Ok(())
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the bytes are until the file has its name.
    pub fn path(&self) -> &Path {
        &self.temporary.path
    }

    /// Holds the file against what is expected of it, makes it durable and gives it its name, replacing an older file of that name in
    /// one step. Until the result is kept, the older file can come back.
    pub fn finish(mut self, store: &Store) -> Result<(Received, Named), StoreError> {
        let digests = self.hashers.clone().finish();
        self.expected.check(&digests)?;
        self.file.sync_all().map_err(|source| store.io("sync a file", source))?;
        let metadata = self.file.metadata().map_err(|source| store.io("look at a file", source))?;
        let mut named = Named { path: store.path(&self.name), old: None, undo: false };
        let old = self.temporary.path.with_extension("old");
        match fs::hard_link(&named.path, &old) {
            Ok(()) => named.old = Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Without hard links an older file cannot be kept aside; replacing it is what was asked for.
            Err(error) => tracing::debug!(%error, "an older file is replaced for good"),
        }
        fs::rename(&self.temporary.path, &named.path).map_err(|source| store.io("name a file", source))?;
        self.temporary.named = true;
        named.undo = true;
        store.sync()?;
        let received =
            Received { name: self.name, identity: Identity::of(&metadata), sha256: digests.sha256 };
        Ok((received, named))
    }
}

/// A file that has got its name, until it is decided that it keeps it. Letting go of this brings the state before back.
#[derive(Debug)]
#[must_use = "letting go of it takes the file away again"]
pub struct Named {
    path: PathBuf,
    old: Option<PathBuf>,
    undo: bool,
}

impl Named {
    /// The file stays, and what it replaced goes.
    pub fn keep(mut self) {
        self.undo = false;
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let done = match (&self.old, self.undo) {
            (Some(old), true) => fs::rename(old, &self.path),
            (None, true) => fs::remove_file(&self.path),
            (Some(old), false) => fs::remove_file(old),
            (None, false) => return,
        };
        let folder = self.path.parent().map(File::open);
        let synced = done.and_then(|()| folder.map_or(Ok(()), |folder| folder?.sync_all()));
        if let Err(error) = synced {
            tracing::error!(%error, undo = self.undo, "cannot tidy up after a file was named");
        }
    }
}

/// The unfinished file, removed when it is let go before it got its name.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    named: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.named
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, "an unfinished upload stays behind until the next start");
        }
    }
}
