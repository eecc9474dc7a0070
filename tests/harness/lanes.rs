//! The same work several times at once, where it mostly waits.

/// Four fit beside each other.
const LANES: u64 = 4;

/// Runs `work` in all lanes at once; a failure in one fails the test.
#[track_caller]
pub fn in_lanes(work: impl Fn(u64) + Sync) {
    with_each(&Vec::from_iter(0..LANES), |lane| work(*lane));
}

/// Runs `work` with each of `items` at once; a failure with one fails the test.
#[track_caller]
pub fn with_each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        let lanes: Vec<_> = items.iter().map(|item| scope.spawn(move || work(item))).collect();
        let ends: Vec<_> = lanes.into_iter().map(|lane| lane.join()).collect();
        assert!(ends.iter().all(Result::is_ok), "a lane failed, see above");
    });
}
