//! What registrations have in common, whatever their path.

use http::StatusCode;
use http_service::Problem;
use images::trees::FileError;
use images::{AskedSource, CatalogError, Reservation, Seen};
use model::image::Image;

use super::description::Description;
use super::web::{download, wait_again};
use crate::northbound::api::Northbound;
use crate::northbound::problems::{of_file, problem};

/// How often a request looks at an image again that others made or removed since it looked.
pub(super) const MAX_LOOKS: usize = 5;

/// The answer to a request for an image that is there as it is described: nothing is done but to give it
/// other labels.
pub(super) async fn again(
    api: &Northbound,
    description: Description,
    image: Image,
    seen: Seen,
) -> Result<Image, Problem> {
    if description.wanted.labels.is_some() {
        let adapted = api.catalog.registration.adapt(image.id.clone(), description.wanted, seen);
        adapted.await.map_err(problem)?;
    }
    wait_again(api, image, description.wait).await
}

/// Makes the image that is described, under the name that is reserved for it.
pub(super) async fn make(
    api: &Northbound,
    mut description: Description,
    reservation: Reservation,
) -> Result<Image, Problem> {
    description.complete(api).await?;
    let parameter = description.source_parameter();
    let Description { source, digests, wait, .. } = description;
    let expected = digests.expected();
    let registered = match source {
        AskedSource::Store(iso) => reservation.register_stored(iso, expected).await,
        AskedSource::Local(path) => {
            let base_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let registered = reservation.register_local(path, expected).await;
            if let Err(CatalogError::Local(FileError::NotFound)) = registered {
                // The name as it was understood shows a blank or a plus that was meant otherwise.
                let detail = format!("{}: {base_name}", FileError::NotFound);
                return Err(Problem::new(StatusCode::NOT_FOUND, detail).of_parameter(parameter));
            }
            registered
        }
        AskedSource::Web(source) => return download(api, *source, expected, wait, reservation).await,
        AskedSource::Client(_) => {
            return Err(Problem::parameter(parameter, "must be in the query, because the body is the ISO"));
        }
    };
    registered.map_err(|error| match error {
        CatalogError::Duplicate { .. } | CatalogError::Busy(_) | CatalogError::Changed => problem(error),
        error => of_file(error, &digests).of_parameter(parameter),
    })
}

/// The problem that others go on making and removing the image.
pub(super) fn unsettled(description: &Description) -> Problem {
    problem(CatalogError::busy_image(&description.wanted.name, &description.wanted.version))
}

/// The problem that `image` has the name and version already, and is another one.
pub(super) fn duplicate(image: Image) -> Problem {
    problem(CatalogError::Duplicate { name: image.name, version: image.version, id: image.id })
}
