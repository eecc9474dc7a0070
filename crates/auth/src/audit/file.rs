//! The files of the audit trail: the one that is written, and those of before, beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::names::is_invisible;
use sha2::{Digest, Sha256};

use super::entry::Recorded;

/// A file with more bytes gets a number and makes room for a new one.
const MAX_BYTES: u64 = 64 << 20;

/// The longest line, in bytes: all its texts are bounded.
pub(super) const MAX_LINE: usize = 64 << 10;

/// `prev` of the first line of all.
pub(super) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The end of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    /// The number of the last entry; 0 is none.
    pub(super) id: u64,
    /// The SHA-256 of its line, in hexadecimal.
    pub(super) hash: String,
}

/// The file that is written.
#[derive(Debug)]
pub(super) struct TrailFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    tail: Tail,
}

impl TrailFile {
    /// Opens the file, and removes a line that was cut by a crash: its change was never answered.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let bytes = file.metadata()?.len();
        let complete = end_of_last_line(&mut file, bytes)?;
        if complete < bytes {
            tracing::warn!(path = %path.display(), bytes = bytes - complete, "removed a torn line of the audit trail");
            file.set_len(complete)?;
            file.sync_all()?;
        }
        let tail = match last_line(&mut file, complete)? {
            Some(line) => tail_of(&line)?,
            None => match earlier(path)?.pop() {
                Some(before) => {
                    let mut before = File::open(before)?;
                    let bytes = before.metadata()?.len();
                    last_line(&mut before, bytes)?.map_or_else(|| Ok(Tail::none()), |line| tail_of(&line))?
                }
                None => Tail::none(),
            },
        };
        Ok(Self { path: path.to_owned(), file, bytes: complete, tail })
    }

    /// The end of the trail.
    pub(super) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Appends lines durably, and tells the new end. After a failure the file is as it was.
    pub(super) fn append(&mut self, lines: &[u8], tail: Tail) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + lines.len() as u64 > MAX_BYTES {
            self.rotate()?;
        }
        let written = self.file.write_all(lines).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        self.tail = tail;
        Ok(())
    }

    /// Gives the file the number of its last entry, and begins a new one.
    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(&self.path, numbered(&self.path, self.tail.id))?;
        let fresh =
            OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&self.path)?;
        records::sync_folder(&self.path)?;
        (self.file, self.bytes) = (fresh, 0);
        Ok(())
    }
}

impl Tail {
    fn none() -> Self {
        Self { id: 0, hash: NOTHING.to_owned() }
    }
}

/// The line of an entry, with its end. Characters that would deceive a reader are escaped.
pub(super) fn line(entry: &Recorded) -> String {
    let text = serde_json::to_string(entry).unwrap_or_default();
    let mut line = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if is_invisible(character) || character.is_control() {
            line.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

/// The SHA-256 of a line without its end, in hexadecimal.
pub(super) fn hash(line: &[u8]) -> String {
    Sha256::digest(line.strip_suffix(b"\n").unwrap_or(line))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The files of before, the oldest first: `audit.jsonl.17` ends with entry 17.
pub(super) fn earlier(path: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let number = file_name.to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('.'));
        if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn tail_of(line: &[u8]) -> io::Result<Tail> {
    let entry: Recorded = serde_json::from_slice(line).map_err(|error| {
        io::Error::other(format!("the last line of the audit trail is no entry: {error}"))
    })?;
    Ok(Tail { id: entry.id, hash: hash(line) })
}

/// Where the last complete line of the first `bytes` bytes ends.
fn end_of_last_line(file: &mut File, bytes: u64) -> io::Result<u64> {
    let block = read_end(file, bytes)?;
    let after = block.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    if after == 0 && block.len() == MAX_LINE {
        return Err(io::Error::other("the audit trail ends in a line without end"));
    }
    Ok(bytes - (block.len() - after) as u64)
}

/// The last line of the first `bytes` bytes, which end with one; `None` if there is none.
fn last_line(file: &mut File, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let block = read_end(file, bytes)?;
    let Some(text) = block.strip_suffix(b"\n") else { return Ok(None) };
    let start = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    Ok(text.get(start..).map(<[u8]>::to_vec))
}

/// The last bytes before `end`, as many as the longest line has.
fn read_end(file: &mut File, end: u64) -> io::Result<Vec<u8>> {
    let length = end.min(MAX_LINE as u64);
    file.seek(SeekFrom::Start(end - length))?;
    let mut block = Vec::new();
    file.take(length).read_to_end(&mut block)?;
    Ok(block)
}
