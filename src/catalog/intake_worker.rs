//! The thread behind an intake: it writes and digests what it is handed, in order.

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::locks::NameLock;
use super::{Catalog, CatalogError};
use crate::model::stored_file::StoreKind;
use crate::model::unfinished_file::UnfinishedFileId;
use crate::store::{CHECKPOINT_INTERVAL, Store, StoreError, Upload};

/// Orders that may wait for the disk; the sender waits when there are more.
const ORDERS: usize = 16;

/// An upload, and the claim of whoever goes on with it if it is a part.
type Held = (Upload, Option<NameLock<UnfinishedFileId>>);

/// The way to the thread. When it is let go, the thread ends the work for now.
pub(super) struct Worker {
    orders: mpsc::Sender<Order>,
    task: Option<JoinHandle<Result<Option<Held>, StoreError>>>,
}

/// What is done between two writes.
type Work = Box<dyn FnOnce(&mut Upload, &Store) + Send>;

enum Order {
    Write(Bytes),
    Do(Work),
    HandBack,
    Suspend,
}

impl Worker {
    /// Starts the thread. A part's claim is held until its last byte is on disk, wherever the sender is by then.
    pub(super) fn start(
        catalog: &Catalog,
        kind: StoreKind,
        upload: Upload,
        lock: Option<NameLock<UnfinishedFileId>>,
    ) -> Self {
        let (orders, queue) = mpsc::channel(ORDERS);
        let desk = catalog.clone();
        let is_part = lock.is_some();
        let run = move || run(&desk, kind, (upload, lock), queue);
        // The service does not end before what parts have got is safe; plain uploads end with their senders.
        let task =
            if is_part { catalog.0.changes.spawn_blocking(run) } else { tokio::task::spawn_blocking(run) };
        Self { orders, task: Some(task) }
    }

    /// Hands over the next bytes; waits while the disk is behind.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), CatalogError> {
        self.order(Order::Write(bytes)).await
    }

    /// Lets the thread do something between two writes, and waits until it is done.
    pub(super) async fn ask<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Upload, &Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let (answer, answered) = oneshot::channel();
        // Nobody waits for the answer if the sender has gone away.
        let work = move |upload: &mut Upload, store: &Store| drop(answer.send(work(upload, store)));
        self.order(Order::Do(Box::new(work))).await?;
        match answered.await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(self.failure().await),
        }
    }

    /// Waits until all is written, and takes the upload over.
    pub(super) async fn end(mut self) -> Result<Held, CatalogError> {
        self.order(Order::HandBack).await?;
        self.joined().await?.ok_or(CatalogError::Stopping)
    }

    /// Waits until all is written and noted.
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

    /// Why the thread went away: most often the disk failed it.
    async fn failure(&mut self) -> CatalogError {
        self.joined().await.err().unwrap_or(CatalogError::Stopping)
    }

    async fn joined(&mut self) -> Result<Option<Held>, CatalogError> {
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
    catalog: &Catalog,
    kind: StoreKind,
    (mut upload, lock): Held,
    mut queue: mpsc::Receiver<Order>,
) -> Result<Option<Held>, StoreError> {
    let store = catalog.0.store(kind);
    let stop = catalog.0.stop.clone();
    let runtime = Handle::current();
    loop {
        let next = match &lock {
            Some(_) => runtime.block_on(next(&mut queue, &stop, upload.is_unnoted())),
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
                tracing::debug!(%error, "what came last is not kept");
            }
            return Err(error);
        }
    }
}

/// What the thread is to do next.
enum Next {
    Order(Order),
    /// Nothing came for a while: time to note what did.
    Pause,
}

async fn next(queue: &mut mpsc::Receiver<Order>, stop: &CancellationToken, is_unnoted: bool) -> Next {
    tokio::select! {
        biased;
        () = stop.cancelled() => Next::Order(Order::Suspend),
        order = queue.recv() => Next::Order(order.unwrap_or(Order::Suspend)),
        () = tokio::time::sleep(CHECKPOINT_INTERVAL), if is_unnoted => Next::Pause,
    }
}
