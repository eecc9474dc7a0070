//! What the tests serve: files whose bytes differ from position to position, bodies of them, and observers of
//! bodies.

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use file_transport::{Body, BodyObserver, OpenFile, Piece, RateLimit};

use crate::script::Log;

/// A part of a body.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Bytes(usize),
    File(Range<usize>),
    /// The same bytes, but read as a computed piece.
    Computed(Range<usize>),
    Zeros(usize),
}

/// A file and its bytes.
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

    /// A file for tests that need any file.
    pub(crate) fn small() -> Arc<Self> {
        Arc::new(Self::new(1000))
    }

    /// A range of the file, cut off at its end.
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

    /// The bytes of such a body.
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

/// Bytes that differ from position to position and are never zero. So a test notices a shifted range and one
/// that was not filled.
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
    /// How many bytes were reported as sent.
    pub(crate) sent: u64,
    /// How many bytes the client had taken of all answers when the follower was dropped.
    pub(crate) taken: usize,
    /// Whether the connection had ended by then.
    pub(crate) over: bool,
}

/// Follows the body of one answer and records how it ended.
pub(crate) struct Follower {
    seen: Mutex<Followed>,
    log: Arc<Mutex<Log>>,
    book: Arc<Mutex<Vec<Followed>>>,
    rate_limits: Vec<Arc<RateLimit>>,
}

impl Follower {
    pub(crate) fn new(
        answer: usize,
        log: Arc<Mutex<Log>>,
        book: Arc<Mutex<Vec<Followed>>>,
        rate_limits: Vec<Arc<RateLimit>>,
    ) -> Arc<Self> {
        let seen = Mutex::new(Followed { answer, sent: 0, taken: 0, over: false });
        Arc::new(Self { seen, log, book, rate_limits })
    }
}

impl BodyObserver for Follower {
    fn sent(&self, bytes: u64) {
        assert!(bytes > 0, "nothing is not reported");
        self.seen.lock().unwrap().sent += bytes;
    }

    fn rate_limits(&self) -> &[Arc<RateLimit>] {
        &self.rate_limits
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // A test that failed while it held one of these locks has failed already.
        if let (Ok(seen), Ok(log), Ok(mut book)) = (self.seen.lock(), self.log.lock(), self.book.lock()) {
            book.push(Followed { taken: log.output.len(), over: log.over, ..seen.clone() });
        }
    }
}

/// Holds a body to rate limits.
pub(crate) struct LimitedBody(pub(crate) Vec<Arc<RateLimit>>);

impl BodyObserver for LimitedBody {
    fn sent(&self, _bytes: u64) {}

    fn rate_limits(&self) -> &[Arc<RateLimit>] {
        &self.0
    }
}
