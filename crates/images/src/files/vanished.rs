//! Files that were taken out of the folder by an administrator.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::CatalogError;
use crate::files::listing::Files;
use crate::tasks::blocking;
use blobs::StoreError;
use model::names::FileName;
use model::stored_file::StoreKind;
use records::inventory::users_by_iso;

impl Files {
    /// Forgets files that were taken out of their store, in one change. Those that are there after all stay,
    /// and ISOs that an image needs: they may come back.
    pub async fn forget_vanished(&self, kind: StoreKind, names: Vec<FileName>) -> Result<(), CatalogError> {
        // A request that changes a file records the outcome itself.
        let lock = |name: FileName| Some((self.locks.exclusive((kind, name.clone()))?, name));
        let (locks, names): (Vec<_>, Vec<_>) = names.into_iter().filter_map(lock).unzip();
        let stores = Arc::clone(&self.stores);
        let is_missing = move |name: &FileName| {
            let found = stores.of(kind).stat(name);
            use StoreError::{Link, NotFound, OtherSpelling};
            matches!(found, Err(NotFound(_) | Link(_) | OtherSpelling { .. }))
        };
        let names = blocking(move || names.into_iter().filter(is_missing).collect::<Vec<_>>()).await?;
        if names.is_empty() {
            return Ok(());
        }
        let (stores, gone) = (Arc::clone(&self.stores), names.clone());
        blocking(move || gone.iter().for_each(|name| stores.of(kind).forget_uploads(name))).await?;
        let forgotten = self.records.commit(move |records| {
            let used = if kind == StoreKind::Iso { users_by_iso(records) } else { BTreeMap::new() };
            let keys = names.into_iter().filter(|name| !used.contains_key(name)).map(|name| (kind, name));
            let is_stored = |key: &_| records.files.get(key).is_some_and(|file| file.local.is_none());
            let keys: Vec<_> = keys.filter(is_stored).collect();
            if keys.is_empty() {
                return Err(CatalogError::NoSuchImage);
            }
            for key in keys {
                tracing::info!(%kind, name = %key.1, "a file was taken out of its store");
                records.files.remove(&key);
            }
            Ok(())
        });
        let forgotten = forgotten.await;
        drop(locks);
        match forgotten {
            // Nothing is to be forgotten.
            Err(CatalogError::NoSuchImage) => Ok(()),
            other => other,
        }
    }
}
