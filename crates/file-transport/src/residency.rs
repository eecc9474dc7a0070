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
