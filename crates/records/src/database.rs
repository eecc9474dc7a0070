//! The handle of a database: declares tables, commits changes and reads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot};

use crate::backend::{Backend, Reading};
use crate::feed::Feed;
use crate::memory::Memory;
use crate::transaction::{Declared, Reader, Transaction};
use crate::writer::{self, Applied, Request};
use crate::{Error, Schema};

/// Reads at once. Each has a connection and a thread of the runtime's blocking pool.
const READERS: u32 = 4;

/// A database. Clones are the same one.
///
/// Nothing is opened, and no thread started, before the first component declares tables.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    backend: Backend,
    feed: Feed,
    declared: Declared,
    open: OnceCell<Open>,
    readers: Arc<Semaphore>,
    /// Readers that wait for work.
    idle: Arc<Mutex<Vec<Reading>>>,
}

struct Open {
    /// `None` once the database is closed.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Database {
    /// The SQLite file at `path`. Its folder must exist. `feed` gets the changes.
    pub fn at(path: impl Into<PathBuf>, feed: Feed) -> Self {
        Self::on(Backend::Sqlite(path.into()), feed)
    }

    /// A database that forgets, for tests.
    pub fn in_memory(memory: Memory, feed: Feed) -> Self {
        Self::on(Backend::Memory(memory), feed)
    }

    fn on(backend: Backend, feed: Feed) -> Self {
        Self(Arc::new(Inner {
            backend,
            feed,
            declared: Declared::default(),
            open: OnceCell::new(),
            readers: Arc::new(Semaphore::new(READERS as usize)),
            idle: Arc::default(),
        }))
    }

    /// Creates or upgrades the tables of a component. The first call opens the database.
    ///
    /// * All of it happens or nothing.
    /// * Tables of a newer version are refused with [`Error::Newer`].
    /// * Tables of components that declare none stay as they are.
    pub async fn declare(&self, schema: Schema) -> Result<(), Error> {
        schema.check()?;
        let open = self.0.open.get_or_try_init(|| self.open()).await?;
        let (sender, receiver) = oneshot::channel();
        open.send(Request::Declare(schema.clone(), sender)).await?;
        receiver.await.map_err(|_| Error::Closed)??;
        let mut declared = self.0.declared.write().unwrap_or_else(PoisonError::into_inner);
        declared.extend(schema.tables.iter().map(crate::TableSpec::name));
        Ok(())
    }

    /// Applies `change` on the writer's thread, and returns when it is durable, visible and published.
    ///
    /// * If `change` returns an error or panics, nothing of it is kept.
    /// * If the disk refuses, nothing of it is kept, and the caller gets [`Error::Disk`].
    /// * A caller that goes away does not stop its change.
    /// * While `change` runs, all other changes wait. So it must not block.
    pub async fn commit<V, E>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<V, E> + Send + 'static,
    ) -> Result<V, E>
    where
        V: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let open = self.0.open.get().ok_or(Error::Closed)?;
        let (sender, receiver) = oneshot::channel();
        let apply = move |transaction: Result<&mut Transaction<'_>, &Error>| {
            let outcome = match transaction {
                Ok(transaction) => catch_unwind(AssertUnwindSafe(|| change(transaction)))
                    .unwrap_or_else(|_| Err(Error::Panicked.into())),
                Err(error) => Err(error.clone().into()),
            };
            let keep = outcome.is_ok();
            let answer = Box::new(move |saved: &Result<(), Error>| {
                let answer = outcome.and_then(|value| saved.clone().map(|()| value).map_err(E::from));
                // A caller that went away needs no answer.
                let _ = sender.send(answer);
            });
            Applied { keep, answer }
        };
        open.send(Request::Change(Box::new(apply))).await?;
        receiver.await.map_err(|_| Error::Closed)?
    }

    /// Calls `read` with one durable state, on a thread where it may block.
    ///
    /// A query that takes too long is stopped with [`Error::TooSlow`].
    pub async fn read<V, E>(
        &self,
        read: impl FnOnce(&Reader<'_>) -> Result<V, E> + Send + 'static,
    ) -> Result<V, E>
    where
        V: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        if self.0.open.get().is_none() {
            return Err(Error::Closed.into());
        }
        let permit = Arc::clone(&self.0.readers).acquire_owned().await.map_err(|_| Error::Closed)?;
        let inner = Arc::clone(&self.0);
        let read = move || {
            let reader = match lock(&inner.idle).pop() {
                Some(reader) => reader,
                None => inner.backend.reader()?,
            };
            let value = reader.with_rows(|rows| read(&Reader::new(rows, &inner.declared)))?;
            lock(&inner.idle).push(reader);
            drop(permit);
            value
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Error::Panicked)?
    }

    /// Waits for the changes and reads that have begun, and closes the database.
    pub async fn close(&self) {
        let Some(open) = self.0.open.get() else { return };
        // Readers close first, because the connection that closes last truncates the log.
        let _permits = self.0.readers.acquire_many(READERS).await;
        self.0.readers.close();
        lock(&self.0.idle).clear();
        drop(lock(&open.requests).take());
        let thread = lock(&open.thread).take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(|| thread.join()).await;
        }
    }

    async fn open(&self) -> Result<Open, Error> {
        let inner = &self.0;
        let started = writer::start(inner.backend.clone(), inner.feed.clone(), Arc::clone(&inner.declared))?;
        started.opened.await.map_err(|_| Error::Closed)??;
        let (requests, thread) = (Mutex::new(Some(started.requests)), Mutex::new(Some(started.thread)));
        Ok(Open { requests, thread })
    }
}

impl Open {
    async fn send(&self, request: Request) -> Result<(), Error> {
        let requests = lock(&self.requests).clone().ok_or(Error::Closed)?;
        requests.send(request).await.map_err(|_| Error::Closed)
    }
}

fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
