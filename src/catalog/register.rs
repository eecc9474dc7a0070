//! Registration: a name and version are reserved, then the ISO is found, read and recorded. Nothing is recorded before it is true,
//! and what fails leaves nothing.

use std::path::{Path, PathBuf};

use iso_reader::TreeKind;
use jiff::Timestamp;

use super::checks::Checked;
use super::files::check_free;
use super::finish::record_of;
use super::locks::NameLock;
use super::{Catalog, CatalogError, Inner, Intake, JobRequest};
use crate::inventory::Records;
use crate::model::digest::Expected;
use crate::model::identity::Identity;
use crate::model::image::{Image, ImageId, Source, Status, TreeSummary, WebSource};
use crate::model::job::Job;
use crate::model::names::{FileName, ImageName, ImageVersion, NameError};
use crate::model::stored_file::{FileRecord, Origin, StoreKind};
use crate::store::{Received, StoreError};
use crate::trees::{FileError, open_regular};

/// A name and version that nobody else can take until this value is let go.
pub struct Reservation {
    catalog: Catalog,
    name: ImageName,
    version: ImageVersion,
    /// A failed image of this name, which is tried again under its old id.
    failed: Option<Image>,
    /// The tree that the image is to serve.
    asked_tree: Option<TreeKind>,
    _lock: NameLock<(ImageName, ImageVersion)>,
}

impl Catalog {
    /// Reserves a name and version. They must be free, or belong to an image in error, which is then tried again, with the tree that it
    /// was to serve unless another one is asked for.
    pub async fn reserve(
        &self,
        name: ImageName,
        version: ImageVersion,
        asked_tree: Option<TreeKind>,
    ) -> Result<Reservation, CatalogError> {
        if asked_tree.is_some() {
            self.0.trees.offers_choice()?;
        }
        let lock = self.0.image_locks.exclusive((name.clone(), version.clone()));
        let lock = lock.ok_or_else(|| CatalogError::Busy(format!("the image {name} {version}")))?;
        let key = (name.clone(), version.clone());
        let existing = self.blocking(move |inner| {
            let snapshot = inner.writer.snapshot();
            snapshot.image_at(&key.0, &key.1).map(|image| inner.examined(&snapshot, image))
        });
        let failed = match existing.await? {
            None => None,
            Some(image) if matches!(image.status, Status::Error(_)) => Some(image),
            Some(_) => return Err(CatalogError::Duplicate { name, version }),
        };
        let asked_tree = asked_tree.or(failed.as_ref().and_then(|failed| failed.asked_tree));
        Ok(Reservation { catalog: self.clone(), name, version, failed, asked_tree, _lock: lock })
    }

    /// Changes one image's record and notes the time.
    pub(super) async fn update(
        &self,
        id: ImageId,
        change: impl FnOnce(&mut Image) + Send + 'static,
    ) -> Result<(), CatalogError> {
        self.0
            .writer
            .commit(move |records| {
                let image = records.images.get_mut(&id).ok_or(CatalogError::NoSuchImage)?;
                change(image);
                image.updated = Timestamp::now();
                Ok(image.clone())
            })
            .await
            .map(|image| {
                tracing::info!(id = %image.id, name = %image.name, version = %image.version, status = %image.status, "image changed");
            })
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

    /// Whether an image in error is being tried again.
    pub fn is_retry(&self) -> bool {
        self.failed.is_some()
    }

    /// Registers an ISO of the store (or a local one that is listed there) that is what is expected.
    pub async fn register_stored(self, iso: FileName, expected: Expected) -> Result<Image, CatalogError> {
        let catalog = self.catalog.clone();
        let lock = self.rely_on(&iso)?;
        let checked = catalog.check_listed(&iso, expected).await?;
        catalog.whole(self.register_stored_whole(iso, checked, lock)).await
    }

    async fn register_stored_whole(
        self,
        iso: FileName,
        checked: Option<Checked>,
        _lock: NameLock<(StoreKind, FileName)>,
    ) -> Result<Image, CatalogError> {
        let (name, version, file) = (self.name.clone(), self.version.clone(), iso.clone());
        let asked = self.asked_tree;
        let opened = self.catalog.blocking(move |inner| {
            let snapshot = inner.writer.snapshot();
            if snapshot.file(StoreKind::Iso, &file).is_none_or(|record| record.local.is_none()) {
                inner.stat(StoreKind::Iso, &file)?;
            }
            let tree = inner.trees.open(&name, &version, &inner.iso_path(&snapshot, &file), asked)?;
            Ok::<_, CatalogError>((tree.identity, tree.summary.clone()))
        });
        let (identity, summary) = opened.await??;
        expect_checked(checked, identity, &iso)?;
        let image = seen(self.image(iso, Source::Store, Status::Ok), identity, summary);
        self.record(image, None, None).await
    }

    /// Registers an ISO where it lies, if it is what is expected. It is listed in the store by its base name and never touched.
    pub async fn register_local(self, path: PathBuf, expected: Expected) -> Result<Image, CatalogError> {
        let catalog = self.catalog.clone();
        let iso = base_name(&path).map_err(CatalogError::LocalName)?;
        let lock = self.rely_on(&iso)?;
        let name = iso.clone();
        let located = catalog.blocking(move |inner| {
            open_regular(&path).map_err(CatalogError::from_file)?;
            let path = std::fs::canonicalize(&path)
                .map_err(|error| CatalogError::from_file(FileError::Io(error)))?;
            if inner.is_kept_for_others(&path) {
                return Err(CatalogError::Local(FileError::Forbidden));
            }
            let stored = inner.lies_in_store(&path, &name);
            if !stored {
                inner.check_local_name(&name)?;
            }
            Ok::<_, CatalogError>((path, stored))
        });
        let (path, stored) = located.await??;
        let snapshot = catalog.snapshot();
        let known = snapshot.file(StoreKind::Iso, &iso).and_then(|file| file.local.as_ref());
        let checked = if stored || known == Some(&path) {
            catalog.check_listed(&iso, expected).await?
        } else {
            catalog.check_local(&path, &iso, expected).await?
        };
        catalog.whole(self.register_local_whole(iso, (path, stored), checked, lock)).await
    }

    async fn register_local_whole(
        self,
        iso: FileName,
        (path, stored): (PathBuf, bool),
        checked: Option<Checked>,
        _lock: NameLock<(StoreKind, FileName)>,
    ) -> Result<Image, CatalogError> {
        let (name, version, iso_path) = (self.name.clone(), self.version.clone(), path.clone());
        let asked = self.asked_tree;
        let opened = self.catalog.blocking(move |inner| {
            let tree = inner.trees.open(&name, &version, &iso_path, asked)?;
            Ok::<_, CatalogError>((tree.identity, tree.summary.clone()))
        });
        let (identity, summary) = opened.await??;
        expect_checked(checked, identity, &iso)?;
        let image = seen(self.image(iso.clone(), Source::Local, Status::Ok), identity, summary);
        let local = (!stored).then(|| {
            let mut record = FileRecord::new(StoreKind::Iso, iso.clone(), identity, Origin::Local);
            record.local = Some(path);
            if let Some(checked) = checked {
                record.verify(checked.sha256);
            }
            record
        });
        self.record(image, local, None).await
    }

    /// NameLocks an ISO against changes.
    fn rely_on(&self, iso: &FileName) -> Result<NameLock<(StoreKind, FileName)>, CatalogError> {
        let lock = self.catalog.0.file_locks.shared((StoreKind::Iso, iso.clone()));
        lock.ok_or_else(|| CatalogError::Busy(format!("the ISO {iso}")))
    }

    /// Begins to receive the ISO. An image that failed does not keep its own ISO's name from being used again.
    pub async fn receive(
        &self,
        iso: FileName,
        size: Option<u64>,
        expected: Expected,
    ) -> Result<Intake, CatalogError> {
        let failed = self.failed.as_ref().map(|image| &image.id);
        self.catalog
            .receive_for(failed, StoreKind::Iso, iso, size, expected, Some(self.catalog.place()?))
            .await
    }

    /// Registers what `intake` has received. What is not an image leaves nothing behind.
    pub async fn register_received(self, intake: Intake) -> Result<Image, CatalogError> {
        let catalog = self.catalog.clone();
        let asked = self.asked_tree;
        let registered = async move {
            let record = |received: Received, summary| {
                let image = self.image(received.name.clone(), Source::Client, Status::Ok);
                let file = record_of(StoreKind::Iso, &received, Origin::Upload);
                self.record(seen_received(image, &received, summary), Some(file), None)
            };
            let image = intake.store_image(asked, record).await?;
            // Looking at it mounts it, where trees are mounted.
            self.catalog.image(image.id).await
        };
        catalog.whole(registered).await
    }

    /// Records an image whose ISO is yet to be fetched from `source`, and in the same breath the job that `job` makes of it. The reservation comes back, so that nobody can try the name again
    /// before the caller has decided what becomes of a failure.
    pub async fn begin_download(
        self,
        source: WebSource,
        iso: FileName,
        expected: Expected,
        job: impl FnOnce(&Image) -> Job,
    ) -> Result<(Image, Job, Self), CatalogError> {
        let catalog = self.catalog.clone();
        let image = Image { expected, ..self.image(iso, Source::Web(Box::new(source)), Status::Downloading) };
        let job = job(&image);
        let begun = async move {
            let image = self.record(image, None, Some(job.clone())).await?;
            Ok((image, job, self))
        };
        catalog.whole(begun).await
    }

    fn image(&self, iso: FileName, source: Source, status: Status) -> Image {
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

    async fn record(
        &self,
        image: Image,
        file: Option<FileRecord>,
        job: Option<Job>,
    ) -> Result<Image, CatalogError> {
        let attempted = image.clone();
        let recorded = self.catalog.0.writer.commit(move |records| {
            if job.is_some() {
                // Two that want the same name for what they fetch would both be refused it later.
                check_free(records, StoreKind::Iso, &image.iso, Some(&image.id))?;
            }
            let image = insert(records, image, file)?;
            records.jobs.extend(job.map(|job| (job.id.clone(), job)));
            Ok(image)
        });
        let image = match recorded.await {
            Ok(image) => image,
            Err(error) => {
                self.catalog.let_go_of(attempted).await?;
                return Err(error);
            }
        };
        if image.identity.is_some() && image.sha256.is_none() {
            self.catalog.0.post(JobRequest::Digest(StoreKind::Iso, image.iso.clone()));
        }
        if image.status == Status::Ok {
            // What an earlier download has got is not needed any more.
            self.catalog.discard_download(&image.id).await;
        }
        tracing::info!(
            id = %image.id, name = %image.name, version = %image.version, iso = %image.iso, source = image.source.kind(), status = %image.status,
            "registered an image"
        );
        Ok(image)
    }
}

/// Name and version are one image's alone, whatever happened since they were reserved: the inventory must never hold twins.
fn insert(records: &mut Records, mut image: Image, file: Option<FileRecord>) -> Result<Image, CatalogError> {
    let duplicate = |other: &&Image| {
        (&other.name, &other.version) == (&image.name, &image.version) && other.id != image.id
    };
    if records.images.values().find(duplicate).is_some() {
        return Err(CatalogError::Duplicate { name: image.name, version: image.version });
    }
    if let Some(file) = &file
        && let Some(known) = records.files.get(&(file.kind, file.name.clone()))
        && file.local.is_some()
        && known.local.is_some()
        && known.local != file.local
    {
        return Err(CatalogError::NameIsLocal(file.name.clone()));
    }
    if let Some(file) = file {
        let key = (file.kind, file.name.clone());
        match records.files.get(&key) {
            // The digest of a local ISO that is listed already is worth keeping.
            Some(known) if known.local.is_some() && known.sha256_of(&file.identity).is_some() => {}
            _ => {
                records.files.insert(key, file);
            }
        }
    }
    // Looked up here and not earlier: it may have become known while the tree was read.
    let known = records.files.get(&(StoreKind::Iso, image.iso.clone()));
    image.sha256 = known.and_then(|known| known.sha256_of(&image.identity?));
    records.images.insert(image.id.clone(), image.clone());
    Ok(image)
}

/// What is registered must be the version that was held against what was expected.
fn expect_checked(checked: Option<Checked>, identity: Identity, iso: &FileName) -> Result<(), CatalogError> {
    match checked {
        Some(checked) if checked.identity != identity => Err(CatalogError::Changing(iso.clone())),
        _ => Ok(()),
    }
}

fn seen(mut image: Image, identity: Identity, summary: TreeSummary) -> Image {
    image.identity = Some(identity);
    image.tree = Some(summary);
    image
}

pub(super) fn seen_received(mut image: Image, received: &Received, summary: TreeSummary) -> Image {
    image.sha256 = Some(received.sha256);
    seen(image, received.identity, summary)
}

fn base_name(path: &Path) -> Result<FileName, NameError> {
    FileName::existing(path.file_name().unwrap_or_default().to_string_lossy())
}

impl Inner {
    /// Whether `path` is the store's own file `name`: then it needs no reference.
    fn lies_in_store(&self, path: &Path, name: &FileName) -> bool {
        std::fs::canonicalize(self.isos.folder()).is_ok_and(|folder| folder.join(name.as_str()) == path)
    }

    /// Whether `path` lies where files come and go by other requests: among microkernels, or unfinished.
    fn is_kept_for_others(&self, path: &Path) -> bool {
        let kept = std::fs::canonicalize(self.microkernels.folder());
        kept.is_ok_and(|folder| path.starts_with(folder))
            || path.components().any(|component| component.as_os_str() == FileName::INCOMING)
    }

    fn check_local_name(&self, name: &FileName) -> Result<(), CatalogError> {
        match self.isos.stat(name) {
            Ok(_) => Err(CatalogError::NameIsStored(name.clone())),
            Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
