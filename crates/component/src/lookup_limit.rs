//! Limits the look-ups of one image or component, so that a hanging disk does not take all threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Look-ups of one image at once; others wait as tasks, without a thread.
const LOOKUPS_PER_IMAGE: usize = 32;

/// What is being looked up, by the beginning of its paths.
#[derive(Debug, Clone, Default)]
pub struct LookupLimit(Arc<Mutex<HashMap<PathPrefix, ImageLookups>>>);

type PathPrefix = Vec<Vec<u8>>;

#[derive(Debug)]
struct ImageLookups {
    permits: Arc<Semaphore>,
    /// Look-ups that hold a permit or wait for one. Clients choose the keys, so the last user removes the
    /// entry.
    users: usize,
}

/// A permit for one look-up, returned on drop.
#[derive(Debug)]
pub struct LookupPermit {
    _permit: OwnedSemaphorePermit,
    _user: User,
}

/// A look-up that holds a permit or waits for one.
#[derive(Debug)]
struct User {
    lookups: LookupLimit,
    key: PathPrefix,
}

impl LookupLimit {
    /// Waits for a permit. Look-ups share a limit if `prefix`, the beginning of their paths, is the same. It
    /// is `None`
    /// only if the semaphore is closed, which never happens.
    pub async fn enter(&self, prefix: &[Vec<u8>]) -> Option<LookupPermit> {
        let key: PathPrefix = prefix.to_vec();
        let permits = {
            let mut lookups = self.lock();
            let new = || ImageLookups { permits: Arc::new(Semaphore::new(LOOKUPS_PER_IMAGE)), users: 0 };
            let image = lookups.entry(key.clone()).or_insert_with(new);
            image.users += 1;
            Arc::clone(&image.permits)
        };
        // Counted before the wait, because a client may disconnect during it.
        let user = User { lookups: self.clone(), key };
        Some(LookupPermit { _permit: permits.acquire_owned().await.ok()?, _user: user })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathPrefix, ImageLookups>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut lookups = self.lookups.lock();
        let Some(image) = lookups.get_mut(&self.key) else { return };
        image.users -= 1;
        if image.users == 0 {
            lookups.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_full_lane_holds_up_only_its_own() {
        let lookups = LookupLimit::default();
        let path = |text: &str| text.split('/').map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        let mut permits = Vec::new();
        for _ in 0..LOOKUPS_PER_IMAGE {
            permits.push(lookups.enter(&path("centos/7")).await);
        }
        let waits = tokio::time::timeout(Duration::from_millis(20), lookups.enter(&path("centos/7"))).await;
        assert!(waits.is_err());
        assert_eq!(
            lookups.lock().get(&path("centos/7")).map(|image| image.users),
            Some(LOOKUPS_PER_IMAGE),
            "a cancelled look-up is not counted"
        );
        assert!(lookups.enter(&path("centos/8")).await.is_some());
        permits.pop();
        assert!(lookups.enter(&path("centos/7")).await.is_some());
        permits.clear();
        assert!(lookups.lock().is_empty());
    }
}
