//! Bringing the bytes of a file into memory. `sendfile` sleeps on a page that is not there, and with it every connection of the thread;
//! so what is cold is fetched on another thread first.

use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{Advice, fadvise};
use tokio::sync::Semaphore;

use crate::OpenFile;
use crate::open_file::{PIECE, ends_of_pieces};

/// What is looked at and fetched at once.
pub(crate) const WINDOW: u64 = 2 << 20;

/// How far ahead of the window the kernel is asked to read.
const AHEAD: u64 = 4 << 20;

/// Loads at once, of all connections.
const MAX_LOADS: usize = 128;

/// Brings the range into memory, and asks for what follows it.
pub(crate) async fn load(file: Arc<OpenFile>, offset: u64, length: u64) {
    // If the thread fails, sending meets the cause.
    let _ = apart(move || touch(&file, offset, length)).await;
}

/// Lets another thread do what may wait for a disk. Waiting for a turn costs no thread, so a disk that hangs holds up those who want what
/// lies on it and leaves threads to others. A turn ends with the work, not with the wait for it: clients that come and go while a disk
/// hangs would otherwise take a thread each.
pub(crate) async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    static TURNS: Semaphore = Semaphore::const_new(MAX_LOADS);
    // The semaphore is never closed.
    let turn = TURNS.acquire().await.map_err(io::Error::other)?;
    let work = move || {
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

fn touch(file: &OpenFile, offset: u64, length: u64) {
    let mut asked = offset;
    while asked < offset + length + AHEAD {
        // Advice may be ignored; reading below works without it.
        let _ = fadvise(&**file, asked, NonZeroU64::new(PIECE), Advice::WillNeed);
        asked += PIECE;
    }
    for last in ends_of_pieces(offset, length) {
        // Errors are not lost: sending meets them again, where they cut the connection.
        let _ = file.read_at(&mut [0], last);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn whoever_gives_up_leaves_its_turn_to_the_work_that_goes_on() {
        let (free, begun) = (Arc::new((Mutex::new(false), Condvar::new())), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 * MAX_LOADS {
            let (free, begun) = (Arc::clone(&free), Arc::clone(&begun));
            let hang = move || {
                begun.fetch_add(1, Ordering::Relaxed);
                let freed = free.1.wait_while(free.0.lock().expect("a lock"), |freed| !*freed);
                drop(freed.expect("a lock"));
            };
            let _ = tokio::time::timeout(Duration::from_millis(1), apart(hang)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let waiting = begun.load(Ordering::Relaxed);
        *free.0.lock().expect("a lock") = true;
        free.1.notify_all();
        assert_eq!(waiting, MAX_LOADS);
        assert_eq!(apart(|| 5).await.expect("a turn"), 5);
    }
}
