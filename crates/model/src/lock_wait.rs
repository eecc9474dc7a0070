//! Waits for locks of a process that is just dying: the system releases them a moment after a kill, so a
//! start right after it finds them taken.

use std::io;
use std::time::{Duration, Instant};

/// How long a start waits. A process that holds locks longer is alive.
const LIMIT: Duration = Duration::from_secs(10);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Calls `attempt` until it takes the lock, for ten seconds at most. `false` if another process still has it.
///
/// # Errors
///
/// The first error of `attempt`.
pub fn take(mut attempt: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        if attempt()? {
            return Ok(true);
        }
        if begun.elapsed() >= LIMIT {
            return Ok(false);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
