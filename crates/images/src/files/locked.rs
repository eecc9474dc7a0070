//! One file that a client changes or removes. It stays locked from the moment when the client's conditions
//! are checked until the change is made, so that of two clients with the same conditions only one succeeds.

use std::sync::Arc;
use std::time::Duration;

use crate::error::CatalogError;
use crate::file_records::entry;
use crate::files::listing::{Files, ListedFile};
use crate::locks::FileLock;
use crate::tasks::blocking;
use model::labels::Labels;
use model::names::FileName;
use model::stored_file::StoreKind;
use records::inventory::ChangedRecord;

/// How long a change of labels may take that another request is just making.
const CHANGE_TIME: Duration = Duration::from_secs(1);

/// A file that no other request changes until this value is dropped.
pub struct LockedFile {
    files: Arc<Files>,
    lock: FileLock,
}

impl Files {
    /// Locks a file for a change.
    ///
    /// # Errors
    ///
    /// [`CatalogError::FileBusy`] while another request writes it, or relies on it.
    pub async fn lock(self: &Arc<Self>, kind: StoreKind, name: FileName) -> Result<LockedFile, CatalogError> {
        let lock = self.locks.exclusive_within((kind, name.clone()), CHANGE_TIME).await;
        let lock = lock.ok_or(CatalogError::FileBusy { kind, name })?;
        Ok(LockedFile { files: Arc::clone(self), lock })
    }
}

impl LockedFile {
    /// The file as it is now.
    pub async fn get(&self) -> Result<ListedFile, CatalogError> {
        let (kind, name) = self.lock.key().clone();
        self.files.get(kind, name).await
    }

    /// Gives the file these labels and no others. If it has them, nothing is done.
    pub async fn set_labels(self, labels: Labels) -> Result<ListedFile, CatalogError> {
        let tasks = self.files.tasks.clone();
        tasks.run_to_completion(self.change_labels(labels)).await
    }

    /// Removes the file for good; of a local ISO only the reference. An ISO that an image needs stays.
    pub async fn remove(self) -> Result<ListedFile, CatalogError> {
        let tasks = self.files.tasks.clone();
        tasks.run_to_completion(self.remove_unused()).await
    }

    async fn change_labels(self, labels: Labels) -> Result<ListedFile, CatalogError> {
        let mut listed = self.get().await?;
        if listed.file.labels == labels {
            return Ok(listed);
        }
        let ((kind, name), identity) = (self.lock.key().clone(), listed.file.identity);
        listed.file.labels = labels.clone();
        let changed_name = name.clone();
        let changed = self.files.records.commit(move |records| {
            entry(records, kind, &changed_name, identity).labels = labels;
            Ok::<_, CatalogError>(())
        });
        changed.await?;
        tracing::info!(%kind, %name, "gave a file other labels");
        Ok(listed)
    }

    async fn remove_unused(self) -> Result<ListedFile, CatalogError> {
        let Self { files, lock } = &self;
        let listed = self.get().await?;
        let (kind, name) = lock.key().clone();
        if !listed.used_by.is_empty() {
            return Err(CatalogError::InUse { iso: name, images: listed.used_by });
        }
        if !listed.file.local {
            let (stores, name) = (Arc::clone(&files.stores), name.clone());
            blocking(move || stores.of(kind).remove(&name)).await??;
        }
        let has_record = files.records.snapshot().file(kind, &name).is_some();
        let key = (kind, name.clone());
        let forgotten = files.records.commit(move |records| {
            records.files.remove(&key);
            Ok(())
        });
        let forgotten: Result<(), CatalogError> = forgotten.await;
        if !has_record || forgotten.is_err() {
            // No removed record publishes this change.
            files.events.publish(ChangedRecord::File(kind, name.clone()));
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
}
