//! An open file, and a record of which of its bytes are in the page cache.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// The kernel reads ahead in pieces of this size by default, so one probe at the end of each is enough.
pub(crate) const PIECE: u64 = 128 << 10;

/// For so many seconds a resident piece is not probed again. The kernel may evict its pages meanwhile; then
/// sending waits for the disk, once.
const FRESH_SECONDS: u64 = 3;

/// A file from which ranges are sent. All transfers share it.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    /// The version that must not change while ranges are sent; `None` for a file that may change.
    version: Option<Version>,
    /// A bit for each piece that was found resident since `epoch`.
    resident: OnceLock<Box<[AtomicU64]>>,
    /// Seconds since the first probe of all files.
    epoch: AtomicU64,
}

impl From<File> for OpenFile {
    fn from(file: File) -> Self {
        Self { file, version: None, resident: OnceLock::new(), epoch: AtomicU64::new(0) }
    }
}

impl Deref for OpenFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

/// Tells versions of a file apart without reading it: size, and seconds and nanoseconds of the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version(u64, i64, i64);

impl Version {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self(metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    }
}

impl OpenFile {
    /// A file whose ranges are valid in its present version only. When it is written to, shortened or
    /// extended, transfers from it are cut. Bytes that the system has taken by then cannot be taken back.
    pub fn unchanging(file: File) -> io::Result<Self> {
        Ok(Self { version: Some(Version::of(&file)?), ..Self::from(file) })
    }

    /// Whether the file has still the required version. A file without one always has.
    pub fn is_as_it_was(&self) -> bool {
        self.version.is_none_or(|version| Version::of(&self.file).is_ok_and(|now| now == version))
    }

    /// Whether the range can be sent without waiting for the disk, as far as one probe in each piece can
    /// tell.
    pub(crate) fn is_resident(&self, offset: u64, length: u64) -> bool {
        let resident = self.resident();
        ends_of_pieces(offset, length).all(|last| {
            let piece = last / PIECE;
            let word = usize::try_from(piece / 64).ok().and_then(|word| resident.get(word));
            let bit = 1 << (piece % 64);
            if word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0) {
                return true;
            }
            let resident = self.is_in_memory(last);
            if let Some(word) = word.filter(|_| resident) {
                word.fetch_or(bit, Ordering::Relaxed);
            }
            resident
        })
    }

    fn is_in_memory(&self, position: u64) -> bool {
        let mut byte = [0];
        match preadv2(&self.file, &mut [IoSliceMut::new(&mut byte)], position, ReadWriteFlags::NOWAIT) {
            // A file system that cannot tell is sent from directly. Sending notices a file that has shrunk.
            Ok(_) | Err(Errno::OPNOTSUPP | Errno::INVAL) => true,
            Err(_) => false,
        }
    }

    /// The pieces that were found resident lately. Old bits are cleared all at once, which is simple and
    /// costs one probe for each piece.
    fn resident(&self) -> &[AtomicU64] {
        static START: OnceLock<Instant> = OnceLock::new();
        let now = START.get_or_init(Instant::now).elapsed().as_secs();
        let resident = self.resident.get_or_init(|| {
            // Pieces beyond this length are probed each time.
            let length = self.file.metadata().map_or(0, |metadata| metadata.len());
            (0..length.div_ceil(PIECE * 64)).map(|_| AtomicU64::new(0)).collect()
        });
        if now.saturating_sub(self.epoch.load(Ordering::Relaxed)) >= FRESH_SECONDS {
            self.epoch.store(now, Ordering::Relaxed);
            resident.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        resident
    }
}

/// The last byte of the range in each piece that it touches.
pub(crate) fn ends_of_pieces(offset: u64, length: u64) -> impl Iterator<Item = u64> {
    let end = offset + length;
    let first = (offset / PIECE + 1) * PIECE;
    let boundaries = (first..end).step_by(usize::try_from(PIECE).unwrap_or(usize::MAX));
    boundaries.chain([end]).map(|end| end - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_must_not_change_is_found_changed() {
        let make = || tempfile::tempfile().expect("a file");
        let (changing, unchanging) =
            (OpenFile::from(make()), OpenFile::unchanging(make()).expect("a version"));
        assert!(changing.is_as_it_was() && unchanging.is_as_it_was());
        for file in [&changing, &unchanging] {
            file.set_len(1).expect("grows");
        }
        assert!(changing.is_as_it_was() && !unchanging.is_as_it_was());
    }

    #[test]
    fn each_piece_is_looked_at_once() {
        let looked = |offset, length| ends_of_pieces(offset, length).collect::<Vec<_>>();
        assert_eq!(looked(0, 1), [0]);
        assert_eq!(looked(0, PIECE), [PIECE - 1]);
        assert_eq!(looked(10, PIECE), [PIECE - 1, PIECE + 9]);
        assert_eq!(looked(0, 3 * PIECE), [PIECE - 1, 2 * PIECE - 1, 3 * PIECE - 1]);
    }

    #[test]
    fn what_was_found_is_remembered_by_piece() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(100 * PIECE).expect("grows");
        let file = OpenFile::from(file);
        assert!(file.is_resident(PIECE - 1, 2), "holes need no disk");
        let words = file.resident.get().expect("remembered");
        assert_eq!(words.iter().map(|word| word.load(Ordering::Relaxed)).collect::<Vec<_>>(), [0b11, 0]);
        assert!(file.is_resident(200 * PIECE, 1), "what lies beyond is left to sending");
    }
}
