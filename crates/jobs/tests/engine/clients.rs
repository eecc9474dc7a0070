//! What clients ask of jobs: begin, cancel, retry, interrupt, list.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jobs::{JobError, Work};
use model::job::JobId;
use tokio::sync::Notify;

use crate::world::{Bench, Copy, MAX_FINISHED, Step, Trouble, copy, glance};

fn hold() -> (Step, Arc<Notify>) {
    let release = Arc::new(Notify::new());
    (Step::Hold(Arc::clone(&release)), release)
}

#[tokio::test(start_paused = true)]
async fn two_jobs_never_do_the_same_work_at_once() {
    let bench = Bench::new();
    let (step, release) = hold();
    let (id, _) = bench.begin("a", [step]);
    drop(bench.jobs.begin(copy("a")));
    assert_eq!(bench.jobs.all().len(), 1);
    let found = bench.jobs.find(&copy("a").work).expect("a job");
    assert_eq!((found.job.id.clone(), Copy::of(&found.job).map(|copy| copy.name)), (id, Some("a".into())));
    assert!(bench.jobs.find(&glance("a").work).is_none(), "another kind");

    let (jobs, next) = (bench.jobs.clone(), copy("a"));
    let next_id = next.id.clone();
    let begun = tokio::spawn(async move { jobs.begin_new(next).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(bench.word(&next_id).is_none(), "it waits for the end of the other");
    release.notify_one();
    drop(begun.await.expect("it begins"));
    bench.reaches(&next_id, "done").await;
    assert_eq!(bench.jobs.all()[0].job.id, next_id, "the newest comes first");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_ends_wherever_it_is() {
    let bench = Bench::new();
    let mut ids: Vec<JobId> = ["a", "b", "c"].map(|name| bench.begin(name, [hold().0]).0).into();
    bench.reaches(&ids[1], "running").await;
    assert_eq!(bench.word(&ids[2]), Some("queued"));
    for id in &ids {
        let shown = bench.jobs.cancel(id, None).await.expect("it ends");
        assert_eq!(shown.job.state.word(), "cancelled");
    }
    ids.push(bench.begin("d", [Step::Later(Duration::from_secs(5000))]).0);
    bench.reaches(&ids[3], "waiting").await;
    bench.jobs.cancel(&ids[3], None).await.expect("it ends");
    for (name, id) in ["a", "b", "c", "d"].iter().zip(&ids) {
        let seen = bench.world.seen(name);
        assert!(seen.contains(&"abandoned as cancelled: it was cancelled".to_owned()), "{name}: {seen:?}");
        assert_eq!(bench.disk.word(id), (*name != "a").then_some("cancelled"), "{name}: the oldest is gone");
    }

    let last = &ids[3];
    bench.jobs.cancel(last, None).await.expect("it leaves the list");
    assert_eq!((bench.word(last), bench.disk.word(last)), (None, None));
    assert!(matches!(bench.jobs.cancel(last, None).await, Err(JobError::NoSuchJob)));
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_stop_in_time_is_busy() {
    let bench = Bench::new();
    let (id, _) = bench.begin("a", [Step::Deaf(Duration::from_secs(60))]);
    bench.reaches(&id, "running").await;
    assert!(matches!(bench.jobs.cancel(&id, None).await, Err(JobError::Busy)));
    bench.reaches(&id, "cancelled").await;

    let (id, _) = bench.begin("b", [Step::Deaf(Duration::from_secs(60))]);
    bench.reaches(&id, "running").await;
    let halted = bench.jobs.halt(&copy("b").work).await;
    assert!(matches!(halted, Err(JobError::Busy)));
    bench.reaches(&id, "done").await;
    assert_eq!(bench.jobs.get(&id).expect("a job").job.attempts, 2, "it goes on by itself");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_can_be_begun_again() {
    let bench = Bench::new();
    let (step, release) = hold();
    let (id, _) = bench.begin("a", [Step::Fail("once"), step, Step::Fail("never")]);
    bench.reaches(&id, "failed").await;
    let shown = bench.jobs.retry(&id, None).await.expect("it begins again");
    assert_eq!((shown.job.state.word(), bench.disk.word(&id)), ("queued", Some("queued")));
    bench.reaches(&id, "running").await;
    assert!(matches!(bench.jobs.retry(&id, None).await, Err(JobError::NotOver("running"))));
    release.notify_one();
    bench.reaches(&id, "done").await;
    assert!(matches!(bench.jobs.retry(&id, None).await, Err(JobError::NotOver("done"))));
    assert_eq!(
        bench.world.seen("a"),
        [
            "announced",
            "attempt 1",
            "abandoned as failed: trouble: once",
            "announced",
            "to be retried",
            "announced",
            "attempt 1",
            "announced"
        ]
    );
    assert!(matches!(bench.jobs.retry(&JobId("none".into()), None).await, Err(JobError::NoSuchJob)));
}

#[tokio::test(start_paused = true)]
async fn what_ended_a_job_does_not_end_it_again() {
    let bench = Bench::new();
    let (id, begun) = bench.begin("a", [Step::Retry, Step::Retry, Step::Done]);
    assert!(begun.ended_within(Duration::from_secs(1)).await.is_some(), "the caller gives it up");
    bench.jobs.retry(&id, None).await.expect("it begins again");
    bench.reaches(&id, "done").await;

    let (id, _) = bench.begin("b", [hold().0, hold().0]);
    bench.jobs.cancel(&id, None).await.expect("it ends");
    bench.jobs.retry(&id, None).await.expect("it begins again");
    bench.reaches(&id, "running").await;
    let paused = bench.jobs.halt(&copy("b").work).await.expect("it stops");
    assert_eq!(bench.word(&id), Some("running"), "it is interrupted, not cancelled");
    bench.jobs.go_on(paused);
    bench.reaches(&id, "running").await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_refused_leaves_the_job_as_it_is() {
    let bench = Bench::new();
    let (id, _) = bench.begin("a", [Step::Fail("once")]);
    bench.reaches(&id, "failed").await;
    bench.world.refuses.store(true, Ordering::Relaxed);
    let refused = bench.jobs.retry(&id, None).await;
    let Err(JobError::Refused(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.downcast_ref(), Some(&Trouble("not now".into())));
    assert_eq!(bench.word(&id), Some("failed"));

    // The work is free for another job meanwhile.
    let (step, release) = hold();
    let (other, _) = bench.begin("a", [step]);
    bench.reaches(&other, "running").await;
    bench.world.refuses.store(false, Ordering::Relaxed);
    assert!(matches!(bench.jobs.retry(&id, None).await, Err(JobError::Pointless(_))));
    release.notify_one();
    bench.reaches(&other, "done").await;
    bench.jobs.retry(&id, None).await.expect("it begins again");
    bench.reaches(&id, "done").await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_can_be_tried_now() {
    let bench = Bench::new();
    let (step, _release) = hold();
    let (id, _) = bench.begin("a", [Step::Later(Duration::from_secs(90_000)), step]);
    bench.reaches(&id, "waiting").await;
    bench.jobs.retry(&id, None).await.expect("it is tried");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.word(&id), Some("running"));
    assert!(!bench.world.seen("a").contains(&"to be retried".to_owned()), "it did not fail");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_interrupted_goes_on_or_ends() {
    let bench = Bench::new();
    let (id, _) = bench.begin("a", [hold().0, hold().0]);
    bench.reaches(&id, "running").await;
    let paused = bench.jobs.halt(&copy("a").work).await.expect("it stops");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.jobs.get(&id).expect("a job").job.attempts, 1, "nothing happens meanwhile");
    assert!(bench.jobs.find(&copy("a").work).is_some(), "it has not ended");
    bench.jobs.go_on(paused);
    bench.reaches(&id, "running").await;
    assert_eq!(bench.jobs.get(&id).expect("a job").job.attempts, 2);

    let paused = bench.jobs.halt(&copy("a").work).await.expect("it stops");
    bench.jobs.drop_paused(paused).await;
    assert_eq!((bench.word(&id), bench.disk.word(&id)), (Some("cancelled"), Some("cancelled")));
    let seen = bench.world.seen("a");
    assert_eq!(seen.iter().filter(|line| line.starts_with("abandoned")).count(), 1, "{seen:?}");

    let nothing = bench.jobs.halt(&copy("b").work).await.expect("there is nothing to stop");
    bench.jobs.go_on(nothing);
    assert_eq!(bench.jobs.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn ended_jobs_are_listed_up_to_a_limit() {
    let bench = Bench::new();
    let names: Vec<String> = (0..=MAX_FINISHED).map(|number| number.to_string()).collect();
    let mut ids = Vec::new();
    for name in &names {
        let (id, _) = bench.begin(name, [Step::Fail("for good")]);
        bench.reaches(&id, "failed").await;
        bench.reaches_record(&id, "failed").await;
        ids.push(id);
    }
    let told = bench.changes(&ids[0]);
    assert_eq!((bench.word(&ids[0]), bench.disk.word(&ids[0])), (None, None), "the oldest is forgotten");
    assert_eq!((bench.jobs.all().len(), bench.disk.jobs().len()), (MAX_FINISHED, MAX_FINISHED));
    assert_eq!(told, bench.changes(&ids[1]) + 1, "that it left the list is reported");

    // One that is done and need not be listed pushes out no other.
    bench.world.script("x", [Step::Done]);
    let job = glance("x");
    let id = job.id.clone();
    drop(bench.jobs.begin(job));
    bench.reaches(&id, None).await;
    assert_eq!(bench.world.seen("x"), ["attempt 1"]);
    assert_eq!(bench.jobs.all().len(), MAX_FINISHED);
    // One that failed is listed, and the record of the oldest goes though its own is not kept.
    bench.world.script("y", [Step::Fail("for good")]);
    let job = glance("y");
    let id = job.id.clone();
    drop(bench.jobs.begin(job));
    bench.reaches(&id, "failed").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((bench.disk.word(&id), bench.disk.jobs().len()), (None, MAX_FINISHED - 1));
}
