//! Look-ups that may wait for a disk, limited per image: those on a disk that hangs must not take all threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Look-ups at once in one lane; more wait as tasks, which cost no thread.
const WIDTH: usize = 32;

/// The lanes in use, by the first two segments of the path.
#[derive(Debug, Clone, Default)]
pub(super) struct Lanes(Arc<Mutex<HashMap<Key, Lane>>>);

type Key = Vec<Vec<u8>>;

#[derive(Debug)]
struct Lane {
    places: Arc<Semaphore>,
    /// Who has a place or waits for one. Clients choose the keys, so a lane goes with the last of them.
    users: usize,
}

/// A place in a lane; letting go of it makes room.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _user: User,
}

/// Someone who has a place or waits for one.
#[derive(Debug)]
struct User {
    lanes: Lanes,
    key: Key,
}

impl Lanes {
    /// Waits for a place in the lane of a path.
    pub(super) async fn enter(&self, path: &[Vec<u8>]) -> Option<Place> {
        let key: Key = path.iter().take(2).cloned().collect();
        let places = {
            let mut lanes = self.lock();
            let new = || Lane { places: Arc::new(Semaphore::new(WIDTH)), users: 0 };
            let lane = lanes.entry(key.clone()).or_insert_with(new);
            lane.users += 1;
            Arc::clone(&lane.places)
        };
        // Made before the wait, because a client may go away during it.
        let user = User { lanes: self.clone(), key };
        // The semaphores are never closed, so there is always a place in the end.
        Some(Place { _permit: places.acquire_owned().await.ok()?, _user: user })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lock();
        let Some(lane) = lanes.get_mut(&self.key) else { return };
        lane.users -= 1;
        if lane.users == 0 {
            lanes.remove(&self.key);
        }
    }
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
        assert_eq!(
            lanes.lock().get(&path("centos/7")).map(|lane| lane.users),
            Some(WIDTH),
            "who gave up is gone"
        );
        assert!(lanes.enter(&path("centos/8")).await.is_some());
        places.pop();
        assert!(lanes.enter(&path("centos/7")).await.is_some());
        places.clear();
        assert!(lanes.lock().is_empty());
    }
}
