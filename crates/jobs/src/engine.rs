//! What the rest of the program asks of the engine.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::client::ClientKey;
use model::job::{Job, JobId, State, WorkRecord};
use model::settings::Live;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::entry::Entry;
use crate::error::JobError;
use crate::failure::Failure;
use crate::job_list::JobList;
use crate::kinds::Kinds;
use crate::meter::Progress;
use crate::runner::Runner;
use crate::settings::Settings;
use crate::store::JobStore;
use crate::task::Task;

/// How long a caller waits for a job to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How often [`Jobs::begin_new`] checks whether another job has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The engine. Clones are handles of the same one.
#[derive(Clone)]
pub struct Jobs {
    runner: Arc<Runner>,
    tasks: TaskTracker,
}

/// A job as it is now.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its record.
    pub job: Job,
    /// Its progress; `None` before the first byte is counted and after its end.
    pub progress: Option<Progress>,
}

/// A job that was begun, to wait for.
pub struct Begun(Arc<Entry>);

/// A job that was interrupted, until the caller decides whether it goes on.
#[must_use = "the job either goes on or ends"]
pub struct Paused(Option<Arc<Entry>>);

impl Begun {
    /// Waits until the job has ended, at most for `limit`; `None` if it goes on.
    ///
    /// A job whose first attempt failed before its first byte ends here: an error now helps the client more
    /// than hope.
    pub async fn ended_within(self, limit: Duration) -> Option<Result<(), Failure>> {
        let Self(entry) = self;
        let mut watch = entry.watch();
        let decided = tokio::time::timeout(limit, async {
            let decided =
                watch.wait_for(|current| current.job.state.is_end() || current.failed_without_progress).await;
            if decided.is_ok_and(|current| !current.job.state.is_end()) {
                entry.change(|current| current.gives_up = true);
                entry.now.notify_one();
                let _ = watch.wait_for(|current| current.job.state.is_end()).await;
            }
        });
        decided.await.ok()?;
        let current = entry.current();
        Some(match current.job.state {
            State::Done => Ok(()),
            _ => Err(current.failure.unwrap_or(Failure::Cancelled)),
        })
    }
}

impl Jobs {
    /// Starts the engine for these kinds of work. `on_change` is called with each job that begins, moves on,
    /// ends or leaves the list.
    pub fn start(
        kinds: Kinds,
        store: impl JobStore,
        on_change: impl Fn(&JobId) + Send + Sync + 'static,
        settings: impl Into<Live<Settings>>,
    ) -> Self {
        let runner = Runner {
            settings: settings.into(),
            kinds: RwLock::new(kinds),
            list: JobList::default(),
            store: Box::new(store),
            on_change: Box::new(on_change),
            stop: CancellationToken::new(),
        };
        Self { runner: Arc::new(runner), tasks: TaskTracker::new() }
    }

    /// Registers the kinds of work of another component.
    pub fn register(&self, kinds: Kinds) {
        self.runner.kinds.write().unwrap_or_else(PoisonError::into_inner).add(kinds);
    }

    /// Lists the jobs on record, and takes up those that have not ended. A job whose kind is not registered
    /// stays on record unlisted, until its component is back.
    pub fn resume(&self, jobs: impl IntoIterator<Item = Job>) {
        for mut job in jobs {
            if !self.runner.kinds().has(&job.work.kind) {
                let (id, kind) = (&job.id, &job.work.kind);
                tracing::warn!(job = %id, kind, "a job of an unknown kind stays on record");
                continue;
            }
            if let Some(work) = self.runner.kinds().known(&job.work) {
                job.work = work;
            }
            let is_over = job.state.is_end();
            if !is_over {
                job.note("taken up again after a restart");
                if !matches!(job.state, State::Waiting { .. }) {
                    job.enter(State::Queued);
                }
            }
            let rules = self.runner.kinds().rules(&job.work);
            if let Ok(entry) = self.runner.list.add(job, rules)
                && !is_over
            {
                self.take_up(&entry);
            }
        }
    }

    /// Begins a job, unless another does the same work: then this is that one.
    ///
    /// The engine records a durable job when it waits or ends. A component that must not lose it before that
    /// records it first, in one step with its own records.
    pub fn begin(&self, job: Job) -> Begun {
        let rules = self.runner.kinds().rules(&job.work);
        Begun(self.runner.list.add(job, rules).map_or_else(
            |other| other,
            |entry| {
                self.take_up(&entry);
                entry
            },
        ))
    }

    /// Begins a durable job once it is on record: from the answer on, a crash does not lose it. If another
    /// job
    /// does the same work, this is that one.
    ///
    /// # Errors
    ///
    /// [`JobError::Refused`] if the store does not record it. It does not begin then.
    pub async fn begin_recorded(&self, job: Job) -> Result<Begun, JobError> {
        let rules = self.runner.kinds().rules(&job.work);
        let entry = match self.runner.list.add(job, rules) {
            Ok(entry) => entry,
            Err(other) => return Ok(Begun(other)),
        };
        entry.take_up(self.runner.stop.child_token());
        let jobs = self.clone();
        // A caller that goes away must not leave a job that is listed and never begins.
        let recorded = self.tasks.spawn(async move {
            match jobs.runner.store.save(Some(entry.current().job), Vec::new()).await {
                Ok(()) => {
                    jobs.run(&entry, jobs.runner.kinds().task(&entry.work));
                    Ok(Begun(entry))
                }
                Err(error) => {
                    jobs.runner.list.withdraw(&entry);
                    entry.change(|current| {
                        current.job.enter(State::Cancelled);
                        current.has_runner = false;
                    });
                    Err(JobError::Refused(error))
                }
            }
        });
        recorded.await.unwrap_or_else(|error| Err(JobError::Refused(error.into())))
    }

    /// Begins a job for work that was never asked for. A job that did the same work and has just failed may
    /// still be ending, so this waits for it.
    pub async fn begin_new(&self, job: Job) -> Begun {
        let gone = async {
            while let Some(other) = self.runner.list.live(&job.work) {
                other.settled().await;
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        // After the timeout this is the other job, which is better than none.
        let _ = tokio::time::timeout(STOP_TIMEOUT, gone).await;
        self.begin(job)
    }

    /// All jobs in the list, the newest first.
    pub fn all(&self) -> Vec<Shown> {
        self.runner.list.all().iter().map(|entry| shown(entry)).collect()
    }

    /// One job.
    pub fn get(&self, id: &JobId) -> Option<Shown> {
        self.runner.list.get(id).map(|entry| shown(&entry))
    }

    /// The job that does this work at present.
    pub fn find(&self, work: &WorkRecord) -> Option<Shown> {
        self.runner.list.live(work).map(|entry| shown(&entry))
    }

    /// Waits until the job that does this work has ended, at most for `limit`.
    pub async fn wait(&self, work: &WorkRecord, limit: Duration) {
        if let Some(entry) = self.runner.list.live(work) {
            let mut watch = entry.watch();
            let _ = tokio::time::timeout(limit, watch.wait_for(|current| current.job.state.is_end())).await;
        }
    }

    /// Stops a job for good and waits until its work has ended. A job that has ended already leaves the list.
    /// With `seen` nothing is done unless that is its record still.
    ///
    /// # Errors
    ///
    /// [`JobError::NoSuchJob`]; [`JobError::Changed`] if it is not as `seen`; [`JobError::Busy`] if it does
    /// not end in time; [`JobError::Refused`] if the store does not forget it.
    pub async fn cancel(&self, id: &JobId, seen: Option<Job>) -> Result<Shown, JobError> {
        let entry = self.runner.list.get(id).ok_or(JobError::NoSuchJob)?;
        if entry.state().is_end() {
            settled(&entry).await?;
            if seen.is_some_and(|seen| seen != entry.current().job) {
                return Err(JobError::Changed);
            }
            // Fails if it was begun again since.
            if !self.runner.list.remove(id) {
                return Err(JobError::Busy);
            }
            self.runner.store.save(None, vec![id.clone()]).await.map_err(JobError::Refused)?;
            self.runner.changed(id);
            return Ok(shown(&entry));
        }
        let mut is_seen = false;
        entry.change(|current| {
            is_seen = seen.is_none_or(|seen| seen == current.job);
            current.is_cancelled |= is_seen;
        });
        if !is_seen {
            return Err(JobError::Changed);
        }
        entry.stop().cancel();
        let mut watch = entry.watch();
        let ended = watch.wait_for(|current| current.job.state.is_end() || !current.has_runner);
        let _ = tokio::time::timeout(STOP_TIMEOUT, ended).await.map_err(|_| JobError::Busy)?;
        Ok(shown(&entry))
    }

    /// Begins a job again that failed or was cancelled, for `client`. A job that waits for its next attempt
    /// gets it now.
    ///
    /// # Errors
    ///
    /// [`JobError::NoSuchJob`]; [`JobError::NotOver`] in any other state; [`JobError::Pointless`] if another
    /// job does the work; [`JobError::Busy`] while its end is being recorded; and what its kind says
    /// ([`before_retry`](crate::Work::before_retry)).
    pub async fn retry(&self, id: &JobId, client: Option<ClientKey>) -> Result<Shown, JobError> {
        let entry = self.runner.list.get(id).ok_or(JobError::NoSuchJob)?;
        match entry.state() {
            State::Waiting { .. } => entry.now.notify_one(),
            State::Failed { .. } | State::Cancelled => {
                settled(&entry).await?;
                if !self.runner.list.revive(&entry, self.runner.stop.child_token()) {
                    return Err(JobError::Pointless("the same work is being done already".into()));
                }
                if let Err(error) = self.begin_again(&entry, client).await {
                    entry.change(|current| current.has_runner = false);
                    self.runner.list.ended(&entry, self.runner.settings.get().max_finished);
                    return Err(error);
                }
            }
            state => return Err(JobError::NotOver(state.word())),
        }
        Ok(shown(&entry))
    }

    async fn begin_again(&self, entry: &Arc<Entry>, client: Option<ClientKey>) -> Result<(), JobError> {
        let task = self.runner.kinds().task(&entry.work);
        task.before_retry(client).await?;
        entry.change(|current| {
            current.failure = None;
            current.job.client = client;
            current.job.note("begun again");
            current.job.enter(State::Queued);
        });
        self.runner.save(entry, &[]).await;
        self.run(entry, task);
        Ok(())
    }

    /// Interrupts a piece of work and waits until its runner has left it. The job does not end. If it does
    /// not stop in time, it goes on.
    ///
    /// # Errors
    ///
    /// [`JobError::Busy`] if it does not stop in time.
    pub async fn halt(&self, work: &WorkRecord) -> Result<Paused, JobError> {
        let entry = self.runner.list.live(work);
        if let Some(entry) = &entry {
            entry.stop().cancel();
            if let Err(busy) = settled(entry).await {
                let (jobs, entry) = (self.clone(), Arc::clone(entry));
                self.tasks.spawn(async move {
                    entry.settled().await;
                    jobs.go_on(Paused(Some(entry)));
                });
                return Err(busy);
            }
        }
        Ok(Paused(entry))
    }

    /// Goes on with a job that was interrupted.
    pub fn go_on(&self, paused: Paused) {
        if let Some(entry) = paused.0.filter(|entry| !entry.state().is_end()) {
            entry.change(|current| current.job.enter(State::Queued));
            self.take_up(&entry);
        }
    }

    /// Ends a job that was interrupted, because its work is not needed any more.
    pub async fn drop_paused(&self, paused: Paused) {
        if let Some(entry) = paused.0.filter(|entry| !entry.state().is_end()) {
            self.runner.end(&entry).await;
        }
    }

    /// Stops all work. Interrupted jobs keep their state on record, and the next start takes them up.
    pub async fn stop(&self) {
        self.runner.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn take_up(&self, entry: &Arc<Entry>) {
        entry.take_up(self.runner.stop.child_token());
        self.run(entry, self.runner.kinds().task(&entry.work));
    }

    /// Runs a job that was taken up.
    fn run(&self, entry: &Arc<Entry>, task: Box<dyn Task>) {
        self.runner.changed(&entry.id);
        task.announce();
        let (runner, entry) = (Arc::clone(&self.runner), Arc::clone(entry));
        self.tasks.spawn(async move { runner.run(&entry, task).await });
    }
}

/// Waits until no runner has the job.
async fn settled(entry: &Entry) -> Result<(), JobError> {
    tokio::time::timeout(STOP_TIMEOUT, entry.settled()).await.map_err(|_| JobError::Busy)
}

fn shown(entry: &Entry) -> Shown {
    let job = entry.current().job;
    let progress =
        Some(entry.meter.progress()).filter(|progress| progress.done > 0 || progress.total.is_some());
    Shown { progress: progress.filter(|_| !job.state.is_end()), job }
}
