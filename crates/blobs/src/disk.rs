//! Promises space of a file system to files that are being received. No space is promised twice, even to two
//! stores.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::client::ClientKey;
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
    /// The client that sends the file; `None` for the service's own downloads.
    client: Option<ClientKey>,
    /// The size of the complete file; 0 if it is unknown.
    size: AtomicU64,
    /// Bytes of these that no other file may use. The rest comes only if there is space for it then.
    promised: AtomicU64,
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
    /// Bytes that are promised to all files but `except`, beyond those that the file system counts as used.
    pub(super) fn outstanding(&self, except: Option<&Promise>) -> u64 {
        sum(self.others(except).map(|promise| promise.outstanding()))
    }

    /// The same of the files on their way to one store.
    pub(super) fn outstanding_of(&self, kind: StoreKind, except: Option<&Promise>) -> u64 {
        let here = self.others(except).filter(|promise| promise.kind == kind);
        sum(here.map(|promise| promise.outstanding()))
    }

    /// The same of the files that one client sends, to one store or to all.
    pub(super) fn outstanding_from(
        &self,
        client: Option<ClientKey>,
        kind: Option<StoreKind>,
        except: Option<&Promise>,
    ) -> u64 {
        let is_there = |promise: &Promise| kind.is_none_or(|kind| promise.kind == kind);
        let own = self.others(except).filter(|promise| promise.client == client && is_there(promise));
        sum(own.map(|promise| promise.outstanding()))
    }

    /// Bytes that the file system counts as used by the files on their way to a store.
    pub(super) fn taken(&self, kind: StoreKind) -> u64 {
        sum(self.all().filter(|promise| promise.kind == kind).map(|promise| promise.taken()))
    }

    /// Bytes that all files on their way to a store will have when they are complete.
    pub(super) fn of(&self, kind: StoreKind) -> u64 {
        sum(self.all().filter(|promise| promise.kind == kind).map(|promise| promise.size()))
    }

    /// The number of files on their way to a store, and their bytes so far.
    pub(super) fn unfinished(&self, kind: StoreKind) -> (usize, u64) {
        let here = self.all().filter(|promise| promise.kind == kind);
        here.fold((0, 0), |(count, bytes), promise| (count + 1, bytes + promise.written()))
    }

    /// Promises `promised` bytes to a file of this size, if it is known.
    pub(super) fn make(
        &mut self,
        kind: StoreKind,
        client: Option<ClientKey>,
        size: Option<u64>,
        promised: u64,
    ) -> Arc<Promise> {
        let (size, promised) = (AtomicU64::new(size.unwrap_or(0)), AtomicU64::new(promised));
        let (written, taken) = (AtomicU64::new(0), AtomicU64::new(0));
        let promise = Arc::new(Promise { kind, client, size, promised, written, taken });
        self.0.push(Arc::downgrade(&promise));
        promise
    }

    fn others(&self, except: Option<&Promise>) -> impl Iterator<Item = Arc<Promise>> {
        self.all().filter(move |promise| except.is_none_or(|except| !std::ptr::eq(&**promise, except)))
    }

    fn all(&self) -> impl Iterator<Item = Arc<Promise>> {
        self.0.iter().filter_map(Weak::upgrade)
    }
}

impl Promise {
    /// The client that sends the file.
    pub(super) fn client(&self) -> Option<ClientKey> {
        self.client
    }

    pub(super) fn set_size(&self, size: Option<u64>, promised: u64) {
        self.size.store(size.unwrap_or(0), Ordering::Relaxed);
        self.promised.store(promised, Ordering::Relaxed);
    }

    /// Bytes that a file of known size still lacks on disk.
    pub(super) fn lacks(&self) -> Option<u64> {
        let size = self.size.load(Ordering::Relaxed);
        (size > 0).then(|| size.saturating_sub(self.written()))
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

    /// Bytes that are promised to the file beyond those that the file system counts as used.
    pub(super) fn outstanding(&self) -> u64 {
        self.promised.load(Ordering::Relaxed).saturating_sub(self.taken())
    }
}

fn sum(bytes: impl Iterator<Item = u64>) -> u64 {
    bytes.fold(0, u64::saturating_add)
}

/// Makes a folder with those above it, as far as they are missing. When this returns they are on disk.
///
/// # Errors
///
/// A folder cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(path)?;
    for folder in missing.iter().rev() {
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
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
        let iso = disk.promises().make(StoreKind::Iso, None, Some(100), 100);
        let client = Some(ClientKey::from(std::net::IpAddr::from([192, 0, 2, 1])));
        let kernel = same.promises().make(StoreKind::Microkernel, client, Some(20), 10);
        let figures = || {
            let promises = disk.promises();
            (promises.outstanding(None), promises.of(StoreKind::Iso), promises.unfinished(StoreKind::Iso))
        };
        assert_eq!(figures(), (110, 100, (1, 0)));
        assert_eq!(disk.promises().outstanding(Some(&iso)), 10);
        assert_eq!(disk.promises().outstanding_of(StoreKind::Iso, None), 100);
        assert_eq!(disk.promises().outstanding_from(client, None, None), 10);
        assert_eq!(disk.promises().outstanding_from(client, None, Some(&kernel)), 0);
        assert_eq!(disk.promises().outstanding_from(client, Some(StoreKind::Iso), None), 0);
        assert_eq!(disks.disk(2).promises().outstanding(None), 0);
        iso.record(30, 0);
        assert_eq!((figures(), iso.lacks()), ((80, 100, (1, 30)), Some(70)));
        iso.record(30, 100);
        assert_eq!(figures(), (10, 100, (1, 30)));
        assert_eq!(disk.promises().taken(StoreKind::Iso), 100);
        drop(iso);
        let unknown = disk.promises().make(StoreKind::Iso, None, None, 0);
        unknown.record(7, 0);
        assert_eq!((figures(), unknown.lacks()), ((10, 7, (1, 7)), None));
        drop((kernel, unknown));
        assert_eq!(figures(), (0, 0, (0, 0)));
    }
}
