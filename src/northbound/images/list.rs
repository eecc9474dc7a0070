//! `GET /images` and `GET /images/{id}`.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http_service::parameters::{Known, Parameters};
use http_service::{Problem, UrlPath};
use model::image::{Image, ImageId, Status};
use model::labels::Labels;

use super::conditions::in_full;
use crate::northbound::api::Northbound;
use crate::northbound::api_types::examples;
use crate::northbound::api_types::pages::{ImagePages, Pages};
use crate::northbound::api_types::parameters::ImageFilters;
use crate::northbound::api_types::problems::{BadFilter, NoSuchImage};
use crate::northbound::labels::REPEATED;
use crate::northbound::page::{ListPage, Listed};
use crate::northbound::problems::problem;
use crate::northbound::views;
use crate::northbound::views::image::ImageInFull;

/// What images are chosen by.
pub(in crate::northbound) const FILTERS: [&str; 5] = ["id", "name", "version", "iso", "status"];

/// The parameters of the list.
pub(in crate::northbound) const PARAMETERS: [&str; 12] =
    ["id", "name", "version", "iso", "status", "limit", "after", "afterKey", "order", "q", "sort", "label"];

/// List the images that match all filters, by name and version unless said otherwise.
#[utoipa::path(
    get, path = "/images", tag = "images", operation_id = "listImages",
    params(ImageFilters, Pages, ImagePages),
    responses(
        (
            status = 200, description = "The images; none if none matches.",
            headers(
                ("Link" = String, description = "The next page, if there is one, with `rel=\"next\"` (RFC 8288)."),
                ("X-Total-Count" = u64, description = "How many there are on all pages."),
            ),
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
    let parameters = Parameters::of_filters(&parts, Known::with_lists(&PARAMETERS, &REPEATED))?;
    let page = ListPage::of::<Image>(&parameters)?;
    let images = api.catalog.images.list().await.map_err(problem)?;
    page.answer(&images, |image| matches(image, &parameters), |image| api.view(image))
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

impl Listed for Image {
    const SORTS: &'static [&'static str] =
        &["name", "version", "iso", "status", "bytes", "created", "updated", "id"];
    const SORT_OF_ID: &'static str = "id";
    const IS_DESCENDING: bool = false;

    fn id(&self) -> &str {
        &self.id.0
    }

    fn key(&self, sort: &str) -> String {
        match sort {
            // A name has no control characters, so none goes on where another ends.
            "name" => format!("{}\t{}", self.name, self.version),
            "version" => format!("{}\t{}", self.version, self.name),
            "iso" => self.iso.to_string(),
            "status" => match &self.status {
                Status::Error(_) => "error".to_owned(),
                other => other.to_string(),
            },
            "bytes" => format!("{:020}", self.identity.map_or(0, |identity| identity.size)),
            "created" => format!("{:.9}", self.created),
            "updated" => format!("{:.9}", self.updated),
            _ => self.id.0.clone(),
        }
    }

    fn names(&self) -> Vec<&str> {
        vec![self.name.as_str(), self.version.as_str(), self.iso.as_str()]
    }

    fn labels(&self) -> Option<&Labels> {
        Some(&self.labels)
    }
}
