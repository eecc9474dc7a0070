//! How far a download has come, as the record shows it. The fetching itself is the workers' business.

use jiff::Timestamp;

use super::arrival::record_of;
use super::register::seen_received;
use super::{Catalog, CatalogError, Intake};
use crate::model::digest::Expected;
use crate::model::image::{ImageId, Source, Status};
use crate::model::names::FileName;
use crate::model::stored_file::{Origin, Shelf};
use crate::store::Received;

impl Catalog {
    /// Begins to receive the ISO of an image under the name that turned out to be right.
    pub async fn receive_download(
        &self,
        id: ImageId,
        iso: FileName,
        size: Option<u64>,
        expected: Expected,
    ) -> Result<Intake, CatalogError> {
        let intake = self.receive_for(Some(&id), Shelf::Iso, iso.clone(), size, expected, None).await?;
        if self.snapshot().image(&id).is_some_and(|image| image.iso != iso) {
            self.update(id, move |image| image.iso = iso).await?;
        }
        Ok(intake)
    }

    /// All bytes are here: reads the tree, makes the file durable, and serves the image.
    pub async fn finish_download(&self, id: ImageId, intake: Intake) -> Result<(), CatalogError> {
        let catalog = self.clone();
        self.whole(async move {
            catalog.update(id.clone(), |image| image.status = Status::Preparing).await?;
            let asked = catalog.snapshot().image(&id).and_then(|image| image.asked_tree);
            let record = |received: Received, summary| async move {
                let recorded = catalog.0.writer.commit(move |records| {
                    let image = records.images.get_mut(&id).ok_or(CatalogError::NoSuchImage)?;
                    *image = seen_received(image.clone(), &received, summary);
                    image.status = Status::Ok;
                    image.updated = Timestamp::now();
                    let image = image.clone();
                    let origin = match &image.source {
                        Source::Web(web) => Origin::Download { url: web.url.shown() },
                        _ => Origin::Upload,
                    };
                    let record = record_of(Shelf::Iso, &received, origin);
                    records.files.insert((record.shelf, record.name.clone()), record);
                    Ok(image)
                });
                let image = recorded.await?;
                tracing::info!(id = %image.id, name = %image.name, version = %image.version, "downloaded an ISO");
                Ok(())
            };
            intake.store_image(asked, record).await
        })
        .await
    }

    /// The download failed for good. An image that is served meanwhile, from another source, stays so.
    pub async fn fail_download(&self, id: ImageId, reason: String) -> Result<(), CatalogError> {
        self.update(id, move |image| {
            if image.status != Status::Ok {
                image.status = Status::Error(reason);
            }
        })
        .await
    }

    /// An image whose download failed is to be fetched again.
    pub async fn begin_again(&self, id: ImageId) -> Result<(), CatalogError> {
        let snapshot = self.snapshot();
        let image = snapshot.image(&id).ok_or(CatalogError::NoSuchImage)?;
        // Nobody else may be registering it in another way at this moment.
        let claim = self.0.image_claims.exclusive((image.name.clone(), image.version.clone()));
        let _claim =
            claim.ok_or_else(|| CatalogError::Busy(format!("the image {} {}", image.name, image.version)))?;
        let (name, version) = (image.name.clone(), image.version.clone());
        let begun = self.0.writer.commit(move |records| {
            let image = records.images.get_mut(&id).ok_or(CatalogError::NoSuchImage)?;
            if !matches!(image.status, Status::Error(_)) || !matches!(image.source, Source::Web(_)) {
                return Err(CatalogError::Duplicate { name, version });
            }
            image.status = Status::Downloading;
            image.updated = Timestamp::now();
            Ok(())
        });
        begun.await
    }
}
