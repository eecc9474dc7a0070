//! The core that all components build on. The program opens it once; its handles are cheap to clone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use blobs::{Disks, make_folder};
use fetch::{ClientError, EgressPolicy, Fetcher};
use file_transport::Counters;
use http_service::transfers::{Limits, Transfers};
use jobs::{Jobs, Kinds};
use model::job::JobId;
use model::settings::Live;
use records::Database;
use records::feed::Feed;
use records::inventory::{ChangedRecord, Inventory, InventoryError, InventoryWriter, JsonFile};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::job_records::JobRecords;
use crate::lookup_limit::LookupLimit;

/// The file with the tables of components, beside the inventory.
const DATABASE: &str = "state.db";

/// The handles that all components build on.
#[derive(Clone)]
pub struct Core {
    /// Images, files and jobs.
    pub inventory: Arc<InventoryWriter>,
    /// The tables of components. The first component that declares one opens it.
    pub database: Database,
    /// The changes of both.
    pub feed: Feed,
    /// The space of the disks, which all stores share.
    pub disks: Disks,
    /// The limit of look-ups, which all that look into images share.
    pub lookups: LookupLimit,
    /// The client for outgoing requests.
    pub fetcher: Fetcher,
    /// The engine for background work.
    pub jobs: Jobs,
    /// The files that are being sent to machines.
    pub transfers: Transfers,
    /// Tasks that the program waits for at its end.
    pub tasks: TaskTracker,
    /// Cancelled when the program ends.
    pub stop: CancellationToken,
}

/// The settings of the core.
#[derive(Debug, Clone)]
pub struct CoreSettings {
    /// The inventory's file. The tables of components lie beside it.
    pub inventory_file: PathBuf,
    /// The egress policy of outgoing requests.
    pub egress: Live<EgressPolicy>,
    /// The longest time in which a source may send nothing.
    pub stall_timeout: Live<Duration>,
    /// The limits of jobs.
    pub jobs: Live<jobs::Settings>,
    /// The limits of transfers to machines.
    pub transfers: Live<Limits>,
}

impl CoreSettings {
    /// The file with the tables of components.
    #[must_use]
    pub fn database_file(&self) -> PathBuf {
        self.inventory_file.with_file_name(DATABASE)
    }
}

/// The core cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The folder of the inventory cannot be made.
    #[error("cannot make the folder {} (`inventoryFile`)", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The inventory cannot be read.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The thread of the inventory cannot be started.
    #[error("cannot start the thread of the inventory")]
    Thread(#[source] io::Error),
    /// The client for outgoing requests cannot be made.
    #[error("cannot make the client for downloads")]
    Client(#[source] ClientError),
}

impl Core {
    /// Opens the inventory and starts the engine for jobs. `connections` has the counters of the transport.
    ///
    /// # Errors
    ///
    /// A part cannot be opened; nothing was changed.
    pub fn open(settings: &CoreSettings, connections: Arc<Counters>) -> Result<Self, CoreError> {
        let folder = settings.inventory_file.parent().unwrap_or(Path::new("/"));
        make_folder(folder).map_err(|source| CoreError::Folder { path: folder.to_owned(), source })?;
        let feed = Feed::default();
        let inventory = Inventory::JsonFile(JsonFile::open(settings.inventory_file.clone())?);
        let records = inventory.load()?;
        let inventory =
            InventoryWriter::start(inventory, records, feed.clone()).map_err(CoreError::Thread)?;
        let fetcher = Fetcher::new(settings.egress.clone(), settings.stall_timeout.clone())
            .map_err(CoreError::Client)?;
        Ok(Self {
            database: Database::at(settings.database_file(), feed.clone()),
            jobs: start_jobs(settings.jobs.clone(), &inventory, &feed),
            inventory: Arc::new(inventory),
            feed,
            disks: Disks::default(),
            lookups: LookupLimit::default(),
            fetcher,
            transfers: Transfers::new(settings.transfers.clone(), connections),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Takes up the jobs on record. All components have registered their kinds by then.
    pub fn resume_jobs(&self) {
        self.jobs.resume(self.inventory.snapshot().jobs().cloned());
    }

    /// Stops all work, and waits for its end. Interrupted jobs keep their state on record, and the next start
    /// resumes them.
    pub async fn stop_work(&self) {
        self.stop.cancel();
        self.jobs.stop().await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Waits until all records are on disk, and closes the database, at the end of the program.
    pub async fn close(&self) {
        if let Err(error) = self.inventory.flush().await {
            tracing::error!(%error, "the last changes are lost");
        }
        self.database.close().await;
    }
}

fn start_jobs(settings: Live<jobs::Settings>, inventory: &InventoryWriter, feed: &Feed) -> Jobs {
    let feed = feed.clone();
    let on_change = move |id: &JobId| feed.publish(ChangedRecord::Job(id.clone()));
    Jobs::start(Kinds::default(), JobRecords(inventory.handle()), on_change, settings)
}
