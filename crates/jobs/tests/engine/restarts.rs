//! What is on record, and what a start makes of it.

use std::sync::Arc;
use std::time::Duration;

use jobs::JobError;
use model::job::{Job, State, WorkRecord};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::world::{Bench, Disk, Step, copy, glance};

const HOUR: Duration = Duration::from_secs(3600);

fn hold() -> Step {
    Step::Hold(Arc::new(Notify::new()))
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_interrupted_is_taken_up_again() {
    let bench = Bench::new();
    let job = copy("a");
    bench.disk.put(&job);
    bench.world.script("a", [hold()]);
    drop(bench.jobs.begin(job.clone()));
    bench.reaches(&job.id, "running").await;
    let world = Arc::clone(&bench.world);
    let bench = bench.restart(|_| {}).await;
    assert_eq!(world.seen("a"), ["announced", "attempt 1"], "the end of the program is no end of the job");
    bench.reaches(&job.id, "done").await;
    bench.reaches_record(&job.id, "done").await;
    let log = bench.jobs.get(&job.id).expect("a job").job.log;
    assert_eq!(log[0].text, "taken up again after a restart");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_recorded_first_survives_a_crash() {
    let bench = Bench::new();
    bench.world.script("a", [hold()]);
    let job = copy("a");
    assert!(bench.jobs.begin_recorded(job.clone()).await.is_ok());
    assert_eq!(bench.disk.word(&job.id), Some("queued"));
    assert!(
        bench.jobs.begin_recorded(copy("a")).await.is_ok(),
        "another that does the same work is this one"
    );
    assert_eq!((bench.jobs.all().len(), bench.disk.jobs().len()), (1, 1));
    let after_crash = Bench::on(bench.disk.clone());
    after_crash.jobs.resume(after_crash.disk.jobs());
    after_crash.reaches(&job.id, "done").await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_recorded_does_not_begin() {
    let bench = Bench::new();
    bench.disk.fail(true);
    let job = copy("a");
    let refused = bench.jobs.begin_recorded(job.clone()).await;
    assert!(matches!(refused, Err(JobError::Refused(_))));
    assert!(bench.jobs.all().is_empty() && bench.world.seen("a").is_empty());
    bench.disk.fail(false);
    assert!(bench.jobs.begin_recorded(copy("a")).await.is_ok(), "its work can be asked for again");
    bench.jobs.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_waits_on_after_a_restart_but_a_day_at_most() {
    for (after, left, most) in [(HOUR, HOUR, HOUR), (HOUR * 1000, HOUR * 23, HOUR * 24)] {
        let bench = Bench::new();
        let (id, _) = bench.begin("a", [Step::Later(after)]);
        bench.reaches(&id, "waiting").await;
        bench.reaches_record(&id, "waiting").await;
        let start = Instant::now();
        let bench = bench.restart(|_| {}).await;
        bench.reaches(&id, "done").await;
        // The record has the time of the wall clock, which virtual time does not move. A check may come late.
        let slack = Duration::from_secs(60);
        assert!((left - slack..most * 11 / 10).contains(&start.elapsed()), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_that_have_ended_are_listed_after_a_restart_and_can_be_begun_again() {
    let bench = Bench::new();
    let (id, _) = bench.begin("a", [Step::Fail("once")]);
    bench.reaches(&id, "failed").await;
    bench.reaches_record(&id, "failed").await;
    let bench = bench.restart(|_| {}).await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(bench.word(&id), Some("failed"));
    assert!(bench.world.seen("a").is_empty(), "nothing asks for it");
    bench.jobs.retry(&id, None).await.expect("it begins again");
    bench.reaches(&id, "done").await;
}

#[tokio::test(start_paused = true)]
async fn work_that_is_not_durable_is_never_recorded() {
    let bench = Bench::new();
    bench.world.script("a", [Step::Retry, Step::Fail("for good")]);
    let job = glance("a");
    drop(bench.jobs.begin(job.clone()));
    bench.reaches(&job.id, "waiting").await;
    bench.reaches(&job.id, "failed").await;
    assert!(bench.disk.jobs().is_empty());
    bench.jobs.cancel(&job.id, None).await.expect("it leaves the list");
}

#[tokio::test(start_paused = true)]
async fn a_job_of_a_component_that_is_off_stays_on_record() {
    let disk = Disk::default();
    let foreign = WorkRecord { kind: "paint".into(), details: serde_json::Map::new() };
    let mut jobs = ["one", "other"].map(|title| Job::new(foreign.clone(), title.into()));
    jobs[1].enter(State::Done);
    jobs.iter().for_each(|job| disk.put(job));
    let before = disk.jobs();
    let bench = Bench::on(disk).restart(|_| {}).await;
    tokio::time::sleep(HOUR).await;
    assert!(bench.jobs.all().is_empty());
    assert_eq!(bench.disk.jobs(), before);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_the_disk_refuses_is_recorded_when_it_takes_it() {
    let bench = Bench::new();
    bench.disk.fail(true);
    let (id, begun) = bench.begin("a", [Step::Progress, Step::Fail("for good")]);
    assert!(begun.ended_within(HOUR).await.is_some_and(|end| end.is_err()), "it ends all the same");
    assert!(bench.disk.refusals() >= 2, "the wait and the end: {}", bench.disk.refusals());
    assert!(matches!(bench.jobs.cancel(&id, None).await, Err(JobError::Busy)), "its end is not on record");
    assert!(matches!(bench.jobs.retry(&id, None).await, Err(JobError::Busy)));
    assert_eq!(bench.word(&id), Some("failed"));
    bench.disk.fail(false);
    bench.reaches_record(&id, "failed").await;

    bench.disk.fail(true);
    tokio::time::sleep(HOUR).await;
    assert!(matches!(bench.jobs.cancel(&id, None).await, Err(JobError::Refused(_))), "it is not forgotten");

    let (id, _) = bench.begin("b", []);
    bench.reaches(&id, "done").await;
    let stopped = tokio::time::timeout(HOUR, bench.jobs.stop()).await;
    assert!(stopped.is_ok(), "a disk that refuses does not hold up the end of the program");
}
