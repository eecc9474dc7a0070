//! How far a download has come, as the record shows it. The fetching itself is the workers' business.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::Value;
use sha2::Digest;

use super::files::check_free;
use super::finish::record_of;
use super::register::seen_received;
use super::{Catalog, CatalogError, Intake};
use crate::inventory::Records;
use crate::model::digest::{Expected, Sha256};
use crate::model::image::{Image, ImageId, Source, Status};
use crate::model::job::Job;
use crate::model::names::FileName;
use crate::model::stored_file::{Origin, StoreKind};
use crate::model::unfinished_file::{Owner, Plan, UnfinishedFile, UnfinishedFileId};
use crate::store::{Received, StoreError};

impl Catalog {
    /// Begins to receive the ISO of an image under the name that turned out to be right. What has come stays when the intake is let go, with
    /// `memo`, until [`Self::resume_download`] or [`Self::discard_download`].
    pub async fn receive_download(
        &self,
        image: &Image,
        iso: FileName,
        size: Option<u64>,
        expected: Expected,
        resume_data: Value,
    ) -> Result<Intake, CatalogError> {
        let plan = Plan { name: iso.clone(), size, expected, owner: Owner::Job, resume_data };
        let intake = self.begin_part(&part_id(&image.id), StoreKind::Iso, plan, Some(&image.id)).await?;
        if image.iso != iso {
            self.update(image.id.clone(), move |image| image.iso = iso).await?;
        }
        Ok(intake)
    }

    /// Goes on with what an earlier attempt has got, if it is meant to have the same digests.
    pub async fn resume_download(
        &self,
        image: &ImageId,
        expected: Expected,
    ) -> Result<Option<(Intake, UnfinishedFile)>, CatalogError> {
        let id = part_id(image);
        let Some((_, part)) = self.part(&id) else { return Ok(None) };
        if part.plan.expected != expected {
            self.discard_part(&id).await?;
            return Ok(None);
        }
        match self.resume_part(&id, Some(image)).await {
            Ok(intake) => Ok(Some((intake, part))),
            Err(CatalogError::Store(StoreError::NoSuchPart)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what attempts have got so far.
    pub async fn discard_download(&self, image: &ImageId) {
        let id = part_id(image);
        if self.part(&id).is_some()
            && let Err(error) = self.discard_part(&id).await
        {
            tracing::warn!(%image, %error, "an unfinished download stays until the next start");
        }
    }

    /// Removes unfinished downloads of images that are gone, or that need them no longer.
    pub(super) async fn discard_stray_downloads(&self) {
        let snapshot = self.snapshot();
        let needed: HashSet<UnfinishedFileId> = snapshot
            .images()
            .filter(|image| image.status != Status::Ok && matches!(image.source, Source::Web(_)))
            .map(|image| part_id(&image.id))
            .collect();
        for (_, part) in self.parts() {
            if part.plan.owner == Owner::Job
                && !needed.contains(&part.id)
                && let Err(error) = self.discard_part(&part.id).await
            {
                tracing::warn!(id = %part.id, %error, "an unfinished download that nobody needs stays");
            }
        }
    }

    /// All bytes are here: reads the tree, makes the file durable, and serves the image.
    pub async fn finish_download(&self, id: ImageId, intake: Intake) -> Result<(), CatalogError> {
        let catalog = self.clone();
        self.whole(async move {
            catalog.change_unfinished(&id, |image| image.status = Status::Preparing).await?;
            let asked = catalog.snapshot().image(&id).and_then(|image| image.asked_tree);
            let record = |received: Received, summary| async move {
                let recorded = catalog.0.writer.commit(move |records| {
                    check_free(records, StoreKind::Iso, &received.name, Some(&id))?;
                    let image = unfinished(records, &id)?;
                    *image = seen_received(image.clone(), &received, summary);
                    // A crash may have come between the beginning of the file and the record of its name.
                    image.iso = received.name.clone();
                    image.status = Status::Ok;
                    image.updated = Timestamp::now();
                    let image = image.clone();
                    let origin = match &image.source {
                        Source::Web(web) => Origin::Download { url: web.url.shown() },
                        _ => Origin::Upload,
                    };
                    let record = record_of(StoreKind::Iso, &received, origin);
                    records.files.insert((record.kind, record.name.clone()), record);
                    Ok(image)
                });
                let image = recorded.await?;
                tracing::info!(id = %image.id, name = %image.name, version = %image.version, "downloaded an ISO");
                Ok(())
            };
            intake.store_image(asked, record).await
        })
        .await
    }

    /// The download ended without success, which is recorded together with its job. An image that is served meanwhile, from another source,
    /// stays so.
    pub async fn fail_download(&self, id: ImageId, reason: String, job: Job) -> Result<(), CatalogError> {
        let recorded = self.0.writer.commit(move |records| {
            if !records.images.contains_key(&id) {
                return Err(CatalogError::NoSuchImage);
            }
            if let Ok(image) = unfinished(records, &id) {
                image.status = Status::Error(reason);
                image.updated = Timestamp::now();
            }
            records.jobs.insert(job.id.clone(), job);
            Ok(())
        });
        recorded.await
    }

    /// Bytes come again for an image that was nearly prepared.
    pub async fn download_more(&self, id: &ImageId) -> Result<(), CatalogError> {
        self.change_unfinished(id, |image| image.status = Status::Downloading).await
    }

    /// Changes an image that is being downloaded. One that is an error by now, or comes from elsewhere, is nothing to a download.
    async fn change_unfinished(
        &self,
        id: &ImageId,
        change: impl FnOnce(&mut Image) + Send + 'static,
    ) -> Result<(), CatalogError> {
        let id = id.clone();
        let changed = self.0.writer.commit(move |records| {
            let image = unfinished(records, &id)?;
            change(image);
            image.updated = Timestamp::now();
            Ok(())
        });
        changed.await
    }

    /// An image whose download failed is to be fetched again.
    pub async fn begin_again(&self, id: ImageId) -> Result<(), CatalogError> {
        let snapshot = self.snapshot();
        let image = snapshot.image(&id).ok_or(CatalogError::NoSuchImage)?;
        // Nobody else may be registering it in another way at this moment.
        let lock = self.0.image_locks.exclusive((image.name.clone(), image.version.clone()));
        let _lock =
            lock.ok_or_else(|| CatalogError::Busy(format!("the image {} {}", image.name, image.version)))?;
        let (name, version) = (image.name.clone(), image.version.clone());
        let begun = self.0.writer.commit(move |records| {
            let image = records.images.get_mut(&id).ok_or(CatalogError::NoSuchImage)?;
            if !matches!(image.status, Status::Error(_)) || !matches!(image.source, Source::Web(_)) {
                return Err(CatalogError::Duplicate { name, version });
            }
            image.status = Status::Downloading;
            image.updated = Timestamp::now();
            Ok(())
        });
        begun.await
    }
}

/// The image, if it still waits for its download.
fn unfinished<'a>(records: &'a mut Records, id: &ImageId) -> Result<&'a mut Image, CatalogError> {
    let image = records.images.get_mut(id).ok_or(CatalogError::NoSuchImage)?;
    let waits = matches!(image.status, Status::Downloading | Status::Preparing)
        && matches!(image.source, Source::Web(_));
    if waits { Ok(image) } else { Err(CatalogError::NoSuchImage) }
}

/// The name of an image's unfinished ISO. Ids of images may come from the previous service, so they are not names by themselves.
fn part_id(image: &ImageId) -> UnfinishedFileId {
    let digest = Sha256(sha2::Sha256::digest(image.0.as_bytes()).into());
    UnfinishedFileId::of_digest(&digest)
}
