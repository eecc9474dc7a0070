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

impl Inner {
    /// The image with the status that holds at this moment.
    pub(super) fn examined(&self, snapshot: &Snapshot, image: &Image) -> Image {
        let mut examined = image.clone();
        if image.status == Status::Preparing && image.identity.is_none() && image.source == Source::Store {
            self.post(Errand::Prepare(image.id.clone()));
        }
        if image.status == Status::Ok
            && let Err(trouble) = self.check(snapshot, image)
        {
            examined.status = Status::Error(trouble);
        }
        examined
    }

    fn check(&self, snapshot: &Snapshot, image: &Image) -> Result<(), String> {
        let iso = &image.iso;
        let path = self.iso_path(snapshot, iso);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => return Err(format!("its ISO {iso} is no longer a regular file")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(format!("its ISO {iso} is missing"));
            }
            Err(error) => return Err(format!("its ISO {iso} cannot be looked at: {}", error.kind())),
        };
        if access(&path, Access::READ_OK).is_err() {
            return Err(format!("its ISO {iso} may not be read by the service"));
        }
        if image.identity.is_none() {
            self.post(Errand::Prepare(image.id.clone()));
            return Err(format!("its ISO {iso} has not been read yet"));
        }
        if !self.is_same(snapshot, image, &Identity::of(&metadata)) {
            return Err(format!("its ISO {iso} has changed since it was registered"));
        }
        self.trees.make_ready(&image.name, &image.version, &path, image.asked_tree).map_err(|error| {
            tracing::warn!(name = %image.name, version = %image.version, %error, "an image cannot be served");
            error.gist()
        })
    }

    /// Whether `found` is the ISO that was registered. If it looks different, its digest decides later ([`Errand::Digest`]):
    /// a file that came back from a backup has another time but the same bytes.
    pub(super) fn is_same(&self, snapshot: &Snapshot, image: &Image, found: &Identity) -> bool {
        if image.identity.is_some_and(|known| known.same_version(found)) {
            return true;
        }
        let digested = snapshot
            .file(Shelf::Iso, &image.iso)
            .is_some_and(|file| file.sha256.is_some() && file.identity.same_version(found));
        if !digested {
            self.post(Errand::Digest(Shelf::Iso, image.iso.clone()));
        }
        false
    }
}
