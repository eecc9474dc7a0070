//! Look-ups that may wait for a disk, limited per image: a disk that hangs holds up those who want what lies on it, and no others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Look-ups at once in one lane; more wait as tasks, which cost no thread.
const WIDTH: usize = 32;

/// The lanes in use, by the first two segments of the path.
#[derive(Debug, Default)]
pub(super) struct Lanes(Arc<Mutex<HashMap<Key, Arc<Semaphore>>>>);

type Key = Vec<Vec<u8>>;

/// A place in a lane; letting go of it makes room.
#[derive(Debug)]
pub(super) struct Place {
    lanes: Arc<Mutex<HashMap<Key, Arc<Semaphore>>>>,
    key: Key,
    _permit: OwnedSemaphorePermit,
}

impl Lanes {
    /// Waits for a place in the lane of a path.
    pub(super) async fn enter(&self, path: &[Vec<u8>]) -> Option<Place> {
        let key: Key = path.iter().take(2).cloned().collect();
        let lane =
            Arc::clone(lock(&self.0).entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(WIDTH))));
        // The semaphores are never closed, so there is always a place in the end.
        let permit = lane.acquire_owned().await.ok()?;
        Some(Place { lanes: Arc::clone(&self.0), key, _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lanes = lock(&self.lanes);
        // Two know the lane of the last to leave: the map and the permit.
        if lanes.get(&self.key).is_some_and(|lane| Arc::strong_count(lane) <= 2) {
            lanes.remove(&self.key);
        }
    }
}

fn lock(lanes: &Mutex<HashMap<Key, Arc<Semaphore>>>) -> MutexGuard<'_, HashMap<Key, Arc<Semaphore>>> {
    lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_full_lane_holds_up_only_its_own() {
        let lanes = Lanes::default();
        let path = |text: &str| text.split('/').map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        let mut places = Vec::new();
        for file in 0..WIDTH {
            places.push(lanes.enter(&path(&format!("centos/7/{file}"))).await);
        }
        let waits = tokio::time::timeout(Duration::from_millis(20), lanes.enter(&path("centos/7"))).await;
        assert!(waits.is_err());
        assert!(lanes.enter(&path("centos/8")).await.is_some());
        places.pop();
        assert!(lanes.enter(&path("centos/7")).await.is_some());
        places.clear();
        assert!(lock(&lanes.0).is_empty());
    }
}
