//! Removal of images. Their ISOs stay.

use super::{Catalog, CatalogError};
use crate::model::image::{Image, ImageId};

impl Catalog {
    /// Removes images; those that are gone already are passed over. The records go first: from then on nothing is served.
    pub async fn remove_images(&self, ids: Vec<ImageId>) -> Result<Vec<Image>, CatalogError> {
        let catalog = self.clone();
        self.whole(async move { catalog.remove_images_whole(ids).await }).await
    }

    async fn remove_images_whole(&self, ids: Vec<ImageId>) -> Result<Vec<Image>, CatalogError> {
        let removed = self.0.writer.commit(move |records| {
            let removed: Vec<Image> = ids.iter().filter_map(|id| records.images.remove(id)).collect();
            if removed.is_empty() { Err(CatalogError::NoSuchImage) } else { Ok(removed) }
        });
        let removed = removed.await?;
        for image in removed.clone() {
            tracing::info!(id = %image.id, name = %image.name, version = %image.version, "removed an image");
            self.discard_download(&image.id).await;
            self.let_go_of(image).await?;
        }
        Ok(removed)
    }

    /// Closes an image's tree; a mount is undone.
    pub(super) async fn let_go_of(&self, image: Image) -> Result<(), CatalogError> {
        self.blocking(move |inner| {
            let path = inner.iso_path(&inner.writer.snapshot(), &image.iso);
            if let Err(error) = inner.trees.close(&image.name, &image.version, &path, image.asked_tree) {
                tracing::error!(name = %image.name, version = %image.version, %error, "cannot undo a mount");
            }
        })
        .await
    }
}
