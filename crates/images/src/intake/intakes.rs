//! The part that takes files in: what it works with, and which names it lets a file take.

use std::sync::Arc;
use std::time::Duration;

use crate::error::CatalogError;
use crate::file_names::check_free;
use crate::intake::permits::IntakePermits;
use crate::locks::{FileLock, FileLocks, NameLocks};
use crate::records::Writer;
use crate::stores::Stores;
use crate::tasks::{Tasks, blocking};
use crate::trees::Trees;
use blobs::StoreError;
use model::digest::Sha256;
use model::image::{ImageId, Status};
use model::names::FileName;
use model::stored_file::StoreKind;
use model::unfinished_file::UnfinishedFileId;
use records::feed::Feed;

/// Takes files in.
pub struct Intakes {
    pub(crate) records: Arc<Writer>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) trees: Arc<Trees>,
    pub(crate) events: Feed,
    pub(crate) tasks: Tasks,
    pub(crate) permits: IntakePermits,
    pub(crate) file_locks: FileLocks,
    pub(crate) unfinished_locks: NameLocks<UnfinishedFileId>,
    /// Digests of files that are about to get their names: of two that are alike the second finds the first.
    pub(crate) digest_locks: NameLocks<Sha256>,
}

impl Intakes {
    /// Locks a name for a file that is to come; waits up to `limit` for a holder that is about to unlock it.
    /// A name that an image other than `image` needs is refused.
    pub(super) async fn lock_name(
        &self,
        kind: StoreKind,
        name: &FileName,
        image: Option<&ImageId>,
        limit: Duration,
    ) -> Result<FileLock, CatalogError> {
        let lock = self.file_locks.exclusive_within((kind, name.clone()), limit).await;
        let lock = lock.ok_or_else(|| CatalogError::FileBusy { kind, name: name.clone() })?;
        match check_free(self.records.snapshot().records(), kind, name, image) {
            Err(refusal) if !self.is_only_missing_or_bad(name).await? => Err(refusal),
            _ => Ok(lock),
        }
    }

    /// Whether images were made from an ISO of this name that has since vanished or is damaged. To bring it
    /// back replaces nothing good.
    async fn is_only_missing_or_bad(&self, name: &FileName) -> Result<bool, CatalogError> {
        let snapshot = self.records.snapshot();
        let is_local = snapshot.file(StoreKind::Iso, name).is_some_and(|file| file.local.is_some());
        let mut users = snapshot.images().filter(|image| image.iso == *name && image.needs_iso());
        if is_local || !users.all(|image| image.status == Status::Ok) {
            return Ok(false);
        }
        let (records, stores, name) = (Arc::clone(&self.records), Arc::clone(&self.stores), name.clone());
        blocking(move || match stores.isos.stat(&name) {
            Ok(identity) => {
                let snapshot = records.snapshot();
                snapshot.file(StoreKind::Iso, &name).is_some_and(|file| file.damage_of(&identity).is_some())
            }
            Err(error) => matches!(error, StoreError::NotFound(_)),
        })
        .await
    }
}
