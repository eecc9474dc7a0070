//! A job in memory: its record, its progress, and what stops it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::job::{Job, JobId, State, WorkRecord};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::meter::Meter;

/// What holds for all jobs of a kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// The queue in which they wait.
    pub(crate) queue: &'static str,
    /// Whether they are recorded.
    pub(crate) durable: bool,
    /// Whether one that is done stays in the list.
    pub(crate) listed: bool,
}

/// A job in memory.
pub(crate) struct Entry {
    pub(crate) id: JobId,
    pub(crate) work: WorkRecord,
    pub(crate) rules: Rules,
    pub(crate) meter: Meter,
    /// Ends the pause before the next attempt.
    pub(crate) now: Notify,
    current: watch::Sender<JobState>,
    stop: Mutex<CancellationToken>,
}

/// A job at one moment.
#[derive(Debug, Clone)]
pub(crate) struct JobState {
    pub(crate) job: Job,
    /// Why it failed, or waits.
    pub(crate) failure: Option<Failure>,
    /// A runner works on it, waits with it, or records its end.
    pub(crate) has_runner: bool,
    /// The runner is to end it, not only to stop.
    pub(crate) is_cancelled: bool,
    /// It gets no further attempt.
    pub(crate) gives_up: bool,
    /// The first attempt brought nothing, and its source did not say when to come back. A client that waits
    /// for
    /// the end gets it now.
    pub(crate) failed_without_progress: bool,
}

impl Entry {
    pub(crate) fn new(job: Job, rules: Rules) -> Arc<Self> {
        Arc::new(Self {
            id: job.id.clone(),
            work: job.work.clone(),
            rules,
            meter: Meter::default(),
            now: Notify::new(),
            current: watch::Sender::new(JobState {
                job,
                failure: None,
                has_runner: false,
                is_cancelled: false,
                gives_up: false,
                failed_without_progress: false,
            }),
            stop: Mutex::default(),
        })
    }

    pub(crate) fn current(&self) -> JobState {
        self.current.borrow().clone()
    }

    pub(crate) fn state(&self) -> State {
        self.current.borrow().job.state.clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut JobState)) {
        self.current.send_modify(change);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<JobState> {
        self.current.subscribe()
    }

    /// Whether the job has ended and its end is on record.
    pub(crate) fn is_over(&self) -> bool {
        let current = self.current.borrow();
        current.job.state.is_end() && !current.has_runner
    }

    /// Waits until no runner has the job.
    pub(crate) async fn settled(&self) {
        let _ = self.watch().wait_for(|current| !current.has_runner).await;
    }

    /// The token that stops the present runner.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.lock().clone()
    }

    /// Gives the job to a runner, until `stop`.
    pub(crate) fn take_up(&self, stop: CancellationToken) {
        *self.lock() = stop;
        self.change(|current| {
            current.has_runner = true;
            current.is_cancelled = false;
            current.gives_up = false;
            current.failed_without_progress = false;
        });
    }

    fn lock(&self) -> MutexGuard<'_, CancellationToken> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
