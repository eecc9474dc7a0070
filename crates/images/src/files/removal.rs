//! How files leave: removed by a client, or taken out of the folder by an administrator.

use std::sync::Arc;

use crate::error::CatalogError;
use crate::files::listing::{Files, ListedFile};
use crate::tasks::blocking;
use blobs::StoreError;
use model::names::FileName;
use model::stored_file::StoreKind;
use records::inventory::ChangedRecord;
use records::inventory::users_of;

impl Files {
    /// Removes a file for good; of a local ISO only the reference. An ISO that an image needs stays.
    pub async fn remove(
        self: &Arc<Self>,
        kind: StoreKind,
        name: FileName,
    ) -> Result<ListedFile, CatalogError> {
        let files = Arc::clone(self);
        self.tasks.run_to_completion(async move { files.remove_unused(kind, name).await }).await
    }

    async fn remove_unused(
        self: &Arc<Self>,
        kind: StoreKind,
        name: FileName,
    ) -> Result<ListedFile, CatalogError> {
        let lock = self.locks.exclusive((kind, name.clone()));
        let _lock = lock.ok_or_else(|| CatalogError::Busy(format!("the {kind} {name}")))?;
        let listed = self.list(kind).await?.into_iter().find(|listed| listed.file.name == name);
        let listed = listed.ok_or_else(|| CatalogError::NoSuchFile { kind, name: name.clone() })?;
        if !listed.used_by.is_empty() {
            return Err(CatalogError::InUse { iso: name, images: listed.used_by });
        }
        if !listed.file.local {
            let (stores, name) = (Arc::clone(&self.stores), name.clone());
            blocking(move || stores.of(kind).remove(&name)).await??;
        }
        let has_record = self.records.snapshot().file(kind, &name).is_some();
        let key = (kind, name.clone());
        let forgotten = self.records.commit(move |records| {
            records.files.remove(&key);
            Ok(())
        });
        let forgotten: Result<(), CatalogError> = forgotten.await;
        if !has_record || forgotten.is_err() {
            // No removed record publishes this change.
            self.events.publish(ChangedRecord::File(kind, name.clone()));
        }
        match forgotten {
            // The file is gone. A digest that outlives it is dropped when another file takes the name.
            Err(CatalogError::Inventory(error)) if !listed.file.local => {
                tracing::warn!(error = error.with_cause(), "the digest of a removed file stays recorded");
            }
            other => other?,
        }
        tracing::info!(%kind, %name, local = listed.file.local, "removed a file");
        Ok(listed)
    }

    /// Forgets a file that was taken out of its store, unless it is there after all or an image needs it: it
    /// may come back.
    pub async fn forget_vanished(&self, kind: StoreKind, name: FileName) -> Result<(), CatalogError> {
        // A request that changes the file records the outcome itself.
        let Some(_lock) = self.locks.exclusive((kind, name.clone())) else { return Ok(()) };
        let (stores, wanted) = (Arc::clone(&self.stores), name.clone());
        let found = blocking(move || stores.of(kind).stat(&wanted)).await?;
        if !matches!(found, Err(StoreError::NotFound(_) | StoreError::OtherSpelling { .. })) {
            return Ok(());
        }
        let forgotten = self.records.commit(move |records| {
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
}
