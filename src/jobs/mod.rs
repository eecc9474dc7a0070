//! The workers: what takes longer than a request may. Jobs ask the desk for everything they change; progress stays in memory.

pub mod checksums;
mod digest;
mod download;
mod errands;
pub mod fetch;
pub mod signature;
mod web_name;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::{Catalog, CatalogError};
use crate::config::Reach;
use crate::model::image::{ImageId, Source, Status};

pub use download::Failure;
use fetch::Fetcher;
pub use web_name::provisional_name;

/// How long to wait before a failure is recorded again that the disk would not take.
const RECORD_PAUSE: Duration = Duration::from_secs(2);

/// How the workers work.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Downloads that run at once; others wait their turn.
    pub max_downloads: usize,
    /// A download that brings nothing for this long has failed.
    pub stall_timeout: Duration,
    /// Where downloads may go.
    pub reach: Reach,
}

/// The workers.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    catalog: Catalog,
    fetcher: Fetcher,
    settings: Settings,
    places: Semaphore,
    downloads: Mutex<HashMap<ImageId, Arc<Download>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A running or waiting download.
struct Download {
    received: AtomicU64,
    /// 0 while the server has not told.
    total: AtomicU64,
    cancel: CancellationToken,
    ended: watch::Sender<Option<Result<(), Failure>>>,
}

/// How far a download has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that have arrived.
    pub received: u64,
    /// Bytes in all, if the server told.
    pub total: Option<u64>,
}

/// A download that was started, to wait for.
pub struct Started(watch::Receiver<Option<Result<(), Failure>>>);

impl Started {
    /// Waits until the download has ended, at most for `limit`; `None` if it goes on.
    pub async fn ended_within(mut self, limit: Duration) -> Option<Result<(), Failure>> {
        let ended = tokio::time::timeout(limit, self.0.wait_for(Option::is_some)).await;
        ended.ok()?.ok()?.clone()
    }
}

impl Jobs {
    /// Puts the workers to work. Fails if no HTTP client can be made.
    pub fn start(catalog: Catalog, settings: Settings) -> Result<Self, reqwest::Error> {
        let jobs = Self(Arc::new(Inner {
            fetcher: Fetcher::new(settings.reach.clone(), settings.stall_timeout)?,
            places: Semaphore::new(settings.max_downloads),
            catalog,
            settings,
            downloads: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }));
        if let Some(errands) = jobs.0.catalog.take_errands() {
            let (catalog, stop) = (jobs.0.catalog.clone(), jobs.0.stop.clone());
            jobs.0.tasks.spawn(errands::run(catalog, errands, stop));
        }
        Ok(jobs)
    }

    /// Fetches the ISO of an image whose record says from where. The job ends when the record says `OK` or `error: …`.
    pub fn download(&self, id: ImageId) -> Started {
        let (ended, receiver) = watch::channel(None);
        let download = Arc::new(Download {
            received: AtomicU64::new(0),
            total: AtomicU64::new(0),
            cancel: self.0.stop.child_token(),
            ended,
        });
        self.downloads().insert(id.clone(), Arc::clone(&download));
        let jobs = self.clone();
        self.0.tasks.spawn(async move {
            let result = tokio::select! {
                result = download::run(&jobs.0, &id, &download) => Some(result),
                () = download.cancel.cancelled() => None,
            };
            if let Some(Err(failure)) = &result {
                tracing::warn!(%id, %failure, "a download failed");
                tokio::select! {
                    () = jobs.record_failure(&id, failure) => {}
                    () = download.cancel.cancelled() => {}
                }
            }
            // A second try may have begun as soon as the failure was recorded; its entry must stay.
            let mut downloads = jobs.downloads();
            if downloads.get(&id).is_some_and(|current| Arc::ptr_eq(current, &download)) {
                downloads.remove(&id);
            }
            drop(downloads);
            download.ended.send_replace(Some(result.unwrap_or(Err(Failure::Cancelled))));
        });
        Started(receiver)
    }

    /// Begins downloads again that were interrupted, by a restart or by a deletion that could not be recorded. Ids of other images are
    /// passed over.
    pub fn resume(&self, ids: &[ImageId]) {
        let snapshot = self.0.catalog.snapshot();
        for image in ids.iter().filter_map(|id| snapshot.image(id)) {
            let unfinished = matches!(image.status, Status::Downloading | Status::Preparing);
            if unfinished && matches!(image.source, Source::Web { .. }) {
                drop(self.download(image.id.clone()));
            }
        }
    }

    /// Tries until it is recorded: a record that says `downloading iso` with nobody downloading would be a lie that lasts.
    async fn record_failure(&self, id: &ImageId, failure: &Failure) {
        while let Err(error) = self.0.catalog.fail_download(id.clone(), failure.to_string()).await {
            if matches!(error, CatalogError::NoSuchImage | CatalogError::Stopping) {
                return;
            }
            tracing::error!(%id, %error, "a failed download cannot be recorded yet");
            tokio::time::sleep(RECORD_PAUSE).await;
        }
    }

    /// Stops the download for an image, if there is one, and waits until its file is gone. A stopped job does not touch the record.
    pub async fn cancel(&self, id: &ImageId) {
        let download = self.downloads().get(id).map(Arc::clone);
        if let Some(download) = download {
            let mut ended = download.ended.subscribe();
            download.cancel.cancel();
            let _ = ended.wait_for(Option::is_some).await;
        }
    }

    /// How far the download for an image has come, while there is one.
    pub fn progress(&self, id: &ImageId) -> Option<Progress> {
        let downloads = self.downloads();
        let download = downloads.get(id)?;
        let total = download.total.load(Ordering::Relaxed);
        Some(Progress {
            received: download.received.load(Ordering::Relaxed),
            total: (total > 0).then_some(total),
        })
    }

    /// Stops all work. Interrupted downloads stay recorded as such and begin again at the next start.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn downloads(&self) -> MutexGuard<'_, HashMap<ImageId, Arc<Download>>> {
        self.0.downloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
