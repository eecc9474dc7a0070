//! Reads entries of the audit trail.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::entry::Recorded;
use super::file::{MAX_LINE, earlier};

/// Some entries in a row, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// The entries.
    pub entries: Vec<Recorded>,
}

impl AuditPage {
    /// At most `limit` entries after the one with the number `after`, of the trail that ends in `path`.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or has a line that is no entry.
    pub fn read(path: &Path, after: u64, limit: usize) -> io::Result<Self> {
        let mut entries = Vec::new();
        let mut files = earlier(path)?;
        files.push(path.to_owned());
        for path in files {
            if entries.len() >= limit {
                break;
            }
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut file = BufReader::new(file);
            seek_behind(&mut file, after)?;
            while entries.len() < limit
                && let Some(entry) = next(&mut file)?
            {
                if entry.id > after {
                    entries.push(entry);
                }
            }
        }
        Ok(Self { entries })
    }
}

/// Goes to a line that is not behind the first entry with a number above `after`: numbers rise, so half of
/// the rest is passed over at a time.
fn seek_behind(file: &mut BufReader<File>, after: u64) -> io::Result<()> {
    let (mut low, mut high) = (0, file.get_ref().metadata()?.len());
    while high - low > MAX_LINE as u64 {
        let middle = low + (high - low) / 2;
        file.seek(SeekFrom::Start(middle))?;
        // The rest of a line.
        let skipped = file.take(MAX_LINE as u64).read_until(b'\n', &mut Vec::new())? as u64;
        match next(file)? {
            Some(entry) if entry.id <= after => low = middle + skipped,
            _ => high = middle,
        }
    }
    file.seek(SeekFrom::Start(low))?;
    Ok(())
}

/// The next entry; `None` at the end, where another thread may be writing a line.
fn next(file: &mut BufReader<File>) -> io::Result<Option<Recorded>> {
    let mut line = Vec::new();
    file.take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return Ok(None);
    }
    serde_json::from_slice(&line).map(Some).map_err(io::Error::other)
}
