//! The workers: what takes longer than a request may. A job is asked for, waits for a place, is worked on, tried again where that is worth
//! while, and ends; it can be watched, cancelled and begun again, and it outlives the program. Jobs ask the desk for everything they change.

mod backoff;
mod digest;
mod download;
mod failure;
mod folder_scan;
mod job_list;
mod kinds;
mod low_priority;
mod meter;
mod requests;
mod runner;
mod scrub;
mod web_name;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::{Catalog, CatalogError};
use crate::events::{Change, Events};
use crate::model::image::ImageId;
use crate::model::job::{Job, JobId, State, Work};
use crate::model::link::Link;
use crate::model::stored_file::StoreKind;
use fetch::EgressPolicy;
use fetch::Fetcher;
use job_list::{Entry, JobList};

pub use ::fetch;
pub use ::fetch::{checksums, signature};
use checksums::{ChecksumError, Promise};
pub use download::job_for as download_job;
pub use failure::Failure;
pub use meter::Progress;
pub use web_name::provisional_name;

/// How long to wait before something is recorded again that the disk would not take.
const RECORD_PAUSE: Duration = Duration::from_secs(2);

/// How long whoever wants a job to stop waits for that.
const SETTLE_TIME: Duration = Duration::from_secs(10);

/// How often it is looked whether another job is out of the way.
const GLANCE: Duration = Duration::from_millis(5);

/// How the workers work.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Downloads that run at once; others wait their turn.
    pub max_downloads: usize,
    /// A download that brings nothing for this long has failed.
    pub stall_timeout: Duration,
    /// How often in a row a job is tried again without having come further.
    pub retries: u32,
    /// The pause before the first of these tries.
    pub retry_delay: Duration,
    /// Jobs that are remembered after their end.
    pub max_finished: usize,
    /// Where downloads may go.
    pub egress: EgressPolicy,
    /// The folder of the keyrings that signatures are held against.
    pub keyring: Option<PathBuf>,
    /// How often the folders of the stores are looked at; zero is never.
    pub watch_interval: Duration,
    /// How long after its last verification a stored file is read again; zero is never.
    pub scrub_interval: Duration,
    /// Bytes a second that such reading takes; 0 is no limit.
    pub scrub_rate: u64,
}

/// The workers.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    catalog: Catalog,
    events: Events,
    fetcher: Fetcher,
    settings: Settings,
    list: JobList,
    queues: kinds::Queues,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A job as it is now.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its record.
    pub job: Job,
    /// How far it has come; `None` before anybody knows and after its end.
    pub progress: Option<Progress>,
}

/// What was asked for cannot be done with this job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is none.
    #[error("no job has this id")]
    NoSuchJob,
    /// Its state forbids it.
    #[error("the job is {0}, so it cannot be begun again")]
    NotOver(&'static str),
    /// Nobody needs it any more.
    #[error("the job cannot be begun again: {0}")]
    Pointless(String),
    /// The end of the job is still being recorded.
    #[error("the end of the job is just being recorded; try again")]
    Busy,
    /// The desk refuses.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// A job that was begun, to wait for.
pub struct Begun {
    jobs: Jobs,
    entry: Arc<Entry>,
}

impl Begun {
    /// Waits until the job has ended, at most for `limit`; `None` if it goes on. A job whose first attempt brought nothing at all ends
    /// here: who waits for the answer is better told than kept in hope.
    pub async fn ended_within(self, limit: Duration) -> Option<Result<(), Failure>> {
        let mut watch = self.entry.watch();
        let decided = tokio::time::timeout(limit, async {
            let decided =
                watch.wait_for(|current| current.job.state.is_end() || current.failed_without_progress).await;
            if decided.is_ok_and(|current| !current.job.state.is_end()) {
                self.jobs.give_up(&self.entry);
                let _ = watch.wait_for(|current| current.job.state.is_end()).await;
            }
        });
        decided.await.ok()?;
        let current = self.entry.current();
        Some(match current.job.state {
            State::Done => Ok(()),
            _ => Err(current.failure.unwrap_or(Failure::Cancelled)),
        })
    }
}

/// Work on an image's ISO that was interrupted, until it is decided what becomes of the image.
#[must_use = "either the work goes on or it ends"]
pub struct Paused(Option<Arc<Entry>>);

impl Jobs {
    /// Puts the workers to work. Fails if no HTTP client can be made.
    pub fn start(catalog: Catalog, events: Events, settings: Settings) -> Result<Self, reqwest::Error> {
        let jobs = Self(Arc::new(Inner {
            fetcher: Fetcher::new(settings.egress.clone(), settings.stall_timeout)?,
            queues: kinds::Queues::new(settings.max_downloads),
            list: JobList::default(),
            catalog,
            events,
            settings,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }));
        if let Some(job_requests) = jobs.0.catalog.take_job_requests() {
            jobs.0.tasks.spawn(requests::run(jobs.clone(), job_requests));
            jobs.0.tasks.spawn(scrub::keep_looking(jobs.clone()));
            jobs.0.tasks.spawn(folder_scan::run(jobs.clone(), StoreKind::Iso));
            jobs.0.tasks.spawn(folder_scan::run(jobs.clone(), StoreKind::Microkernel));
        }
        Ok(jobs)
    }

    /// Takes up what an earlier run left: the jobs on record, and the downloads of `images`, which may come from a program without jobs.
    pub fn resume(&self, images: &[ImageId]) {
        let snapshot = self.0.catalog.snapshot();
        for job in snapshot.jobs() {
            let mut job = job.clone();
            let is_over = job.state.is_end();
            if !is_over {
                job.note("taken up again after a restart");
                if !matches!(job.state, State::Waiting { .. }) {
                    job.enter(State::Queued);
                }
            }
            if let Ok(entry) = self.0.list.add(job)
                && !is_over
            {
                self.spawn(&entry);
            }
        }
        for image in images.iter().filter_map(|id| snapshot.image(id)) {
            drop(self.begin(download::job_for(image)));
        }
    }

    /// Begins a job, unless the same work is being done already.
    pub fn begin(&self, job: Job) -> Begun {
        let entry = self.0.list.add(job).map_or_else(
            |other| other,
            |entry| {
                self.spawn(&entry);
                entry
            },
        );
        Begun { jobs: self.clone(), entry }
    }

    /// What a checksum file says of a file that has one of `names`. A failure that may pass comes with when to ask again, as far as that was
    /// told.
    pub async fn promised(
        &self,
        checksum: &Link,
        signature: Option<&Link>,
        names: &[&str],
    ) -> Result<Promise, ChecksumError> {
        let keyring = self.0.settings.keyring.as_deref();
        let signature = signature.map(Link::secret_url);
        checksums::expected(&self.0.fetcher, checksum.secret_url(), signature, keyring, names).await
    }

    /// Begins a job that nobody has asked for before. One that did the same work and has just failed may still be on its way out.
    pub async fn begin_new(&self, job: Job) -> Begun {
        let gone = async {
            while let Some(other) = self.0.list.live(&job.work) {
                other.settled().await;
                tokio::time::sleep(GLANCE).await;
            }
        };
        // What then begins is the other one again, which is no worse than nothing.
        let _ = tokio::time::timeout(SETTLE_TIME, gone).await;
        self.begin(job)
    }

    fn spawn(&self, entry: &Arc<Entry>) {
        entry.take_up(self.0.stop.child_token());
        self.run_job(entry);
    }

    fn run_job(&self, entry: &Arc<Entry>) {
        self.tell_with_image(entry);
        self.0.tasks.spawn(runner::run_job(self.clone(), Arc::clone(entry)));
    }

    /// All jobs that are known, those last asked for first.
    pub fn all(&self) -> Vec<Shown> {
        self.0.list.all().iter().map(|entry| shown(entry)).collect()
    }

    /// One job.
    pub fn get(&self, id: &JobId) -> Option<Shown> {
        self.0.list.get(id).map(|entry| shown(&entry))
    }

    /// The job that fetches the ISO of an image, while there is one.
    pub fn of_image(&self, image: &ImageId) -> Option<Shown> {
        self.0.list.live(&Work::Download { image: image.clone() }).map(|entry| shown(&entry))
    }

    /// Stops a job for good and waits until its work has ended. One that had ended already is taken from the list.
    pub async fn cancel(&self, id: &JobId) -> Result<Shown, JobError> {
        let entry = self.0.list.get(id).ok_or(JobError::NoSuchJob)?;
        if entry.state().is_end() {
            // Its end may just be being recorded.
            tokio::time::timeout(SETTLE_TIME, entry.settled()).await.map_err(|_| JobError::Busy)?;
            if !self.0.list.remove(id) {
                return Err(JobError::Busy);
            }
            self.0.catalog.forget_job(id.clone()).await?;
            self.tell(id);
            return Ok(shown(&entry));
        }
        entry.change(|current| current.is_cancelled = true);
        entry.stop().cancel();
        let mut watch = entry.watch();
        let ended = watch.wait_for(|current| current.job.state.is_end() || !current.is_driven);
        let _ = tokio::time::timeout(SETTLE_TIME, ended).await.map_err(|_| JobError::Busy)?;
        Ok(shown(&entry))
    }

    /// Begins a job again that failed or was cancelled; one that waits for its next try is tried now.
    pub async fn retry(&self, id: &JobId) -> Result<Shown, JobError> {
        let entry = self.0.list.get(id).ok_or(JobError::NoSuchJob)?;
        match entry.state() {
            State::Waiting { .. } => entry.now.notify_one(),
            State::Failed { .. } | State::Cancelled => {
                tokio::time::timeout(SETTLE_TIME, entry.settled()).await.map_err(|_| JobError::Busy)?;
                if !self.0.list.revive(&entry, self.0.stop.child_token()) {
                    return Err(JobError::Pointless("the same work is being done already".into()));
                }
                if let Err(error) = self.begin_again(&entry).await {
                    entry.change(|current| current.is_driven = false);
                    self.0.list.ended(&entry, self.0.settings.max_finished);
                    return Err(error);
                }
            }
            state => return Err(JobError::NotOver(state.word())),
        }
        Ok(shown(&entry))
    }

    async fn begin_again(&self, entry: &Arc<Entry>) -> Result<(), JobError> {
        kinds::begin_again(&self.0.catalog, &entry.work).await?;
        entry.change(|current| {
            current.failure = None;
            current.job.note("begun again");
            current.job.enter(State::Queued);
        });
        self.try_to_keep(entry, Vec::new()).await;
        self.run_job(entry);
        Ok(())
    }

    /// A job that waits for its next try fails now.
    fn give_up(&self, entry: &Entry) {
        entry.change(|current| current.gives_up = true);
        entry.now.notify_one();
    }

    /// Interrupts the work on an image's ISO without an end, and waits until nobody works on it. If that takes too long, it goes on.
    pub async fn halt(&self, image: &ImageId) -> Result<Paused, JobError> {
        let entry = self.0.list.live(&Work::Download { image: image.clone() });
        if let Some(entry) = &entry {
            entry.stop().cancel();
            if tokio::time::timeout(SETTLE_TIME, entry.settled()).await.is_err() {
                let (jobs, entry) = (self.clone(), Arc::clone(entry));
                self.0.tasks.spawn(async move {
                    entry.settled().await;
                    jobs.go_on(Paused(Some(entry)));
                });
                return Err(JobError::Busy);
            }
        }
        Ok(Paused(entry))
    }

    /// Goes on with what was interrupted.
    pub fn go_on(&self, paused: Paused) {
        if let Some(entry) = paused.0.filter(|entry| !entry.state().is_end()) {
            entry.change(|current| current.job.enter(State::Queued));
            self.spawn(&entry);
        }
    }

    /// Ends what was interrupted: nobody needs it any more.
    pub async fn drop_paused(&self, paused: Paused) {
        if let Some(entry) = paused.0.filter(|entry| !entry.state().is_end()) {
            runner::end_paused(self, &entry).await;
        }
    }

    /// Stops all work. Interrupted jobs stay recorded as such and are taken up at the next start.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Tells whoever listens that a job is no longer what it was.
    fn tell(&self, id: &JobId) {
        self.0.events.publish(Change::Job(id.clone()));
    }

    /// Tells the same where an image is shown with its job: when that begins and when it has ended.
    fn tell_with_image(&self, entry: &Entry) {
        self.tell(&entry.id);
        if let Some(image) = kinds::image_of(&entry.work)
            && self.0.catalog.snapshot().image(image).is_some()
        {
            self.0.events.publish(Change::Image(image.clone()));
        }
    }
}

fn shown(entry: &Entry) -> Shown {
    let job = entry.current().job;
    let progress =
        Some(entry.meter.progress()).filter(|progress| progress.done > 0 || progress.total.is_some());
    Shown { progress: progress.filter(|_| !job.state.is_end()), job }
}
