//! The handle of the catalog: opens its parts, hands them out, and closes them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::CatalogError;
use crate::files::Files;
use crate::intake::{IntakePermits, Intakes};
use crate::job_requests::JobRequests;
use crate::locks::{FileLocks, ImageLocks, NameLocks};
use crate::previous_service::adopt_links;
use crate::records::Writer;
use crate::registration::{Downloads, Registration};
use crate::resolve::{Folders, Images, Resolver};
use crate::stores::Stores;
use crate::tasks::{Questions, Tasks, blocking};
use crate::trees::{Folder, Links, Tree, Trees};
use crate::verify::Verifier;
use blobs::Store;
use component::LookupLimit;
use model::line_limit::LineLimit;
use model::settings::Live;
use records::feed::Feed;
use records::inventory::{ChangedRecord, Records, Snapshot};

/// The stores, trees and settings of a catalog.
pub struct Storage {
    /// ISO files.
    pub isos: Store,
    /// Microkernel files.
    pub microkernels: Store,
    /// Trees of images.
    pub trees: Trees,
    /// The southbound root folder.
    pub root: PathBuf,
    /// The limit of look-ups, shared with the southbound.
    pub lookups: LookupLimit,
    /// A file written to within this time may not be complete, so the folder scan asks for its digest later.
    /// Zero if there is no scan.
    pub settling: Live<Duration>,
    /// Downloads that wait or run at most.
    pub max_queued: Live<usize>,
}

/// The catalog. Clones are cheap and share the parts.
#[derive(Clone)]
pub struct Catalog {
    /// Finds the content at a path.
    pub resolver: Arc<Resolver>,
    /// Images as they are at this moment.
    pub images: Arc<Images>,
    /// The files of the stores.
    pub files: Arc<Files>,
    /// Files that are being received.
    pub intakes: Arc<Intakes>,
    /// Registers images.
    pub registration: Arc<Registration>,
    /// Images whose ISO is fetched.
    pub downloads: Arc<Downloads>,
    /// Digests and damage.
    pub verifier: Arc<Verifier>,
    pub(super) records: Arc<Writer>,
    trees: Arc<Trees>,
    tasks: Tasks,
    events: Feed,
    pub(super) job_requests: JobRequests,
}

/// The catalog cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk refuses a record.
    #[error(transparent)]
    Record(#[from] CatalogError),
    /// A folder cannot be opened or a thread not started.
    #[error("cannot open {what}")]
    Io {
        /// What was attempted.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Catalog {
    /// Opens the catalog over the records and the stores.
    ///
    /// # Errors
    ///
    /// A folder cannot be opened, or the disk refuses a record.
    pub async fn open(storage: Storage, records: Writer, events: Feed) -> Result<Self, OpenError> {
        let Storage { isos, microkernels, trees, root, lookups, settling, max_queued } = storage;
        adopt_links(&records, &isos).await?;
        let stores = Arc::new(Stores { isos, microkernels });
        recover_replaced(&stores, records.snapshot().records());
        let folders = Folders {
            root: open_folder(&root)?,
            isos: open_folder(stores.isos.folder())?,
            microkernels: open_folder(stores.microkernels.folder())?,
        };
        let shared = Shared {
            records: Arc::new(records),
            stores,
            trees: Arc::new(trees),
            events,
            tasks: Tasks::default(),
            questions: Questions::default(),
            requests: JobRequests::default(),
            permits: IntakePermits::default(),
            image_locks: NameLocks::default(),
            file_locks: NameLocks::default(),
            max_queued,
        };
        Ok(Self::assemble(shared, folders, lookups, settling))
    }

    fn assemble(shared: Shared, folders: Folders, lookups: LookupLimit, settling: Live<Duration>) -> Self {
        let images = Arc::new(shared.images());
        let verifier = Arc::new(shared.verifier());
        let intakes = Arc::new(shared.intakes());
        let downloads = Arc::new(shared.downloads(&intakes));
        Self {
            resolver: Arc::new(Resolver::new(Arc::clone(&images), folders, lookups)),
            registration: Arc::new(shared.registration(&images, &verifier, &intakes, &downloads)),
            files: Arc::new(shared.files(settling)),
            images,
            verifier,
            intakes,
            downloads,
            records: shared.records,
            trees: shared.trees,
            tasks: shared.tasks,
            events: shared.events,
            job_requests: shared.requests,
        }
    }

    /// The current state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.records.snapshot()
    }

    /// Publishes a change that no record shows, such as an ISO that has vanished.
    pub fn tell(&self, change: ChangedRecord) {
        self.events.publish(change);
    }

    /// Completes changes under way, checkpoints unfinished files, closes all trees and undoes mounts. For the
    /// end of the program.
    pub async fn close(&self) {
        self.tasks.close().await;
        let trees = Arc::clone(&self.trees);
        let _: Result<(), CatalogError> = blocking(move || trees.close_all()).await;
    }
}

/// The fields that several parts share. Each part gets those that it needs.
struct Shared {
    records: Arc<Writer>,
    stores: Arc<Stores>,
    trees: Arc<Trees>,
    events: Feed,
    tasks: Tasks,
    questions: Questions,
    requests: JobRequests,
    permits: IntakePermits,
    image_locks: ImageLocks,
    file_locks: FileLocks,
    max_queued: Live<usize>,
}

impl Shared {
    fn images(&self) -> Images {
        Images {
            records: Arc::clone(&self.records),
            stores: Arc::clone(&self.stores),
            trees: Arc::clone(&self.trees),
            questions: self.questions.clone(),
            requests: self.requests.clone(),
            lines: LineLimit::default(),
        }
    }

    fn verifier(&self) -> Verifier {
        Verifier {
            records: Arc::clone(&self.records),
            stores: Arc::clone(&self.stores),
            permits: self.permits.clone(),
            requests: self.requests.clone(),
        }
    }

    fn intakes(&self) -> Intakes {
        Intakes {
            records: Arc::clone(&self.records),
            stores: Arc::clone(&self.stores),
            trees: Arc::clone(&self.trees),
            events: self.events.clone(),
            tasks: self.tasks.clone(),
            permits: self.permits.clone(),
            file_locks: self.file_locks.clone(),
            unfinished_locks: NameLocks::default(),
            digest_locks: NameLocks::default(),
        }
    }

    fn downloads(&self, intakes: &Arc<Intakes>) -> Downloads {
        Downloads {
            records: Arc::clone(&self.records),
            intakes: Arc::clone(intakes),
            tasks: self.tasks.clone(),
            image_locks: self.image_locks.clone(),
            max_queued: self.max_queued.clone(),
        }
    }

    fn registration(
        &self,
        images: &Arc<Images>,
        verifier: &Arc<Verifier>,
        intakes: &Arc<Intakes>,
        downloads: &Arc<Downloads>,
    ) -> Registration {
        Registration {
            records: Arc::clone(&self.records),
            stores: Arc::clone(&self.stores),
            trees: Arc::clone(&self.trees),
            images: Arc::clone(images),
            verifier: Arc::clone(verifier),
            intakes: Arc::clone(intakes),
            downloads: Arc::clone(downloads),
            tasks: self.tasks.clone(),
            requests: self.requests.clone(),
            image_locks: self.image_locks.clone(),
            file_locks: self.file_locks.clone(),
        }
    }

    fn files(&self, settling: Live<Duration>) -> Files {
        Files {
            questions: self.questions.clone(),
            records: Arc::clone(&self.records),
            stores: Arc::clone(&self.stores),
            events: self.events.clone(),
            tasks: self.tasks.clone(),
            locks: self.file_locks.clone(),
            requests: self.requests.clone(),
            settling,
        }
    }
}

/// Completes or undoes replacements that a crash interrupted.
fn recover_replaced(stores: &Stores, records: &Records) {
    for store in stores.all() {
        let files = records.files.values().filter(|file| file.kind == store.kind() && file.local.is_none());
        store.recover_replaced(files.map(|file| (&file.name, &file.identity)));
    }
}

fn open_folder(path: &Path) -> Result<Tree, OpenError> {
    let opened = Folder::open(path, Links::Beneath);
    opened
        .map(Tree::Folder)
        .map_err(|source| OpenError::Io { what: format!("the folder {}", path.display()), source })
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io;

    use super::*;
    use blobs::StoreError;
    use model::stored_file::StoreKind;

    #[test]
    fn an_error_leaves_its_cause_to_its_source() {
        let error = OpenError::Io { what: "a folder".into(), source: io::Error::other("on fire") };
        assert_eq!(error.to_string(), "cannot open a folder");
        assert_eq!(error.source().expect("a cause").to_string(), "on fire");
        let error = CatalogError::from(StoreError::NotFound(StoreKind::Iso));
        assert_eq!(error.to_string(), "the ISO store has no file of that name");
        assert!(
            error.source().is_none(),
            "it has the text of its cause, so it must not have the cause as well"
        );
    }
}
