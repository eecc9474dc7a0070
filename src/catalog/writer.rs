//! The only writer of state: one thread that applies changes, makes them durable and then publishes them as a snapshot.
//! Changes that wait while the disk works are saved together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use super::changes;
use super::error::CatalogError;
use super::snapshot::Snapshot;
use crate::events::Events;
use crate::inventory::{Inventory, InventoryError, Records};

/// Changes that may wait; more senders wait for a place.
const QUEUE: usize = 256;

type Saved = Result<(), Arc<InventoryError>>;
/// Tells the sender how its change ended.
type Answer = Box<dyn FnOnce(&Saved) + Send>;
/// Is told of each change.
type Listener = Box<dyn Fn() + Send + Sync>;
/// Applies a change. `Err` means that nothing was changed; the answer is due all the same.
type Change = Box<dyn FnOnce(&mut Records) -> Result<Answer, Answer> + Send>;

/// The way to the writer's thread, and what it last published.
pub(super) struct Writer {
    changes: mpsc::Sender<Change>,
    published: Arc<ArcSwap<Snapshot>>,
    listeners: Arc<Mutex<Vec<Listener>>>,
}

impl Writer {
    /// Starts the thread. `records` is what `inventory` holds; changes of it are told to `events`.
    pub(super) fn start(inventory: Inventory, records: Records, events: Events) -> std::io::Result<Self> {
        let published = Arc::new(ArcSwap::from_pointee(Snapshot::of(0, records)));
        let (changes, queue) = mpsc::channel(QUEUE);
        let listeners = Arc::default();
        let (publish, told) = (Arc::clone(&published), Arc::clone(&listeners));
        thread::Builder::new()
            .name("inventory".into())
            .spawn(move || run(&inventory, queue, &publish, &told, &events))?;
        Ok(Self { changes, published, listeners })
    }

    /// Calls `listener` after each change, before whoever asked for it is answered.
    pub(super) fn listen(&self, listener: Listener) {
        lock(&self.listeners).push(listener);
    }

    /// Which state it is, counted from the start.
    pub(super) fn generation(&self) -> u64 {
        self.published.load().generation()
    }

    /// The state as it is known to be durable.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// Applies `change` and returns when it is durable and published. A change that returns an error must not have changed
    /// anything; if the disk refuses, nothing is changed either.
    pub(super) async fn commit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Records) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let (sender, receiver) = oneshot::channel();
        let change: Change = Box::new(move |records| match change(records) {
            // A sender that has gone away needs no answer.
            Ok(value) => Ok(Box::new(move |saved: &Saved| {
                let _ = sender.send(saved.clone().map(|()| value).map_err(CatalogError::from));
            })),
            Err(error) => Err(Box::new(move |_: &Saved| {
                let _ = sender.send(Err(error));
            })),
        });
        self.changes.send(change).await.map_err(|_| CatalogError::Stopping)?;
        receiver.await.map_err(|_| CatalogError::Stopping)?
    }
}

fn run(
    inventory: &Inventory,
    mut queue: mpsc::Receiver<Change>,
    published: &ArcSwap<Snapshot>,
    listeners: &Mutex<Vec<Listener>>,
    events: &Events,
) {
    while let Some(first) = queue.blocking_recv() {
        let current = published.load_full();
        let mut records = current.records().clone();
        let mut answers = Vec::new();
        let mut changed = false;
        let mut next = Some(first);
        while let Some(change) = next.take() {
            match change(&mut records) {
                Ok(answer) => {
                    changed = true;
                    answers.push(answer);
                }
                Err(answer) => answers.push(answer),
            }
            if answers.len() < QUEUE {
                next = queue.try_recv().ok();
            }
        }
        let saved = if changed { inventory.save(&records).map_err(Arc::new) } else { Ok(()) };
        match &saved {
            Ok(()) if changed => {
                let next = Arc::new(Snapshot::of(current.generation() + 1, records));
                published.store(Arc::clone(&next));
                lock(listeners).iter().for_each(|listener| listener());
                events.publish_all(changes::between(current.records(), next.records()));
            }
            Ok(()) => {}
            Err(error) => tracing::error!(%error, "a change was refused because it cannot be saved"),
        }
        for answer in answers {
            answer(&saved);
        }
    }
}

fn lock(listeners: &Mutex<Vec<Listener>>) -> MutexGuard<'_, Vec<Listener>> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}
