//! Work that the catalog notices while it answers, and leaves to jobs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use model::identity::Identity;
use model::image::ImageId;
use model::names::FileName;
use model::stored_file::StoreKind;

/// How long a file that may not be read is left alone: an operator may give the permission.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// The requests that wait. Clones are the same ones. Each request is for an image or a file that exists, and
/// waits once however often it is made, so the stores and the inventory bound their number.
#[derive(Debug, Clone, Default)]
pub struct JobRequests {
    /// Files whose digest is not known, with their sizes.
    pub(crate) digests: Arc<Requests<(StoreKind, FileName), u64>>,
    /// Images whose ISO has never been read.
    pub(crate) images: Arc<Requests<ImageId, ()>>,
    forbidden: Arc<Forbidden>,
}

/// Files that the service has no permission to read, and when that was tried.
type Forbidden = Mutex<BTreeMap<(StoreKind, FileName), (Identity, Instant)>>;

impl JobRequests {
    /// Remembers that the service has no permission to read this version of a file; `false` if that was
    /// known.
    pub(crate) fn set_forbidden(&self, key: (StoreKind, FileName), version: Identity) -> bool {
        let mut forbidden = self.forbidden.lock().unwrap_or_else(PoisonError::into_inner);
        forbidden.retain(|_, (_, tried)| tried.elapsed() < 2 * TRY_AGAIN);
        forbidden.insert(key, (version, Instant::now())).is_none()
    }

    /// Whether the service has just had no permission to read this version of a file. After a minute it is
    /// worth another try.
    pub(crate) fn is_forbidden(&self, key: &(StoreKind, FileName), version: &Identity) -> bool {
        let forbidden = self.forbidden.lock().unwrap_or_else(PoisonError::into_inner);
        let known = forbidden.get(key);
        known.is_some_and(|(known, tried)| known.same_version(version) && tried.elapsed() < TRY_AGAIN)
    }
}

/// Requests of one kind, by what they are for.
#[derive(Debug)]
pub(crate) struct Requests<K, V> {
    waiting: Mutex<BTreeMap<K, V>>,
    posted: Notify,
}

impl<K: Ord, V> Requests<K, V> {
    /// Asks for a job and does not wait.
    pub(crate) fn post(&self, key: K, value: V) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
        self.posted.notify_one();
    }

    /// Takes all requests; waits until there are some.
    pub(crate) async fn take(&self) -> BTreeMap<K, V> {
        loop {
            let taken = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.is_empty() {
                return taken;
            }
            self.posted.notified().await;
        }
    }
}

impl<K, V> Default for Requests<K, V> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), posted: Notify::new() }
    }
}
