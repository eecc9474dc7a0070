//! The same work several times at once, for work that mostly waits.

/// How many workers run at once.
const WORKERS: u64 = 4;

/// Runs `work` in all workers at once; a failure in one fails the test.
#[track_caller]
pub fn in_parallel(work: impl Fn(u64) + Sync) {
    with_each(&Vec::from_iter(0..WORKERS), |worker| work(*worker));
}

/// Runs `work` with each of `items` at once; a failure with one fails the test.
#[track_caller]
pub fn with_each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        assert!(ends.iter().all(Result::is_ok), "a worker failed, see above");
    });
}
