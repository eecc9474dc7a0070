//! `DELETE /images`.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use http_service::parameters::Parameters;
use http_service::{EntityTag, Problem, UrlPath, run_to_completion};
use images::{CatalogError, Seen};
use model::image::{Image, ImageId};
use serde::Serialize;
use utoipa::ToSchema;

use super::conditions::{check, in_full};
use super::list::{FILTERS, matches};
use crate::northbound::api::Northbound;
use crate::northbound::api_types::examples;
use crate::northbound::api_types::parameters::{Conditions, ImageFilters};
use crate::northbound::api_types::problems::{BadParameter, BodyRejected, ConditionFailed, ImagesInUse};
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
    params(ImageFilters, Conditions),
    request_body(content = Option<ImageFilters>, example = json!(examples::image_filters())),
    responses(
        (status = 200, description = "What was deleted: one image if it was named by its id, or by its name and version, else a list.",
            body = Removed, example = json!(examples::image())),
        BadParameter,
        BodyRejected,
        ImagesInUse,
        ConditionFailed,
    ),
)]
pub(in crate::northbound) async fn delete(
    State(api): State<Northbound>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let conditions = api.conditions(&parts.headers)?;
    let filters = Parameters::of_request(&parts, body, &FILTERS).await?;
    if filters.is_empty() {
        let detail = format!("say which images to delete, with at least one of {}", FILTERS.join(", "));
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let snapshot = api.catalog.snapshot();
    let images = api.catalog.images.list().await.map_err(problem)?;
    let images: Vec<Image> = images.into_iter().filter(|image| matches(image, &filters)).collect();
    if !images.is_empty() && !conditions.are_none() {
        let listed: Vec<_> = images.iter().map(|image| api.view(image)).collect();
        let mut tags = vec![EntityTag::of_json(&listed)];
        if let [image] = &*images {
            tags.push(EntityTag::of_json(&in_full(&api, image.id.clone()).await.map_err(problem)?));
        }
        conditions.check(&tags)?;
    }
    let ids: Vec<ImageId> = images.into_iter().map(|image| image.id).collect();
    let seen = (!conditions.allow_each_version())
        .then(|| ids.iter().filter_map(|id| snapshot.image(id)).cloned().collect());
    let removed = run_to_completion(remove(api.clone(), ids, seen)).await?;
    let one_was_named =
        filters.get("id").is_some() || (filters.get("name").is_some() && filters.get("version").is_some());
    let mut views: Vec<_> = removed.iter().map(|image| api.view(image)).collect();
    Ok(Json(match views.pop() {
        Some(image) if one_was_named && views.is_empty() => Removed::One(Box::new(image)),
        last => Removed::Several(views.into_iter().chain(last).collect()),
    })
    .into_response())
}

/// Delete an image.
///
/// A download for it is stopped. Its ISO stays in the store.
#[utoipa::path(
    delete, path = "/images/{id}", tag = "images", operation_id = "deleteImage",
    params(("id" = String, Path, description = "The image's id."), Conditions),
    responses(
        (
            status = 200, description = "The image that was deleted.",
            body = views::image::Image, example = json!(examples::image()),
        ),
        ImagesInUse,
        ConditionFailed,
    ),
)]
pub(in crate::northbound) async fn delete_one(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = ImageId(id);
    if api.catalog.snapshot().image(&id).is_none() {
        return Err(problem(CatalogError::NoSuchImage));
    }
    let seen = match check(&api, &api.conditions(&headers)?, Some(&id)).await? {
        Seen::Image(image) => Some(vec![*image]),
        // An image that is gone is told by 404.
        Seen::Anything | Seen::Nothing | Seen::Something => None,
    };
    let removed = run_to_completion(remove(api.clone(), vec![id], seen)).await?;
    let removed = removed.first().ok_or(CatalogError::NoSuchImage).map_err(problem)?;
    Ok(Json(api.view(removed)).into_response())
}

async fn remove(api: Northbound, ids: Vec<ImageId>, seen: Option<Vec<Image>>) -> Result<Vec<Image>, Problem> {
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
        None => api.catalog.registration.remove(ids, seen).await.map_err(problem),
    };
    for work in paused {
        match &removed {
            Ok(_) => api.image_jobs.drop_paused(work).await,
            Err(_) => api.image_jobs.go_on(work),
        }
    }
    removed
}
