//! Whether what is recorded is still true: an ISO may vanish, change or come back while nobody asks. The truth is looked up when
//! someone does, so it is never stale and nothing runs in between.

use std::fs;

use rustix::fs::{Access, access};

use super::snapshot::Snapshot;
use super::{Catalog, CatalogError, Errand, Inner};
use crate::model::identity::Identity;
use crate::model::image::{Image, ImageId, Source, Status};
use crate::model::stored_file::Shelf;

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
}

impl Inner {
    /// The image with the status that holds at this moment.
    pub(super) fn examined(&self, snapshot: &Snapshot, image: &Image) -> Image {
        let mut examined = image.clone();
        if image.status == Status::Preparing && image.identity.is_none() && image.source == Source::Store {
            self.post(Errand::Prepare(image.id.clone()));
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
            self.post(Errand::Prepare(image.id.clone()));
            return Status::Error(format!("its ISO {iso} has not been read yet"));
        }
        match self.sight(snapshot, image, &Identity::of(&metadata)) {
            Sight::Same => {}
            Sight::Unsettled => return Status::Preparing,
            Sight::Other => {
                return Status::Error(format!("its ISO {iso} has changed since it was registered"));
            }
        }
        let ready = self.trees.make_ready(&image.name, &image.version, &path, image.asked_tree);
        ready.map_or_else(
            |error| {
                tracing::warn!(name = %image.name, version = %image.version, %error, "an image cannot be served");
                Status::Error(error.gist())
            },
            |()| Status::Ok,
        )
    }

    /// Whether `found` is the ISO that was registered. A file that came back from a backup has another time but the same bytes, so where
    /// the size is the same the digest decides, which is computed ([`Errand::Digest`]) if it is not known.
    pub(super) fn sight(&self, snapshot: &Snapshot, image: &Image, found: &Identity) -> Sight {
        let Some(known) = image.identity else { return Sight::Other };
        if known.same_version(found) {
            return Sight::Same;
        }
        if known.size != found.size || image.sha256.is_none() {
            return Sight::Other;
        }
        let file = snapshot.file(Shelf::Iso, &image.iso).filter(|file| file.identity.same_version(found));
        match file.and_then(|file| file.sha256) {
            Some(sha256) if Some(sha256) == image.sha256 => Sight::Same,
            Some(_) => Sight::Other,
            None => {
                self.post(Errand::Digest(Shelf::Iso, image.iso.clone()));
                Sight::Unsettled
            }
        }
    }
}
