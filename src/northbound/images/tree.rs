//! `/images/{id}/tree`: the files inside an image.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http_service::parameters::Parameters;
use http_service::{Problem, UrlPath};
use images::Browse;
use model::image::ImageId;
use percent_encoding::percent_decode_str;

use crate::northbound::api::{Northbound, client};
use crate::northbound::api_types::examples;
use crate::northbound::api_types::parameters::Folder;
use crate::northbound::api_types::problems::NotBrowsed;
use crate::northbound::problems::problem;
use crate::northbound::views::tree::TreeListing;

pub(in crate::northbound) const PARAMETERS: [&str; 4] = ["path", "offset", "limit", "search"];

/// Entries in an answer by default.
const LIMIT: u64 = 1000;

/// The most entries in an answer: a few megabytes.
const MAX_LIMIT: u64 = 10_000;

/// List what is in a folder of an image, or search below it.
#[utoipa::path(
    get, path = "/images/{id}/tree", tag = "images", operation_id = "browseImage",
    params(("id" = String, Path, description = "The image's id."), Folder),
    responses(
        (status = 200, description = "The entries.", body = TreeListing, example = json!(examples::tree())),
        NotBrowsed,
    ),
)]
pub(in crate::northbound) async fn show(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let parameters = Parameters::of_filters(&parts, &PARAMETERS)?;
    let path = parameters.optional("path", path)?.unwrap_or_default();
    let offset = parameters.optional("offset", |text| number(&text, 0, u64::MAX))?.unwrap_or(0);
    let limit = parameters.optional("limit", |text| number(&text, 1, MAX_LIMIT))?.unwrap_or(LIMIT);
    let search = parameters.get("search").filter(|text| !text.is_empty()).map(str::to_owned);
    let lines = offset..offset.saturating_add(limit);
    let browsed = api
        .catalog
        .resolver
        .browse(client(&parts.extensions), ImageId(id), Browse { path: path.clone(), lines, search })
        .await
        .map_err(problem)?;
    Ok(Json(TreeListing::new(&browsed, &path, offset, &api.api_root)).into_response())
}

/// The names of a path as it stands in a URL. Names are bytes, so the value of the query is still
/// percent-encoded.
fn path(text: String) -> Result<Vec<Vec<u8>>, &'static str> {
    let names = text.split('/').filter(|name| !name.is_empty());
    names
        .map(|name| match percent_decode_str(name).collect::<Vec<u8>>() {
            name if matches!(name.as_slice(), b"." | b"..") => {
                Err("is a path inside the image and may not have the names `.` and `..`")
            }
            name => Ok(name),
        })
        .collect()
}

fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| match most {
        u64::MAX => format!("must be a whole number from {least} on"),
        most => format!("must be a whole number from {least} to {most}"),
    })
}
