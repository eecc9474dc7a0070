//! The ranges of files that a connection owes its client, in the order in which its bodies handed out tokens for them.
//! HTTP/1 answers strictly in order, so one queue a connection is enough.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A range of an open file, still to be sent.
#[derive(Debug)]
pub(crate) struct FileRange {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// A connection's queue, shared by its bodies (which put in) and its socket (which takes out).
#[derive(Debug, Clone, Default)]
pub(crate) struct Outbox(Arc<Mutex<VecDeque<FileRange>>>);

impl Outbox {
    pub(crate) fn put(&self, range: FileRange) {
        self.lock().push_back(range);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, VecDeque<FileRange>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
