//! Checks whether a file fits: into the free space, less the reserve and the promises to other files, and
//! into the quota of the store.

use std::collections::HashSet;
use std::sync::Arc;

use super::disk::{Promise, Promises};
use super::error::{Bound, StoreError};
use super::store::Store;
use model::stored_file::StoreKind;

/// The contents and the space of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Complete files.
    pub files: usize,
    /// Their bytes; shared bytes count once.
    pub bytes: u64,
    /// Bytes that sharing saves.
    pub saved: u64,
    /// Unfinished files.
    pub unfinished: usize,
    /// Their bytes so far.
    pub unfinished_bytes: u64,
    /// Their bytes when they are complete, as far as that is known.
    pub promised: u64,
    /// Bytes that the store may hold; 0 is no limit.
    pub quota: u64,
    /// Bytes that the store could receive now.
    pub available: u64,
    /// The file system of the store.
    pub file_system: FileSystem,
}

/// A file system with stores on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its device number.
    pub device: u64,
    /// Bytes in all.
    pub total: u64,
    /// Bytes that an unprivileged process may still write.
    pub free: u64,
    /// Bytes of these that stay free.
    pub reserve: u64,
    /// Bytes of these that files being received will need.
    pub promised: u64,
}

impl FileSystem {
    /// Bytes that could be received now.
    pub fn available(&self) -> u64 {
        self.free.saturating_sub(self.reserve).saturating_sub(self.promised)
    }
}

impl Store {
    /// Promises space to a file of this size, if it is known.
    pub(super) fn promise(&self, size: Option<u64>) -> Result<Arc<Promise>, StoreError> {
        let mut promises = self.disk.promises();
        self.check_size(size)?;
        self.check_space(&promises, None, size)?;
        Ok(promises.make(self.kind, size))
    }

    /// Changes the size of a file that is being received.
    pub(super) fn promise_more(&self, promise: &Promise, size: Option<u64>) -> Result<(), StoreError> {
        let promises = self.disk.promises();
        self.check_size(size)?;
        self.check_space(&promises, Some(promise), size)?;
        promise.set_size(size);
        Ok(())
    }

    /// Refuses a file that grows by `by` bytes beyond the available space. Returns the bytes by which it may
    /// grow now.
    pub(super) fn may_grow(&self, promise: &Promise, by: u64) -> Result<u64, StoreError> {
        let (available, bound) = self.space(&self.disk.promises(), Some(promise))?;
        if by > available {
            return Err(StoreError::Full { kind: self.kind, needed: None, available, bound });
        }
        Ok(available)
    }

    /// The error for a disk that is full by the word of the system.
    pub(super) fn full(&self, needed: Option<u64>) -> StoreError {
        let bound = Bound::Disk { promised: 0, reserve: self.limits.reserve };
        let (available, bound) = self.space(&self.disk.promises(), None).unwrap_or((0, bound));
        StoreError::Full { kind: self.kind, needed, available, bound }
    }

    /// The contents and the space of the store.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let promises = self.disk.promises();
        let (unfinished, unfinished_bytes) = promises.unfinished(self.kind);
        let (files, bytes, saved) = self.stored()?;
        Ok(Usage {
            files,
            bytes,
            saved,
            unfinished,
            unfinished_bytes,
            promised: promises.of(self.kind),
            quota: self.limits.quota,
            available: self.space(&promises, None)?.0,
            file_system: self.file_system(&promises, None)?,
        })
    }

    fn check_size(&self, size: Option<u64>) -> Result<(), StoreError> {
        match size {
            Some(size) if size > self.limits.max_file_size => {
                Err(StoreError::TooLarge { limit: self.limits.max_file_size })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a file that does not fit, or one of unknown size if no space is left. `promise` is that of the
    /// file.
    fn check_space(
        &self,
        promises: &Promises<'_>,
        promise: Option<&Promise>,
        size: Option<u64>,
    ) -> Result<(), StoreError> {
        let has = promise.map_or(0, Promise::taken);
        let needed = size.map(|size| size.saturating_sub(has));
        let (available, bound) = self.space(promises, promise)?;
        if needed.unwrap_or(1) > available {
            return Err(StoreError::Full { kind: self.kind, needed, available, bound });
        }
        Ok(())
    }

    /// Bytes that a file may still use, and the limit for more. `own` is its promise, if it has one already.
    fn space(&self, promises: &Promises<'_>, own: Option<&Promise>) -> Result<(u64, Bound), StoreError> {
        let disk = self.file_system(promises, own)?;
        let bound = Bound::Disk { promised: disk.promised, reserve: disk.reserve };
        let bytes = self.limits.quota;
        if bytes == 0 {
            return Ok((disk.available(), bound));
        }
        let expected = promises.of(self.kind).saturating_sub(own.map_or(0, |own| own.size() - own.taken()));
        let left = bytes.saturating_sub(self.stored()?.1).saturating_sub(expected);
        if left < disk.available() {
            let key = match self.kind {
                StoreKind::Iso => "isoQuota",
                StoreKind::Microkernel => "microkernelQuota",
            };
            return Ok((left, Bound::Quota { key, bytes }));
        }
        Ok((disk.available(), bound))
    }

    fn file_system(
        &self,
        promises: &Promises<'_>,
        except: Option<&Promise>,
    ) -> Result<FileSystem, StoreError> {
        let answer = rustix::fs::statvfs(&self.folder);
        let space = answer.map_err(|errno| StoreError::Io {
            action: "ask for free space",
            kind: self.kind,
            source: errno.into(),
        })?;
        Ok(FileSystem {
            device: self.device,
            total: space.f_blocks.saturating_mul(space.f_frsize),
            free: space.f_bavail.saturating_mul(space.f_frsize),
            reserve: self.limits.reserve,
            promised: promises.outstanding(except),
        })
    }

    /// Complete files, their bytes with shared ones counted once, and the bytes that sharing saves.
    fn stored(&self) -> Result<(usize, u64, u64), StoreError> {
        let files = self.list_bytes()?;
        let mut seen = HashSet::new();
        let (mut bytes, mut saved) = (0_u64, 0_u64);
        for (_, identity, shared) in &files {
            let is_first = shared.as_ref().is_none_or(|shared| seen.insert(shared));
            let sum = if is_first { &mut bytes } else { &mut saved };
            *sum = sum.saturating_add(identity.size);
        }
        Ok((files.len(), bytes, saved))
    }
}
