//! Attempts: retries and their pauses, the end, queues and progress.

use std::sync::Arc;
use std::time::Duration;

use jobs::Failure;
use model::job::{Job, State, WorkRecord};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::world::{Bench, COPIES, RETRIES, RETRY_DELAY, Step, Trouble, glance};

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(1_000_000);

#[tokio::test(start_paused = true)]
async fn work_that_may_succeed_later_is_tried_again_after_a_pause_that_doubles() {
    let (bench, start) = (Bench::new(), Instant::now());
    let (id, begun) = bench.begin("a", [Step::Progress, Step::Retry, Step::Done]);
    bench.reaches(&id, "waiting").await;
    bench.reaches(&id, "done").await;
    assert!(matches!(begun.ended_within(LONG).await, Some(Ok(()))));
    // Chance moves each pause by a quarter, and a check may come late.
    let (least, most) = (RETRY_DELAY * 3 * 3 / 4, RETRY_DELAY * 3 * 4 / 3);
    assert!((least..most).contains(&start.elapsed()), "{:?}", start.elapsed());
    let job = bench.jobs.get(&id).expect("a job").job;
    assert_eq!((job.attempts, job.log.len()), (3, 2));
    assert!(job.log.iter().all(|line| line.text.ends_with("s: trouble: no luck")), "{:?}", job.log);
    assert_eq!(
        bench.world.seen("a"),
        ["announced", "attempt 1", "attempt 2", "attempt 3", "announced"],
        "one value makes all attempts, and success abandons nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_fails_after_a_number_of_retries_in_a_row_without_progress() {
    let bench = Bench::new();
    let (id, _) = bench.begin("a", (0..=RETRIES).map(|_| Step::Retry));
    bench.reaches(&id, "failed").await;
    let job = bench.jobs.get(&id).expect("a job").job;
    assert_eq!(job.state, State::Failed { reason: "trouble: no luck".into() });
    assert_eq!(job.attempts, RETRIES + 1);
    assert!(bench.world.seen("a").contains(&"abandoned as failed: trouble: no luck".to_owned()));

    let rounds = (0..5).flat_map(|_| (1..RETRIES).map(|_| Step::Retry).chain([Step::Progress]));
    let (id, _) = bench.begin("b", rounds);
    bench.reaches(&id, "done").await;
    assert_eq!(bench.jobs.get(&id).expect("a job").job.attempts, 5 * RETRIES + 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_may_ask_for_a_longer_pause() {
    let (bench, start) = (Bench::new(), Instant::now());
    let (id, begun) = bench.begin("a", [Step::Later(Duration::from_secs(5000))]);
    assert!(begun.ended_within(Duration::from_secs(4999)).await.is_none(), "hope is left");
    bench.reaches(&id, "done").await;
    assert!(start.elapsed() >= Duration::from_secs(5000));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_learns_at_once_that_the_first_attempt_brought_nothing() {
    let (bench, start) = (Bench::new(), Instant::now());
    let (id, begun) = bench.begin("a", [Step::Retry]);
    let ended = begun.ended_within(LONG).await;
    let Some(Err(failure)) = ended else { panic!("{ended:?}") };
    assert_eq!(failure.cause(), Some(&Trouble("no luck".into())));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(bench.word(&id), Some("failed"));

    let release = Arc::new(Notify::new());
    let (_, begun) = bench.begin("b", [Step::Hold(Arc::clone(&release))]);
    assert!(begun.ended_within(Duration::from_secs(3)).await.is_none(), "it runs on");
    let (_, begun) = bench.begin("c", [Step::Fail("for good")]);
    let ended = begun.ended_within(LONG).await;
    assert!(ended.is_some_and(|end| end.is_err_and(|failure| failure.to_string() == "trouble: for good")));
}

#[tokio::test(start_paused = true)]
async fn jobs_wait_in_the_order_in_which_they_came_and_queues_do_not_wait_for_each_other() {
    let bench = Bench::new();
    let names = ["a", "b", "c", "d"];
    let gates = names.map(|_| Arc::new(Notify::new()));
    let ids: Vec<_> = names
        .iter()
        .zip(&gates)
        .map(|(name, gate)| bench.begin(name, [Step::Hold(Arc::clone(gate))]).0)
        .collect();
    let words = || ids.iter().map(|id| bench.word(id).unwrap_or_default()).collect::<Vec<_>>();
    bench.reaches(&ids[COPIES - 1], "running").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(words(), ["running", "running", "queued", "queued"]);

    // A queue that is not declared works on one job at a time.
    let gate = Arc::new(Notify::new());
    bench.world.script("x", [Step::Hold(Arc::clone(&gate))]);
    let (x, y) = (glance("x"), glance("y"));
    let (x_id, y_id) = (x.id.clone(), y.id.clone());
    drop((bench.jobs.begin(x), bench.jobs.begin(y)));
    bench.reaches(&x_id, "running").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.word(&y_id), Some("queued"));
    gate.notify_one();
    bench.reaches(&y_id, None).await;

    gates[1].notify_one();
    bench.reaches(&ids[1], "done").await;
    bench.reaches(&ids[2], "running").await;
    assert_eq!(words(), ["running", "done", "running", "queued"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_its_retry_holds_no_permit() {
    let bench = Bench::new();
    for name in ["a", "b"] {
        let (id, _) = bench.begin(name, [Step::Later(Duration::from_secs(5000))]);
        bench.reaches(&id, "waiting").await;
    }
    let (id, begun) = bench.begin("c", []);
    assert!(begun.ended_within(Duration::from_secs(1)).await.is_some(), "{:?}", bench.word(&id));
}

#[tokio::test(start_paused = true)]
async fn the_progress_is_shown_while_a_job_runs_and_each_change_is_reported() {
    let bench = Bench::new();
    let release = Arc::new(Notify::new());
    let (id, _) = bench.begin("a", [Step::Count(30, 100, Arc::clone(&release))]);
    assert!(bench.jobs.get(&id).expect("a job").progress.is_none(), "nothing is known yet");
    bench.reaches(&id, "running").await;
    let progress = bench.jobs.get(&id).expect("a job").progress.expect("progress");
    assert_eq!((progress.done, progress.total), (30, Some(100)));
    let before = bench.changes(&id);
    assert!(before >= 3, "it began, it runs, it knows its size: {before}");
    release.notify_one();
    bench.reaches(&id, "done").await;
    assert!(bench.jobs.get(&id).expect("a job").progress.is_none());
    assert_eq!(bench.changes(&id), before + 1);
}

#[tokio::test(start_paused = true)]
async fn work_that_no_component_does_fails() {
    let bench = Bench::new();
    let work = |kind: &str| WorkRecord { kind: kind.into(), details: serde_json::Map::new() };
    for (kind, reason) in [
        ("paint", "this program does no work of the kind `paint`"),
        ("copy", "the record of the job cannot be read: missing field `name`"),
    ] {
        let begun = bench.jobs.begin(Job::new(work(kind), "odd".into()));
        let ended = begun.ended_within(LONG).await;
        let Some(Err(failure @ Failure::Work(_))) = ended else { panic!("{ended:?}") };
        assert_eq!(failure.to_string(), reason);
    }
}
