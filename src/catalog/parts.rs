//! Unfinished files that stay: begun under an id that their owner chose, and gone on with whenever the owner comes back, also after a crash.

use std::time::Duration;

use super::intake::{Intake, Receiving};
use super::intake_worker::Worker;
use super::locks::NameLock;
use super::{Catalog, CatalogError};
use crate::model::image::ImageId;
use crate::model::stored_file::StoreKind;
use crate::model::unfinished_file::{Owner, Plan, UnfinishedFile, UnfinishedFileId};
use crate::store::{Resumed, StoreError};

/// How long the one before may then take to let go of the name.
const NAME_TIME: Duration = Duration::from_secs(1);

/// How often it is looked which uploads have expired.
const LEAST_EXPIRY_PAUSE: Duration = Duration::from_millis(100);
const MOST_EXPIRY_PAUSE: Duration = Duration::from_secs(60);

/// How long the one before may take to write what it was handed.
const SETTLE_TIME: Duration = Duration::from_secs(10);

impl Catalog {
    /// Begins a part. Whatever can be refused before the first byte is refused here. `image` is what the file is for, if that is recorded
    /// already. Uploads take a place among those that may arrive at once; jobs have a limit of their own.
    pub async fn begin_part(
        &self,
        id: &UnfinishedFileId,
        kind: StoreKind,
        plan: Plan,
        image: Option<&ImageId>,
    ) -> Result<Intake, CatalogError> {
        let place = if plan.owner == Owner::Upload { Some(self.place()?) } else { None };
        let part = self.claim_part(id).await?;
        if self.part(id).is_some() {
            return Err(StoreError::PartExists.into());
        }
        let lock = self.claim_name(kind, &plan.name, image).await?;
        let begun = self.blocking(move |inner| {
            let upload = inner.store(kind).begin_part(part.key(), plan)?;
            Ok::<_, StoreError>((upload, part))
        });
        let (upload, part) = begun.await??;
        let bytes = Receiving::Worker(Worker::start(self, kind, upload, Some(part)));
        Ok(Intake { catalog: self.clone(), kind, bytes, offset: 0, lock, _place: place })
    }

    /// Goes on with a part where it was noted last. Whoever worked with it before is given a moment to write what it was handed.
    pub async fn resume_part(
        &self,
        id: &UnfinishedFileId,
        image: Option<&ImageId>,
    ) -> Result<Intake, CatalogError> {
        let part = self.claim_part(id).await?;
        let (kind, known) = self.part(id).ok_or(StoreError::NoSuchPart)?;
        let place = if known.plan.owner == Owner::Upload { Some(self.place()?) } else { None };
        let lock = self.claim_name_within(NAME_TIME, kind, &known.plan.name, image).await?;
        let resumed = self.blocking(move |inner| {
            let resumed = inner.store(kind).resume_part(part.key())?;
            Ok::<_, StoreError>((resumed, part))
        });
        let (offset, bytes) = match resumed.await?? {
            (Resumed::Unfinished(upload), part) => {
                (upload.size(), Receiving::Worker(Worker::start(self, kind, *upload, Some(part))))
            }
            (Resumed::Published(received), part) => {
                (received.identity.size, Receiving::Published(received, part))
            }
        };
        Ok(Intake { catalog: self.clone(), kind, bytes, offset, lock, _place: place })
    }

    /// All parts, and those uploads that have become whole lately.
    pub fn parts(&self) -> Vec<(StoreKind, UnfinishedFile)> {
        let on = |kind| self.0.store(kind).parts().into_iter().map(move |part| (kind, part));
        [StoreKind::Iso, StoreKind::Microkernel].into_iter().flat_map(on).collect()
    }

    /// The part of this id.
    pub fn part(&self, id: &UnfinishedFileId) -> Option<(StoreKind, UnfinishedFile)> {
        self.parts().into_iter().find(|(_, part)| part.id == *id)
    }

    /// How far a part is, when whoever worked with it has had a moment to let go of it. One that has all its bytes gets its name now, if it could
    /// not before.
    pub async fn settle_part(
        &self,
        id: &UnfinishedFileId,
    ) -> Result<(StoreKind, UnfinishedFile), CatalogError> {
        drop(self.claim_part(id).await?);
        let (kind, part) = self.part(id).ok_or(StoreError::NoSuchPart)?;
        if part.whole || part.plan.size != Some(part.offset) {
            return Ok((kind, part));
        }
        self.resume_part(id, None).await?.finish().await?;
        Ok(self.part(id).ok_or(StoreError::NoSuchPart)?)
    }

    /// Removes uploads that nobody has touched for so long, until the service ends.
    pub fn expire_uploads(&self, after: Duration) {
        let (catalog, stop) = (self.clone(), self.0.stop.clone());
        self.0.changes.spawn(async move {
            let pause = (after / 4).clamp(LEAST_EXPIRY_PAUSE, MOST_EXPIRY_PAUSE);
            while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
                for (kind, part) in catalog.parts() {
                    if part.plan.owner == Owner::Upload && part.age >= after {
                        catalog.expire(kind, &part, after).await;
                    }
                }
            }
        });
    }

    async fn expire(&self, kind: StoreKind, part: &UnfinishedFile, after: Duration) {
        // Whoever works with it just now keeps it.
        let Some(lock) = self.0.unfinished_locks.exclusive(part.id.clone()) else { return };
        // It may have grown while others were removed.
        if self.part(&part.id).is_none_or(|(_, part)| part.age < after) {
            return;
        }
        let removed = self.blocking(move |inner| inner.store(kind).discard_part(lock.key())).await;
        if !part.whole {
            tracing::info!(id = %part.id, %kind, name = %part.plan.name, offset = part.offset, "an unfinished upload expired");
        }
        if let Ok(Err(error)) = removed {
            tracing::warn!(id = %part.id, %kind, %error, "an expired upload stays behind");
        }
    }

    /// Removes a part. Whoever works with it is given a moment to let go of it.
    pub async fn discard_part(&self, id: &UnfinishedFileId) -> Result<(), CatalogError> {
        let lock = self.claim_part(id).await?;
        let (kind, _) = self.part(id).ok_or(StoreError::NoSuchPart)?;
        Ok(self.blocking(move |inner| inner.store(kind).discard_part(lock.key())).await??)
    }

    async fn claim_part(&self, id: &UnfinishedFileId) -> Result<NameLock<UnfinishedFileId>, CatalogError> {
        let lock = self.0.unfinished_locks.exclusive_within(id.clone(), SETTLE_TIME).await;
        lock.ok_or_else(|| CatalogError::Busy("the unfinished file".into()))
    }
}
