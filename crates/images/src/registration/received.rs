//! Registration of an ISO that a client sends.

use crate::error::CatalogError;
use crate::intake::Intake;
use crate::registration::image_records::opened_received;
use crate::registration::reservation::Reservation;
use model::digest::Expected;
use model::image::{Image, Source, Status};
use model::names::FileName;
use model::stored_file::{FileRecord, StoreKind};

impl Reservation {
    /// Begins to receive the ISO. An image that failed does not keep its own ISO's name from being used
    /// again.
    pub async fn receive(
        &self,
        iso: FileName,
        size: Option<u64>,
        expected: Expected,
    ) -> Result<Intake, CatalogError> {
        let previous = self.previous.as_ref().map(|image| &image.id);
        self.registration
            .intakes
            .receive_for(self.client, previous, StoreKind::Iso, iso, size, expected)
            .await
    }

    /// Registers the file that `intake` has received. A file that is not an image leaves nothing behind.
    pub async fn register_received(self, intake: Intake, expected: Expected) -> Result<Image, CatalogError> {
        let (tasks, images) = (self.registration.tasks.clone(), self.registration.images.clone());
        let asked = self.asked_tree;
        let registered = async move {
            let record = |file: FileRecord, summary| {
                let image = self.image(file.name.clone(), Source::Client, Status::Ok);
                let image = Image { expected, ..image };
                self.record(opened_received(image, &file, summary), Some(file), None)
            };
            let image = intake.store_image(asked, record).await?;
            // Where trees are mounted, this mounts it.
            images.get(image.id).await
        };
        tasks.run_to_completion(registered).await
    }
}
