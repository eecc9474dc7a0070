//! One attempt at a job: what it may use, and how it ends.

use std::time::{Duration, Instant};

use model::client::ClientKey;
use model::job::{Job, JobId, State};
use tokio_util::sync::CancellationToken;

use crate::entry::Entry;
use crate::failure::Failure;

/// How one attempt ended.
#[derive(Debug)]
pub enum Outcome {
    /// The work is done.
    Done,
    /// The work cannot be done, now or later.
    Failed(Failure),
    /// Another attempt may succeed.
    Retry {
        /// What went wrong.
        failure: Failure,
        /// The next attempt waits at least this long, because the source asks for it.
        after: Option<Duration>,
        /// The attempt came further than the one before, so the count of failures starts anew.
        progressed: bool,
    },
    /// The attempt was stopped before its end, by [`Context::stop`].
    Stopped,
}

/// What an attempt may use: the environment of its kind, the job's progress and log, and what stops it.
pub struct Context<'a, E = ()> {
    /// What the kind works with, as it was registered.
    pub environment: &'a E,
    entry: &'a Entry,
    on_change: &'a OnChange,
    stop: CancellationToken,
    shutdown: &'a CancellationToken,
}

/// Is called with each job that changed.
pub(crate) type OnChange = dyn Fn(&JobId) + Send + Sync;

impl<'a> Context<'a> {
    pub(crate) fn new(entry: &'a Entry, on_change: &'a OnChange, shutdown: &'a CancellationToken) -> Self {
        Self { environment: &(), entry, on_change, stop: entry.stop(), shutdown }
    }

    /// The same context with the environment of a kind.
    pub(crate) fn with<'b, E>(&'b self, environment: &'b E) -> Context<'b, E> {
        let Self { entry, on_change, ref stop, shutdown, .. } = *self;
        Context { environment, entry, on_change, stop: stop.clone(), shutdown }
    }

    /// Whether the job was stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }
}

impl<E> Context<'_, E> {
    /// Waits for `future`, unless the job is stopped first: then `future` is dropped.
    ///
    /// # Errors
    ///
    /// [`Outcome::Stopped`] if the job was stopped.
    pub async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Result<T, Outcome> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Outcome::Stopped),
            value = future => Ok(value),
        }
    }

    /// The client that asked for the job, as limits count it.
    pub fn client(&self) -> Option<ClientKey> {
        self.entry.current().job.client
    }

    /// The token that stops this job.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The token that stops all jobs, because the program ends.
    pub fn shutdown(&self) -> &CancellationToken {
        self.shutdown
    }

    /// Starts the count of bytes at `done`, of `total` if that is known.
    pub fn begin(&self, done: u64, total: Option<u64>) {
        self.entry.meter.begin(done, total);
        self.changed();
    }

    /// Moves the count of bytes to `done`.
    pub fn reach(&self, done: u64) {
        if self.entry.meter.reach(done, Instant::now()) {
            self.changed();
        }
    }

    /// Writes a line to the job's log.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::info!(job = %self.entry.id, text, "job");
        self.entry.change(|current| current.job.note(text));
        self.changed();
    }

    /// The record that the job has when it ends with `failure`, for a kind that records it together with its
    /// own.
    pub fn failed(&self, failure: &Failure) -> Job {
        ended(self.entry, Some(failure))
    }

    /// Measures the progress, because no bytes may have come for a while. A client must not see the rate of
    /// before.
    pub(crate) fn measure(&self) {
        if self.entry.meter.rest(Instant::now()) {
            self.changed();
        }
    }

    fn changed(&self) {
        (self.on_change)(&self.entry.id);
    }
}

/// The record of a job that ends now.
pub(crate) fn ended(entry: &Entry, failure: Option<&Failure>) -> Job {
    let mut job = entry.current().job;
    job.enter(match failure {
        None => State::Done,
        Some(Failure::Cancelled) => State::Cancelled,
        Some(failure) => State::Failed { reason: failure.to_string() },
    });
    job
}
