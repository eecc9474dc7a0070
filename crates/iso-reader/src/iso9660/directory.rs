//! The records of one directory, read in large pieces.
//!
//! A record should not cross the end of a sector (ECMA-119 6.8.1.1), but those of some old writers do, and
//! Linux joins them. Damage ends with its sector.

use crate::error::Error;
use crate::iso9660::record::{LONGEST, Record, SHORTEST};
use crate::source::{Image, SECTOR};

/// Bytes read at once: far more than a usual directory has, and little beside the index.
const PIECE: u64 = 128 << 10;

/// An empty sector.
const ZEROS: [u8; 2048] = [0; 2048];

/// An item of a [`Directory`].
pub(crate) enum DirectoryItem<'a> {
    /// A record and the byte of the image where it starts.
    Record(u64, Record<'a>),
    /// No record can be read at this byte of the image, nor up to the end of the sector, where there are
    /// other bytes than zeros.
    Damage(u64),
    /// The sector at this byte of the image has no record.
    Empty(u64),
}

/// A position in a directory. The buffer is reused from directory to directory.
#[derive(Default)]
pub(crate) struct Directory {
    buffer: Vec<u8>,
    /// The byte of the image where the buffer starts.
    buffered: u64,
    /// The byte of the image where the directory starts.
    start: u64,
    /// The next byte of the image to read.
    position: u64,
    /// The byte of the image where the directory ends.
    end: u64,
}

/// What [`Directory::seek`] found.
enum Seek {
    /// A byte that can be the length of a record, with its value and the end of its sector.
    Length(usize, u64),
    /// A byte that is zero, with others behind it.
    Hole(u64),
    Empty(u64),
    End,
}

impl Directory {
    /// Starts at a directory. The caller has checked that it lies inside the image.
    pub(crate) fn enter(&mut self, offset: u64, length: u64) {
        self.buffer.clear();
        (self.buffered, self.start, self.position) = (offset, offset, offset);
        self.end = offset.saturating_add(length);
    }

    /// Goes back to the start, and lets the directory end after `length` bytes.
    pub(crate) fn restart(&mut self, length: u64) {
        self.position = self.start;
        self.end = self.start.saturating_add(length);
    }

    /// The next item, `None` at the end.
    pub(crate) fn next(&mut self, image: &mut Image<'_>) -> Result<Option<DirectoryItem<'_>>, Error> {
        let (length, sector_end) = match self.seek(image)? {
            Seek::Length(length, sector_end) => (length, sector_end),
            Seek::Hole(at) => return Ok(Some(DirectoryItem::Damage(at))),
            Seek::Empty(at) => return Ok(Some(DirectoryItem::Empty(at))),
            Seek::End => return Ok(None),
        };
        let at = self.position;
        let record_end = at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        let bytes = part(&self.buffer, self.buffered, at, record_end.min(self.end));
        let record = bytes.get(..length).filter(|_| length >= SHORTEST).and_then(Record::parse);
        // Any byte may be a length. Numbers in both byte orders show that a record goes on behind its sector.
        let record = record.filter(|record| record_end <= sector_end || record.halves_agree);
        let Some(record) = record else {
            self.position = sector_end;
            return Ok(Some(DirectoryItem::Damage(at)));
        };
        self.position = record_end;
        Ok(Some(DirectoryItem::Record(at, record)))
    }

    /// Moves to the next byte that can be the length of a record.
    fn seek(&mut self, image: &mut Image<'_>) -> Result<Seek, Error> {
        while self.position < self.end {
            let at = self.position;
            let sector_end = next_sector(at).min(self.end);
            let record_end = at.saturating_add(LONGEST).min(self.end);
            if !self.covers(sector_end.max(record_end)) && !self.fill(image)? {
                break;
            }
            let rest = part(&self.buffer, self.buffered, at, sector_end);
            match rest.first() {
                None | Some(0) => self.position = sector_end,
                Some(length) => return Ok(Seek::Length(usize::from(*length), sector_end)),
            }
            // Behind the last record a sector is zero (ECMA-119 6.8.1.1), unless records are lost.
            if ZEROS.get(..rest.len()) != Some(rest) {
                return Ok(Seek::Hole(at));
            }
            if at == self.start || at.is_multiple_of(SECTOR) {
                return Ok(Seek::Empty(at));
            }
        }
        Ok(Seek::End)
    }

    fn covers(&self, end: u64) -> bool {
        let length = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        end <= self.buffered.saturating_add(length)
    }

    /// Reads the next piece; `false` if it is not in the image.
    fn fill(&mut self, image: &mut Image<'_>) -> Result<bool, Error> {
        let piece_end = self.position.saturating_add(PIECE);
        let end = piece_end.saturating_sub(piece_end % SECTOR).min(self.end);
        let length = usize::try_from(end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        self.buffered = self.position;
        self.buffer.resize(length, 0);
        image.read(&mut self.buffer, self.buffered)
    }
}

/// Whether a record at byte `at` of the image goes on in the next sector.
pub(crate) fn crosses_sector(at: u64, record: &Record<'_>) -> bool {
    at.saturating_add(record.own_length) > next_sector(at)
}

/// The first byte of the sector after the one that holds `position`.
fn next_sector(position: u64) -> u64 {
    position.saturating_sub(position % SECTOR).saturating_add(SECTOR)
}

/// The bytes of the image from `from` to `to`, if a buffer that starts at `start` has them.
fn part(buffer: &[u8], start: u64, from: u64, to: u64) -> &[u8] {
    let offset = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
    buffer.get(offset(from)..offset(to)).unwrap_or_default()
}
