//! `DELETE /images`.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_service::Problem;
use http_service::parameters::Parameters;
use http_service::run_to_completion;
use model::image::{Image, ImageId};
use serde::Serialize;
use utoipa::ToSchema;

use super::list::{FILTERS, matches};
use crate::northbound::api::Northbound;
use crate::northbound::api_types::examples;
use crate::northbound::api_types::parameters::ImageFilters;
use crate::northbound::api_types::problems::{BadParameter, BodyRejected, ImagesInUse};
use crate::northbound::problems::problem;
use crate::northbound::views;

/// The images that were deleted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = RemovedImages)]
pub(in crate::northbound) enum Removed {
    One(Box<views::image::Image>),
    Several(Vec<views::image::Image>),
}

/// Delete the images that match all filters, of which there must be one at least.
///
/// Downloads for them are stopped. Their ISOs stay in the store. The parameters may be in the query or in a
/// JSON body; the query wins.
#[utoipa::path(
    delete, path = "/images", tag = "images", operation_id = "deleteImages",
    params(ImageFilters),
    request_body(content = Option<ImageFilters>, example = json!(examples::image_filters())),
    responses(
        (status = 200, description = "What was deleted: one image if it was named by its id, or by its name and version, else a list.",
            body = Removed, example = json!(examples::image())),
        BadParameter,
        BodyRejected,
        ImagesInUse,
    ),
)]
pub(in crate::northbound) async fn delete(
    State(api): State<Northbound>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let filters = Parameters::of_request(&parts, body, &FILTERS).await?;
    if filters.is_empty() {
        let detail = format!("say which images to delete, with at least one of {}", FILTERS.join(", "));
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let images = api.catalog.images.list().await.map_err(problem)?;
    let ids: Vec<ImageId> =
        images.into_iter().filter(|image| matches(image, &filters)).map(|image| image.id).collect();
    let removed = run_to_completion(remove(api.clone(), ids)).await?;
    let one_was_named =
        filters.get("id").is_some() || (filters.get("name").is_some() && filters.get("version").is_some());
    let mut views: Vec<_> = removed.iter().map(|image| api.view(image)).collect();
    Ok(Json(match views.pop() {
        Some(image) if one_was_named && views.is_empty() => Removed::One(Box::new(image)),
        last => Removed::Several(views.into_iter().chain(last).collect()),
    })
    .into_response())
}

async fn remove(api: Northbound, ids: Vec<ImageId>) -> Result<Vec<Image>, Problem> {
    let mut paused = Vec::new();
    let mut busy = None;
    for id in &ids {
        match api.image_jobs.halt(id).await {
            Ok(work) => paused.push(work),
            Err(error) => busy = Some(error),
        }
    }
    let removed = match busy {
        Some(error) => Err(problem(error)),
        None => api.catalog.registration.remove(ids).await.map_err(problem),
    };
    for work in paused {
        match &removed {
            Ok(_) => api.image_jobs.drop_paused(work).await,
            Err(_) => api.image_jobs.go_on(work),
        }
    }
    removed
}
