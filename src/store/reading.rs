//! Reading a file from its first byte to its last, for its digests.

use std::fs::File;
use std::io::{self, Read};

use super::hashers::Hashers;
use crate::model::digest::{Digests, Expected};
use crate::model::identity::Identity;

/// Bytes read at once.
const BUFFER: usize = 1 << 20;

/// A file that was read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// The digests of what was read.
    pub digests: Digests,
    /// What the file is after its last byte. One that was another before was written to meanwhile and is two versions at once.
    pub identity: Identity,
}

/// Reads `file`, which nobody has read from, and computes the digests that are needed to hold it against what is `expected`. `go_on`
/// hears how many bytes are read, and ends the reading with `false`; then there is no result.
pub fn read_whole(
    mut file: &File,
    expected: &Expected,
    mut go_on: impl FnMut(u64) -> bool,
) -> io::Result<Option<Whole>> {
    let mut hashers = Hashers::new(expected);
    let mut buffer = vec![0; BUFFER];
    let mut done = 0;
    while go_on(done) {
        let count = match file.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(Some(Whole { digests: hashers.finish(), identity: Identity::of(&file.metadata()?) }));
        };
        hashers.update(bytes);
        done += bytes.len() as u64;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use sha2::Digest;

    use super::*;
    use crate::model::digest::Sha512;

    const NOTHING: Expected = Expected { sha256: None, sha512: None };

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("writes");
        io::Seek::rewind(&mut file).expect("rewinds");
        file
    }

    #[test]
    fn digests_are_those_of_all_bytes() {
        let empty = read_whole(&file(b""), &NOTHING, |_| true).expect("reads").expect("whole");
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!((empty.digests.sha256.to_string().as_str(), empty.digests.sha512), (text, None));
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * BUFFER + 5).collect();
        let both = Expected { sha512: Some(Sha512([0; 64])), ..NOTHING };
        let mut told = Vec::new();
        let heard = |done| {
            told.push(done);
            true
        };
        let whole = read_whole(&file(&bytes), &both, heard).expect("reads").expect("whole");
        assert_eq!(whole.digests.sha256.0[..], sha2::Sha256::digest(&bytes)[..]);
        assert_eq!(whole.digests.sha512.expect("wanted").0[..], sha2::Sha512::digest(&bytes)[..]);
        assert_eq!((told.first(), told.last()), (Some(&0), Some(&(bytes.len() as u64))));
        assert_eq!(whole.identity.size, bytes.len() as u64);
    }

    #[test]
    fn whoever_listens_can_end_it() {
        let file = file(&vec![7; 4 * BUFFER]);
        let stopped = read_whole(&file, &NOTHING, |done| done < BUFFER as u64).expect("reads");
        assert_eq!(stopped, None);
    }
}
