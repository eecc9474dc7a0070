//! `GET /images` and `GET /images/{id}`.

use axum::Json;
use axum::extract::{Path as UrlPath, Request, State};
use axum::response::{IntoResponse, Response};
use http_service::Problem;
use http_service::parameters::Parameters;
use model::image::{Image, ImageId};

use super::conditions::in_full;
use crate::northbound::api::Northbound;
use crate::northbound::api_types::examples;
use crate::northbound::api_types::parameters::ImageFilters;
use crate::northbound::api_types::problems::{BadFilter, NoSuchImage};
use crate::northbound::problems::problem;
use crate::northbound::views;
use crate::northbound::views::image::ImageInFull;

/// What images are chosen by.
pub(in crate::northbound) const FILTERS: [&str; 5] = ["id", "name", "version", "iso", "status"];

/// List the images that match all filters.
#[utoipa::path(
    get, path = "/images", tag = "images", operation_id = "listImages",
    params(ImageFilters),
    responses(
        (
            status = 200, description = "The images; none if none matches.",
            body = Vec<views::image::Image>, example = json!(examples::images()),
        ),
        BadFilter,
    ),
)]
pub(in crate::northbound) async fn list(
    State(api): State<Northbound>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let filters = Parameters::of_filters(&parts, &FILTERS)?;
    let images = api.catalog.images.list().await.map_err(problem)?;
    let views: Vec<_> =
        images.iter().filter(|image| matches(image, &filters)).map(|image| api.view(image)).collect();
    Ok(Json(views).into_response())
}

/// Show one image, with what was noticed in its ISO.
#[utoipa::path(
    get, path = "/images/{id}", tag = "images", operation_id = "showImage",
    params(("id" = String, Path, description = "The image's id.")),
    responses(
        (
            status = 200, description = "The image.",
            body = ImageInFull, example = json!(examples::image_in_full()),
        ),
        NoSuchImage,
    ),
)]
pub(in crate::northbound) async fn show(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Problem> {
    Ok(Json(in_full(&api, ImageId(id)).await.map_err(problem)?).into_response())
}

/// Whether an image matches all filters.
pub(super) fn matches(image: &Image, filters: &Parameters) -> bool {
    let status = image.status.to_string();
    let fields =
        [image.id.0.as_str(), image.name.as_str(), image.version.as_str(), image.iso.as_str(), &status];
    FILTERS.iter().zip(fields).all(|(filter, field)| filters.get(filter).is_none_or(|wanted| wanted == field))
}
