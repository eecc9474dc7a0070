//! How many jobs are worked on at once.

use std::collections::HashMap;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Queues by name. Each has a number of permits, which go to those that wait longest.
#[derive(Debug, Default)]
pub(crate) struct Queues(HashMap<&'static str, Semaphore>);

impl Queues {
    /// Sets the number of permits of a queue.
    pub(crate) fn set(&mut self, name: &'static str, permits: usize) {
        self.0.insert(name, Semaphore::new(permits));
    }

    /// Makes a queue with one permit, unless it exists.
    pub(crate) fn ensure(&mut self, name: &'static str) {
        self.0.entry(name).or_insert_with(|| Semaphore::new(1));
    }

    /// Waits for a permit. A queue that does not exist has no limit.
    pub(crate) async fn permit(&self, name: &str) -> Option<SemaphorePermit<'_>> {
        // A semaphore is never closed here, so this gives a permit in the end.
        self.0.get(name)?.acquire().await.ok()
    }
}
