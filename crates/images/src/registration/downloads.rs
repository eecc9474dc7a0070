//! How far a download has come, as the record of its image shows it. Jobs do the fetching.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::Digest;

use crate::error::CatalogError;
use crate::file_names::check_free;
use crate::file_records::record_file;
use crate::intake::{Intake, Intakes};
use crate::locks::ImageLocks;
use crate::records::Writer;
use crate::registration::image_records::{opened_received, update_soon};
use crate::tasks::Tasks;
use blobs::StoreError;
use model::client::ClientKey;
use model::digest::{Expected, Sha256};
use model::fair_limit::share_of;
use model::image::{Image, ImageId, Source, Status, TreeSummary};
use model::job::{Job, bounded};
use model::settings::Live;
use model::stored_file::{FileRecord, Origin, StoreKind};
use model::unfinished_file::{Owner, Plan, UnfinishedFile, UnfinishedFileId};
use records::inventory::Records;

/// Images whose ISO is fetched.
pub struct Downloads {
    pub(crate) records: Arc<Writer>,
    pub(crate) intakes: Arc<Intakes>,
    pub(crate) tasks: Tasks,
    pub(crate) image_locks: ImageLocks,
    /// Downloads that wait or run at most.
    pub(crate) max_queued: Live<usize>,
}

impl Downloads {
    /// Begins to receive the ISO of an image under the name that its source gives. The bytes, with the data
    /// of the plan, stay when the intake is dropped, until [`Self::resume`] or [`Self::discard`].
    pub async fn receive(&self, image: &Image, plan: Plan) -> Result<Intake, CatalogError> {
        let (id, iso) = (file_id(&image.id), plan.name.clone());
        let intake = self.intakes.begin(&id, StoreKind::Iso, plan, Some(&image.id)).await?;
        if image.iso != iso {
            update_soon(&self.records, image.id.clone(), move |image| image.iso = iso).await?;
        }
        Ok(intake)
    }

    /// Resumes an earlier attempt, if it expects the same digests.
    pub async fn resume(
        &self,
        image: &ImageId,
        expected: Expected,
    ) -> Result<Option<(Intake, UnfinishedFile)>, CatalogError> {
        let id = file_id(image);
        let Some((_, file)) = self.intakes.unfinished_file(&id) else { return Ok(None) };
        if file.plan.expected != expected {
            self.intakes.discard(&id).await?;
            return Ok(None);
        }
        match self.intakes.resume(&id, None, Some(image)).await {
            Ok(intake) => Ok(Some((intake, file))),
            Err(CatalogError::Store(StoreError::NoSuchUnfinishedFile)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the bytes of earlier attempts.
    pub async fn discard(&self, image: &ImageId) {
        let id = file_id(image);
        if self.intakes.unfinished_file(&id).is_some()
            && let Err(error) = self.intakes.discard(&id).await
        {
            tracing::warn!(%image, %error, "an unfinished download stays until the next start");
        }
    }

    /// Removes unfinished downloads of images that are gone, or that need them no longer.
    pub(crate) async fn discard_stray(&self) {
        let snapshot = self.records.snapshot();
        let needed: HashSet<UnfinishedFileId> = snapshot
            .images()
            .filter(|image| image.status != Status::Ok && matches!(image.source, Source::Web(_)))
            .map(|image| file_id(&image.id))
            .collect();
        for (_, file) in self.intakes.unfinished_files() {
            if file.plan.owner == Owner::Job
                && !needed.contains(&file.id)
                && let Err(error) = self.intakes.discard(&file.id).await
            {
                tracing::warn!(id = %file.id, %error, "an unfinished download that no image needs stays");
            }
        }
    }

    /// All bytes are here: reads the tree, makes the file durable, and serves the image.
    pub async fn finish(self: &Arc<Self>, id: ImageId, intake: Intake) -> Result<(), CatalogError> {
        let downloads = Arc::clone(self);
        let finished = async move {
            downloads.change_unfinished(&id, |image| image.status = Status::Preparing).await?;
            let asked = downloads.records.snapshot().image(&id).and_then(|image| image.asked_tree);
            intake.store_image(asked, |file, summary| downloads.record(id, file, summary)).await
        };
        self.tasks.run_to_completion(finished).await
    }

    async fn record(
        &self,
        id: ImageId,
        mut file: FileRecord,
        summary: TreeSummary,
    ) -> Result<(), CatalogError> {
        let recorded = self.records.commit(move |records| {
            check_free(records, StoreKind::Iso, &file.name, Some(&id))?;
            let image = unfinished(records, &id)?;
            *image = opened_received(image.clone(), &file, summary);
            // A crash may have come between the beginning of the file and the record of its name.
            image.iso = file.name.clone();
            image.status = Status::Ok;
            image.updated = Timestamp::now();
            let image = image.clone();
            if let Source::Web(web) = &image.source {
                file.origin = Some(Origin::Download { url: web.url.shown() });
            }
            record_file(records, file);
            Ok(image)
        });
        let image: Image = recorded.await?;
        tracing::info!(id = %image.id, name = %image.name, version = %image.version, "downloaded an ISO");
        Ok(())
    }

    /// The download ended without success, which is recorded together with its job. An image that is served
    /// meanwhile, from another source, stays so.
    pub async fn fail(&self, id: ImageId, reason: String, job: Job) -> Result<(), CatalogError> {
        let recorded = self.records.commit(move |records| {
            if !records.images.contains_key(&id) {
                return Err(CatalogError::NoSuchImage);
            }
            if let Ok(image) = unfinished(records, &id) {
                image.status = Status::Error(bounded(reason));
                image.updated = Timestamp::now();
            }
            records.jobs.insert(job.id.clone(), job);
            Ok(())
        });
        recorded.await
    }

    /// Records that bytes arrive again for an image that was being prepared.
    pub async fn receive_more(&self, id: &ImageId) -> Result<(), CatalogError> {
        self.change_unfinished(id, |image| image.status = Status::Downloading).await
    }

    /// Changes an image that is being downloaded. A download may not change an image that is in error by now,
    /// or comes from elsewhere.
    async fn change_unfinished(
        &self,
        id: &ImageId,
        change: impl FnOnce(&mut Image) + Send + 'static,
    ) -> Result<(), CatalogError> {
        let id = id.clone();
        // A crash may undo it, because the next attempt comes here again.
        let changed = self.records.commit_soon(move |records| {
            let image = unfinished(records, &id)?;
            change(image);
            image.updated = Timestamp::now();
            Ok(())
        });
        changed.await
    }

    /// Sets an image whose download failed to be fetched again, for `client`.
    pub async fn restart(&self, id: ImageId, client: Option<ClientKey>) -> Result<(), CatalogError> {
        let snapshot = self.records.snapshot();
        let image = snapshot.image(&id).ok_or(CatalogError::NoSuchImage)?;
        // Another request may be registering it in another way.
        let lock = self.image_locks.exclusive((image.name.clone(), image.version.clone()));
        let _lock = lock.ok_or_else(|| CatalogError::busy_image(&image.name, &image.version))?;
        let (name, version) = (image.name.clone(), image.version.clone());
        let limit = *self.max_queued.get();
        let begun = self.records.commit(move |records| {
            check_queue(records, client, limit)?;
            let image = records.images.get_mut(&id).ok_or(CatalogError::NoSuchImage)?;
            if !matches!(image.status, Status::Error(_)) || !matches!(image.source, Source::Web(_)) {
                return Err(CatalogError::Duplicate { name, version, id });
            }
            image.status = Status::Downloading;
            image.updated = Timestamp::now();
            Ok(())
        });
        begun.await
    }
}

/// Refuses another job if as many as are allowed wait or run, or half of them for `client`. Each is written
/// with each change.
pub(super) fn check_queue(
    records: &Records,
    client: Option<ClientKey>,
    limit: usize,
) -> Result<(), CatalogError> {
    let waiting = || records.jobs.values().filter(|job| !job.state.is_end());
    if waiting().count() >= limit {
        return Err(CatalogError::TooManyJobs(limit));
    }
    let share = share_of(limit as u64);
    let own = waiting().filter(|job| client.is_some() && job.client == client).count() as u64;
    if own >= share { Err(CatalogError::ClientHasJobs(share)) } else { Ok(()) }
}

/// The image, if it still waits for its download.
fn unfinished<'a>(records: &'a mut Records, id: &ImageId) -> Result<&'a mut Image, CatalogError> {
    let image = records.images.get_mut(id).ok_or(CatalogError::NoSuchImage)?;
    let waits = matches!(image.status, Status::Downloading | Status::Preparing)
        && matches!(image.source, Source::Web(_));
    if waits { Ok(image) } else { Err(CatalogError::NoSuchImage) }
}

/// The id of an image's unfinished ISO. Ids of images may come from the previous service, so they are no file
/// ids by themselves.
fn file_id(image: &ImageId) -> UnfinishedFileId {
    let digest = Sha256(sha2::Sha256::digest(image.0.as_bytes()).into());
    UnfinishedFileId::of_digest(&digest)
}
