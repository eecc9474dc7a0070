//! Finds out whether an audit trail was changed.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::entry::Recorded;
use super::file::{MAX_LINE, NOTHING, earlier, hash};

/// The end of a trail: a value to be kept elsewhere, so that lines that are cut off are missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of the last entry; 0 is none.
    pub id: u64,
    /// The SHA-256 of its line, in hexadecimal.
    pub hash: String,
}

/// The trail is not what was written.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// A line is not the one that was written, or lines before it are missing.
    #[error("{} line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The trail does not have the line that it ended with before.
    #[error("the trail has no line with the SHA-256 {0}: lines were changed or cut off")]
    Head(String),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Goes through the trail that ends in `path`, with the files of before. If `known` is the hash of a line
/// that was its last one once, the trail must have it still.
///
/// # Errors
///
/// The first line that is not as it was written, or what is missing.
pub fn verify(path: &Path, known: Option<&str>) -> Result<Head, Mismatch> {
    let io = |path: &Path, source| Mismatch::Io { path: path.to_owned(), source };
    let mut files = earlier(path).map_err(|source| io(path, source))?;
    files.push(path.to_owned());
    let mut head: Option<Head> = None;
    let mut is_known = known.is_none_or(|known| known == NOTHING);
    for path in files {
        let file = File::open(&path).map_err(|source| io(&path, source))?;
        let mut file = BufReader::new(file);
        for number in 1.. {
            let wrong = |problem: String| Mismatch::Line { path: path.clone(), line: number, problem };
            let mut line = Vec::new();
            let limit = MAX_LINE as u64 + 1;
            (&mut file).take(limit).read_until(b'\n', &mut line).map_err(|source| io(&path, source))?;
            if line.is_empty() {
                break;
            }
            if line.last() != Some(&b'\n') {
                return Err(wrong("it has no end".into()));
            }
            let entry: Recorded =
                serde_json::from_slice(&line).map_err(|error| wrong(format!("it is no entry: {error}")))?;
            check(&entry, head.as_ref()).map_err(wrong)?;
            let hash = hash(&line);
            is_known |= known == Some(hash.as_str());
            head = Some(Head { id: entry.id, hash });
        }
    }
    match known {
        Some(known) if !is_known => Err(Mismatch::Head(known.to_owned())),
        _ => Ok(head.unwrap_or(Head { id: 0, hash: NOTHING.to_owned() })),
    }
}

/// Whether an entry follows the one before it. The first file may have been removed on purpose, when it was
/// old, so the first line that there is may have any number.
fn check(entry: &Recorded, before: Option<&Head>) -> Result<(), String> {
    match before {
        Some(before) if entry.prev != before.hash => {
            Err("it does not follow the line before it: one of them was changed, or lines were cut out"
                .into())
        }
        Some(before) if entry.id != before.id + 1 => Err(format!("its id is not {}", before.id + 1)),
        None if entry.id == 1 && entry.prev != NOTHING => Err("it is not the first line".into()),
        _ => Ok(()),
    }
}

impl fmt::Display for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} entries, the last with the SHA-256 {}", self.id, self.hash)
    }
}
