//! Unfinished files: begun under an id that their owner chooses, and resumed whenever the owner comes back,
//! also after a crash.

use std::sync::Arc;
use std::time::Duration;

use crate::error::CatalogError;
use crate::intake::intakes::Intakes;
use crate::intake::receiving::{Intake, Receiving};
use crate::intake::worker::Worker;
use crate::locks::NameLock;
use crate::tasks::blocking;
use blobs::{Resumed, StoreError};
use model::client::ClientKey;
use model::fair_limit::FairPermit;
use model::image::ImageId;
use model::stored_file::StoreKind;
use model::unfinished_file::{Owner, Plan, UnfinishedFile, UnfinishedFileId};

/// How long the previous holder of an id may take to write the bytes that it was handed.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// How long it may then take to unlock the name.
const NAME_TIME: Duration = Duration::from_secs(1);

impl Intakes {
    /// Begins an unfinished file. All that can be refused before the first byte is refused here. `image` is
    /// what the file is for, if that is recorded already. Uploads take a permit; jobs have a limit of their
    /// own.
    pub async fn begin(
        self: &Arc<Self>,
        id: &UnfinishedFileId,
        kind: StoreKind,
        plan: Plan,
        image: Option<&ImageId>,
    ) -> Result<Intake, CatalogError> {
        let permit = self.permit_for(plan.owner, plan.client)?;
        let unfinished = self.lock_unfinished(id).await?;
        if self.unfinished_file(id).is_some() {
            return Err(StoreError::UnfinishedFileExists.into());
        }
        let lock = self.lock_name(kind, &plan.name, image, Duration::ZERO).await?;
        let labels = plan.labels.clone();
        let stores = Arc::clone(&self.stores);
        let begun = blocking(move || {
            let upload = stores.of(kind).begin_unfinished(unfinished.key(), plan)?;
            Ok::<_, StoreError>((upload, unfinished))
        });
        let (upload, unfinished) = begun.await??;
        let worker =
            Worker::start(Arc::clone(&self.stores), self.tasks.clone(), kind, upload, Some(unfinished));
        Ok(self.intake(kind, Receiving::Worker(worker), 0, lock, permit).with_labels(labels))
    }

    /// Resumes an unfinished file at its last checkpoint, with bytes from `client`. A previous holder has a
    /// moment to write the bytes that it was handed.
    pub async fn resume(
        self: &Arc<Self>,
        id: &UnfinishedFileId,
        client: Option<ClientKey>,
        image: Option<&ImageId>,
    ) -> Result<Intake, CatalogError> {
        let unfinished = self.lock_unfinished(id).await?;
        let (kind, known) = self.unfinished_file(id).ok_or(StoreError::NoSuchUnfinishedFile)?;
        let permit = self.permit_for(known.plan.owner, client)?;
        let lock = self.lock_name(kind, &known.plan.name, image, NAME_TIME).await?;
        let stores = Arc::clone(&self.stores);
        let resumed = blocking(move || {
            let resumed = stores.of(kind).resume_unfinished(unfinished.key())?;
            Ok::<_, StoreError>((resumed, unfinished))
        });
        let (offset, bytes) = match resumed.await?? {
            (Resumed::Unfinished(upload), unfinished) => {
                let (stores, tasks) = (Arc::clone(&self.stores), self.tasks.clone());
                let offset = upload.size();
                (offset, Receiving::Worker(Worker::start(stores, tasks, kind, *upload, Some(unfinished))))
            }
            (Resumed::Published(received), unfinished) => {
                (received.identity.size, Receiving::Published(received, unfinished))
            }
        };
        Ok(self.intake(kind, bytes, offset, lock, permit).with_labels(known.plan.labels))
    }

    fn permit_for(
        &self,
        owner: Owner,
        client: Option<ClientKey>,
    ) -> Result<Option<FairPermit>, CatalogError> {
        if owner == Owner::Upload { self.permits.take(client).map(Some) } else { Ok(None) }
    }

    /// All unfinished files, and the uploads that were completed lately.
    pub fn unfinished_files(&self) -> Vec<(StoreKind, UnfinishedFile)> {
        let in_store =
            |kind| self.stores.of(kind).unfinished_files().into_iter().map(move |file| (kind, file));
        [StoreKind::Iso, StoreKind::Microkernel].into_iter().flat_map(in_store).collect()
    }

    /// The unfinished file of this id.
    pub fn unfinished_file(&self, id: &UnfinishedFileId) -> Option<(StoreKind, UnfinishedFile)> {
        self.unfinished_files().into_iter().find(|(_, file)| file.id == *id)
    }

    /// Waits until the holder of an unfinished file unlocks it, and returns how far it is. A file that has
    /// all its bytes and could not be published before is published now.
    pub async fn refresh(
        self: &Arc<Self>,
        id: &UnfinishedFileId,
    ) -> Result<(StoreKind, UnfinishedFile), CatalogError> {
        drop(self.lock_unfinished(id).await?);
        let (kind, file) = self.unfinished_file(id).ok_or(StoreError::NoSuchUnfinishedFile)?;
        if file.whole || file.plan.size != Some(file.offset) {
            return Ok((kind, file));
        }
        self.resume(id, None, None).await?.finish().await?;
        Ok(self.unfinished_file(id).ok_or(StoreError::NoSuchUnfinishedFile)?)
    }

    /// Removes an unfinished file. Its holder has a moment to unlock it.
    pub async fn discard(&self, id: &UnfinishedFileId) -> Result<(), CatalogError> {
        let lock = self.lock_unfinished(id).await?;
        let (kind, _) = self.unfinished_file(id).ok_or(StoreError::NoSuchUnfinishedFile)?;
        let stores = Arc::clone(&self.stores);
        Ok(blocking(move || stores.of(kind).discard_unfinished(lock.key())).await??)
    }

    async fn lock_unfinished(
        &self,
        id: &UnfinishedFileId,
    ) -> Result<NameLock<UnfinishedFileId>, CatalogError> {
        let lock = self.unfinished_locks.exclusive_within(id.clone(), WRITE_TIME).await;
        lock.ok_or_else(|| CatalogError::Busy("the unfinished file".into()))
    }
}
