//! The start: makes ready what the inventory holds. Nothing is deleted here but unfinished downloads that no
//! image needs.

use crate::error::CatalogError;
use crate::handle::Catalog;
use model::image::{ImageId, Source, Status};
use model::stored_file::StoreKind;

/// The state of images and downloads after a start.
#[derive(Debug, Default)]
pub struct Restored {
    /// Images that are served again.
    pub served: usize,
    /// Images whose ISOs differ in size or time, so their digests are being computed.
    pub looked_at: usize,
    /// Images in error.
    pub in_error: usize,
    /// Images whose download was interrupted.
    pub downloads: Vec<ImageId>,
}

impl Catalog {
    /// Reads images that were left half-prepared, counts images by their status, and finds interrupted
    /// downloads. Where trees are mounted, an image that is examined is mounted. Files without a digest
    /// become job requests.
    pub async fn restore(&self) -> Result<Restored, CatalogError> {
        let mut restored = Restored::default();
        for image in self.snapshot().images() {
            match (&image.status, &image.source) {
                (Status::Downloading | Status::Preparing, Source::Web(_)) => {
                    restored.downloads.push(image.id.clone());
                }
                (Status::Downloading | Status::Preparing, _) => {
                    // The next request for the image tries it again.
                    if let Err(error) = self.registration.prepare(image.id.clone()).await {
                        tracing::error!(
                            name = %image.name, version = %image.version, %error,
                            "cannot prepare an image"
                        );
                    }
                }
                (Status::Ok | Status::Error(_), _) => {}
            }
        }
        for image in self.images.list().await? {
            match image.status {
                Status::Ok => restored.served += 1,
                Status::Error(reason) => {
                    tracing::warn!(
                        name = %image.name, version = %image.version, reason,
                        "an image is not served"
                    );
                    restored.in_error += 1;
                }
                Status::Preparing if image.identity.is_some() => restored.looked_at += 1,
                Status::Downloading | Status::Preparing => {}
            }
        }
        self.downloads.discard_stray().await;
        for kind in [StoreKind::Iso, StoreKind::Microkernel] {
            // Listing posts the job requests. A store that cannot be listed must not keep images from being
            // served.
            if let Err(error) = self.files.list(kind).await {
                tracing::error!(%kind, %error, "a store cannot be listed");
            }
        }
        Ok(restored)
    }
}
