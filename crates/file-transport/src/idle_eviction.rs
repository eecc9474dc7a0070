//! Ending idle connections on request.

use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, PoisonError};

use crate::worker_load::WorkerLoad;

/// Ends idle connections when the program runs out of something else than permits, such as descriptors.
/// Clones share it.
#[derive(Clone, Default)]
pub struct IdleEviction(Arc<Mutex<Vec<Arc<WorkerLoad>>>>);

impl IdleEviction {
    /// Asks so many connections to end that have been idle for longest, on the workers that have most of
    /// them.
    pub fn ask(&self, connections: usize) {
        let loads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..connections {
            evict_one(&loads);
        }
    }

    pub(crate) fn add(&self, loads: &[Arc<WorkerLoad>]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(loads);
    }
}

impl Debug for IdleEviction {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdleEviction")
    }
}

/// Ends the connection that has been idle for longest on the worker that has most idle ones.
pub(crate) fn evict_one(loads: &[Arc<WorkerLoad>]) {
    if let Some(load) = loads.iter().max_by_key(|load| load.idle()) {
        load.evict_one();
    }
}
