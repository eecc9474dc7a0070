//! Removal of images. Their ISOs stay.

use std::sync::Arc;

use crate::error::CatalogError;
use crate::registration::part::Registration;
use model::image::{Image, ImageId};

impl Registration {
    /// Removes images; those that are gone already are passed over. The records go first: from then on
    /// nothing is served.
    /// With [`CatalogError::Changed`] none is removed, because one is not among those that the caller has
    /// `seen`.
    pub async fn remove(
        self: &Arc<Self>,
        ids: Vec<ImageId>,
        seen: Option<Vec<Image>>,
    ) -> Result<Vec<Image>, CatalogError> {
        let registration = Arc::clone(self);
        self.tasks.run_to_completion(async move { registration.remove_images(ids, seen).await }).await
    }

    async fn remove_images(
        &self,
        ids: Vec<ImageId>,
        seen: Option<Vec<Image>>,
    ) -> Result<Vec<Image>, CatalogError> {
        let removed = self.records.commit(move |records| {
            let is_seen = |id| {
                records.images.get(id).is_none_or(|image| match &seen {
                    Some(seen) => seen.contains(image),
                    None => true,
                })
            };
            if !ids.iter().all(is_seen) {
                return Err(CatalogError::Changed);
            }
            let removed: Vec<Image> = ids.iter().filter_map(|id| records.images.remove(id)).collect();
            if removed.is_empty() { Err(CatalogError::NoSuchImage) } else { Ok(removed) }
        });
        let removed: Vec<Image> = removed.await?;
        for image in removed.clone() {
            tracing::info!(id = %image.id, name = %image.name, version = %image.version, "removed an image");
            self.downloads.discard(&image.id).await;
            self.images.close_tree(image).await?;
        }
        Ok(removed)
    }
}
