//! A name and version, reserved until their image is recorded. An image is recorded only when all of it is
//! true, and a registration that fails leaves nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use iso_reader::TreeKind;
use jiff::Timestamp;

use crate::error::CatalogError;
use crate::file_names::check_free;
use crate::locks::{FileLock, ImageLock};
use crate::registration::downloads::check_queue;
use crate::registration::image_records::insert;
use crate::registration::part::Registration;
use crate::registration::seen::Seen;
use crate::registration::wanted::WantedImage;
use model::client::ClientKey;
use model::digest::Expected;
use model::image::{Image, ImageId, Source, Status, WebSource};
use model::job::Job;
use model::labels::Labels;
use model::names::{FileName, ImageName, ImageVersion};
use model::stored_file::{FileRecord, StoreKind};

/// How often others may rename an image while a request waits for the lock on its name.
const MAX_RENAMES: usize = 5;

/// A name and version that no other request can take until this value is dropped.
pub struct Reservation {
    pub(super) registration: Arc<Registration>,
    pub(super) name: ImageName,
    pub(super) version: ImageVersion,
    /// The id of the image.
    id: ImageId,
    /// The image that is registered anew under its old id.
    pub(super) previous: Option<Image>,
    /// The tree that the client requests.
    pub(super) asked_tree: Option<TreeKind>,
    /// The client that registers, as limits count it.
    pub(super) client: Option<ClientKey>,
    labels: Labels,
    /// The record that the image must have until the new one replaces it.
    seen: Seen,
    _locks: Vec<ImageLock>,
}

impl Registration {
    /// Reserves a name and version. They must be free, or belong to an image in error, which is then tried
    /// again. Such an image keeps its tree and its labels unless others are asked for.
    pub async fn reserve(self: &Arc<Self>, wanted: WantedImage) -> Result<Reservation, CatalogError> {
        self.reserve_if(wanted, |image| matches!(image.status, Status::Error(_))).await
    }

    /// The same, but the image that is there is registered anew whatever its status. It is served as it was
    /// until the new one is recorded.
    pub async fn reserve_again(self: &Arc<Self>, wanted: WantedImage) -> Result<Reservation, CatalogError> {
        self.reserve_if(wanted, |_| true).await
    }

    /// `may_go` tells whether the image that is there may be registered anew.
    async fn reserve_if(
        self: &Arc<Self>,
        wanted: WantedImage,
        may_go: impl FnOnce(&Image) -> bool,
    ) -> Result<Reservation, CatalogError> {
        if wanted.tree.is_some() {
            self.trees.offers_choice()?;
        }
        let (locks, previous) = self.lock(&wanted).await?;
        if let Some(image) = previous.as_ref().filter(|image| !may_go(image)) {
            let (WantedImage { name, version, .. }, id) = (wanted, image.id.clone());
            return Err(CatalogError::Duplicate { name, version, id });
        }
        let snapshot = self.records.snapshot();
        let other = snapshot.image_at(&wanted.name, &wanted.version);
        if let Some(other) = other.filter(|other| previous.as_ref().is_none_or(|image| image.id != other.id))
        {
            let WantedImage { name, version, .. } = wanted;
            return Err(CatalogError::Duplicate { name, version, id: other.id.clone() });
        }
        let (asked_tree, labels) = match (&previous, wanted.id.is_some()) {
            // A client that chose the id describes all of the image.
            (Some(previous), false) => (
                wanted.tree.or(previous.asked_tree),
                wanted.labels.unwrap_or_else(|| previous.labels.clone()),
            ),
            _ => (wanted.tree, wanted.labels.unwrap_or_default()),
        };
        let id =
            previous.as_ref().map(|image| image.id.clone()).or(wanted.id).unwrap_or_else(ImageId::random);
        let (name, version) = (wanted.name, wanted.version);
        let registration = Arc::clone(self);
        Ok(Reservation {
            registration,
            name,
            version,
            id,
            previous,
            asked_tree,
            client: wanted.client,
            labels,
            seen: Seen::Anything,
            _locks: locks,
        })
    }

    /// Locks the name and version that are wanted, and those that the image has until then.
    async fn lock(&self, wanted: &WantedImage) -> Result<(Vec<ImageLock>, Option<Image>), CatalogError> {
        let key_of = |image: &Image| (image.name.clone(), image.version.clone());
        let key = (wanted.name.clone(), wanted.version.clone());
        for _ in 0..MAX_RENAMES {
            let old_key = wanted.id.as_ref().and_then(|id| self.records.snapshot().image(id).map(key_of));
            let keys = [Some(key.clone()), old_key.clone()].into_iter().flatten();
            let locks = self.lock_names(keys, wanted.patience).await?;
            let previous = self.find(wanted).await?;
            if previous.as_ref().map(key_of).is_none_or(|now| now == key || Some(now) == old_key) {
                return Ok((locks, previous));
            }
        }
        Err(CatalogError::busy_image(&key.0, &key.1))
    }

    /// Locks names and versions for a change, in their order, so that no two requests wait for each other.
    /// One that stands twice is locked once.
    pub(super) async fn lock_names(
        &self,
        keys: impl IntoIterator<Item = (ImageName, ImageVersion)>,
        patience: Duration,
    ) -> Result<Vec<ImageLock>, CatalogError> {
        let keys: BTreeSet<_> = keys.into_iter().collect();
        let mut locks = Vec::new();
        for key in keys {
            let lock = self.image_locks.exclusive_within(key.clone(), patience).await;
            locks.push(lock.ok_or_else(|| CatalogError::busy_image(&key.0, &key.1))?);
        }
        Ok(locks)
    }
}

impl Reservation {
    /// The reserved name.
    pub fn name(&self) -> &ImageName {
        &self.name
    }

    /// The reserved version.
    pub fn version(&self) -> &ImageVersion {
        &self.version
    }

    /// Has the registration fail with [`CatalogError::Changed`] unless the image is what the client has
    /// `seen` until it is recorded.
    #[must_use]
    pub fn only_if(mut self, seen: Seen) -> Self {
        self.seen = seen;
        self
    }

    /// Whether an image that is recorded is being registered anew.
    pub fn is_retry(&self) -> bool {
        self.previous.is_some()
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
        let job = Job { client: self.client, ..job(&image) };
        let begun = async move {
            let image = self.record(image, None, Some(job.clone())).await?;
            Ok((image, job, self))
        };
        tasks.run_to_completion(begun).await
    }

    /// Locks an ISO against changes.
    pub(super) fn lock_iso(&self, iso: &FileName) -> Result<FileLock, CatalogError> {
        let lock = self.registration.file_locks.shared((StoreKind::Iso, iso.clone()));
        lock.ok_or_else(|| CatalogError::FileBusy { kind: StoreKind::Iso, name: iso.clone() })
    }

    /// A new record, or that of the previous image with a new source.
    pub(super) fn image(&self, iso: FileName, source: Source, status: Status) -> Image {
        let now = Timestamp::now();
        Image {
            id: self.id.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            iso,
            status,
            source,
            created: self.previous.as_ref().map_or(now, |previous| previous.created),
            updated: now,
            identity: None,
            sha256: None,
            expected: Expected::default(),
            tree: None,
            asked_tree: self.asked_tree,
            labels: self.labels.clone(),
        }
    }

    pub(super) async fn record(
        &self,
        image: Image,
        file: Option<FileRecord>,
        job: Option<Job>,
    ) -> Result<Image, CatalogError> {
        let Registration { records, images, requests, downloads, .. } = &*self.registration;
        let (attempted, seen) = (image.clone(), self.seen.clone());
        let limit = *downloads.max_queued.get();
        let recorded = records.commit(move |records| {
            if !seen.is(records.images.get(&image.id)) {
                return Err(CatalogError::Changed);
            }
            if let Some(job) = &job {
                check_queue(records, job.client, limit)?;
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
        if let Some(previous) = &self.previous
            && (&previous.name, &previous.version, &previous.iso, previous.asked_tree)
                != (&image.name, &image.version, &image.iso, image.asked_tree)
        {
            images.close_tree(previous.clone()).await?;
        }
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
