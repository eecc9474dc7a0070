//! The same work several times at once, where it mostly waits.

/// Four fit beside each other.
const LANES: u64 = 4;

/// Runs `work` in all lanes at once; a failure in one fails the test.
#[track_caller]
pub fn in_lanes(work: impl Fn(u64) + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|lane| scope.spawn(move || work(lane))).collect();
        let ends: Vec<_> = lanes.into_iter().map(|lane| lane.join()).collect();
        assert!(ends.iter().all(Result::is_ok), "a lane failed, see above");
    });
}
