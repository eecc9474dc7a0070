//! The walk from header to header.

use std::fmt;
use std::io;

use crate::error::Error;
use crate::extensions::Extensions;
use crate::header::{BLOCK_BYTES, Header, Type};
use crate::member::{Kind, Member};
use crate::source::ReadAt;

/// Bytes of an extended header: a name and other fields take a few hundred.
pub const EXTENSION_BYTES: u64 = 1 << 20;

/// Headers of a tar, of all kinds: a whole desktop system has some 300,000 members, with up to three extended
/// headers each.
pub const HEADERS: u64 = 4 << 20;

/// [`BLOCK_BYTES`] as a distance in the tar.
const BLOCK: u64 = 512;

/// The members of a tar in their order, up to the block of zeros that ends it. After an error there are none.
///
/// Each step reads one header, and what stands before the data in extended headers. It never reads data.
pub struct Members<'a> {
    source: &'a dyn ReadAt,
    size: u64,
    /// The position of the next header.
    at: u64,
    /// Headers that may still be read.
    headers: u64,
    ended: bool,
}

impl<'a> Members<'a> {
    /// The members of a tar of `size` bytes. All of `source` may be longer.
    #[must_use]
    pub fn new(source: &'a dyn ReadAt, size: u64) -> Self {
        Self { source, size, at: 0, headers: HEADERS, ended: false }
    }

    /// The next member; `None` at the end of the tar.
    fn advance(&mut self) -> Result<Option<Member>, Error> {
        let mut extensions = Extensions::default();
        loop {
            let block = self.block(self.at)?;
            if block == [0; BLOCK_BYTES] {
                return Ok(None);
            }
            self.headers = self.headers.checked_sub(1).ok_or(Error::Limit("it has too many entries"))?;
            let header = Header::parse(&block).ok_or(Error::NoHeader { at: self.at })?;
            let begin = self.at.saturating_add(BLOCK);
            match header.kind {
                Type::Member(kind) => {
                    let begin = if kind == Kind::Sparse { self.end_of_map(&block, begin)? } else { begin };
                    let member = extensions.complete(header, kind, begin);
                    self.at = self.end_of(begin, member.stored)?;
                    return Ok(Some(member));
                }
                Type::Global => {
                    self.at = self.end_of(begin, extensions.stored(&header))?;
                    extensions = Extensions::default();
                }
                Type::Records | Type::LongPath | Type::LongTarget => {
                    let bytes = self.extension(begin, header.size)?;
                    extensions.add(header.kind, &bytes);
                    self.at = self.end_of(begin, header.size)?;
                }
            }
        }
    }

    /// The block at a position. A tar without an end mark has been cut between two members.
    fn block(&self, at: u64) -> Result<[u8; BLOCK_BYTES], Error> {
        let mut block = [0; BLOCK_BYTES];
        self.read(&mut block, at)?;
        Ok(block)
    }

    fn extension(&self, begin: u64, size: u64) -> Result<Vec<u8>, Error> {
        if size > EXTENSION_BYTES {
            return Err(Error::LongExtension { at: begin });
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        self.read(&mut bytes, begin)?;
        Ok(bytes)
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), Error> {
        self.source.read_exact_at(buffer, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.truncated(),
            _ => Error::Io(error),
        })
    }

    /// The position of the next header. All bytes before it must be in the tar.
    fn end_of(&self, begin: u64, stored: u64) -> Result<u64, Error> {
        let end = begin.checked_add(stored).filter(|end| *end <= self.size);
        end.and_then(|end| end.checked_next_multiple_of(BLOCK)).ok_or_else(|| self.truncated())
    }

    /// Where the data of a sparse file begin: GNU tar continues its map in blocks behind the header.
    fn end_of_map(&self, header: &[u8; BLOCK_BYTES], begin: u64) -> Result<u64, Error> {
        let (mut goes_on, mut at) = (header[482] != 0, begin);
        while goes_on {
            let block = self.block(at)?;
            goes_on = block[504] != 0;
            at = at.saturating_add(BLOCK);
        }
        Ok(at)
    }

    fn truncated(&self) -> Error {
        Error::Truncated { size: self.size }
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Member, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let member = self.advance().transpose();
        self.ended = !matches!(member, Some(Ok(_)));
        member
    }
}

impl std::iter::FusedIterator for Members<'_> {}

/// Leaves out the source.
impl fmt::Debug for Members<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Members");
        shown.field("size", &self.size).field("at", &self.at).field("ended", &self.ended);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers of all kinds count: here each member has two.
    #[test]
    fn a_tar_has_so_many_headers_at_most() {
        let block = |kind: u8, checksum: &[u8]| {
            let mut block = [0; BLOCK_BYTES];
            block[156] = kind;
            block[148..154].copy_from_slice(checksum);
            block[257..263].copy_from_slice(b"ustar\0");
            block
        };
        let bytes = [block(b'x', b"001647"), block(b'0', b"001537")].concat().repeat(5);
        let source = bytes.as_slice();
        let mut members = Members { headers: 5, ..Members::new(&source, bytes.len() as u64) };
        assert!(members.next().is_some_and(|first| first.is_ok()));
        assert!(members.next().is_some_and(|second| second.is_ok()));
        let error = members.next().and_then(Result::err).expect("a limit");
        assert_eq!(error.to_string(), "the tar is too large to index: it has too many entries");
        assert_eq!((members.at, members.next().is_none()), (5 * BLOCK, true));
        assert_eq!(Members::new(&source, 0).headers, HEADERS);
    }
}
