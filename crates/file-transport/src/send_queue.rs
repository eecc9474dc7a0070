//! What a connection's bodies, its socket and its keeper tell each other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{OpenFile, Watch};

/// A range of an open file, still to be sent.
pub(crate) struct FileRange {
    pub(crate) file: Arc<OpenFile>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) watch: Option<Arc<dyn Watch>>,
}

/// A connection's ranges, in the order in which its bodies handed out tokens for them, and what happened on it. HTTP/1 answers strictly
/// in order, so one queue a connection is enough.
#[derive(Clone, Default)]
pub(crate) struct Outbox(Arc<Inner>);

#[derive(Default)]
struct Inner {
    ranges: Mutex<VecDeque<FileRange>>,
    /// Requests that were read and not yet answered to the last byte of the body.
    open: AtomicU64,
    requests: AtomicU64,
    /// The last request came with a body, which may still be coming. It is the connection's last request.
    has_body: AtomicBool,
    reads: AtomicU64,
    writes: AtomicU64,
    /// Bytes that may still be written in this turn.
    turn: AtomicU64,
    /// The client has not taken what there was to send.
    blocked: AtomicBool,
    /// Something was written since the last flush.
    unflushed: AtomicBool,
    /// The sending direction is being ended.
    closing: AtomicBool,
    /// Nobody is owed the end of what is being sent.
    expendable: AtomicBool,
}

/// What happened on a connection until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Activity {
    /// Requests read.
    pub(crate) requests: u64,
    /// Reads that brought bytes.
    pub(crate) reads: u64,
    /// Writes that were taken.
    pub(crate) writes: u64,
}

impl Outbox {
    pub(crate) fn put(&self, range: FileRange) {
        self.lock().push_back(range);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, VecDeque<FileRange>> {
        self.0.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was read, with or without a body that follows. What is returned lives until its answer was taken whole, or given up.
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

    /// The connection's turn begins.
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
        self.0.unflushed.store(true, Ordering::Relaxed);
        self.0.blocked.store(false, Ordering::Relaxed);
    }

    pub(crate) fn has_flushed(&self) {
        self.0.unflushed.store(false, Ordering::Relaxed);
        self.0.blocked.store(false, Ordering::Relaxed);
    }

    pub(crate) fn set_closing(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_expendable(&self, is_expendable: bool) {
        self.0.expendable.store(is_expendable, Ordering::Relaxed);
    }

    /// Whether the client takes nothing of what nobody is owed the end of.
    pub(crate) fn blocks_for_nothing(&self) -> bool {
        self.is_blocked() && self.0.expendable.load(Ordering::Relaxed)
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.0.blocked.load(Ordering::Relaxed)
    }

    /// There is something to send and no room for it.
    pub(crate) fn has_no_room(&self) {
        self.0.unflushed.store(true, Ordering::Relaxed);
        self.0.blocked.store(true, Ordering::Relaxed);
    }

    /// Sending waits for something else than the client.
    pub(crate) fn waits_for_us(&self) {
        self.0.blocked.store(false, Ordering::Relaxed);
    }

    pub(crate) fn activity(&self) -> Activity {
        Activity {
            requests: self.0.requests.load(Ordering::Relaxed),
            reads: self.0.reads.load(Ordering::Relaxed),
            writes: self.0.writes.load(Ordering::Relaxed),
        }
    }

    /// Whether nothing is owed to the client: every request is answered, every byte on its way, and the end not yet begun.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) == 0
            && !self.0.closing.load(Ordering::Relaxed)
            && !self.0.unflushed.load(Ordering::Relaxed)
            && self.lock().is_empty()
    }
}

/// A request that is being answered.
pub(crate) struct Answering(Outbox);

impl Answering {
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.0
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
