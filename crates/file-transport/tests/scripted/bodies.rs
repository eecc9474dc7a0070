//! What is served: files whose bytes tell where they lie, bodies made of them, and who follows a body on its way.

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use file_transport::{Body, OpenFile, Pace, Piece, Watch};

use crate::script::Log;

/// A part of a body.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Bytes(usize),
    File(Range<usize>),
    /// The same bytes, read as if they had to be computed.
    Computed(Range<usize>),
    Zeros(usize),
}

/// A file, and what is in it.
pub(crate) struct Original {
    pub(crate) file: Arc<OpenFile>,
    pub(crate) bytes: Vec<u8>,
}

impl Original {
    pub(crate) fn new(length: usize) -> Self {
        let bytes = bytes(length);
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        Self { file: Arc::new(file.into()), bytes }
    }

    /// A file for those to whom any will do.
    pub(crate) fn small() -> Arc<Self> {
        Arc::new(Self::new(1000))
    }

    /// A range of the file; what lies beyond its end is cut off.
    fn within(&self, range: &Range<usize>) -> Range<usize> {
        let end = range.end.min(self.bytes.len());
        range.start.min(end)..end
    }

    pub(crate) fn body(&self, parts: &[Part]) -> Body {
        Body::from_pieces(parts.iter().map(|part| match part {
            Part::Bytes(length) => Piece::Bytes(Bytes::from(text(*length))),
            Part::File(range) => {
                let range = self.within(range);
                let (offset, length) = (range.start as u64, range.len() as u64);
                Piece::File { file: Arc::clone(&self.file), offset, length }
            }
            Part::Computed(range) => {
                let range = self.within(range);
                let (offset, length) = (range.start as u64, range.len() as u64);
                Piece::Computed { source: self.file.clone(), offset, length }
            }
            Part::Zeros(length) => Piece::Zeros(*length as u64),
        }))
    }

    /// The bytes that such a body consists of.
    pub(crate) fn expected(&self, parts: &[Part]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in parts {
            match part {
                Part::Bytes(length) => bytes.extend(text(*length)),
                Part::File(range) | Part::Computed(range) => {
                    bytes.extend_from_slice(&self.bytes[self.within(range)]);
                }
                Part::Zeros(length) => bytes.resize(bytes.len() + length, 0),
            }
        }
        bytes
    }
}

/// Bytes that differ from place to place and are never zero, so neither a shifted range nor one that was not filled goes unseen.
fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    for number in 0..=length as u64 / 8 {
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes.extend_from_slice(&(mixed ^ mixed >> 32 | 0x0101_0101_0101_0101).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn text(length: usize) -> Vec<u8> {
    let mut text = b"bytes at hand, ".repeat(length / 15 + 1);
    text.truncate(length);
    text
}

/// What a [`Follower`] saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    /// Which answer it followed.
    pub(crate) answer: usize,
    /// How many bytes were told to be sent.
    pub(crate) sent: u64,
    /// How many bytes the client had taken of all when it was let go.
    pub(crate) taken: usize,
    /// Whether the connection was over by then.
    pub(crate) over: bool,
}

/// Follows the body of one answer, and writes down how that ended.
pub(crate) struct Follower {
    seen: Mutex<Followed>,
    log: Arc<Mutex<Log>>,
    book: Arc<Mutex<Vec<Followed>>>,
    paces: Vec<Arc<Pace>>,
}

impl Follower {
    pub(crate) fn new(
        answer: usize,
        log: Arc<Mutex<Log>>,
        book: Arc<Mutex<Vec<Followed>>>,
        paces: Vec<Arc<Pace>>,
    ) -> Arc<Self> {
        let seen = Mutex::new(Followed { answer, sent: 0, taken: 0, over: false });
        Arc::new(Self { seen, log, book, paces })
    }
}

impl Watch for Follower {
    fn sent(&self, bytes: u64) {
        assert!(bytes > 0, "nothing is not worth telling");
        self.seen.lock().unwrap().sent += bytes;
    }

    fn paces(&self) -> &[Arc<Pace>] {
        &self.paces
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // A test that failed while it held one of these has said enough.
        if let (Ok(seen), Ok(log), Ok(mut book)) = (self.seen.lock(), self.log.lock(), self.book.lock()) {
            book.push(Followed { taken: log.output.len(), over: log.over, ..seen.clone() });
        }
    }
}

/// Holds a body to paces.
pub(crate) struct Held(pub(crate) Vec<Arc<Pace>>);

impl Watch for Held {
    fn sent(&self, _bytes: u64) {}

    fn paces(&self) -> &[Arc<Pace>] {
        &self.0
    }
}
