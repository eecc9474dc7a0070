//! The life of a job: it waits in its queue, is worked on, waits and is tried again while that is worth
//! while, and ends.

use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::job::{JobId, State};
use model::settings::Live;
use tokio_util::sync::CancellationToken;

use crate::attempt::{Context, OnChange, Outcome, ended};
use crate::backoff;
use crate::entry::Entry;
use crate::failure::Failure;
use crate::job_list::JobList;
use crate::kinds::Kinds;
use crate::settings::Settings;
use crate::store::JobStore;
use crate::task::Task;

/// The pause before the end of a job is recorded again, after the store has refused it.
const RECORD_PAUSE: Duration = Duration::from_secs(2);

/// The longest wait that a job continues after a restart. The clock may have been set meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// How often the progress of silent work is measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(2);

/// Runs jobs.
pub(crate) struct Runner {
    pub(crate) settings: Live<Settings>,
    pub(crate) kinds: RwLock<Kinds>,
    pub(crate) list: JobList,
    pub(crate) store: Box<dyn JobStore>,
    pub(crate) on_change: Box<OnChange>,
    /// Stops all jobs.
    pub(crate) stop: CancellationToken,
}

impl Runner {
    /// Runs a job until it ends or is stopped. A stopped job keeps its state, because it is taken up again.
    pub(crate) async fn run(&self, entry: &Arc<Entry>, mut task: Box<dyn Task>) {
        let context = self.context(entry);
        if let State::Waiting { until, .. } = entry.state() {
            // The source may have asked for the wait that the last run of the program began.
            let left = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
            self.pause(&context, entry, left.min(LONGEST_WAIT)).await;
        }
        let mut failures = 0;
        let failure = loop {
            match self.attempt(&context, entry, &mut *task).await {
                Outcome::Done => break None,
                Outcome::Failed(failure) => break Some(failure),
                Outcome::Stopped if entry.current().is_cancelled => break Some(Failure::Cancelled),
                Outcome::Stopped => {
                    entry.change(|current| current.has_runner = false);
                    return;
                }
                Outcome::Retry { failure, after, progressed } => {
                    failures = if progressed { 1 } else { failures + 1 };
                    if failures > self.settings.get().retries || entry.current().gives_up {
                        break Some(failure);
                    }
                    let pause = backoff::pause(self.settings.get().retry_delay, failures, backoff::chance());
                    self.wait(&context, entry, &failure, pause, after).await;
                    if entry.current().gives_up && !context.is_stopped() {
                        break Some(failure);
                    }
                }
            }
        };
        if let Some(failure) = &failure {
            let title = entry.current().job.title;
            tracing::warn!(job = %entry.id, title, %failure, "a job ended without success");
            task.abandon(&context, failure).await;
        }
        self.finish(entry, failure, &*task).await;
    }

    /// Ends a job that has no runner as cancelled.
    pub(crate) async fn end(&self, entry: &Arc<Entry>) {
        entry.change(|current| current.has_runner = true);
        let mut task = self.kinds().task(&entry.work);
        task.abandon(&self.context(entry), &Failure::Cancelled).await;
        self.finish(entry, Some(Failure::Cancelled), &*task).await;
    }

    /// Records a durable job, and the removal of `forgotten`; `false` if the store refuses.
    pub(crate) async fn save(&self, entry: &Entry, forgotten: &[JobId]) -> bool {
        let job = entry.rules.durable.then(|| entry.current().job);
        if job.is_none() && forgotten.is_empty() {
            return true;
        }
        let saved = self.store.save(job, forgotten.to_vec()).await;
        if let Err(error) = &saved {
            tracing::error!(job = %entry.id, %error, "a job cannot be recorded yet");
        }
        saved.is_ok()
    }

    pub(crate) fn kinds(&self) -> RwLockReadGuard<'_, Kinds> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self, id: &JobId) {
        (self.on_change)(id);
    }

    fn context<'a>(&'a self, entry: &'a Entry) -> Context<'a> {
        Context::new(entry, &*self.on_change, &self.stop)
    }

    /// Waits for a permit of the queue, and makes one attempt.
    async fn attempt(&self, context: &Context<'_>, entry: &Entry, task: &mut dyn Task) -> Outcome {
        let permits = self.kinds().queues.permits(entry.rules.queue);
        let client = entry.current().job.client;
        let permit = async {
            match permits {
                Some(permits) => Some(permits.wait(permits.wait_for_share(client).await).await),
                None => None,
            }
        };
        let permit = match context.unless_stopped(permit).await {
            Ok(permit) => permit,
            Err(stopped) => return stopped,
        };
        entry.change(|current| {
            current.job.attempts += 1;
            current.job.enter(State::Running);
        });
        self.changed(&entry.id);
        let mut attempt = pin!(task.attempt(context));
        let mut clock = tokio::time::interval(MEASURE_INTERVAL);
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut attempt => break outcome,
                _ = clock.tick() => context.measure(),
            }
        };
        drop(permit);
        outcome
    }

    /// Waits for the next attempt: at least for `pause`, and for what the source asks (`after`).
    async fn wait(
        &self,
        context: &Context<'_>,
        entry: &Entry,
        failure: &Failure,
        pause: Duration,
        after: Option<Duration>,
    ) {
        let pause = pause.max(after.unwrap_or_default());
        // The time is for people. The wait itself does not depend on the clock.
        let until =
            SignedDuration::try_from(pause).ok().and_then(|pause| Timestamp::now().checked_add(pause).ok());
        let has_nothing = entry.meter.progress().done == 0;
        entry.change(|current| {
            let reason = failure.to_string();
            current.job.note(format!("tried again in {} s: {reason}", pause.as_secs_f64().round()));
            current.failed_without_progress = current.job.attempts == 1 && has_nothing && after.is_none();
            current.failure = Some(failure.clone());
            current.job.enter(State::Waiting { until: until.unwrap_or(Timestamp::MAX), reason });
        });
        self.changed(&entry.id);
        // A disk that refuses the record does not hold up the job.
        let _ = context.unless_stopped(self.save(entry, &[])).await;
        self.pause(context, entry, pause).await;
    }

    /// Waits for `pause`, unless a client wants the next attempt now or the job is stopped.
    async fn pause(&self, context: &Context<'_>, entry: &Entry, pause: Duration) {
        let waited = async {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = entry.now.notified() => {}
            }
        };
        if context.unless_stopped(waited).await.is_ok() {
            entry.change(|current| current.job.enter(State::Queued));
            self.changed(&entry.id);
        }
    }

    /// Ends a job, and records that until the store takes it.
    async fn finish(&self, entry: &Arc<Entry>, failure: Option<Failure>, task: &dyn Task) {
        let job = ended(entry, failure.as_ref());
        entry.change(|current| {
            current.job = job;
            current.failure = failure;
        });
        let forgotten = self.list.ended(entry, self.settings.get().max_finished);
        self.changed(&entry.id);
        task.announce();
        for id in &forgotten {
            self.changed(id);
        }
        let saved = async {
            while !self.save(entry, &forgotten).await {
                tokio::time::sleep(RECORD_PAUSE).await;
            }
        };
        tokio::select! {
            () = saved => {}
            // The next start repeats the job, which finds that nothing is left to do.
            () = self.stop.cancelled() => {}
        }
        entry.change(|current| current.has_runner = false);
    }
}
