//! Unfinished uploads end when no request has come for them for a time.

use std::sync::Arc;
use std::time::Duration;

use crate::intake::intakes::Intakes;
use crate::tasks::blocking;
use model::settings::Live;
use model::stored_file::StoreKind;
use model::unfinished_file::{Owner, UnfinishedFile};

/// The least and the most time between two checks.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
const MOST_PAUSE: Duration = Duration::from_secs(60);

impl Intakes {
    /// Removes uploads that no request has touched for their lifetime, until the program ends.
    pub fn expire_uploads(self: &Arc<Self>, expiry: Live<Duration>) {
        let (intakes, stop) = (Arc::clone(self), self.tasks.stop());
        self.tasks.spawn(async move {
            let pause = || (*expiry.get() / 4).clamp(LEAST_PAUSE, MOST_PAUSE);
            while tokio::time::timeout(pause(), stop.cancelled()).await.is_err() {
                let after = *expiry.get();
                for (kind, file) in intakes.unfinished_files() {
                    if file.plan.owner == Owner::Upload && file.age >= file.lifetime(after) {
                        intakes.expire(kind, &file, after).await;
                    }
                }
            }
        });
    }

    async fn expire(&self, kind: StoreKind, file: &UnfinishedFile, after: Duration) {
        // A request that works with it keeps it.
        let Some(lock) = self.unfinished_locks.exclusive(file.id.clone()) else { return };
        // It may have grown while others were removed.
        if self.unfinished_file(&file.id).is_none_or(|(_, file)| file.age < file.lifetime(after)) {
            return;
        }
        let stores = Arc::clone(&self.stores);
        let removed = blocking(move || stores.of(kind).discard_unfinished(lock.key())).await;
        if !file.whole {
            tracing::info!(
                id = %file.id, %kind, name = %file.plan.name, offset = file.offset,
                "an unfinished upload expired"
            );
        }
        if let Ok(Err(error)) = removed {
            tracing::warn!(id = %file.id, %kind, %error, "an expired upload stays behind");
        }
    }
}
