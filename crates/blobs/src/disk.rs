//! What is promised of a file system to files that are on their way. The same bytes are never promised twice, whichever store they go to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::stored_file::StoreKind;

/// The file systems that stores lie on, by device number.
#[derive(Debug, Clone, Default)]
pub struct Disks(Arc<Mutex<BTreeMap<u64, Arc<Disk>>>>);

/// One file system.
#[derive(Debug, Default)]
pub(super) struct Disk(Mutex<Vec<Weak<Promise>>>);

/// The space of one file on its way, given back when nobody holds this any more.
#[derive(Debug)]
pub(super) struct Promise {
    kind: StoreKind,
    /// The size of the whole file; 0 as long as nobody knows.
    size: AtomicU64,
    /// So many bytes have come.
    written: AtomicU64,
    /// So many bytes the file system counts as used by it.
    taken: AtomicU64,
}

/// The promises of a file system, which nobody else changes meanwhile.
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
    /// Bytes that will be needed beyond what the file system counts as used, by all but `except`.
    pub(super) fn outstanding(&self, except: Option<&Promise>) -> u64 {
        let others =
            self.all().filter(|promise| except.is_none_or(|except| !std::ptr::eq(&**promise, except)));
        others.map(|promise| promise.outstanding()).fold(0, u64::saturating_add)
    }

    /// Bytes that a store will hold when all has come that is on its way to it.
    pub(super) fn of(&self, kind: StoreKind) -> u64 {
        let here = self.all().filter(|promise| promise.kind == kind);
        here.map(|promise| promise.whole()).fold(0, u64::saturating_add)
    }

    /// Files on their way to a store, and how many bytes of them have come.
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

    /// Notes how many bytes have come, and how many were taken in advance.
    pub(super) fn reach(&self, written: u64, allocated: u64) {
        self.written.store(written, Ordering::Relaxed);
        self.taken.store(written.max(allocated), Ordering::Relaxed);
    }

    /// Bytes that the file system counts as used by it.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Its size as far as that is known.
    pub(super) fn whole(&self) -> u64 {
        self.size.load(Ordering::Relaxed).max(self.taken())
    }

    /// Bytes that it will need beyond those that the file system counts as used.
    pub(super) fn outstanding(&self) -> u64 {
        self.size.load(Ordering::Relaxed).saturating_sub(self.taken())
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
        iso.reach(30, 0);
        assert_eq!(figures(), (80, 100, (1, 30)));
        iso.reach(30, 100);
        assert_eq!(figures(), (10, 100, (1, 30)));
        drop(iso);
        let unknown = disk.promises().make(StoreKind::Iso, None);
        unknown.reach(7, 0);
        assert_eq!(figures(), (10, 7, (1, 7)));
        drop((kernel, unknown));
        assert_eq!(figures(), (0, 0, (0, 0)));
    }
}
