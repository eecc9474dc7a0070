//! Whether the bytes of a file are in memory. `sendfile` sleeps on a page that is not, and with it every connection of the thread; so
//! what is cold is fetched on another thread first.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::sync::Semaphore;

/// What is looked at and fetched at once.
pub(crate) const WINDOW: u64 = 2 << 20;

/// The kernel reads ahead in pieces of this size by default, so one look at the end of each is enough.
const PIECE: u64 = 128 << 10;

/// How far ahead of the window the kernel is asked to read.
const AHEAD: u64 = 4 << 20;

/// Loads at once, of all connections. The runtime has 512 threads for what blocks.
const MAX_LOADS: usize = 128;

/// Whether all of the range can be sent without waiting for the disk, as far as a look at each piece can tell.
pub(crate) fn is_resident(file: &File, offset: u64, length: u64) -> bool {
    ends_of_pieces(offset, length).all(|last| {
        let mut byte = [0];
        match preadv2(file, &mut [IoSliceMut::new(&mut byte)], last, ReadWriteFlags::NOWAIT) {
            // File systems that cannot tell are sent from directly; a file that has shrunk is found out by sending.
            Ok(_) | Err(Errno::OPNOTSUPP | Errno::INVAL) => true,
            Err(_) => false,
        }
    })
}

/// Brings the range into memory, and asks for what follows it. Waiting for a turn costs no thread, so a disk that hangs holds up those who
/// want what lies on it and leaves threads to others.
pub(crate) async fn load(file: Arc<File>, offset: u64, length: u64) {
    static TURNS: Semaphore = Semaphore::const_new(MAX_LOADS);
    // The semaphore is never closed; without a turn the bytes are sent as they are.
    let Ok(_turn) = TURNS.acquire().await else { return };
    // If the thread fails, sending meets the cause.
    let _ = tokio::task::spawn_blocking(move || touch(&file, offset, length)).await;
}

fn touch(file: &File, offset: u64, length: u64) {
    let mut asked = offset;
    while asked < offset + length + AHEAD {
        // Advice may be ignored; reading below works without it.
        let _ = fadvise(file, asked, std::num::NonZeroU64::new(PIECE), Advice::WillNeed);
        asked += PIECE;
    }
    for last in ends_of_pieces(offset, length) {
        // Errors are not lost: sending meets them again, where they cut the connection.
        let _ = file.read_at(&mut [0], last);
    }
}

fn ends_of_pieces(offset: u64, length: u64) -> impl Iterator<Item = u64> {
    let end = offset + length;
    let first = (offset / PIECE + 1) * PIECE;
    let boundaries = (first..end).step_by(usize::try_from(PIECE).unwrap_or(usize::MAX));
    boundaries.chain([end]).map(|end| end - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_looked_at_once() {
        let looked = |offset, length| ends_of_pieces(offset, length).collect::<Vec<_>>();
        assert_eq!(looked(0, 1), [0]);
        assert_eq!(looked(0, PIECE), [PIECE - 1]);
        assert_eq!(looked(10, PIECE), [PIECE - 1, PIECE + 9]);
        assert_eq!(looked(0, 3 * PIECE), [PIECE - 1, 2 * PIECE - 1, 3 * PIECE - 1]);
    }
}
