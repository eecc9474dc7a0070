//! Locks on names that requests work with. A lock is given at once or refused: no request waits behind an
//! upload of hours. Where holders mostly unlock soon, it is worth a short wait.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use model::names::{FileName, ImageName, ImageVersion};
use model::stored_file::StoreKind;

pub(crate) type FileLocks = NameLocks<(StoreKind, FileName)>;
pub(crate) type FileLock = NameLock<(StoreKind, FileName)>;
pub(crate) type ImageLocks = NameLocks<(ImageName, ImageVersion)>;
pub(crate) type ImageLock = NameLock<(ImageName, ImageVersion)>;

/// The locks on names of one kind.
#[derive(Debug)]
pub(crate) struct NameLocks<K>(Arc<Held<K>>);

#[derive(Debug)]
struct Held<K> {
    holders: Mutex<HashMap<K, Holders>>,
    freed: Notify,
}

#[derive(Debug, Clone, Copy)]
enum Holders {
    /// One that changes the thing.
    Writer,
    /// So many that rely on it not changing.
    Readers(usize),
}

/// A lock, unlocked on drop.
#[derive(Debug)]
pub(crate) struct NameLock<K: Eq + Hash> {
    locks: Arc<Held<K>>,
    key: K,
}

impl<K> Default for NameLocks<K> {
    fn default() -> Self {
        Self(Arc::new(Held { holders: Mutex::default(), freed: Notify::new() }))
    }
}

impl<K> Clone for NameLocks<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash + Clone> NameLocks<K> {
    /// Locks `key` for a change; `None` while it is locked.
    pub(crate) fn exclusive(&self, key: K) -> Option<NameLock<K>> {
        let mut held = lock(&self.0);
        if held.contains_key(&key) {
            return None;
        }
        held.insert(key.clone(), Holders::Writer);
        Some(NameLock { locks: Arc::clone(&self.0), key })
    }

    /// The same, but waits up to `limit` for the holder.
    pub(crate) async fn exclusive_within(&self, key: K, limit: Duration) -> Option<NameLock<K>> {
        let deadline = Instant::now() + limit;
        loop {
            // Listening begins before the attempt, so that no unlocking is missed between the two.
            let mut freed = std::pin::pin!(self.0.freed.notified());
            freed.as_mut().enable();
            if let Some(lock) = self.exclusive(key.clone()) {
                return Some(lock);
            }
            timeout_at(deadline, freed).await.ok()?;
        }
    }

    /// Locks `key` against changes; `None` while it is locked for a change.
    pub(crate) fn shared(&self, key: K) -> Option<NameLock<K>> {
        match lock(&self.0).entry(key.clone()).or_insert(Holders::Readers(0)) {
            Holders::Writer => None,
            Holders::Readers(count) => {
                *count += 1;
                Some(NameLock { locks: Arc::clone(&self.0), key })
            }
        }
    }
}

impl<K: Eq + Hash> NameLock<K> {
    /// The name.
    pub(crate) fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash> Drop for NameLock<K> {
    fn drop(&mut self) {
        let mut held = lock(&self.locks);
        match held.get_mut(&self.key) {
            Some(Holders::Readers(count)) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.key);
            }
        }
        drop(held);
        self.locks.freed.notify_waiters();
    }
}

fn lock<K>(locks: &Held<K>) -> MutexGuard<'_, HashMap<K, Holders>> {
    locks.holders.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rely_or_one_changes() {
        let locks = NameLocks::default();
        let writer = locks.exclusive("a").expect("free");
        assert!(locks.exclusive("a").is_none() && locks.shared("a").is_none());
        assert!(locks.exclusive("b").is_some());
        drop(writer);
        let (first, second) = (locks.shared("a").expect("free"), locks.shared("a").expect("shared"));
        drop(first);
        assert!(locks.exclusive("a").is_none());
        drop(second);
        assert!(locks.exclusive("a").is_some());
        assert!(lock(&locks.0).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn some_wait_a_moment() {
        let locks = NameLocks::default();
        let first = locks.exclusive("a").expect("free");
        assert!(locks.exclusive_within("a", Duration::from_secs(1)).await.is_none());
        let (second, ()) = tokio::join!(locks.exclusive_within("a", Duration::from_secs(1)), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            drop(first);
        });
        assert!(second.is_some());
    }
}
