//! The beginning: what the inventory holds is made ready to be served again. Nothing is deleted here.

use std::fs;

use super::{Catalog, CatalogError};
use crate::inventory::Records;
use crate::model::identity::Identity;
use crate::model::image::{ImageId, Source, Status};
use crate::model::stored_file::{FileRecord, Origin, StoreKind};
use crate::store::Store;
use crate::trees::TreeError;

/// What there is to serve and to do after a start.
#[derive(Debug, Default)]
pub struct Restored {
    /// Images that are served again.
    pub served: usize,
    /// Images whose ISOs look different and are being looked at.
    pub looked_at: usize,
    /// Images in error.
    pub in_error: usize,
    /// Images whose download was interrupted.
    pub downloads: Vec<ImageId>,
}

/// The previous service put a link into its store for each local ISO. Such a link becomes a record of where the ISO lies.
pub(super) fn adopt_links(mut records: Records, isos: &Store) -> Records {
    for image in records
        .images
        .values()
        .filter(|image| image.status == Status::Preparing && image.source == Source::Store)
    {
        let link = isos.path(&image.iso);
        let Ok(target) = fs::read_link(&link).and_then(|_| fs::canonicalize(&link)) else { continue };
        let Ok(metadata) = fs::metadata(&target) else { continue };
        let identity = Identity::of(&metadata);
        let mut record = FileRecord::new(StoreKind::Iso, image.iso.clone(), identity, Origin::Local);
        record.local = Some(target);
        records.files.get_or_insert_with((StoreKind::Iso, image.iso.clone()), || record);
    }
    records
}

impl Catalog {
    /// Looks at every image: reads those that were left half-prepared, counts, and finds interrupted downloads. Looking at an image
    /// mounts it, where trees are mounted. Files whose digest is missing become errands.
    pub async fn restore(&self) -> Result<Restored, CatalogError> {
        let mut restored = Restored::default();
        for image in self.snapshot().images() {
            match (&image.status, &image.source) {
                (Status::Downloading | Status::Preparing, Source::Web(_)) => {
                    restored.downloads.push(image.id.clone());
                }
                (Status::Downloading | Status::Preparing, _) => {
                    // It is tried again when somebody asks for the image.
                    if let Err(error) = self.prepare(image.id.clone()).await {
                        tracing::error!(name = %image.name, version = %image.version, %error, "cannot prepare an image");
                    }
                }
                (Status::Ok | Status::Error(_), _) => {}
            }
        }
        for image in self.images().await? {
            match image.status {
                Status::Ok => restored.served += 1,
                Status::Error(reason) => {
                    tracing::warn!(name = %image.name, version = %image.version, reason, "an image is not served");
                    restored.in_error += 1;
                }
                Status::Preparing if image.identity.is_some() => restored.looked_at += 1,
                Status::Downloading | Status::Preparing => {}
            }
        }
        self.discard_stray_downloads().await;
        for kind in [StoreKind::Iso, StoreKind::Microkernel] {
            // Listing posts the errands. A store that cannot be listed now must not keep the images from being served.
            if let Err(error) = self.files(kind).await {
                tracing::error!(%kind, %error, "a store cannot be listed");
            }
        }
        Ok(restored)
    }

    /// Reads the tree of an image whose ISO was never read, and records how that went. While there is no ISO, the record stays good:
    /// it is looked at again when somebody asks for the image.
    pub async fn prepare(&self, id: ImageId) -> Result<(), CatalogError> {
        let snapshot = self.snapshot();
        let Some(image) = snapshot.image(&id).cloned() else { return Ok(()) };
        let path = self.0.iso_path(&snapshot, &image.iso);
        let (name, version, asked) = (image.name, image.version, image.asked_tree);
        let opened = self.blocking(move |inner| inner.trees.open(&name, &version, &path, asked)).await?;
        self.update(id, move |image| match opened {
            // Another registration took the record over meanwhile.
            _ if image.identity.is_some() || image.status == Status::Downloading => {}
            Ok(tree) => {
                image.status = Status::Ok;
                image.identity = Some(tree.identity);
                image.tree = Some(tree.summary.clone());
            }
            Err(TreeError::File(_) | TreeError::Io(_)) => image.status = Status::Ok,
            Err(error) => image.status = Status::Error(CatalogError::from(error).to_string()),
        })
        .await
    }
}
