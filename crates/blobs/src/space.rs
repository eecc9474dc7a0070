//! Checks whether a file fits: into the free space, less the reserve and the promises to other files, and
//! into the quota of the store.

use std::collections::HashSet;
use std::sync::Arc;

use super::disk::{Promise, Promises};
use super::error::{Bound, StoreError};
use super::store::Store;
use model::client::ClientKey;
use model::fair_limit::share_of;
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
    /// Why the store receives no files now, if it does not.
    pub problem: Option<String>,
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

/// The space for one file.
struct Space {
    /// Bytes that it may still use.
    available: u64,
    /// The limit for more.
    bound: Bound,
    /// Bytes that may still be promised to its client.
    share: u64,
    /// Bytes that are promised to other files of its client.
    from_client: u64,
}

impl Store {
    /// Promises space to a file of this size, if it is known, for the client that sends it.
    pub(super) fn promise(
        &self,
        client: Option<ClientKey>,
        size: Option<u64>,
    ) -> Result<Arc<Promise>, StoreError> {
        let mut promises = self.disk.promises();
        self.check_size(size)?;
        let promised = self.may_promise(&promises, client, None, size)?;
        Ok(promises.make(self.kind, client, size, promised))
    }

    /// Promises space to a file of an earlier run that uses `taken` bytes already, as far as there is some.
    pub(super) fn promise_again(
        &self,
        client: Option<ClientKey>,
        size: Option<u64>,
        (written, taken): (u64, u64),
    ) -> Arc<Promise> {
        let mut promises = self.disk.promises();
        let promise = promises.make(self.kind, client, size, 0);
        promise.record(written, taken);
        let lacks = size.unwrap_or(0).saturating_sub(taken);
        // A disk that fails now is asked again when bytes come.
        let left =
            self.space(&promises, client, Some(&promise)).map_or(0, |space| space.share.min(space.available));
        promise.set_size(size, taken.saturating_add(lacks.min(left)));
        promise
    }

    /// Changes the size of a file that is being received.
    pub(super) fn promise_more(&self, promise: &Promise, size: Option<u64>) -> Result<(), StoreError> {
        let promises = self.disk.promises();
        self.check_size(size)?;
        let promised = self.may_promise(&promises, promise.client(), Some(promise), size)?;
        promise.set_size(size, promised);
        Ok(())
    }

    /// Refuses a file that grows by `by` bytes beyond the available space. Returns the bytes by which it may
    /// grow now.
    pub(super) fn may_grow(
        &self,
        promises: &Promises<'_>,
        promise: &Promise,
        by: u64,
    ) -> Result<u64, StoreError> {
        let Space { available, bound, .. } = self.space(promises, promise.client(), Some(promise))?;
        if by > available {
            return Err(StoreError::Full { kind: self.kind, needed: None, available, bound });
        }
        Ok(available)
    }

    /// The error for a disk that is full by the word of the system.
    pub(super) fn full(&self, needed: Option<u64>) -> StoreError {
        let bound = Bound::Disk { promised: 0, reserve: self.limits.get().reserve };
        let space = self.space(&self.disk.promises(), None, None);
        let (available, bound) = space.map_or((0, bound), |space| (space.available, space.bound));
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
            quota: self.limits.get().quota,
            available: self.space(&promises, None, None)?.available,
            problem: self.check_writable().err().map(|error| error.public_message()),
            file_system: self.file_system(&promises, None)?,
        })
    }

    /// Fails if no space is left above the reserve.
    ///
    /// # Errors
    ///
    /// The reason.
    pub fn expect_room(&self) -> Result<(), StoreError> {
        let disk = self.file_system(&self.disk.promises(), None)?;
        let bound = Bound::Disk { promised: 0, reserve: disk.reserve };
        if disk.free <= disk.reserve {
            return Err(StoreError::Full { kind: self.kind, needed: None, available: 0, bound });
        }
        Ok(())
    }

    /// The file system of the store. No file is looked at.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn disk_space(&self) -> Result<FileSystem, StoreError> {
        self.file_system(&self.disk.promises(), None)
    }

    fn check_size(&self, size: Option<u64>) -> Result<(), StoreError> {
        match size {
            Some(size) if size > self.limits.get().max_file_size => {
                Err(StoreError::TooLarge { limit: self.limits.get().max_file_size })
            }
            _ => Ok(()),
        }
    }

    /// The bytes that are promised to a file of this size in all, `own` being what it has already. One client
    /// is promised at most half of what is free, and a file without a client all that it needs. A file that
    /// alone needs more is taken if it fits now, but the bytes beyond that half are promised to no client.
    ///
    /// # Errors
    ///
    /// The file does not fit, or no space is left for one of unknown size; or its client is promised its
    /// share already.
    fn may_promise(
        &self,
        promises: &Promises<'_>,
        client: Option<ClientKey>,
        own: Option<&Promise>,
        size: Option<u64>,
    ) -> Result<u64, StoreError> {
        let has = own.map_or(0, Promise::taken);
        let needed = size.map(|size| size.saturating_sub(has));
        let Space { available, bound, share, from_client } = self.space(promises, client, own)?;
        let lacks = needed.unwrap_or(1);
        if from_client > 0 && needed.is_some_and(|needed| needed > share)
            // Without its other files it would fit.
            && lacks <= available.saturating_add(from_client)
        {
            return Err(StoreError::ClientHasShare { kind: self.kind, promised: from_client, left: share });
        }
        if lacks > available {
            return Err(StoreError::Full { kind: self.kind, needed, available, bound });
        }
        Ok(has.saturating_add(needed.unwrap_or(0).min(share)))
    }

    /// The space for a file of `client`. `own` is its promise, if it has one already.
    fn space(
        &self,
        promises: &Promises<'_>,
        client: Option<ClientKey>,
        own: Option<&Promise>,
    ) -> Result<Space, StoreError> {
        let disk = self.file_system(promises, own)?;
        let from_client = promises.outstanding_from(client, None, own);
        let half = |room, promised| match client {
            Some(_) => share_of(room).saturating_sub(promised),
            None => u64::MAX,
        };
        let mut space = Space {
            available: disk.available(),
            bound: Bound::Disk { promised: disk.promised, reserve: disk.reserve },
            share: half(disk.free.saturating_sub(disk.reserve), from_client),
            from_client,
        };
        let bytes = self.limits.get().quota;
        if bytes > 0 {
            let taken = promises.taken(self.kind);
            let room = bytes.saturating_sub(self.stored()?.1).saturating_sub(taken);
            let left = room.saturating_sub(promises.outstanding_of(self.kind, own));
            if left < space.available {
                let key = match self.kind {
                    StoreKind::Iso => "isoQuota",
                    StoreKind::Microkernel => "microkernelQuota",
                };
                (space.available, space.bound) = (left, Bound::Quota { key, bytes });
            }
            let here = promises.outstanding_from(client, Some(self.kind), own);
            space.share = space.share.min(half(room, here));
        }
        Ok(space)
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
            error: errno.into(),
        })?;
        Ok(FileSystem {
            device: self.device,
            total: space.f_blocks.saturating_mul(space.f_frsize),
            free: space.f_bavail.saturating_mul(space.f_frsize),
            reserve: self.limits.get().reserve,
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
