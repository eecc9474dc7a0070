//! The thread behind an intake: it writes and digests what it is handed, in order.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::CatalogError;
use crate::locks::NameLock;
use crate::stores::Stores;
use crate::tasks::Tasks;
use blobs::{CHECKPOINT_INTERVAL, Store, StoreError, Upload};
use model::stored_file::StoreKind;
use model::unfinished_file::UnfinishedFileId;

/// Orders that may wait for the disk; with more of them the sender waits.
const ORDERS: usize = 16;

/// An upload and, if it can be resumed, the lock of its id.
type LockedUpload = (Upload, Option<NameLock<UnfinishedFileId>>);

/// The way to the thread. When it is dropped, the thread suspends the upload.
pub(super) struct Worker {
    orders: mpsc::Sender<Order>,
    task: Option<JoinHandle<Result<Option<LockedUpload>, StoreError>>>,
}

/// A step between two writes.
type Step = Box<dyn FnOnce(&mut Upload, &Store) + Send>;

enum Order {
    Write(Bytes),
    Do(Step),
    HandBack,
    Suspend,
}

impl Worker {
    /// Starts the thread. The lock is held until the last byte is on disk, wherever the sender is by then.
    pub(super) fn start(
        stores: Arc<Stores>,
        tasks: Tasks,
        kind: StoreKind,
        upload: Upload,
        lock: Option<NameLock<UnfinishedFileId>>,
    ) -> Self {
        let (orders, queue) = mpsc::channel(ORDERS);
        let (can_resume, stop) = (lock.is_some(), tasks.stop());
        let run = move || run(stores.of(kind), &stop, (upload, lock), queue);
        // The program ends only after the bytes of unfinished files are safe; plain uploads end with their
        // senders.
        let task = if can_resume { tasks.spawn_blocking(run) } else { tokio::task::spawn_blocking(run) };
        Self { orders, task: Some(task) }
    }

    /// Hands over the next bytes; waits while the disk is behind.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), CatalogError> {
        self.order(Order::Write(bytes)).await
    }

    /// Runs a step on the thread between two writes, and waits for its result.
    pub(super) async fn ask<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Upload, &Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let (answer, answered) = oneshot::channel();
        // A sender that has gone away waits for no answer.
        let work = move |upload: &mut Upload, store: &Store| drop(answer.send(work(upload, store)));
        self.order(Order::Do(Box::new(work))).await?;
        match answered.await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Waits until all is written, and takes the upload over.
    pub(super) async fn end(mut self) -> Result<LockedUpload, CatalogError> {
        self.order(Order::HandBack).await?;
        self.joined().await?.ok_or(CatalogError::Stopping)
    }

    /// Waits until all is written and saved in a checkpoint.
    pub(super) async fn suspend(mut self) -> Result<(), CatalogError> {
        self.order(Order::Suspend).await?;
        self.joined().await.map(drop)
    }

    async fn order(&mut self, order: Order) -> Result<(), CatalogError> {
        match self.orders.send(order).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.failure().await),
        }
    }

    /// The error that ended the thread, as a rule of the disk.
    async fn failure(&mut self) -> CatalogError {
        self.joined().await.err().unwrap_or(CatalogError::Stopping)
    }

    async fn joined(&mut self) -> Result<Option<LockedUpload>, CatalogError> {
        let task = self.task.take().ok_or(CatalogError::Stopping)?;
        match task.await {
            Ok(result) => result.map_err(CatalogError::from),
            Err(error) => {
                tracing::error!(%error, "an intake ended early");
                Err(CatalogError::Stopping)
            }
        }
    }
}

fn run(
    store: &Store,
    stop: &CancellationToken,
    (mut upload, lock): LockedUpload,
    mut queue: mpsc::Receiver<Order>,
) -> Result<Option<LockedUpload>, StoreError> {
    let runtime = Handle::current();
    loop {
        let next = match &lock {
            Some(_) => runtime.block_on(next(&mut queue, stop, upload.has_unsaved_bytes())),
            None => queue.blocking_recv().map_or(Next::Order(Order::Suspend), Next::Order),
        };
        let done = match next {
            Next::Order(Order::Write(bytes)) => upload.write(store, &bytes),
            Next::Order(Order::Do(work)) => {
                work(&mut upload, store);
                Ok(())
            }
            Next::Order(Order::HandBack) => return Ok(Some((upload, lock))),
            Next::Order(Order::Suspend) => return upload.suspend(store).map(|()| None),
            Next::Pause => upload.checkpoint(store, None),
        };
        if let Err(error) = done {
            if let Err(error) = upload.suspend(store) {
                tracing::debug!(%error, "the last bytes of an upload are not kept");
            }
            return Err(error);
        }
    }
}

/// The thread's next step.
enum Next {
    Order(Order),
    /// No bytes came for a while, which is the time for a checkpoint.
    Pause,
}

async fn next(queue: &mut mpsc::Receiver<Order>, stop: &CancellationToken, has_unsaved_bytes: bool) -> Next {
    tokio::select! {
        biased;
        () = stop.cancelled() => Next::Order(Order::Suspend),
        order = queue.recv() => Next::Order(order.unwrap_or(Order::Suspend)),
        () = tokio::time::sleep(CHECKPOINT_INTERVAL), if has_unsaved_bytes => Next::Pause,
    }
}
