//! Removal of images. Their ISOs stay.

use super::{Catalog, CatalogError};
use crate::model::image::{Image, ImageId};

impl Catalog {
    /// Removes images; those that are gone already are passed over. The records go first: from then on nothing is served.
    pub async fn remove_images(&self, ids: Vec<ImageId>) -> Result<Vec<Image>, CatalogError> {
        let removed = self.0.writer.commit(move |records| {
            let removed: Vec<Image> = ids.iter().filter_map(|id| records.images.remove(id)).collect();
            if removed.is_empty() { Err(CatalogError::NoSuchImage) } else { Ok(removed) }
        });
        let removed = removed.await?;
        let closing = removed.clone();
        self.blocking(move |inner| {
            let snapshot = inner.writer.snapshot();
            for image in closing {
                if let Err(error) = inner.trees.close(&image.name, &image.version, &inner.iso_path(&snapshot, &image.iso)) {
                    tracing::error!(name = %image.name, version = %image.version, %error, "cannot undo a mount");
                }
                tracing::info!(id = %image.id, name = %image.name, version = %image.version, "removed an image");
            }
        })
        .await?;
        Ok(removed)
    }
}
