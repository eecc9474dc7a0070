//! Whether what is recorded is still true: an ISO may vanish, change or come back while nobody asks. The truth is looked up when
//! someone does, so it is never stale and nothing runs in between.

use std::fs;

use rustix::fs::{Access, access};

use super::{Catalog, CatalogError, Inner, JobRequest};
use crate::inventory::Snapshot;
use crate::model::identity::Identity;
use crate::model::image::{Image, ImageId, Source, Status};
use crate::model::stored_file::StoreKind;
use crate::trees::Findings;

impl Catalog {
    /// All images with the status that holds at this moment, by name and version.
    pub async fn images(&self) -> Result<Vec<Image>, CatalogError> {
        self.blocking(|inner| {
            let snapshot = inner.writer.snapshot();
            let names = snapshot.names().flat_map(|name| snapshot.versions(name));
            names.map(|image| inner.examined(&snapshot, image)).collect()
        })
        .await
    }

    /// One image with the status that holds at this moment and, if it is served, what was noticed in its ISO.
    pub async fn image_in_full(&self, id: ImageId) -> Result<(Image, Option<Findings>), CatalogError> {
        self.blocking(move |inner| {
            let snapshot = inner.writer.snapshot();
            let image = snapshot.image(&id).ok_or(CatalogError::NoSuchImage)?;
            let image = inner.examined(&snapshot, image);
            let findings = if image.status == Status::Ok { inner.findings(&snapshot, &image) } else { None };
            Ok((image, findings))
        })
        .await?
    }

    /// One image with the status that holds at this moment.
    pub async fn image(&self, id: ImageId) -> Result<Image, CatalogError> {
        self.blocking(move |inner| {
            let snapshot = inner.writer.snapshot();
            snapshot.image(&id).map(|image| inner.examined(&snapshot, image)).ok_or(CatalogError::NoSuchImage)
        })
        .await?
    }
}

/// What a look at a file tells about the ISO that was registered.
pub(super) enum Sight {
    /// It is the same.
    Same,
    /// It looks different; its bytes are being looked at.
    Unsettled,
    /// It is another one.
    Other,
    /// It is damaged, and how.
    Damaged(String),
}

impl Inner {
    /// The image with the status that holds at this moment.
    pub(super) fn examined(&self, snapshot: &Snapshot, image: &Image) -> Image {
        let mut examined = image.clone();
        if image.status == Status::Preparing && image.identity.is_none() && image.source == Source::Store {
            self.post(JobRequest::Prepare(image.id.clone()));
        }
        if image.status == Status::Ok {
            examined.status = self.check(snapshot, image);
        }
        examined
    }

    fn check(&self, snapshot: &Snapshot, image: &Image) -> Status {
        let iso = &image.iso;
        let path = self.iso_path(snapshot, iso);
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
            self.post(JobRequest::Prepare(image.id.clone()));
            return Status::Error(format!("its ISO {iso} has not been read yet"));
        }
        match self.sight(snapshot, image, &Identity::of(&metadata)) {
            Sight::Same => {}
            Sight::Unsettled => return Status::Preparing,
            Sight::Other => {
                return Status::Error(format!("its ISO {iso} has changed since it was registered"));
            }
            Sight::Damaged(how) => return Status::Error(format!("its ISO {iso} is damaged: {how}")),
        }
        let ready = self.trees.make_ready(&image.name, &image.version, &path, image.asked_tree);
        ready.map_or_else(
            |error| {
                tracing::warn!(name = %image.name, version = %image.version, %error, "an image cannot be served");
                Status::Error(error.public_message())
            },
            |()| Status::Ok,
        )
    }

    /// Read from the tree, which is opened for it if need be: it takes no place in the inventory.
    fn findings(&self, snapshot: &Snapshot, image: &Image) -> Option<Findings> {
        let path = self.iso_path(snapshot, &image.iso);
        match self.trees.open(&image.name, &image.version, &path, image.asked_tree) {
            Ok(opened) if image.identity.is_some_and(|known| known.same_version(&opened.identity)) => {
                opened.tree.findings()
            }
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(name = %image.name, version = %image.version, %error, "a tree cannot be looked at");
                None
            }
        }
    }

    /// Whether `found` is the ISO that was registered. A file that came back from a backup has another time but the same bytes, so where
    /// the size is the same the digest decides, which is computed ([`JobRequest::Digest`]) if it is not known.
    pub(super) fn sight(&self, snapshot: &Snapshot, image: &Image, found: &Identity) -> Sight {
        let file = snapshot.file(StoreKind::Iso, &image.iso);
        if let Some(damage) = file.and_then(|file| file.damage_of(found)) {
            return Sight::Damaged(damage.to_string());
        }
        if snapshot.is_damaged(found) {
            return Sight::Damaged("its bytes, which it shares with another file, are damaged".into());
        }
        let Some(known) = image.identity else { return Sight::Other };
        if known.same_version(found) {
            return Sight::Same;
        }
        if known.size != found.size || image.sha256.is_none() {
            return Sight::Other;
        }
        match file.and_then(|file| file.sha256_of(found)) {
            Some(sha256) if Some(sha256) == image.sha256 => Sight::Same,
            Some(_) => Sight::Other,
            None => {
                self.post(JobRequest::Digest(StoreKind::Iso, image.iso.clone()));
                Sight::Unsettled
            }
        }
    }
}
