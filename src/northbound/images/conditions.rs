//! Requests that depend on the version of an image that the client has seen.

use http_service::{EntityTag, Preconditions, Problem};
use images::{CatalogError, Seen};
use model::image::ImageId;

use crate::northbound::api::Northbound;
use crate::northbound::problems::problem;
use crate::northbound::views::image::{Findings, ImageInFull};

/// The image as `GET /images/{id}` shows it.
pub(super) async fn in_full(api: &Northbound, id: ImageId) -> Result<ImageInFull, CatalogError> {
    let (image, findings) = api.catalog.images.get_with_findings(id).await?;
    Ok(ImageInFull { image: api.view(&image), findings: findings.as_ref().map(Findings::from) })
}

/// Checks the conditions of a request about the image with this id, if there is one. Returns what the change
/// must find: a check alone says nothing of the moment of the change.
pub(super) async fn check(
    api: &Northbound,
    conditions: &Preconditions,
    id: Option<&ImageId>,
) -> Result<Seen, Problem> {
    if conditions.are_none() {
        return Ok(Seen::Anything);
    }
    let snapshot = api.catalog.snapshot();
    let Some(recorded) = id.and_then(|id| snapshot.image(id)) else {
        return conditions.check(&[]).map(|()| Seen::Nothing);
    };
    let shown = match in_full(api, recorded.id.clone()).await {
        // Another request removed it since.
        Err(CatalogError::NoSuchImage) => return conditions.check(&[]).map(|()| Seen::Nothing),
        shown => shown.map_err(problem)?,
    };
    conditions.check(&[EntityTag::of_json(&shown)])?;
    Ok(if conditions.allow_each_version() {
        Seen::Something
    } else {
        Seen::Image(Box::new(recorded.clone()))
    })
}
