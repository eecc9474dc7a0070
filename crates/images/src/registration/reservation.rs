//! A name and version, reserved until their image is recorded. An image is recorded only when all of it is
//! true, and a registration that fails leaves nothing.

use std::sync::Arc;

use iso_reader::TreeKind;
use jiff::Timestamp;

use crate::error::CatalogError;
use crate::file_names::check_free;
use crate::locks::{FileLock, ImageLock};
use crate::registration::downloads::check_queue;
use crate::registration::image_records::insert;
use crate::registration::part::Registration;
use crate::tasks::blocking;
use model::client::ClientKey;
use model::digest::Expected;
use model::image::{Image, ImageId, Source, Status, WebSource};
use model::job::Job;
use model::names::{FileName, ImageName, ImageVersion};
use model::stored_file::{FileRecord, StoreKind};

/// A name and version that no other request can take until this value is dropped.
pub struct Reservation {
    pub(super) registration: Arc<Registration>,
    pub(super) name: ImageName,
    pub(super) version: ImageVersion,
    /// A failed image of this name, which is tried again under its old id.
    pub(super) failed: Option<Image>,
    /// The tree that the client requests.
    pub(super) asked_tree: Option<TreeKind>,
    /// The client that registers, as limits count it.
    pub(super) client: Option<ClientKey>,
    _lock: ImageLock,
}

impl Registration {
    /// Reserves a name and version. They must be free, or belong to an image in error, which is then tried
    /// again. Such an image keeps its tree unless another one is asked for.
    pub async fn reserve(
        self: &Arc<Self>,
        name: ImageName,
        version: ImageVersion,
        asked_tree: Option<TreeKind>,
    ) -> Result<Reservation, CatalogError> {
        if asked_tree.is_some() {
            self.trees.offers_choice()?;
        }
        let lock = self.image_locks.exclusive((name.clone(), version.clone()));
        let lock = lock.ok_or_else(|| CatalogError::Busy(format!("the image {name} {version}")))?;
        let (images, key) = (Arc::clone(&self.images), (name.clone(), version.clone()));
        let existing = blocking(move || {
            let snapshot = images.records.snapshot();
            snapshot.image_at(&key.0, &key.1).map(|image| images.examined(&snapshot, image))
        });
        let failed = match existing.await? {
            None => None,
            Some(image) if matches!(image.status, Status::Error(_)) => Some(image),
            Some(_) => return Err(CatalogError::Duplicate { name, version }),
        };
        let asked_tree = asked_tree.or(failed.as_ref().and_then(|failed| failed.asked_tree));
        let (registration, client) = (Arc::clone(self), None);
        Ok(Reservation { registration, name, version, failed, asked_tree, client, _lock: lock })
    }
}

impl Reservation {
    /// Counts the work for this registration as that of `client`.
    #[must_use]
    pub fn by(self, client: Option<ClientKey>) -> Self {
        Self { client, ..self }
    }

    /// The reserved name.
    pub fn name(&self) -> &ImageName {
        &self.name
    }

    /// The reserved version.
    pub fn version(&self) -> &ImageVersion {
        &self.version
    }

    /// Whether an image in error is being tried again.
    pub fn is_retry(&self) -> bool {
        self.failed.is_some()
    }

    /// Records an image whose ISO is yet to be fetched from `source`, in one change with the job that `job`
    /// makes of it. The reservation comes back, so that no other request can try the name again before the
    /// caller has decided how to end a failure.
    pub async fn begin_download(
        self,
        source: WebSource,
        iso: FileName,
        expected: Expected,
        job: impl FnOnce(&Image) -> Job,
    ) -> Result<(Image, Job, Self), CatalogError> {
        let bytes = source.link_bytes();
        if bytes > WebSource::MAX_LINK_BYTES {
            return Err(CatalogError::LinksTooLong(bytes));
        }
        let tasks = self.registration.tasks.clone();
        let image = Image { expected, ..self.image(iso, Source::Web(Box::new(source)), Status::Downloading) };
        let job = job(&image);
        let begun = async move {
            let image = self.record(image, None, Some(job.clone())).await?;
            Ok((image, job, self))
        };
        tasks.run_to_completion(begun).await
    }

    /// Locks an ISO against changes.
    pub(super) fn lock_iso(&self, iso: &FileName) -> Result<FileLock, CatalogError> {
        let lock = self.registration.file_locks.shared((StoreKind::Iso, iso.clone()));
        lock.ok_or_else(|| CatalogError::Busy(format!("the ISO {iso}")))
    }

    /// A new record, or that of the image in error with a new source.
    pub(super) fn image(&self, iso: FileName, source: Source, status: Status) -> Image {
        let now = Timestamp::now();
        let (id, created) = self
            .failed
            .as_ref()
            .map_or((ImageId::random(), now), |failed| (failed.id.clone(), failed.created));
        let (name, version) = (self.name.clone(), self.version.clone());
        Image {
            id,
            name,
            version,
            iso,
            status,
            source,
            created,
            updated: now,
            identity: None,
            sha256: None,
            expected: Expected::default(),
            tree: None,
            asked_tree: self.asked_tree,
        }
    }

    pub(super) async fn record(
        &self,
        image: Image,
        file: Option<FileRecord>,
        job: Option<Job>,
    ) -> Result<Image, CatalogError> {
        let Registration { records, images, requests, downloads, .. } = &*self.registration;
        let attempted = image.clone();
        let limit = downloads.max_queued;
        let recorded = records.commit(move |records| {
            if job.is_some() {
                check_queue(records, limit)?;
                // Two downloads with one file name would both be refused at their end.
                check_free(records, StoreKind::Iso, &image.iso, Some(&image.id))?;
            }
            let image = insert(records, image, file)?;
            records.jobs.extend(job.map(|job| (job.id.clone(), job)));
            Ok(image)
        });
        let image: Image = match recorded.await {
            Ok(image) => image,
            Err(error) => {
                images.close_tree(attempted).await?;
                return Err(error);
            }
        };
        if let Some(identity) = image.identity
            && image.sha256.is_none()
        {
            requests.digests.post((StoreKind::Iso, image.iso.clone()), identity.size);
        }
        if image.status == Status::Ok {
            // The bytes of an earlier download are not needed any more.
            downloads.discard(&image.id).await;
        }
        tracing::info!(
            id = %image.id, name = %image.name, version = %image.version, iso = %image.iso,
            source = image.source.kind(), status = %image.status,
            "registered an image"
        );
        Ok(image)
    }
}
