//! Names that someone is working with at this moment. A claim is given at once or refused: nobody waits behind an upload of hours.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The claims on names of one kind.
#[derive(Debug)]
pub(super) struct Claims<K>(Arc<Mutex<HashMap<K, Holders>>>);

#[derive(Debug, Clone, Copy)]
enum Holders {
    /// One who changes.
    Writer,
    /// So many who rely on it not changing.
    Readers(usize),
}

/// A claim; letting go of it frees the name.
#[derive(Debug)]
pub(super) struct Claim<K: Eq + Hash> {
    claims: Arc<Mutex<HashMap<K, Holders>>>,
    key: K,
}

impl<K> Default for Claims<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone> Claims<K> {
    /// Claims `key` for a change; `None` while anyone holds it.
    pub(super) fn exclusive(&self, key: K) -> Option<Claim<K>> {
        let mut held = lock(&self.0);
        if held.contains_key(&key) {
            return None;
        }
        held.insert(key.clone(), Holders::Writer);
        Some(Claim { claims: Arc::clone(&self.0), key })
    }

    /// Claims `key` against changes; `None` while someone changes it.
    pub(super) fn shared(&self, key: K) -> Option<Claim<K>> {
        match lock(&self.0).entry(key.clone()).or_insert(Holders::Readers(0)) {
            Holders::Writer => None,
            Holders::Readers(count) => {
                *count += 1;
                Some(Claim { claims: Arc::clone(&self.0), key })
            }
        }
    }
}

impl<K: Eq + Hash> Drop for Claim<K> {
    fn drop(&mut self) {
        let mut held = lock(&self.claims);
        match held.get_mut(&self.key) {
            Some(Holders::Readers(count)) if *count > 1 => *count -= 1,
            _ => {
                held.remove(&self.key);
            }
        }
    }
}

fn lock<K>(claims: &Mutex<HashMap<K, Holders>>) -> MutexGuard<'_, HashMap<K, Holders>> {
    claims.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rely_or_one_changes() {
        let claims = Claims::default();
        let writer = claims.exclusive("a").expect("free");
        assert!(claims.exclusive("a").is_none() && claims.shared("a").is_none());
        assert!(claims.exclusive("b").is_some());
        drop(writer);
        let (first, second) = (claims.shared("a").expect("free"), claims.shared("a").expect("shared"));
        drop(first);
        assert!(claims.exclusive("a").is_none());
        drop(second);
        assert!(claims.exclusive("a").is_some());
        assert!(claims.0.lock().expect("fine").is_empty());
    }
}
