//! Loading bytes of a file into the page cache. `sendfile` sleeps on a page that is not there, and so do all
//! connections of the thread. So another thread loads the bytes first.

use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{Advice, fadvise};
use tokio::sync::Semaphore;

use crate::open_file::{OpenFile, PIECE, ends_of_pieces};

/// Bytes that are probed and loaded at once.
pub(crate) const WINDOW: u64 = 2 << 20;

/// How far ahead of the window the kernel is asked to read.
const AHEAD: u64 = 4 << 20;

/// The most loads at once, of all connections.
const MAX_LOADS: usize = 128;

/// Loads the range, and asks the kernel for the bytes behind it.
pub(crate) async fn load(file: Arc<OpenFile>, offset: u64, length: u64) {
    // If the thread fails, sending meets the cause.
    let _ = run_blocking(move || touch(&file, offset, length)).await;
}

/// Runs work that may wait for a disk on another thread, within a limit. A waiter costs no thread, so a disk
/// that hangs leaves threads for other disks. The permit is held until the work ends, even if its waiter has
/// given up: otherwise clients that come and go while a disk hangs would take a thread each.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    static PERMITS: Semaphore = Semaphore::const_new(MAX_LOADS);
    // The semaphore is never closed.
    let permit = PERMITS.acquire().await.map_err(io::Error::other)?;
    let work = move || {
        let _permit = permit;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

fn touch(file: &OpenFile, offset: u64, length: u64) {
    let mut asked = offset;
    while asked < offset + length + AHEAD {
        // The kernel may ignore the advice; the reads below do not need it.
        let _ = fadvise(&**file, asked, NonZeroU64::new(PIECE), Advice::WillNeed);
        asked += PIECE;
    }
    for last in ends_of_pieces(offset, length) {
        // Errors are not lost: sending meets them again and cuts the connection.
        let _ = file.read_at(&mut [0], last);
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSliceMut;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    use super::*;

    /// Eviction is only advice, and a probe may start to read. So both probes have many tries.
    #[tokio::test]
    async fn a_piece_is_resident_once_it_was_loaded() {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(&vec![1; 300_000], 0).expect("written");
        let evict = || {
            file.sync_all().expect("synced");
            fadvise(&file, 0, None, Advice::DontNeed).expect("evicted");
        };
        let open = || Arc::new(OpenFile::from(file.try_clone().expect("a descriptor")));
        let (mut is_told, mut is_found) = (false, false);
        for _ in 0..50 {
            evict();
            let mut byte = [0];
            let probe = preadv2(&file, &mut [IoSliceMut::new(&mut byte)], 299_999, ReadWriteFlags::NOWAIT);
            is_told |= probe == Err(Errno::AGAIN);
            evict();
            is_found |= !open().is_resident(299_999, 1);
        }
        assert_eq!(is_found, is_told, "whether the file system tells");
        let file = open();
        load(Arc::clone(&file), 0, 300_000).await;
        assert!(file.is_resident(0, 300_000));
    }

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
            let _ = tokio::time::timeout(Duration::from_millis(1), run_blocking(hang)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let waiting = begun.load(Ordering::Relaxed);
        *free.0.lock().expect("a lock") = true;
        free.1.notify_all();
        assert_eq!(waiting, MAX_LOADS);
        assert_eq!(run_blocking(|| 5).await.expect("a turn"), 5);
    }
}
