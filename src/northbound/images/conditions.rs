//! Requests that depend on the version of an image that the client has seen.

use http_service::{EntityTag, Preconditions, Problem};
use images::CatalogError;
use model::image::{Image, ImageId};

use crate::northbound::api::Northbound;
use crate::northbound::problems::problem;
use crate::northbound::views::image::{Findings, ImageInFull};

/// The image as `GET /images/{id}` shows it.
pub(super) async fn in_full(api: &Northbound, id: ImageId) -> Result<ImageInFull, CatalogError> {
    let (image, findings) = api.catalog.images.get_with_findings(id).await?;
    Ok(ImageInFull { image: api.view(&image), findings: findings.as_ref().map(Findings::from) })
}

/// Checks the conditions of a request about the image with this id, if there is one. Returns the record that
/// fits them, which the change must find; `None` if there is no condition.
pub(super) async fn check(
    api: &Northbound,
    conditions: &Preconditions,
    id: Option<&ImageId>,
) -> Result<Option<Image>, Problem> {
    if conditions.are_none() {
        return Ok(None);
    }
    let snapshot = api.catalog.snapshot();
    let Some(recorded) = id.and_then(|id| snapshot.image(id)) else {
        return conditions.check(&[]).map(|()| None);
    };
    let shown = in_full(api, recorded.id.clone()).await.map_err(problem)?;
    conditions.check(&[EntityTag::of_json(&shown)])?;
    Ok(Some(recorded.clone()))
}
