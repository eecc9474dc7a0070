//! The only writer of the inventory: one thread that applies changes, saves them and publishes them as a
//! snapshot. Changes that wait while the disk works are saved together; those that no caller waits for are
//! saved at most once a second.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::{Inventory, InventoryError, Records, Snapshot, changes};
use crate::feed::Feed;

/// Changes that may wait. Further callers wait until there is space.
const QUEUE: usize = 256;

/// A change that no caller waits for is saved after this time, with all that came meanwhile.
const SAVE_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between saves while the disk refuses: each try writes until the disk is full.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

type Saved = Result<(), Arc<InventoryError>>;
/// Tells the caller whether its change was saved.
type SaveCallback = Box<dyn FnOnce(&Saved) + Send>;
/// Called after each change.
type Listener = Box<dyn Fn() + Send + Sync>;

/// A change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The inventory could not be saved.
    #[error("the change cannot be saved: {}", .0.with_cause())]
    Unsaved(Arc<InventoryError>),
    /// The closure panicked. Nothing was changed.
    #[error("the change failed by a fault of the program; its log says more")]
    Panicked,
    /// The program ends.
    #[error("the service is stopping")]
    Stopping,
}

/// The queue of the writer's thread, and the state that it published last. Changes are refused with errors
/// `E`.
pub struct InventoryWriter<E = CommitError> {
    requests: mpsc::Sender<ChangeRequest>,
    published: Arc<ArcSwap<Snapshot>>,
    listeners: Arc<Mutex<Vec<Listener>>>,
    busy: Busy,
    error: PhantomData<fn() -> E>,
}

/// Since when the thread works on its current group of changes; `None` while it waits for one.
type Busy = Arc<Mutex<Option<std::time::Instant>>>;

/// Applies a change. One that is refused must not have changed anything.
type ChangeRequest = Box<dyn FnOnce(&mut Records) -> ChangeOutcome + Send>;

/// The outcome of one change.
struct ChangeOutcome {
    effect: Effect,
    /// Called in any case.
    answer: SaveCallback,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing changed.
    Refused,
    /// Nothing changed, but all unsaved changes are to be saved.
    Flush,
    /// The caller waits until the change is durable.
    Now,
    /// The caller does not wait for the save.
    Soon,
}

struct Thread {
    inventory: Inventory,
    published: Arc<ArcSwap<Snapshot>>,
    listeners: Arc<Mutex<Vec<Listener>>>,
    feed: Feed,
    busy: Busy,
    /// When the published state is to be saved; `None` if it is saved.
    save_at: Option<Instant>,
    /// How long the next save waits. It doubles while the disk refuses.
    pause: Duration,
}

impl<E: From<CommitError> + Send + 'static> InventoryWriter<E> {
    /// Starts the thread. `records` is the state of `inventory`, and `feed` gets its changes.
    pub fn start(inventory: Inventory, mut records: Records, feed: Feed) -> std::io::Result<Self> {
        records.take_touched();
        let published = Arc::new(ArcSwap::from_pointee(Snapshot::first(records)));
        let (requests, queue) = mpsc::channel(QUEUE);
        let listeners = Arc::default();
        let (shared, called) = (Arc::clone(&published), Arc::clone(&listeners));
        let busy = Busy::default();
        let thread = Thread {
            inventory,
            published: shared,
            listeners: called,
            feed,
            busy: Arc::clone(&busy),
            save_at: None,
            pause: SAVE_PAUSE,
        };
        let (begun, begins) = std::sync::mpsc::channel();
        thread::Builder::new().name("inventory".into()).spawn(move || match Builder::new_current_thread()
            .enable_time()
            .build()
        {
            Ok(runtime) => {
                let _ = begun.send(Ok(()));
                thread.run(&runtime, queue);
            }
            Err(error) => drop(begun.send(Err(error))),
        })?;
        begins.recv().map_err(std::io::Error::other)??;
        Ok(Self { requests, published, listeners, busy, error: PhantomData })
    }

    /// Another handle of the same writer, whose callers refuse changes with errors `F`.
    #[must_use]
    pub fn handle<F: From<CommitError> + Send + 'static>(&self) -> InventoryWriter<F> {
        InventoryWriter {
            requests: self.requests.clone(),
            published: Arc::clone(&self.published),
            listeners: Arc::clone(&self.listeners),
            busy: Arc::clone(&self.busy),
            error: PhantomData,
        }
    }

    /// How long the thread has worked on its current changes, zero while it has none; `None` if it has ended.
    pub fn busy_for(&self) -> Option<Duration> {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.requests.is_closed()).then(|| busy.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// Calls `listener` after each change of images or files, before its caller gets the answer.
    pub fn listen(&self, listener: impl Fn() + Send + Sync + 'static) {
        lock(&self.listeners).push(Box::new(listener));
    }

    /// The current state. All of it is durable, but for changes of the last second by
    /// [`InventoryWriter::commit_soon`].
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// Applies `change` and returns when it is durable and published. A change that returns an error must not
    /// have changed anything. If the disk refuses, nothing is changed either.
    pub async fn commit<T>(
        &self,
        change: impl FnOnce(&mut Records) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
    {
        self.commit_when(|_| true, change).await
    }

    /// Applies `change` and returns when it is published. It becomes durable with the next
    /// [`InventoryWriter::commit`], or within a second; a crash before that undoes it. For values that can be
    /// computed anew.
    pub async fn commit_soon<T>(
        &self,
        change: impl FnOnce(&mut Records) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
    {
        self.commit_when(|_| false, change).await
    }

    /// Like [`InventoryWriter::commit`] if `is_urgent` is true for the change's value, else like
    /// [`InventoryWriter::commit_soon`].
    pub async fn commit_when<T>(
        &self,
        is_urgent: impl FnOnce(&T) -> bool + Send + 'static,
        change: impl FnOnce(&mut Records) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let request = Box::new(move |records: &mut Records| {
            // A change that panics must not end the thread, and may have changed a part only.
            let before = records.clone();
            let outcome = catch_unwind(AssertUnwindSafe(|| change(records))).unwrap_or_else(|_| {
                *records = before;
                Err(E::from(CommitError::Panicked))
            });
            let effect = match &outcome {
                Err(_) => Effect::Refused,
                Ok(value) if is_urgent(value) => Effect::Now,
                Ok(_) => Effect::Soon,
            };
            let answer = Box::new(move |saved: &Saved| {
                let unsaved = |error| E::from(CommitError::Unsaved(error));
                // A caller that went away needs no answer.
                let _ = sender.send(outcome.and_then(|value| saved.clone().map(|()| value).map_err(unsaved)));
            });
            ChangeOutcome { effect, answer }
        });
        self.requests.send(request).await.map_err(|_| CommitError::Stopping)?;
        receiver.await.map_err(|_| CommitError::Stopping)?
    }

    /// Makes all published changes durable.
    pub async fn flush(&self) -> Result<(), CommitError> {
        let (sender, receiver) = oneshot::channel();
        let answer = Box::new(move |saved: &Saved| {
            let _ = sender.send(saved.clone().map_err(CommitError::Unsaved));
        });
        let flush = Box::new(|_: &mut Records| ChangeOutcome { effect: Effect::Flush, answer });
        self.requests.send(flush).await.map_err(|_| CommitError::Stopping)?;
        receiver.await.map_err(|_| CommitError::Stopping)?
    }
}

impl Thread {
    fn run(mut self, runtime: &Runtime, mut queue: mpsc::Receiver<ChangeRequest>) {
        loop {
            let request = match self.save_at {
                None => runtime.block_on(queue.recv()),
                Some(at) if Instant::now() >= at => {
                    self.work(Self::save_published);
                    continue;
                }
                Some(at) => match runtime.block_on(async { timeout_at(at, queue.recv()).await }) {
                    Ok(request) => request,
                    Err(_) => continue,
                },
            };
            match request {
                Some(first) => self.work(|thread| thread.group(first, &mut queue)),
                None => break,
            }
        }
        if self.save_at.is_some() {
            self.save_published();
        }
    }

    /// Tells others since when the thread works.
    fn work(&mut self, work: impl FnOnce(&mut Self)) {
        let set = |busy: &Busy, since| *busy.lock().unwrap_or_else(PoisonError::into_inner) = since;
        set(&self.busy, Some(std::time::Instant::now()));
        work(self);
        set(&self.busy, None);
    }

    /// Applies the change and those that wait. They are saved together if a caller waits for that.
    fn group(&mut self, first: ChangeRequest, queue: &mut mpsc::Receiver<ChangeRequest>) {
        let current = self.published.load_full();
        let mut records = current.records().clone();
        let mut answers = Vec::new();
        let (mut is_changed, mut must_save) = (false, false);
        let mut next = Some(first);
        while let Some(request) = next.take() {
            let applied = request(&mut records);
            is_changed |= matches!(applied.effect, Effect::Now | Effect::Soon);
            must_save |= match applied.effect {
                Effect::Now => true,
                Effect::Flush => self.save_at.is_some() || is_changed,
                Effect::Soon | Effect::Refused => false,
            };
            answers.push(applied.answer);
            if answers.len() < QUEUE {
                next = queue.try_recv().ok();
            }
        }
        let saved = if must_save { self.inventory.save(&records).map_err(Arc::new) } else { Ok(()) };
        match &saved {
            Ok(()) => {
                if must_save {
                    self.saved();
                } else if is_changed && self.save_at.is_none() {
                    self.save_at = Some(Instant::now() + SAVE_PAUSE);
                }
                if is_changed {
                    self.publish(&current, records);
                }
            }
            Err(error) => {
                tracing::error!(
                    error = error.with_cause(),
                    "a change was refused because it cannot be saved"
                );
            }
        }
        answers.into_iter().for_each(|answer| answer(&saved));
    }

    fn publish(&self, current: &Snapshot, mut records: Records) {
        let touched = records.take_touched();
        let next = Arc::new(current.next(records, &touched));
        self.published.store(Arc::clone(&next));
        if !(touched.images.is_empty() && touched.files.is_empty()) {
            lock(&self.listeners).iter().for_each(|listener| listener());
        }
        self.feed.publish_all(changes::between(current.records(), next.records(), &touched));
    }

    /// Saves changes for which no caller waits. If the disk refuses, they stay published and are saved later.
    fn save_published(&mut self) {
        match self.inventory.save(self.published.load().records()) {
            Ok(()) => self.saved(),
            Err(error) => {
                if self.pause == SAVE_PAUSE {
                    let error = error.with_cause();
                    tracing::error!(error, "changes that are in use cannot be saved yet");
                }
                self.save_at = Some(Instant::now() + self.pause);
                self.pause = (2 * self.pause).min(LONGEST_PAUSE);
            }
        }
    }

    fn saved(&mut self) {
        if self.pause > SAVE_PAUSE {
            tracing::info!("changes can be saved again");
        }
        (self.save_at, self.pause) = (None, SAVE_PAUSE);
    }
}

fn lock(listeners: &Mutex<Vec<Listener>>) -> MutexGuard<'_, Vec<Listener>> {
    listeners.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
