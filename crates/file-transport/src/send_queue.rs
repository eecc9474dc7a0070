//! What the bodies of a connection, its socket and its task tell each other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::body_observer::BodyObserver;
use crate::open_file::OpenFile;

/// A range of an open file, still to be sent.
pub(crate) struct FileRange {
    pub(crate) file: Arc<OpenFile>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) observer: Option<Arc<dyn BodyObserver>>,
}

/// The ranges of a connection, in the order in which its bodies handed out tokens for them, and its state.
/// HTTP/1 answers strictly in order, so one queue for a connection is enough.
#[derive(Clone, Default)]
pub(crate) struct SendQueue(Arc<Inner>);

#[derive(Default)]
struct Inner {
    ranges: Mutex<VecDeque<FileRange>>,
    /// Requests that were read and not yet answered to the last byte of the body.
    open: AtomicU64,
    requests: AtomicU64,
    /// The last request came with a body, which may still be arriving. No request follows it.
    has_body: AtomicBool,
    reads: AtomicU64,
    writes: AtomicU64,
    /// Bytes written.
    written: AtomicU64,
    /// Bytes that may still be written in this turn.
    turn: AtomicU64,
    /// There is something to send, and the client does not take it.
    blocked: AtomicBool,
    /// Something was written since the last flush.
    unflushed: AtomicBool,
    /// The sending direction is being shut down.
    closing: AtomicBool,
    /// The current body may be cut at a stop.
    expendable: AtomicBool,
}

/// Counts of what happened on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Activity {
    /// Requests read.
    pub(crate) requests: u64,
    /// Reads that brought bytes.
    pub(crate) reads: u64,
    /// Writes that took bytes.
    pub(crate) writes: u64,
}

impl SendQueue {
    pub(crate) fn push(&self, range: FileRange) {
        self.lock().push_back(range);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, VecDeque<FileRange>> {
        self.0.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was read, perhaps with a body. The result lives until its answer was taken completely, or
    /// given up.
    pub(crate) fn begin(&self, has_body: bool) -> Answering {
        self.0.has_body.store(has_body, Ordering::Relaxed);
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Whether the last request came with a body.
    pub(crate) fn has_body(&self) -> bool {
        self.0.has_body.load(Ordering::Relaxed)
    }

    /// The connection's turn on its thread begins.
    pub(crate) fn begin_turn(&self, bytes: u64) {
        self.0.turn.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that may still be written in this turn.
    pub(crate) fn left_of_turn(&self) -> u64 {
        self.0.turn.load(Ordering::Relaxed)
    }

    pub(crate) fn has_read(&self) {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn has_written(&self, bytes: usize) {
        self.0.turn.store(self.left_of_turn().saturating_sub(bytes as u64), Ordering::Relaxed);
        self.0.writes.fetch_add(1, Ordering::Relaxed);
        self.0.written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.unflushed.store(true, Ordering::Relaxed);
        self.0.blocked.store(false, Ordering::Relaxed);
    }

    /// Bytes that the client has taken.
    pub(crate) fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    pub(crate) fn has_flushed(&self) {
        self.0.unflushed.store(false, Ordering::Relaxed);
        self.0.blocked.store(false, Ordering::Relaxed);
    }

    /// The client takes nothing of what there is to send.
    pub(crate) fn set_blocked(&self) {
        self.0.unflushed.store(true, Ordering::Relaxed);
        self.0.blocked.store(true, Ordering::Relaxed);
    }

    /// Sending waits for a disk or a rate limit, and not for the client.
    pub(crate) fn clear_blocked(&self) {
        self.0.blocked.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.0.blocked.load(Ordering::Relaxed)
    }

    pub(crate) fn set_closing(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
    }

    /// Whether the current body may be cut at a stop.
    pub(crate) fn set_expendable(&self, is_expendable: bool) {
        self.0.expendable.store(is_expendable, Ordering::Relaxed);
    }

    /// Whether the client takes nothing of a body that may be cut.
    pub(crate) fn is_blocked_on_expendable(&self) -> bool {
        self.is_blocked() && self.0.expendable.load(Ordering::Relaxed)
    }

    pub(crate) fn activity(&self) -> Activity {
        Activity {
            requests: self.0.requests.load(Ordering::Relaxed),
            reads: self.0.reads.load(Ordering::Relaxed),
            writes: self.0.writes.load(Ordering::Relaxed),
        }
    }

    /// Whether every request is answered, every byte has left, and the shutdown has not begun.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) == 0
            && !self.0.closing.load(Ordering::Relaxed)
            && !self.0.unflushed.load(Ordering::Relaxed)
            && self.lock().is_empty()
    }
}

/// A request that is being answered.
pub(crate) struct Answering(SendQueue);

impl Answering {
    pub(crate) fn send_queue(&self) -> &SendQueue {
        &self.0
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
