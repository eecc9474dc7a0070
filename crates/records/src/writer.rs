//! The one thread that changes a database. Changes that wait while the disk works are made durable together.

use std::fs::File;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::backend::{Backend, Writing};
use crate::feed::{Change, Feed};
use crate::transaction::{Declared, Transaction};
use crate::{Error, Schema, files};

/// Changes that may wait. Further callers wait until there is space.
pub(crate) const QUEUE: usize = 256;

/// After this time a group takes no more changes, so the first of them is not kept waiting.
const GROUP_TIME: Duration = Duration::from_millis(20);

/// Work for the thread.
pub(crate) enum Request {
    /// Creates or upgrades tables.
    Declare(Schema, oneshot::Sender<Result<(), Error>>),
    /// Changes rows.
    Change(Apply),
}

/// Applies a change, or learns why it cannot be applied.
pub(crate) type Apply = Box<dyn FnOnce(Result<&mut Transaction<'_>, &Error>) -> Applied + Send>;

/// Tells a caller how the group of its change ended.
type Answer = Box<dyn FnOnce(&Result<(), Error>) + Send>;

/// How a change went.
pub(crate) struct Applied {
    /// Whether its caller wants it kept.
    pub(crate) keep: bool,
    /// Called in any case.
    pub(crate) answer: Answer,
}

struct Writer {
    backend: Writing,
    feed: Feed,
    declared: Declared,
}

/// The thread and its queue.
pub(crate) struct Started {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) thread: JoinHandle<()>,
    /// Answers when the database is open, or cannot be opened.
    pub(crate) opened: oneshot::Receiver<Result<(), Error>>,
}

/// Starts the thread, which opens the database.
pub(crate) fn start(backend: Backend, feed: Feed, declared: Declared) -> Result<Started, Error> {
    let (requests, mut queue) = mpsc::channel(QUEUE);
    let (answer, opened) = oneshot::channel();
    let path = backend.path().to_owned();
    let run = move || match open(&backend) {
        Ok((_lock, backend)) => {
            let _ = answer.send(Ok(()));
            Writer { backend, feed, declared }.run(&mut queue);
        }
        Err(error) => drop(answer.send(Err(error))),
    };
    let thread = thread::Builder::new().name("records".into()).spawn(run);
    let thread = thread.map_err(|error| Error::disk(&path, "start a thread for", error))?;
    Ok(Started { requests, thread, opened })
}

/// The lock is released after the database is closed.
fn open(backend: &Backend) -> Result<(Option<File>, Writing), Error> {
    let lock = match backend {
        Backend::Memory(_) => None,
        Backend::Sqlite(path) => {
            let locked = files::lock(path).map_err(|error| Error::disk(path, "lock", error))?;
            Some(locked.ok_or_else(|| Error::InUse(path.clone()))?)
        }
    };
    Ok((lock, backend.writer()?))
}

impl Writer {
    fn run(mut self, queue: &mut mpsc::Receiver<Request>) {
        let mut next = queue.blocking_recv();
        while let Some(request) = next {
            let left = match request {
                Request::Declare(schema, answer) => {
                    let _ = answer.send(self.backend.declare(&schema));
                    None
                }
                Request::Change(first) => self.group(first, queue),
            };
            next = left.or_else(|| queue.blocking_recv());
        }
    }

    /// Applies the change and those that wait, and makes them durable. Returns a request that cannot be part
    /// of a group.
    fn group(&mut self, first: Apply, queue: &mut mpsc::Receiver<Request>) -> Option<Request> {
        let started = Instant::now();
        let (mut answers, mut touched) = (Vec::new(), Vec::new());
        let mut state = self.backend.begin();
        let mut other = None;
        let mut next = Some(first);
        while let Some(change) = next.take() {
            if state.is_ok() {
                state = self.apply(change, &mut answers, &mut touched);
            } else if let Err(error) = &state {
                answers.push(change(Err(error)).answer);
            }
            if answers.len() < QUEUE && started.elapsed() < GROUP_TIME {
                match queue.try_recv() {
                    Ok(Request::Change(change)) => next = Some(change),
                    Ok(request) => other = Some(request),
                    Err(_) => {}
                }
            }
        }
        let saved = match state {
            Ok(()) => self.backend.commit(),
            Err(error) => {
                self.backend.rollback();
                Err(error)
            }
        };
        match &saved {
            Ok(()) => self.feed.publish_all(touched),
            Err(error) => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%error, cause, changes = answers.len(), "changes were refused");
            }
        }
        answers.into_iter().for_each(|answer| answer(&saved));
        other
    }

    /// Applies one change. An error means that the database failed, and the group with it.
    fn apply(
        &mut self,
        change: Apply,
        answers: &mut Vec<Answer>,
        touched: &mut Vec<Change>,
    ) -> Result<(), Error> {
        if let Err(error) = self.backend.set_savepoint() {
            answers.push(change(Err(&error)).answer);
            return Err(error);
        }
        let mut transaction = Transaction::new(self.backend.rows(), &self.declared);
        let applied = change(Ok(&mut transaction));
        answers.push(applied.answer);
        let changes = transaction.finish()?;
        if applied.keep {
            self.backend.release_savepoint()?;
            touched.extend(changes);
        } else {
            self.backend.back_to_savepoint()?;
        }
        Ok(())
    }
}
