//! The walk from header to header.

use std::fmt;
use std::io;

use crate::error::Error;
use crate::extensions::Extensions;
use crate::header::{BLOCK_BYTES, Header, Type, has_magic};
use crate::member::{Kind, Member};
use crate::source::ReadAt;

/// Bytes of an extended header: a name and other fields take a few hundred, a map of many holes some million.
pub const EXTENSION_BYTES: u64 = 16 << 20;

/// Bytes that are searched for the next header behind damage, in all of a tar.
pub const SEARCHED_BYTES: u64 = 64 << 20;

/// Bytes that a search reads at once. It begins with one block and doubles: what it reads beyond the next
/// header is read again, and is no more than what it skips.
const PIECE: u64 = 64 << 10;

/// Headers of a tar, of all kinds: a whole desktop system has some 300,000 members, with up to three extended
/// headers each.
pub const HEADERS: u64 = 4 << 20;

/// [`BLOCK_BYTES`] as a distance in the tar.
const BLOCK: u64 = 512;

/// Bytes behind the end of a tar that are taken for padding: writers fill records of up to as many.
const PADDING: u64 = 1 << 20;

/// A block that ends a tar.
const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// What stands behind a member.
#[derive(PartialEq, Eq)]
enum Boundary {
    Header,
    /// A block of zeros, or nothing.
    End,
}

/// How a tar ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// With a block of zeros and padding.
    Mark,
    /// With the file, right behind a member or a few zeros: there is no end mark, or the tar has been cut
    /// there.
    File,
    /// With a block of zeros where extended headers promise another member.
    Promise {
        /// The position of the zeros in the tar, in bytes.
        at: u64,
    },
    /// With a block of zeros, though the file goes on: with other headers, or for too long to be padding.
    Early {
        /// The position of the zeros in the tar, in bytes.
        at: u64,
    },
}

/// The members of a tar in their order, up to the block of zeros that ends it, or to the end of the file.
/// After an error there are none.
///
/// Each step reads one header, and what stands before the data in extended headers. It never reads data.
pub struct Members<'a> {
    source: &'a dyn ReadAt,
    size: u64,
    /// The position of the next header.
    at: u64,
    /// Headers that may still be read.
    headers: u64,
    /// Bytes that may still be searched for a header.
    searched: u64,
    /// The fields of all members that follow.
    global: Extensions,
    /// The fields of the next member.
    pending: Option<Extensions>,
    ended: bool,
    end: Option<End>,
}

impl<'a> Members<'a> {
    /// The members of a tar of `size` bytes. All of `source` may be longer.
    #[must_use]
    pub fn new(source: &'a dyn ReadAt, size: u64) -> Self {
        let (global, pending) = (Extensions::default(), None);
        let (headers, searched) = (HEADERS, SEARCHED_BYTES);
        Self { source, size, at: 0, headers, searched, global, pending, ended: false, end: None }
    }

    /// How the tar ends; `None` before the last member was read, and after an error.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// The next member; `None` at the end of the tar.
    fn advance(&mut self) -> Result<Option<Member>, Error> {
        loop {
            // Many tars lack their end mark, and all programs read them. An extended header belongs to its
            // member: a tar that ends between the two is cut within an entry.
            if self.at > 0 && self.pending.is_none() && self.is_at_end()? {
                self.end = Some(End::File);
                return Ok(None);
            }
            let block = self.block(self.at)?;
            if block == ZEROS && self.ends_at(self.at)? {
                self.end = Some(self.end_at(self.at)?);
                return Ok(None);
            }
            self.headers = self.headers.checked_sub(1).ok_or(Error::Limit("it has too many entries"))?;
            let Some(header) = Header::parse(&block) else {
                return self.skip_damage(&block).map(Some);
            };
            let begin = self.at.saturating_add(BLOCK);
            let kind = match header.kind {
                Type::Member(kind) => kind,
                extension => {
                    let bytes = self.extension(begin, header.size)?;
                    self.at = self.end_of(begin, header.size)?;
                    if extension != Type::Global {
                        self.pending.get_or_insert_default().add(extension, &bytes);
                        continue;
                    }
                    self.global.add(extension, &bytes);
                    match self.global.label.take() {
                        Some(label) => return Ok(Some(Member::label(label, begin))),
                        None => continue,
                    }
                }
            };
            let (map_goes_on, lists_names) = (header.map_goes_on, header.lists_names);
            let extensions = self.pending.take().unwrap_or_default();
            let mut member = extensions.complete(&self.global, header, kind);
            // Told once, by the first member that it concerns.
            self.global.oddity = None;
            member.offset = if map_goes_on { self.end_of_map(begin)? } else { begin };
            self.settle_size(&mut member, lists_names)?;
            self.at = self.end_of(member.offset, member.stored)?;
            return Ok(Some(member));
        }
    }

    /// Decides whether the bytes that its header tells follow a member of a kind that has none.
    ///
    /// The size of a directory is what to allocate for it, that of a hard link often its target's, and that
    /// of others means nothing (POSIX). But pax can store the bytes of a file with each of its names.
    fn settle_size(&self, member: &mut Member, lists_names: bool) -> Result<(), Error> {
        let has_bytes = matches!(member.kind, Kind::File | Kind::Sparse | Kind::Label | Kind::Continued);
        if has_bytes || member.stored == 0 {
            return Ok(());
        }
        let behind = member.offset.checked_add(member.stored);
        let behind = behind.and_then(|end| end.checked_next_multiple_of(BLOCK));
        let is_behind = match behind {
            // Bytes may begin with zeros, as the list of an empty directory does.
            Some(behind) => match self.boundary(member.offset)? {
                Some(Boundary::Header) => false,
                Some(Boundary::End) => self.boundary(behind)? == Some(Boundary::Header),
                None => self.boundary(behind)?.is_some(),
            },
            None => false,
        };
        match (member.kind, is_behind) {
            (_, true) if lists_names => return Ok(()),
            (Kind::HardLink, true) => {
                member.kind = Kind::File;
                return Ok(());
            }
            (Kind::HardLink, false) => {}
            (_, true) => {
                member.oddity = member.oddity.or(Some("bytes follow its header, though it can have none"));
                return Ok(());
            }
            (_, false) => {
                member.oddity = member.oddity.or(Some("its header tells a size, but it has no bytes"));
            }
        }
        (member.stored, member.size) = (0, 0);
        Ok(())
    }

    /// Whether no block follows, and no part of a header.
    fn is_at_end(&self) -> Result<bool, Error> {
        let rest = usize::try_from(self.size.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let mut block = ZEROS;
        let Some(bytes) = block.get_mut(..rest).filter(|_| rest < BLOCK_BYTES) else { return Ok(false) };
        self.read(bytes, self.at)?;
        Ok(block == ZEROS)
    }

    /// What may stand behind a member, if it is at a position.
    fn boundary(&self, at: u64) -> Result<Option<Boundary>, Error> {
        match self.block(at) {
            Ok(ZEROS) => Ok(Some(Boundary::End)),
            Ok(block) => Ok(Header::parse(&block).map(|_| Boundary::Header)),
            Err(Error::Truncated { .. }) => Ok((at == self.size).then_some(Boundary::End)),
            Err(error) => Err(error),
        }
    }

    /// Whether the block of zeros at a position ends the tar. One alone is a lost header, as for GNU tar,
    /// unless nothing follows.
    fn ends_at(&self, at: u64) -> Result<bool, Error> {
        match self.block(at.saturating_add(BLOCK)) {
            Ok(next) => Ok(next == ZEROS || self.pending.is_some()),
            Err(Error::Truncated { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Skips the blocks from one that is no header to the next header, as GNU tar and bsdtar do. Extended
    /// headers before them belong to the member that is lost.
    fn skip_damage(&mut self, block: &[u8; BLOCK_BYTES]) -> Result<Member, Error> {
        let from = self.at;
        let no_header = Error::NoHeader { at: from };
        if from == 0 {
            return Err(no_header);
        }
        let follows_extension = self.pending.take().is_some();
        let (mut at, mut most) = (from.saturating_add(BLOCK), BLOCK);
        'search: loop {
            if self.size.saturating_sub(at) < BLOCK {
                at = self.size;
                break;
            }
            let left = self.size.saturating_sub(at).min(most);
            let mut piece = vec![0; usize::try_from(left).unwrap_or_default()];
            most = most.saturating_mul(2).min(PIECE);
            self.read(&mut piece, at)?;
            for block in piece.as_chunks().0 {
                if Header::parse(block).is_some() {
                    break 'search;
                }
                let Some(searched) = self.searched.checked_sub(BLOCK) else { return Err(no_header) };
                (self.searched, at) = (searched, at.saturating_add(BLOCK));
            }
        }
        self.at = at;
        let kind = if has_magic(block) || follows_extension { Kind::Lost } else { Kind::Stray };
        Ok(Member::damage(kind, from, at.saturating_sub(from)))
    }

    /// How the tar ends with the block of zeros at a position.
    fn end_at(&self, at: u64) -> Result<End, Error> {
        if self.pending.is_some() {
            return Ok(End::Promise { at });
        }
        let rest = self.size.saturating_sub(at);
        let mut bytes = vec![0; usize::try_from(rest.min(PADDING)).unwrap_or_default()];
        self.read(&mut bytes, at)?;
        let (blocks, _) = bytes.as_chunks();
        let goes_on = rest > PADDING || blocks.iter().any(|block| Header::parse(block).is_some());
        Ok(if goes_on { End::Early { at } } else { End::Mark })
    }

    /// The block at a position.
    fn block(&self, at: u64) -> Result<[u8; BLOCK_BYTES], Error> {
        if at.checked_add(BLOCK).is_none_or(|end| end > self.size) {
            return Err(self.truncated());
        }
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
        let end = begin.checked_add(stored).and_then(|end| end.checked_next_multiple_of(BLOCK));
        end.filter(|end| *end <= self.size).ok_or_else(|| self.truncated())
    }

    /// Where the data of a sparse file begin: GNU tar continues its map in blocks behind the header.
    fn end_of_map(&self, begin: u64) -> Result<u64, Error> {
        let (mut goes_on, mut at) = (true, begin);
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
