//! Waiting with a limit.

use std::time::{Duration, Instant};

/// Calls `probe` every 20 ms until it yields a value. Panics with `what` once `limit` has passed.
pub fn eventually<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the program's log has these words.
#[track_caller]
pub(crate) fn expect_logged(words: &str, log: impl Fn() -> String) {
    let what = format!("{words:?} in the log");
    eventually(Duration::from_secs(10), &what, || log().contains(words).then_some(()));
}
