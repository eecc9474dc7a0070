//! Whether what is recorded of an image is still true: its ISO may vanish, change or come back at any time.
//! The truth is looked up for each request, so it is never stale and nothing runs in between.

use std::fs;
use std::sync::Arc;

use rustix::fs::{Access, access};

use crate::error::CatalogError;
use crate::job_requests::JobRequests;
use crate::records::Writer;
use crate::stores::Stores;
use crate::tasks::{Questions, blocking};
use crate::trees::{FileError, Findings, ImageTree, TreeError, Trees};
use component::LookupError;
use model::identity::Identity;
use model::image::{Image, ImageId, Source, Status};
use model::line_limit::LineLimit;
use model::stored_file::StoreKind;
use records::inventory::Snapshot;

/// Images as they are at this moment.
pub struct Images {
    pub(crate) records: Arc<Writer>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) trees: Arc<Trees>,
    pub(crate) questions: Questions,
    pub(crate) requests: JobRequests,
    /// Requests of clients find the same fault again and again.
    pub(crate) lines: LineLimit,
}

impl Images {
    /// All images, by name and version.
    pub async fn list(self: &Arc<Self>) -> Result<Vec<Image>, CatalogError> {
        let images = Arc::clone(self);
        self.ask(move || {
            let snapshot = images.records.snapshot();
            let recorded = snapshot.names().flat_map(|name| snapshot.versions(name));
            recorded.map(|image| images.examined(&snapshot, image)).collect()
        })
        .await
    }

    /// The status of each image. The files of images are looked at, but no folder is listed.
    pub async fn statuses(self: &Arc<Self>) -> Result<Vec<Status>, CatalogError> {
        let images = Arc::clone(self);
        self.ask(move || {
            let snapshot = images.records.snapshot();
            snapshot.images().map(|image| images.status(&snapshot, image)).collect()
        })
        .await
    }

    /// One image.
    pub async fn get(self: &Arc<Self>, id: ImageId) -> Result<Image, CatalogError> {
        let images = Arc::clone(self);
        self.ask(move || {
            let snapshot = images.records.snapshot();
            let image = snapshot.image(&id).ok_or(CatalogError::NoSuchImage)?;
            Ok(images.examined(&snapshot, image))
        })
        .await?
    }

    /// One image and, if it is served, the oddities of its ISO.
    pub async fn get_with_findings(
        self: &Arc<Self>,
        id: ImageId,
    ) -> Result<(Image, Option<Findings>), CatalogError> {
        let images = Arc::clone(self);
        self.ask(move || {
            let snapshot = images.records.snapshot();
            let image = snapshot.image(&id).ok_or(CatalogError::NoSuchImage)?;
            let image = images.examined(&snapshot, image);
            let is_served = image.status == Status::Ok;
            let findings = if is_served { images.findings(&snapshot, &image) } else { None };
            Ok((image, findings))
        })
        .await?
    }

    /// Most images are made from files of the ISO store.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CatalogError> {
        self.questions.ask(StoreKind::Iso, question).await
    }

    /// The image with its current status.
    pub(crate) fn examined(&self, snapshot: &Snapshot, image: &Image) -> Image {
        Image { status: self.status(snapshot, image), ..image.clone() }
    }

    fn status(&self, snapshot: &Snapshot, image: &Image) -> Status {
        if image.status == Status::Preparing && image.identity.is_none() && image.source == Source::Store {
            self.requests.images.post(image.id.clone(), ());
        }
        if image.status == Status::Ok { self.check(snapshot, image) } else { image.status.clone() }
    }

    fn check(&self, snapshot: &Snapshot, image: &Image) -> Status {
        let iso = &image.iso;
        let path = self.stores.iso_path(snapshot, iso);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => return Status::Error(format!("its ISO {iso} is no longer a regular file")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Status::Error(format!("its ISO {iso} is missing"));
            }
            Err(error) => {
                return Status::Error(format!("its ISO {iso} cannot be looked at: {}", error.kind()));
            }
        };
        if access(&path, Access::READ_OK).is_err() {
            return Status::Error(format!("its ISO {iso} may not be read by the service"));
        }
        if image.identity.is_none() {
            self.requests.images.post(image.id.clone(), ());
            return Status::Error(format!("its ISO {iso} has not been read yet"));
        }
        match self.compare(snapshot, image, &Identity::of(&metadata)) {
            Comparison::Same => {}
            Comparison::Undecided => return Status::Preparing,
            Comparison::Different => {
                return Status::Error(format!("its ISO {iso} has changed since it was registered"));
            }
            Comparison::Damaged(how) => return Status::Error(format!("its ISO {iso} is damaged: {how}")),
        }
        let ready = self.trees.make_ready(&image.name, &image.version, &path, image.asked_tree);
        ready.map_or_else(
            |error| {
                self.warn(image, &error, "an image cannot be served");
                Status::Error(error.public_message())
            },
            |()| Status::Ok,
        )
    }

    /// Reads the oddities from the tree, which it opens if necessary. The inventory does not hold them.
    fn findings(&self, snapshot: &Snapshot, image: &Image) -> Option<Findings> {
        let path = self.stores.iso_path(snapshot, &image.iso);
        match self.trees.open(&image.name, &image.version, &path, image.asked_tree) {
            Ok(opened) if image.identity.is_some_and(|known| known.same_version(&opened.identity)) => {
                opened.tree.findings()
            }
            Ok(_) => None,
            Err(error) => {
                self.warn(image, &error, "a tree cannot be opened");
                None
            }
        }
    }

    /// The tree of an image that is served, out of the ISO that was registered and no other.
    pub(super) fn registered_tree(
        &self,
        snapshot: &Snapshot,
        image: &Image,
    ) -> Result<Arc<ImageTree>, LookupError> {
        if image.identity.is_none() {
            self.requests.images.post(image.id.clone(), ());
            return Err(LookupError::NotFound);
        }
        let path = self.stores.iso_path(snapshot, &image.iso);
        let found = fs::metadata(&path).map_err(|_| LookupError::NotFound)?;
        self.expect_registered(snapshot, image, &Identity::of(&found))?;
        let opened = self.trees.open(&image.name, &image.version, &path, image.asked_tree);
        let opened = opened.map_err(|error| {
            self.warn(image, &error, "an image cannot be served");
            match error {
                // A disk that fails, or a lack of descriptors, says nothing about what there is.
                TreeError::Io(error) | TreeError::File(FileError::Io(error)) => LookupError::Io(error),
                _ => LookupError::NotFound,
            }
        })?;
        // The ISO may have changed between the two checks.
        self.expect_registered(snapshot, image, &opened.identity)?;
        Ok(opened)
    }

    fn warn(&self, image: &Image, error: &TreeError, what: &str) {
        if self.lines.allows(&image.id.0) {
            tracing::warn!(name = %image.name, version = %image.version, %error, "{what}");
        }
    }

    /// Refuses an ISO that is not, or may not be, the one that was registered.
    fn expect_registered(
        &self,
        snapshot: &Snapshot,
        image: &Image,
        found: &Identity,
    ) -> Result<(), LookupError> {
        match self.compare(snapshot, image, found) {
            Comparison::Same => Ok(()),
            Comparison::Undecided => Err(LookupError::Unsettled),
            Comparison::Different | Comparison::Damaged(_) => Err(LookupError::NotFound),
        }
    }

    /// Whether `found` is the ISO that was registered. A file restored from a backup has another time but the
    /// same bytes. So where the size is the same the digest decides, which is computed
    /// ([`JobRequests::digests`]) if it is not known.
    fn compare(&self, snapshot: &Snapshot, image: &Image, found: &Identity) -> Comparison {
        let file = snapshot.file(StoreKind::Iso, &image.iso);
        if let Some(damage) = file.and_then(|file| file.damage_of(found)) {
            return Comparison::Damaged(damage.to_string());
        }
        if snapshot.is_damaged(found) {
            return Comparison::Damaged("its bytes, which it shares with another file, are damaged".into());
        }
        let Some(known) = image.identity else { return Comparison::Different };
        if known.same_version(found) {
            return Comparison::Same;
        }
        if known.size != found.size || image.sha256.is_none() {
            return Comparison::Different;
        }
        match file.and_then(|file| file.sha256_of(found)) {
            Some(sha256) if Some(sha256) == image.sha256 => Comparison::Same,
            Some(_) => Comparison::Different,
            None => {
                self.requests.digests.post((StoreKind::Iso, image.iso.clone()), found.size);
                Comparison::Undecided
            }
        }
    }

    /// Closes an image's tree; a mount is undone.
    pub(crate) async fn close_tree(self: &Arc<Self>, image: Image) -> Result<(), CatalogError> {
        let images = Arc::clone(self);
        blocking(move || {
            let path = images.stores.iso_path(&images.records.snapshot(), &image.iso);
            if let Err(error) = images.trees.close(&image.name, &image.version, &path, image.asked_tree) {
                tracing::error!(name = %image.name, version = %image.version, %error, "cannot undo a mount");
            }
        })
        .await
    }
}

/// A file compared with the ISO that was registered.
enum Comparison {
    /// It is the same.
    Same,
    /// Its size or time differs, and its digest is being computed.
    Undecided,
    /// It is another one.
    Different,
    /// It is damaged, and how.
    Damaged(String),
}
