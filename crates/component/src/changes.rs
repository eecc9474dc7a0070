//! The changes of what a source of content publishes.

use std::fmt;
use std::sync::{PoisonError, RwLock};

type Listener = Box<dyn Fn() + Send + Sync>;

/// The listeners of a [`ContentSource`](crate::ContentSource).
#[derive(Default)]
pub struct ContentChanges(RwLock<Vec<Listener>>);

impl ContentChanges {
    /// Tells the listeners of a change. A component calls this after the change, and before it answers the
    /// client
    /// that asked for it.
    pub fn publish(&self) {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|listener| listener());
    }

    /// Calls `listener` after each change.
    pub fn listen(&self, listener: Listener) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }
}

impl fmt::Debug for ContentChanges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ContentChanges")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_listener_hears_of_each_change() {
        let (changes, heard) = (ContentChanges::default(), Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&heard);
        changes.listen(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        for expected in 1..=2 {
            changes.publish();
            assert_eq!(heard.load(Ordering::Relaxed), expected);
        }
    }
}
