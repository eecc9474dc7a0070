//! The life of a job: it waits for a place, is worked on, waits and is tried again if that is worth while, and ends. What the work is, its
//! kind knows (`kinds.rs`).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::job_list::Entry;
use super::kinds::Task;
use super::{Failure, Jobs, RECORD_PAUSE, backoff};
use crate::catalog::CatalogError;
use crate::model::job::{Job, JobId, State};

/// The longest that a source may ask to be left alone, across a restart.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// How often work is looked at of which nothing is heard.
const LOOK: Duration = Duration::from_secs(2);

/// How one attempt ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The work is done.
    Done,
    /// It cannot be done, now or later.
    Failed(Failure),
    /// It may go better later.
    Again {
        failure: Failure,
        /// Not before so long, says whoever has to know.
        after: Option<Duration>,
        /// It came further than the attempt before.
        further: bool,
    },
    /// It was stopped before its end.
    Stopped,
}

/// What an attempt may use: where it tells how far it is, and what stops it.
pub(super) struct Context<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) entry: &'a Entry,
    stop: CancellationToken,
}

impl Context<'_> {
    /// Waits for `future`, unless the job is stopped first; then it is dropped.
    pub(super) async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Result<T, Outcome> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Outcome::Stopped),
            value = future => Ok(value),
        }
    }

    /// What stops the attempt.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The work is at so many bytes, of `total`.
    pub(super) fn begin(&self, done: u64, total: Option<u64>) {
        self.entry.meter.begin(done, total);
        self.jobs.tell(&self.entry.id);
    }

    /// So many bytes are done.
    pub(super) fn reach(&self, done: u64) {
        if self.entry.meter.reach(done, std::time::Instant::now()) {
            self.jobs.tell(&self.entry.id);
        }
    }

    /// Something happened that people may want to know later.
    pub(super) fn note(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::info!(job = %self.entry.id, text, "job");
        self.entry.change(|current| current.job.note(text));
        self.jobs.tell(&self.entry.id);
    }
}

/// Works on a job until it ends or is stopped. A stopped one keeps its state, for it is taken up again.
pub(super) async fn run_job(jobs: Jobs, entry: Arc<Entry>) {
    let context = Context { jobs: &jobs, entry: &entry, stop: entry.stop() };
    let mut task = Task::of(&entry.work);
    let mut failures = 0;
    wait_on(&context).await;
    let end = loop {
        match attempt(&context, &mut task).await {
            Outcome::Done => break Ok(()),
            Outcome::Failed(failure) => break Err(failure),
            Outcome::Stopped if entry.current().is_cancelled => break Err(Failure::Cancelled),
            Outcome::Stopped => {
                entry.change(|current| current.is_driven = false);
                return;
            }
            Outcome::Again { failure, after, further } => {
                failures = if further { 1 } else { failures + 1 };
                let settings = &jobs.0.settings;
                if failures > settings.retries || entry.current().gives_up {
                    break Err(failure);
                }
                let pause = backoff::pause(settings.retry_delay, failures, backoff::chance());
                wait(&context, failure, pause, after).await;
                if entry.current().gives_up && !context.stop.is_cancelled() {
                    break Err(entry.current().failure.unwrap_or(Failure::Cancelled));
                }
            }
        }
    };
    if let Err(failure) = &end {
        tracing::warn!(job = %entry.id, title = entry.current().job.title, %failure, "a job ended without success");
        task.conclude(&context, failure, ended(&entry, &end)).await;
    }
    finish(&jobs, &entry, end).await;
}

/// The record of a job that has just ended.
fn ended(entry: &Entry, end: &Result<(), Failure>) -> Job {
    let mut job = entry.current().job;
    job.enter(match end {
        Ok(()) => State::Done,
        Err(Failure::Cancelled) => State::Cancelled,
        Err(failure) => State::Failed { reason: failure.to_string() },
    });
    job
}

/// Waits for the end of work, and tells when nothing comes of it for a while: whoever looks must not see the rate of before.
async fn watched<T>(context: &Context<'_>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut clock = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            _ = clock.tick() => {
                if context.entry.meter.rest(std::time::Instant::now()) {
                    context.jobs.tell(&context.entry.id);
                }
            }
        }
    }
}

async fn attempt(context: &Context<'_>, task: &mut Task) -> Outcome {
    let place = match context.unless_stopped(context.jobs.0.queues.place(&context.entry.work)).await {
        Ok(place) => place,
        Err(stopped) => return stopped,
    };
    context.entry.change(|current| {
        current.job.attempts += 1;
        current.job.enter(State::Running);
    });
    context.jobs.tell(&context.entry.id);
    let outcome = watched(context, task.run(context)).await;
    drop(place);
    outcome
}

/// Waits until it is time for the next try, unless somebody wants it now.
async fn wait(context: &Context<'_>, failure: Failure, pause: Duration, after: Option<Duration>) {
    let (jobs, entry) = (context.jobs, context.entry);
    let pause = pause.max(after.unwrap_or_default());
    // The time is for people; the waiting itself does not care if somebody sets the clock.
    let until =
        SignedDuration::try_from(pause).ok().and_then(|pause| Timestamp::now().checked_add(pause).ok());
    let has_nothing = entry.meter.progress().done == 0;
    entry.change(|current| {
        let reason = failure.to_string();
        current.job.note(format!("tried again in {} s: {reason}", pause.as_secs_f64().round()));
        current.failed_without_progress = current.job.attempts == 1 && has_nothing && after.is_none();
        current.failure = Some(failure);
        current.job.enter(State::Waiting { until: until.unwrap_or(Timestamp::MAX), reason });
    });
    jobs.tell(&entry.id);
    let waited = async {
        // That it waits is worth a record, but not worth to wait for a disk that refuses.
        jobs.try_to_keep(entry, Vec::new()).await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = entry.now.notified() => {}
        }
    };
    if context.unless_stopped(waited).await.is_ok() {
        entry.change(|current| current.job.enter(State::Queued));
        jobs.tell(&entry.id);
    }
}

/// A job that waited when the program ended waits on, for its source may have asked for that.
async fn wait_on(context: &Context<'_>) {
    let State::Waiting { until, .. } = context.entry.state() else { return };
    // The clock may have been set meanwhile, so it is believed up to a limit.
    let left =
        Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default().min(LONGEST_WAIT);
    let waited = async {
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = context.entry.now.notified() => {}
        }
    };
    if context.unless_stopped(waited).await.is_ok() {
        context.entry.change(|current| current.job.enter(State::Queued));
        context.jobs.tell(&context.entry.id);
    }
}

/// The job has ended: tells everybody, and remembers it.
async fn finish(jobs: &Jobs, entry: &Arc<Entry>, end: Result<(), Failure>) {
    let job = ended(entry, &end);
    entry.change(|current| {
        current.job = job;
        current.failure = end.err();
    });
    let forgotten = jobs.0.list.ended(entry, jobs.0.settings.max_finished);
    jobs.tell_with_image(entry);
    for id in &forgotten {
        jobs.tell(id);
    }
    let keep = async {
        while !jobs.try_to_keep(entry, forgotten.clone()).await {
            tokio::time::sleep(RECORD_PAUSE).await;
        }
    };
    tokio::select! {
        () = keep => {}
        // It is done once more after the start, which finds that nothing is left to do.
        () = jobs.0.stop.cancelled() => {}
    }
    entry.change(|current| current.is_driven = false);
}

/// Ends a job that nobody works on and nobody needs: what it had begun goes.
pub(super) async fn end_paused(jobs: &Jobs, entry: &Arc<Entry>) {
    entry.change(|current| current.is_driven = true);
    let context = Context { jobs, entry, stop: entry.stop() };
    let job = ended(entry, &Err(Failure::Cancelled));
    Task::of(&entry.work).conclude(&context, &Failure::Cancelled, job).await;
    finish(jobs, entry, Err(Failure::Cancelled)).await;
}

impl Jobs {
    /// Records a job, if it is one that outlives the program; `false` if the disk refuses.
    pub(super) async fn try_to_keep(&self, entry: &Entry, forgotten: Vec<JobId>) -> bool {
        if !super::kinds::is_durable(&entry.work) {
            for id in forgotten {
                if !matches!(self.0.catalog.forget_job(id).await, Ok(()) | Err(CatalogError::Stopping)) {
                    return false;
                }
            }
            return true;
        }
        match self.0.catalog.keep_job(entry.current().job, forgotten).await {
            Ok(()) | Err(CatalogError::Stopping) => true,
            Err(error) => {
                tracing::error!(job = %entry.id, %error, "a job cannot be recorded yet");
                false
            }
        }
    }
}
