//! How work runs: changes run to their end, and blocking work runs on the blocking pool.

use std::sync::Arc;

use model::stored_file::StoreKind;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::CatalogError;

/// Changes under way. The program ends after they do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    running: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs a change to its end even if its caller goes away: its locks must be held while the disk still
    /// works.
    pub(crate) async fn run_to_completion<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, CatalogError>> + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.running.spawn(change).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a change ended early");
            Err(CatalogError::Stopping)
        })
    }

    /// Runs a task until it ends or notices [`Self::stop`].
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.running.spawn(task);
    }

    /// Runs what blocks, and keeps the program from ending before it does.
    pub(crate) fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.running.spawn_blocking(work)
    }

    /// Is cancelled when the program ends.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Stops tasks and waits for all changes.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.running.close();
        self.running.wait().await;
    }
}

/// Questions to one store at once.
const QUESTIONS: usize = 16;

/// Limits the questions that clients and monitoring ask each store. Those beyond the limit wait as tasks,
/// without a thread, so a disk that hangs does not take all threads. Clones share the limit.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    isos: Arc<Semaphore>,
    microkernels: Arc<Semaphore>,
}

impl Default for Questions {
    fn default() -> Self {
        let permits = || Arc::new(Semaphore::new(QUESTIONS));
        Self { isos: permits(), microkernels: permits() }
    }
}

impl Questions {
    /// Runs `question`, which blocks on the disk of the store.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        kind: StoreKind,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        let permits = match kind {
            StoreKind::Iso => &self.isos,
            StoreKind::Microkernel => &self.microkernels,
        };
        // Closed never. The permit is the thread's, also when its caller has gone.
        let permit = Arc::clone(permits).acquire_owned().await;
        blocking(move || {
            let _permit = permit;
            question()
        })
        .await
    }
}

/// Runs what blocks on the disk away from the threads that serve connections.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CatalogError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "work on the disk ended early");
        CatalogError::Stopping
    })
}
