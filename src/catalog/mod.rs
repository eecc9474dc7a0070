//! The desk: the only writer of state. Doors and workers ask it; it keeps the shelves in step and publishes immutable snapshots.
//! Handles are cheap clones. What blocks on the disk runs on the blocking pool.

mod browse;
mod checks;
mod digests;
mod downloads;
mod duplicates;
mod error;
mod examine;
mod files;
mod finish;
mod intake;
mod intake_worker;
mod jobs;
mod locks;
mod lookup_limit;
mod parts;
mod register;
mod remove;
mod resolve;
mod restore;
mod storage;
mod store_scan;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::events::{Change, Events};
use crate::inventory::{Inventory, InventoryError, InventoryWriter};
use crate::model::digest::Sha256;
use crate::model::image::ImageId;
use crate::model::names::{FileName, ImageName, ImageVersion};
use crate::model::stored_file::StoreKind;
use crate::model::unfinished_file::UnfinishedFileId;
use crate::store::Store;
use crate::trees::{Folder, Links, Tree, Trees};
use locks::NameLocks;
use lookup_limit::LookupLimit;

pub use crate::inventory::Snapshot;
pub use browse::{Browse, Browsed, Line};
pub use digests::Recorded;
pub use error::CatalogError;
pub use files::ListedFile;
pub use intake::Intake;
pub use register::Reservation;
pub use resolve::{Listed, Request, Resolved};
pub use restore::Restored;
pub use store_scan::StoreScan;

/// Uploads that may arrive at once. Each has a thread that writes and digests, and there are 512 such threads in all.
const MAX_INTAKES: usize = 64;

/// Errands that may wait; more are dropped, for the next look notices them again.
const MAX_JOB_REQUESTS: usize = 4096;

/// Work that the desk noticed and leaves to the workers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobRequest {
    /// The digest of this version of a file is not known.
    Digest(StoreKind, FileName),
    /// The ISO of this image has never been read.
    Prepare(ImageId),
}

/// The shelves that the desk stands before.
pub struct Storage {
    /// ISO files.
    pub isos: Store,
    /// Microkernel files.
    pub microkernels: Store,
    /// Trees of images.
    pub trees: Trees,
    /// The southbound root folder.
    pub root: PathBuf,
    /// Where changes are told.
    pub events: Events,
    /// A file that somebody has written to within this time may not be complete; it is left to whoever watches the folders. Zero if
    /// nobody does.
    pub settling: Duration,
}

/// The desk.
#[derive(Clone)]
pub struct Catalog(Arc<Inner>);

struct Inner {
    isos: Store,
    microkernels: Store,
    trees: Trees,
    /// What lies on disk below the southbound root.
    root: Tree,
    /// The folders of the stores, as they are served.
    iso_folder: Tree,
    microkernel_folder: Tree,
    writer: InventoryWriter<CatalogError>,
    events: Events,
    settling: Duration,
    image_locks: NameLocks<(ImageName, ImageVersion)>,
    file_locks: NameLocks<(StoreKind, FileName)>,
    unfinished_locks: NameLocks<UnfinishedFileId>,
    /// Digests of files that are about to get their names: of two that are alike the second finds the first.
    digest_locks: NameLocks<Sha256>,
    intakes: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    changes: TaskTracker,
    /// The service ends.
    stop: CancellationToken,
    lookups: LookupLimit,
    job_requests: mpsc::Sender<JobRequest>,
    job_requests_out: Mutex<Option<mpsc::Receiver<JobRequest>>>,
}

/// The desk cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The records cannot be read.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// A folder cannot be opened or a thread not started.
    #[error("cannot open {what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Catalog {
    /// Opens the desk: loads the inventory and takes the shelves into use.
    pub fn open(shelves: Storage, inventory: Inventory) -> Result<Self, OpenError> {
        let records = restore::adopt_links(inventory.load()?, &shelves.isos);
        for store in [&shelves.isos, &shelves.microkernels] {
            let files =
                records.files.values().filter(|file| file.kind == store.kind() && file.local.is_none());
            store.settle_replaced(files.map(|file| (&file.name, &file.identity)));
        }
        let folder = |path: &std::path::Path| {
            let opened = Folder::open(path, Links::Beneath);
            opened
                .map(Tree::Folder)
                .map_err(|source| OpenError::Io { what: format!("the folder {}", path.display()), source })
        };
        let (job_requests, job_requests_out) = mpsc::channel(MAX_JOB_REQUESTS);
        Ok(Self(Arc::new(Inner {
            root: folder(&shelves.root)?,
            iso_folder: folder(shelves.isos.folder())?,
            microkernel_folder: folder(shelves.microkernels.folder())?,
            isos: shelves.isos,
            microkernels: shelves.microkernels,
            trees: shelves.trees,
            writer: InventoryWriter::start(inventory, records, shelves.events.clone())
                .map_err(|source| OpenError::Io { what: "the inventory's thread".into(), source })?,
            events: shelves.events,
            settling: shelves.settling,
            image_locks: NameLocks::default(),
            file_locks: NameLocks::default(),
            unfinished_locks: NameLocks::default(),
            digest_locks: NameLocks::default(),
            intakes: Arc::new(Semaphore::new(MAX_INTAKES)),
            searches: Arc::new(Semaphore::new(browse::MAX_SEARCHES)),
            changes: TaskTracker::new(),
            stop: CancellationToken::new(),
            lookups: LookupLimit::default(),
            job_requests,
            job_requests_out: Mutex::new(Some(job_requests_out)),
        })))
    }

    /// The state as it is known to be durable.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.writer.snapshot()
    }

    /// Counts the changes of the state: what was resolved at another count may lead elsewhere now.
    pub fn generation(&self) -> u64 {
        self.0.writer.generation()
    }

    /// Calls `listener` after each change, before whoever asked for it is answered. Who keeps files open lets go of them here, because
    /// they may just have been removed.
    pub fn on_change(&self, listener: impl Fn() + Send + Sync + 'static) {
        self.0.writer.listen(listener);
    }

    /// What the desk wants done. Handed out once, to the workers.
    pub fn take_job_requests(&self) -> Option<mpsc::Receiver<JobRequest>> {
        self.0.job_requests_out.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Brings changes under way to their end, notes what parts have got, and lets go of all trees, undoing mounts. For the end of the
    /// program.
    pub async fn close(&self) {
        self.0.stop.cancel();
        self.0.changes.close();
        self.0.changes.wait().await;
        if let Err(error) = self.0.writer.flush().await {
            tracing::error!(%error, "the last changes are lost");
        }
        let _ = self.blocking(|inner| inner.trees.close_all()).await;
    }

    /// Runs a change to its end even if whoever asked for it goes away: what is claimed must stay claimed while the disk still works.
    async fn whole<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, CatalogError>> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.0.changes.spawn(change).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a change ended early");
            Err(CatalogError::Stopping)
        })
    }

    /// Runs what blocks on the disk away from the threads that serve connections.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inner)).await.map_err(|error| {
            tracing::error!(%error, "work on the disk ended early");
            CatalogError::Stopping
        })
    }
}

impl Inner {
    fn store(&self, kind: StoreKind) -> &Store {
        match kind {
            StoreKind::Iso => &self.isos,
            StoreKind::Microkernel => &self.microkernels,
        }
    }

    /// Where the ISO `name` lies: in the store, or where it was registered.
    fn iso_path(&self, snapshot: &Snapshot, name: &FileName) -> PathBuf {
        let local = snapshot.file(StoreKind::Iso, name).and_then(|file| file.local.clone());
        local.unwrap_or_else(|| self.isos.path(name))
    }

    fn post(&self, request: JobRequest) {
        if let Err(error) = self.job_requests.try_send(request) {
            tracing::debug!(%error, "a job request was dropped");
        }
    }
}
