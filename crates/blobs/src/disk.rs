//! Promises space of a file system to files that are being received. No space is promised twice, even to two
//! stores.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::stored_file::StoreKind;

/// The file systems that stores lie on, by device number.
#[derive(Debug, Clone, Default)]
pub struct Disks(Arc<Mutex<BTreeMap<u64, Arc<Disk>>>>);

/// One file system.
#[derive(Debug, Default)]
pub(super) struct Disk(Mutex<Vec<Weak<Promise>>>);

/// The space of one file that is being received, returned when the last handle is dropped.
#[derive(Debug)]
pub(super) struct Promise {
    kind: StoreKind,
    /// The size of the complete file; 0 if it is unknown.
    size: AtomicU64,
    /// Bytes that have been written.
    written: AtomicU64,
    /// Bytes that the file system counts as used by the file.
    taken: AtomicU64,
}

/// The promises of a file system, locked.
pub(super) struct Promises<'a>(MutexGuard<'a, Vec<Weak<Promise>>>);

impl Disks {
    /// The file system of this device number.
    pub(super) fn disk(&self, device: u64) -> Arc<Disk> {
        let mut disks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(disks.entry(device).or_default())
    }
}

impl Disk {
    pub(super) fn promises(&self) -> Promises<'_> {
        let mut promises = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        promises.retain(|promise| promise.strong_count() > 0);
        Promises(promises)
    }
}

impl Promises<'_> {
    /// Bytes that all files but `except` will need beyond those that the file system counts as used.
    pub(super) fn outstanding(&self, except: Option<&Promise>) -> u64 {
        let others =
            self.all().filter(|promise| except.is_none_or(|except| !std::ptr::eq(&**promise, except)));
        others.map(|promise| promise.outstanding()).fold(0, u64::saturating_add)
    }

    /// Bytes that all files on their way to a store will have when they are complete.
    pub(super) fn of(&self, kind: StoreKind) -> u64 {
        let here = self.all().filter(|promise| promise.kind == kind);
        here.map(|promise| promise.size()).fold(0, u64::saturating_add)
    }

    /// The number of files on their way to a store, and their bytes so far.
    pub(super) fn unfinished(&self, kind: StoreKind) -> (usize, u64) {
        let here = self.all().filter(|promise| promise.kind == kind);
        here.fold((0, 0), |(count, bytes), promise| (count + 1, bytes + promise.written()))
    }

    pub(super) fn make(&mut self, kind: StoreKind, size: Option<u64>) -> Arc<Promise> {
        let size = AtomicU64::new(size.unwrap_or(0));
        let promise = Promise { kind, size, written: AtomicU64::new(0), taken: AtomicU64::new(0) };
        let promise = Arc::new(promise);
        self.0.push(Arc::downgrade(&promise));
        promise
    }

    fn all(&self) -> impl Iterator<Item = Arc<Promise>> {
        self.0.iter().filter_map(Weak::upgrade)
    }
}

impl Promise {
    pub(super) fn set_size(&self, size: Option<u64>) {
        self.size.store(size.unwrap_or(0), Ordering::Relaxed);
    }

    /// Records how many bytes are written, and how many are allocated in advance.
    pub(super) fn record(&self, written: u64, allocated: u64) {
        self.written.store(written, Ordering::Relaxed);
        self.taken.store(written.max(allocated), Ordering::Relaxed);
    }

    /// Bytes that the file system counts as used by the file.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The size of the complete file, as far as it is known.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed).max(self.taken())
    }

    /// Bytes that the file will need beyond those that the file system counts as used.
    pub(super) fn outstanding(&self) -> u64 {
        self.size.load(Ordering::Relaxed).saturating_sub(self.taken())
    }
}

/// Removes a file that may be missing.
pub(super) fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_promised_is_counted_once_and_given_back() {
        let disks = Disks::default();
        let (disk, same) = (disks.disk(1), disks.disk(1));
        let iso = disk.promises().make(StoreKind::Iso, Some(100));
        let kernel = same.promises().make(StoreKind::Microkernel, Some(10));
        let figures = || {
            let promises = disk.promises();
            (promises.outstanding(None), promises.of(StoreKind::Iso), promises.unfinished(StoreKind::Iso))
        };
        assert_eq!(figures(), (110, 100, (1, 0)));
        assert_eq!(disk.promises().outstanding(Some(&iso)), 10);
        assert_eq!(disks.disk(2).promises().outstanding(None), 0);
        iso.record(30, 0);
        assert_eq!(figures(), (80, 100, (1, 30)));
        iso.record(30, 100);
        assert_eq!(figures(), (10, 100, (1, 30)));
        drop(iso);
        let unknown = disk.promises().make(StoreKind::Iso, None);
        unknown.record(7, 0);
        assert_eq!(figures(), (10, 7, (1, 7)));
        drop((kernel, unknown));
        assert_eq!(figures(), (0, 0, (0, 0)));
    }
}
