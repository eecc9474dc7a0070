//! What stands on the shelves at this moment, for whoever watches them.

use std::collections::BTreeMap;
use std::fs;

use super::{Catalog, CatalogError, Inner, JobRequest};
use crate::events::Change;
use crate::inventory::users_of;
use crate::model::identity::Identity;
use crate::model::names::FileName;
use crate::model::stored_file::StoreKind;
use crate::store::StoreError;

/// The files of a shelf; `None` is a local ISO that does not lie where it was registered.
pub type StoreScan = BTreeMap<FileName, Option<Identity>>;

impl Catalog {
    /// Looks at all files of a shelf and reads none of them.
    pub async fn look(&self, kind: StoreKind) -> Result<StoreScan, CatalogError> {
        self.blocking(move |inner| inner.scan(kind)).await?
    }

    /// Asks the workers for a file's digest.
    pub fn want_digest(&self, kind: StoreKind, name: FileName) {
        self.0.post(JobRequest::Digest(kind, name));
    }

    /// Forgets a file that somebody took out of its store, unless it is there after all or an image needs it: it may come back.
    pub async fn forget_vanished(&self, kind: StoreKind, name: FileName) -> Result<(), CatalogError> {
        // Who is changing it knows better.
        let Some(_lock) = self.0.file_locks.exclusive((kind, name.clone())) else { return Ok(()) };
        let asked = name.clone();
        let found = self.blocking(move |inner| inner.store(kind).stat(&asked)).await?;
        if !matches!(found, Err(StoreError::NotFound(_))) {
            return Ok(());
        }
        let forgotten = self.0.writer.commit_soon(move |records| {
            let is_needed = kind == StoreKind::Iso && !users_of(records, &name, None).is_empty();
            let key = (kind, name.clone());
            if is_needed || records.files.get(&key).is_none_or(|file| file.local.is_some()) {
                return Err(CatalogError::NoSuchFile { kind, name });
            }
            tracing::info!(%kind, %name, "a file was taken out of its store");
            records.files.remove(&key);
            Ok(())
        });
        match forgotten.await {
            Err(CatalogError::NoSuchFile { .. }) => Ok(()),
            other => other,
        }
    }

    /// Tells whoever listens that something looks different though no record of it has changed.
    pub fn tell(&self, change: Change) {
        self.0.events.publish(change);
    }
}

impl Inner {
    fn scan(&self, kind: StoreKind) -> Result<StoreScan, CatalogError> {
        let store = self.store(kind);
        store.expect_in_place()?;
        let mut look: StoreScan =
            store.list()?.into_iter().map(|(name, identity)| (name, Some(identity))).collect();
        for record in self.writer.snapshot().files(kind) {
            if let Some(path) = &record.local {
                let identity = fs::metadata(path).ok().filter(fs::Metadata::is_file);
                look.insert(record.name.clone(), identity.map(|metadata| Identity::of(&metadata)));
            }
        }
        Ok(look)
    }
}
