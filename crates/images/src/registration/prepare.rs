//! Images whose ISO was never read: the previous service left such, and an interrupted start.

use std::sync::Arc;

use crate::error::CatalogError;
use crate::registration::image_records::update_soon;
use crate::registration::part::Registration;
use crate::tasks::blocking;
use crate::trees::TreeError;
use model::image::{ImageId, Status};

impl Registration {
    /// Reads the tree of an image whose ISO was never read, and records the outcome. While there is no ISO,
    /// the record stays good: the next request for the image tries again.
    pub async fn prepare(&self, id: ImageId) -> Result<(), CatalogError> {
        let snapshot = self.records.snapshot();
        let Some(image) = snapshot.image(&id).cloned() else { return Ok(()) };
        let path = self.stores.iso_path(&snapshot, &image.iso);
        let (name, version, asked) = (image.name, image.version, image.asked_tree);
        let trees = Arc::clone(&self.trees);
        let opened = blocking(move || trees.open(&name, &version, &path, asked)).await?;
        update_soon(&self.records, id, move |image| match opened {
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
