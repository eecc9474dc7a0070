//! Reads a whole file for its digests.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{Advice, OFlags, fadvise, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use super::hashers::Hashers;
use model::digest::{Digests, Expected};
use model::identity::Identity;

/// Bytes of a read: enough to keep a disk busy, and little enough for a slow rate.
const CHUNK: usize = 256 << 10;

/// The alignment of addresses, positions and lengths for direct reads (`O_DIRECT`). No disk in use needs
/// more.
const ALIGNMENT: usize = 4096;

/// Where the bytes are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The page cache, which often has the bytes of a new file, and keeps them for the next reader.
    Cache,
    /// The disk, past the page cache. Cached bytes prove nothing about the disk, and a read of all files
    /// would evict those that machines fetch. A file system without direct reads is read through the cache,
    /// with the advice that the pages are used once, which kernels from 6.3 respect.
    Disk,
}

/// The result of reading a whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// The digests of the bytes.
    pub digests: Digests,
    /// The identity after the last byte. If it differs from that before, a writer has changed the file
    /// meanwhile.
    pub identity: Identity,
}

/// Reads `file`, which no other reader may share, and computes its SHA-256, and its SHA-512 if one is
/// `expected`. `go_on` gets the number of bytes so far, and stops the reading by `false`; then the result is
/// `None`.
///
/// # Errors
///
/// The disk fails.
pub fn read_whole(
    file: &File,
    expected: &Expected,
    way: Way,
    mut go_on: impl FnMut(u64) -> bool,
) -> io::Result<Option<Whole>> {
    let mut is_direct = way == Way::Disk && set_direct(file, true).is_ok();
    if way == Way::Disk {
        // The system may ignore advice.
        let _ = fadvise(file, 0, None, Advice::NoReuse);
    }
    let mut hashers = Hashers::new(expected);
    let mut buffer = Aligned::new();
    let mut done = 0;
    while go_on(done) {
        let read = match file.read_at(buffer.bytes(), done) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Some file systems accept the flag and refuse to read, or refuse only at the end of a file.
            Err(error) if is_direct && Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                set_direct(file, false)?;
                is_direct = false;
                continue;
            }
            read => read?,
        };
        if read == 0 {
            let identity = Identity::of(&file.metadata()?);
            return Ok(Some(Whole { digests: hashers.finish(), identity }));
        }
        hashers.update(buffer.bytes().get(..read).unwrap_or_default());
        done += read as u64;
    }
    Ok(None)
}

fn set_direct(file: &File, is_direct: bool) -> io::Result<()> {
    let flags = fcntl_getfl(file)?;
    let flags = if is_direct { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT };
    Ok(fcntl_setfl(file, flags)?)
}

/// An aligned buffer for direct reads.
struct Aligned {
    memory: Vec<u8>,
    start: usize,
}

impl Aligned {
    fn new() -> Self {
        let memory = vec![0; CHUNK + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { memory, start }
    }

    fn bytes(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.start + CHUNK).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use sha2::Digest;

    use super::*;
    use model::digest::Sha512;

    const NOTHING: Expected = Expected { sha256: None, sha512: None };

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("writes");
        file
    }

    #[test]
    fn digests_are_those_of_all_bytes_whichever_way_they_come() {
        let all: Vec<u8> = (0..=250).cycle().take(3 * CHUNK + 5).collect();
        let both = Expected { sha512: Some(Sha512([0; 64])), ..NOTHING };
        for length in [0, 1, ALIGNMENT, CHUNK - 1, CHUNK, CHUNK + ALIGNMENT, 2 * CHUNK + 512, all.len()] {
            for way in [Way::Cache, Way::Disk] {
                let (bytes, mut told) = (&all[..length], Vec::new());
                let heard = |done| {
                    told.push(done);
                    true
                };
                let whole = read_whole(&file(bytes), &both, way, heard).expect("reads").expect("whole");
                assert_eq!(whole.digests.sha256.0[..], sha2::Sha256::digest(bytes)[..], "{length} {way:?}");
                let sha512 = whole.digests.sha512.expect("wanted");
                assert_eq!(sha512.0[..], sha2::Sha512::digest(bytes)[..], "{length} {way:?}");
                assert_eq!((told.first(), told.last()), (Some(&0), Some(&(length as u64))));
                assert_eq!(whole.identity.size, length as u64);
            }
        }
        assert_eq!(
            read_whole(&file(b"a"), &NOTHING, Way::Cache, |_| true)
                .expect("reads")
                .and_then(|whole| whole.digests.sha512),
            None
        );
    }

    #[test]
    fn whoever_listens_can_end_it() {
        let file = file(&vec![7; 4 * CHUNK]);
        let stopped = read_whole(&file, &NOTHING, Way::Disk, |done| done < CHUNK as u64).expect("reads");
        assert_eq!(stopped, None);
    }
}
