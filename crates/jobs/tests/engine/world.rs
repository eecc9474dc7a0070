//! Two kinds of work that follow a script, a store in memory that can fail, and an engine with both.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jobs::{
    Begun, BoxError, BoxFuture, Context, Failure, JobError, JobStore, Jobs, Kinds, Outcome, Settings, Work,
};
use model::client::ClientKey;
use model::job::{Job, JobId};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) const RETRIES: u32 = 3;
pub(crate) const RETRY_DELAY: Duration = Duration::from_secs(8);
pub(crate) const MAX_FINISHED: usize = 3;

/// Permits of the queue of [`Copy`]. That of [`Glance`] is not declared.
pub(crate) const COPIES: usize = 2;

/// What the next attempt does. After the last step, attempts succeed.
pub(crate) enum Step {
    Done,
    Fail(&'static str),
    /// It may succeed later.
    Retry,
    /// The same, but it came further.
    Progress,
    /// The same, but the source wants to be left alone for so long.
    Later(Duration),
    /// Runs until this is notified, or the job is stopped.
    Hold(Arc<Notify>),
    /// Runs for this long, whatever the job is told.
    Deaf(Duration),
    /// Counts bytes, and then holds.
    Count(u64, u64, Arc<Notify>),
}

/// The environment of both kinds.
#[derive(Default)]
pub(crate) struct World {
    steps: Mutex<HashMap<String, VecDeque<Step>>>,
    seen: Mutex<Vec<String>>,
    /// Whether jobs may not be begun again.
    pub(crate) refuses: AtomicBool,
}

impl World {
    fn see(&self, what: String) {
        lock(&self.seen).push(what);
    }

    /// What happened to the work called `name`.
    pub(crate) fn seen(&self, name: &str) -> Vec<String> {
        let prefix = format!("{name}: ");
        lock(&self.seen).iter().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    async fn attempt(&self, name: &str, tries: u32, context: &Context<'_, Self>) -> Outcome {
        self.see(format!("{name}: attempt {tries}"));
        let step = lock(&self.steps).get_mut(name).and_then(VecDeque::pop_front).unwrap_or(Step::Done);
        let retry = |after, progressed| Outcome::Retry { failure: trouble("no luck"), after, progressed };
        match step {
            Step::Done => Outcome::Done,
            Step::Fail(why) => Outcome::Failed(trouble(why)),
            Step::Retry => retry(None, false),
            Step::Progress => retry(None, true),
            Step::Later(after) => retry(Some(after), false),
            Step::Deaf(time) => {
                tokio::time::sleep(time).await;
                if context.stop().is_cancelled() { Outcome::Stopped } else { Outcome::Done }
            }
            Step::Hold(release) => hold(context, &release).await,
            Step::Count(done, total, release) => {
                context.begin(0, Some(total));
                context.reach(done);
                hold(context, &release).await
            }
        }
    }
}

async fn hold(context: &Context<'_, World>, release: &Notify) -> Outcome {
    match context.unless_stopped(release.notified()).await {
        Ok(()) => Outcome::Done,
        Err(stopped) => stopped,
    }
}

/// An error of the kinds here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("trouble: {0}")]
pub(crate) struct Trouble(pub(crate) String);

fn trouble(why: &str) -> Failure {
    Failure::new(Trouble(why.into()))
}

/// Durable work.
#[derive(Serialize, Deserialize)]
pub(crate) struct Copy {
    pub(crate) name: String,
    #[serde(skip)]
    tries: u32,
}

impl Work for Copy {
    const KIND: &'static str = "copy";
    const QUEUE: &'static str = "copies";
    const DURABLE: bool = true;
    type Environment = World;

    async fn attempt(&mut self, context: &Context<'_, World>) -> Outcome {
        self.tries += 1;
        context.environment.attempt(&self.name, self.tries, context).await
    }

    async fn abandon(&mut self, context: &Context<'_, World>, failure: &Failure) {
        let word = context.failed(failure).state.word();
        context.environment.see(format!("{}: abandoned as {word}: {failure}", self.name));
    }

    async fn before_retry(&self, world: &World, _: Option<ClientKey>) -> Result<(), JobError> {
        world.see(format!("{}: to be retried", self.name));
        match world.refuses.load(Ordering::Relaxed) {
            true => Err(JobError::Refused(Box::new(Trouble("not now".into())))),
            false => Ok(()),
        }
    }

    fn announce(&self, world: &World) {
        world.see(format!("{}: announced", self.name));
    }
}

/// Work that is neither recorded nor listed when it is done.
#[derive(Serialize, Deserialize)]
pub(crate) struct Glance {
    pub(crate) name: String,
}

impl Work for Glance {
    const KIND: &'static str = "glance";
    const QUEUE: &'static str = "glances";
    const DURABLE: bool = false;
    const LISTED: bool = false;
    type Environment = World;

    async fn attempt(&mut self, context: &Context<'_, World>) -> Outcome {
        context.environment.attempt(&self.name, 1, context).await
    }
}

pub(crate) fn copy(name: &str) -> Job {
    Copy { name: name.into(), tries: 0 }.job(format!("copying {name}"))
}

pub(crate) fn glance(name: &str) -> Job {
    Glance { name: name.into() }.job(format!("a glance at {name}"))
}

/// A store in memory.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<DiskInner>);

#[derive(Default)]
struct DiskInner {
    jobs: Mutex<BTreeMap<JobId, Job>>,
    fails: AtomicBool,
    refusals: AtomicUsize,
}

impl Disk {
    pub(crate) fn fail(&self, fails: bool) {
        self.0.fails.store(fails, Ordering::Relaxed);
    }

    /// How often it refused to save.
    pub(crate) fn refusals(&self) -> usize {
        self.0.refusals.load(Ordering::Relaxed)
    }

    pub(crate) fn jobs(&self) -> Vec<Job> {
        lock(&self.0.jobs).values().cloned().collect()
    }

    /// The state of a job on record.
    pub(crate) fn word(&self, id: &JobId) -> Option<&'static str> {
        lock(&self.0.jobs).get(id).map(|job| job.state.word())
    }

    /// What a component does that records a new job with its own records.
    pub(crate) fn put(&self, job: &Job) {
        lock(&self.0.jobs).insert(job.id.clone(), job.clone());
    }
}

impl JobStore for Disk {
    fn save(&self, job: Option<Job>, forgotten: Vec<JobId>) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async move {
            if self.0.fails.load(Ordering::Relaxed) {
                self.0.refusals.fetch_add(1, Ordering::Relaxed);
                return Err("the disk is full".into());
            }
            let mut jobs = lock(&self.0.jobs);
            forgotten.iter().for_each(|id| drop(jobs.remove(id)));
            jobs.extend(job.map(|job| (job.id.clone(), job)));
            Ok(())
        })
    }
}

/// An engine with its surroundings.
pub(crate) struct Bench {
    pub(crate) jobs: Jobs,
    pub(crate) world: Arc<World>,
    pub(crate) disk: Disk,
    changes: Arc<Mutex<Vec<JobId>>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::on(Disk::default())
    }

    /// A start of the program after which the disk has these records.
    pub(crate) fn on(disk: Disk) -> Self {
        let (world, changes) = (Arc::new(World::default()), Arc::new(Mutex::new(Vec::new())));
        let kinds = Kinds::default()
            .queue(Copy::QUEUE, COPIES)
            .with::<Copy>(Arc::clone(&world))
            .with::<Glance>(Arc::clone(&world));
        let settings = Settings { retries: RETRIES, retry_delay: RETRY_DELAY, max_finished: MAX_FINISHED };
        let told = Arc::clone(&changes);
        let on_change = move |id: &JobId| lock(&told).push(id.clone());
        Self { jobs: Jobs::start(kinds, disk.clone(), on_change, settings), world, disk, changes }
    }

    /// Ends the program and starts it again.
    pub(crate) async fn restart(self, script: impl FnOnce(&World)) -> Self {
        self.jobs.stop().await;
        let next = Self::on(self.disk);
        script(&next.world);
        next.jobs.resume(next.disk.jobs());
        next
    }

    /// Begins a copy whose attempts take these steps.
    pub(crate) fn begin(&self, name: &str, steps: impl IntoIterator<Item = Step>) -> (JobId, Begun) {
        self.world.script(name, steps);
        let job = copy(name);
        (job.id.clone(), self.jobs.begin(job))
    }

    pub(crate) fn word(&self, id: &JobId) -> Option<&'static str> {
        self.jobs.get(id).map(|shown| shown.job.state.word())
    }

    /// Waits until a job is in a state, or not listed.
    pub(crate) async fn reaches(&self, id: &JobId, word: impl Into<Option<&'static str>>) {
        let word = word.into();
        let reached = becomes(|| self.word(id) == word).await;
        assert!(reached, "{id} is {:?}, not {word:?}", self.word(id));
    }

    /// Waits until a job is in a state on record.
    pub(crate) async fn reaches_record(&self, id: &JobId, word: &'static str) {
        let reached = becomes(|| self.disk.word(id) == Some(word)).await;
        assert!(reached, "{id} is {:?} on record, not {word}", self.disk.word(id));
    }

    /// How often a change of the job was reported.
    pub(crate) fn changes(&self, id: &JobId) -> usize {
        lock(&self.changes).iter().filter(|changed| *changed == id).count()
    }
}

impl World {
    /// Sets the steps of the next attempts at the work called `name`.
    pub(crate) fn script(&self, name: &str, steps: impl IntoIterator<Item = Step>) {
        lock(&self.steps).insert(name.into(), steps.into_iter().collect());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test thread panicked")
}

/// Waits for more than a day until `is_so`, and checks the less often the longer it takes.
async fn becomes(is_so: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > Duration::from_secs(100_000) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10) + start.elapsed() / 20).await;
    }
    true
}
