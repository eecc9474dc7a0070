//! The System Use Sharing Protocol (IEEE P1281): the entries in a directory record, and the areas elsewhere
//! where they continue.

use crate::bytes::{array, byte, little_u32};
use crate::error::Error;
use crate::limits::Limits;
use crate::source::{Image, SECTOR};

/// One entry of a system use area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SystemUseEntry<'a> {
    pub(crate) signature: [u8; 2],
    /// The bytes behind signature, length and version.
    pub(crate) data: &'a [u8],
}

/// The entries of one system use area. Ends at `ST`, at padding and at an entry that does not fit.
pub(crate) struct SystemUse<'a> {
    rest: &'a [u8],
    /// Set when an entry did not fit.
    pub(crate) damaged: bool,
}

impl<'a> SystemUse<'a> {
    pub(crate) fn new(area: &'a [u8]) -> SystemUse<'a> {
        SystemUse { rest: area, damaged: false }
    }
}

impl<'a> Iterator for SystemUse<'a> {
    type Item = SystemUseEntry<'a>;

    fn next(&mut self) -> Option<SystemUseEntry<'a>> {
        let signature: [u8; 2] = array(self.rest, 0)?;
        let length = usize::from(byte(self.rest, 2)?);
        // Fewer than four bytes are padding, and so are zeros (IEEE P1281 4.1).
        if self.rest.len() < 4 || signature == [0, 0] {
            return None;
        }
        let Some((entry, rest)) = self.rest.split_at_checked(length) else {
            self.damaged = true;
            self.rest = &[];
            return None;
        };
        let Some(data) = entry.get(4..) else {
            self.damaged = true;
            self.rest = &[];
            return None;
        };
        self.rest = if signature == *b"ST" { &[] } else { rest };
        (signature != *b"ST").then_some(SystemUseEntry { signature, data })
    }
}

/// Where a continuation area lies (`CE`, IEEE P1281 5.1), in bytes of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Continuation {
    offset: u64,
    length: u64,
}

impl Continuation {
    /// Reads a `CE` entry.
    pub(crate) fn parse(data: &[u8], block_size: u64) -> Option<Continuation> {
        let block = u64::from(little_u32(data, 0)?);
        let offset = block.checked_mul(block_size)?.checked_add(u64::from(little_u32(data, 8)?))?;
        Some(Continuation { offset, length: u64::from(little_u32(data, 16)?) })
    }
}

/// The most bytes read at once: writers put the areas of a directory beside each other.
const WINDOW: u64 = 8 * SECTOR;

/// Reads continuation areas through a window over the image.
///
/// The window moves only to an area that it does not hold. It doubles while it moves to where it ended, and
/// shrinks otherwise, so that few bytes are read in vain.
#[derive(Default)]
pub(crate) struct ContinuationReader {
    window: Vec<u8>,
    start: u64,
}

impl ContinuationReader {
    /// The bytes of an area; `None` if it is too long or leaves the image.
    pub(crate) fn read(
        &mut self,
        image: &mut Image<'_>,
        area: Continuation,
        limits: &Limits,
    ) -> Result<Option<&[u8]>, Error> {
        if area.length > limits.continuation_bytes || !image.contains(area.offset, area.length) {
            return Ok(None);
        }
        // Many records may point to one area, so the budget pays for it each time, read or not.
        image.spend(area.length)?;
        let end = area.offset.saturating_add(area.length);
        let window_end = self.start.saturating_add(u64::try_from(self.window.len()).unwrap_or(u64::MAX));
        if area.offset < self.start || end > window_end {
            let start = area.offset.saturating_sub(area.offset % SECTOR);
            let goes_on = start <= window_end && end > window_end && !self.window.is_empty();
            let before = window_end.saturating_sub(self.start);
            let size = if goes_on { before.saturating_mul(2).min(WINDOW) } else { SECTOR };
            self.start = start;
            let sector_end = end.checked_next_multiple_of(SECTOR).unwrap_or(end);
            let window_end = start.saturating_add(size).max(sector_end).min(image.size());
            let length = usize::try_from(window_end.saturating_sub(self.start)).unwrap_or(usize::MAX);
            self.window.resize(length, 0);
            if !image.read(&mut self.window, self.start)? {
                self.window.clear();
                return Ok(None);
            }
        }
        let at = |position: u64| usize::try_from(position.saturating_sub(self.start)).unwrap_or(usize::MAX);
        Ok(self.window.get(at(area.offset)..at(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signatures(area: &[u8]) -> (String, bool) {
        let mut entries = SystemUse::new(area);
        let found = entries.by_ref().flat_map(|entry| entry.signature).map(char::from).collect();
        (found, entries.damaged)
    }

    #[test]
    fn entries_end_where_they_should() {
        let cases: [(&[u8], &str, bool); 8] = [
            (b"", "", false),
            (b"RE\x04\x01", "RE", false),
            (b"RE\x04\x01PX\x05\x01xTF\x04\x01", "REPXTF", false),
            (b"RE\x04\x01\0\0\0\0RE\x04\x01", "RE", false),
            (b"RE\x04\x01\xFF\xFF\xFF", "RE", false),
            (b"RE\x04\x01ST\x04\x01RE\x04\x01", "RE", false),
            (b"RE\x04\x01NM\x09\x01ab", "RE", true),
            (b"RE\x00\x01RE\x04\x01", "", true),
        ];
        for (area, expected, damaged) in cases {
            assert_eq!(signatures(area), (expected.to_owned(), damaged), "{}", area.escape_ascii());
        }
    }

    #[test]
    fn continuations_stay_inside_the_image() {
        let bytes = vec![7; 3 * 2048];
        let mut image = Image::new(&bytes, u64::MAX).unwrap();
        let mut reader = ContinuationReader::default();
        let limits = Limits::default();
        for (offset, length, inside) in
            [(0, 10, true), (6134, 10, true), (6135, 10, false), (u64::MAX, 10, false), (0, 32 << 10, false)]
        {
            let area = reader.read(&mut image, Continuation { offset, length }, &limits).unwrap();
            assert_eq!(area.map(<[u8]>::len), inside.then_some(10), "{offset} {length}");
        }
    }
}
