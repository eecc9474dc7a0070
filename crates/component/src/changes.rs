//! The changes of what a source of content publishes.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

type Listener = Box<dyn Fn() + Send + Sync>;

/// Counts the changes of a [`ContentSource`](crate::ContentSource), and tells its listeners.
#[derive(Default)]
pub struct ContentChanges {
    count: AtomicU64,
    listeners: RwLock<Vec<Listener>>,
}

impl ContentChanges {
    /// Counts a change and tells the listeners. A component calls this after the change, and before it answers
    /// the client that asked for it.
    pub fn publish(&self) {
        self.count.fetch_add(1, Ordering::Release);
        for listener in self.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener();
        }
    }

    /// The changes until now.
    pub fn generation(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Calls `listener` after each change.
    pub fn listen(&self, listener: Listener) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }
}

impl fmt::Debug for ContentChanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ContentChanges").field(&self.generation()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_listener_sees_the_change_that_it_is_told_of() {
        let (changes, seen) = (Arc::new(ContentChanges::default()), Arc::new(AtomicU64::new(0)));
        let (source, told) = (Arc::downgrade(&changes), Arc::clone(&seen));
        changes.listen(Box::new(move || {
            let generation = source.upgrade().map(|changes| changes.generation());
            told.store(generation.unwrap_or(0), Ordering::Relaxed);
        }));
        for expected in 1..=2 {
            changes.publish();
            assert_eq!(seen.load(Ordering::Relaxed), expected);
        }
    }
}
