//! The records of one directory, read in large pieces.
//!
//! Records never cross a sector (ECMA-119 6.8.1.1), so a piece that ends with a sector ends with a record.
//! Damage ends with its sector.

use crate::error::Error;
use crate::iso9660::record::{Record, SHORTEST};
use crate::source::{Image, SECTOR};

/// Bytes read at once: far more than a usual directory has, and little beside the index.
const PIECE: u64 = 128 << 10;

/// An item of a [`Directory`].
pub(crate) enum DirectoryItem<'a> {
    /// A record and the byte of the image where it starts.
    Record(u64, Record<'a>),
    /// No record can be read at this byte of the image, nor up to the end of the sector.
    Damage(u64),
}

/// A position in a directory. The buffer is reused from directory to directory.
#[derive(Default)]
pub(crate) struct Directory {
    buffer: Vec<u8>,
    /// The byte of the image where the buffer starts.
    start: u64,
    /// The next byte of the image to read.
    position: u64,
    /// The byte of the image where the directory ends.
    end: u64,
}

impl Directory {
    /// Starts at a directory. The caller has checked that it lies inside the image.
    pub(crate) fn enter(&mut self, offset: u64, length: u64) {
        self.buffer.clear();
        self.start = offset;
        self.position = offset;
        self.end = offset.saturating_add(length);
    }

    /// The next record or damage, `None` at the end.
    pub(crate) fn next(&mut self, image: &mut Image<'_>) -> Result<Option<DirectoryItem<'_>>, Error> {
        let Some((sector_end, length)) = self.seek_record(image)? else { return Ok(None) };
        let at = self.position;
        let bytes = part(&self.buffer, self.start, at, sector_end);
        let record = bytes.get(..length).filter(|_| length >= SHORTEST).and_then(Record::parse);
        let Some(record) = record else {
            self.position = sector_end;
            return Ok(Some(DirectoryItem::Damage(at)));
        };
        self.position = at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        Ok(Some(DirectoryItem::Record(at, record)))
    }

    /// Moves to the next byte that can be the length of a record. Returns the end of its sector, and the
    /// length.
    fn seek_record(&mut self, image: &mut Image<'_>) -> Result<Option<(u64, usize)>, Error> {
        while self.position < self.end {
            let sector_end = next_sector(self.position).min(self.end);
            if !self.covers(sector_end) && !self.fill(image)? {
                return Ok(None);
            }
            match part(&self.buffer, self.start, self.position, sector_end).first() {
                // The rest of a sector behind its last record is zero (ECMA-119 6.8.1.1).
                None | Some(0) => self.position = sector_end,
                Some(length) => return Ok(Some((sector_end, usize::from(*length)))),
            }
        }
        Ok(None)
    }

    fn covers(&self, end: u64) -> bool {
        let length = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        end <= self.start.saturating_add(length)
    }

    /// Reads the next piece; `false` if it is not in the image.
    fn fill(&mut self, image: &mut Image<'_>) -> Result<bool, Error> {
        let piece_end = self.position.saturating_add(PIECE);
        let end = piece_end.saturating_sub(piece_end % SECTOR).min(self.end);
        let length = usize::try_from(end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        self.start = self.position;
        self.buffer.resize(length, 0);
        image.read(&mut self.buffer, self.start)
    }
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
