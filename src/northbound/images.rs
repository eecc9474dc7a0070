//! `/images`: the registered images.

use std::path::PathBuf;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path as UrlPath, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, StatusCode, request};
use iso_reader::TreeKind;
use serde::Serialize;
use utoipa::ToSchema;

use super::Northbound;
use super::checksum_file::ChecksumFile;
use super::digest_fields::ExpectedDigests;
use super::from_web::FromWeb;
use super::openapi::parameters::{DigestFields, ImageFilters, Preference, Registration};
use super::openapi::problems::{
    BadFilter, BadParameter, EncodingRejected, FileRejected, ImagesInUse, NoSuchImage, RegistrationRejected,
};
use super::openapi::{Bytes, examples};
use super::parameters::Parameters;
use super::problem::Problem;
use super::uploads::{Upload, check_headers};
use super::views::{self, Findings, ImageInFull};
use super::whole;
use crate::catalog::{Intake, Reservation};
use crate::model::image::{Image, ImageId};
use crate::model::names::{FileName, ImageName, ImageVersion};
use crate::trees::{NOT_AN_IMAGE, SIGNATURE_BYTES, declared_size};

pub(super) const FILTERS: [&str; 5] = ["id", "name", "version", "iso", "status"];
pub(super) const PUT_PARAMETERS: [&str; 12] = [
    "name",
    "version",
    "isostore",
    "isolocal",
    "isoweb",
    "isoclient",
    "tree",
    "wait",
    "sha256",
    "sha512",
    "checksum",
    "signature",
];

/// The images that were deleted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = RemovedImages)]
pub(super) enum Removed {
    One(Box<views::Image>),
    Several(Vec<views::Image>),
}

/// An upload that lacks more than this of what its beginning announces is cut short. Less may be padding that somebody trimmed.
const PADDING: u64 = 1 << 20;

/// List the images that match all filters.
#[utoipa::path(
    get, path = "/images", tag = "images", operation_id = "listImages",
    params(ImageFilters),
    responses(
        (status = 200, description = "The images; none if none matches.", body = Vec<views::Image>, example = json!(examples::images())),
        BadFilter,
    ),
)]
pub(super) async fn list(State(api): State<Northbound>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let filters = Parameters::of_filters(&parts, &FILTERS)?;
    let images = api.catalog.images().await?;
    let views: Vec<_> =
        images.iter().filter(|image| matches(image, &filters)).map(|image| api.view(image)).collect();
    Ok(Json(views).into_response())
}

/// Show one image, with what was noticed in its ISO.
#[utoipa::path(
    get, path = "/images/{id}", tag = "images", operation_id = "showImage",
    params(("id" = String, Path, description = "The image's id.")),
    responses(
        (status = 200, description = "The image.", body = ImageInFull, example = json!(examples::image_in_full())),
        NoSuchImage,
    ),
)]
pub(super) async fn show(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Problem> {
    let (image, findings) = api.catalog.image_in_full(ImageId(id)).await?;
    let findings = findings.as_ref().map(Findings::from);
    Ok(Json(ImageInFull { image: api.view(&image), findings }).into_response())
}

/// Register an image.
///
/// Its ISO is a file of the store (`isostore`), a file of the server (`isolocal`), comes from the web (`isoweb`), or is the body of the request
/// (`isoclient`). A squashfs or an uncompressed tar will do as well. But for `isoclient`, the parameters may be in the query or in a JSON body;
/// the query wins. An image that is in error is registered anew in the same way.
///
/// With `isoweb` the answer comes after three seconds at most, with the status that was reached by then; `wait` or `Prefer` wait longer, or not
/// at all. With `isoclient` it is text that tells each tenth as it comes, or, with `Accept: application/json`, the image at the end. If
/// something fails after the text has begun, it is cut, so that clients notice.
#[utoipa::path(
    put, path = "/images", tag = "images", operation_id = "registerImage",
    params(Registration, Preference, DigestFields),
    request_body(
        description = "The parameters, or, with `isoclient`, the ISO, whatever the Content-Type says then.",
        content(
            (Registration = "application/json", example = json!(examples::registration())),
            (inline(Bytes) = "application/octet-stream"),
        ),
    ),
    responses(
        (status = 200, description = "The image is registered. It is served when its status says `OK`.", content(
            (views::Image = "application/json", example = json!(examples::image())),
            (String = "text/plain", example = json!(examples::uploaded())),
        )),
        BadParameter,
        FileRejected,
        EncodingRejected,
        RegistrationRejected,
    ),
)]
pub(super) async fn put(State(api): State<Northbound>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let query = Parameters::of_query(&parts, &PUT_PARAMETERS);
    let other_source = |query: &Parameters| {
        ["isostore", "isolocal", "isoweb"].iter().any(|source| query.get(source).is_some())
    };
    match query {
        // With an upload the body is the ISO, so the parameters are all in the query.
        Ok(query) if query.get("isoclient").is_some() && !other_source(&query) => {
            upload(&api, &query, &parts, body).await
        }
        Err(problem) => Err(Upload::new(&parts, body).refuse(problem).await),
        Ok(_) => {
            let parameters = Parameters::of_request(&parts, body, &PUT_PARAMETERS).await?;
            let image = register(&api, &parameters, &parts.headers).await?;
            Ok(Json(api.view(&image)).into_response())
        }
    }
}

/// Delete the images that match all filters, of which there must be one at least.
///
/// Downloads for them are stopped. Their ISOs stay in the store. The parameters may be in the query or in a JSON body; the query wins.
#[utoipa::path(
    delete, path = "/images", tag = "images", operation_id = "deleteImages",
    params(ImageFilters),
    request_body(content = Option<ImageFilters>, example = json!(examples::image_filters())),
    responses(
        (status = 200, description = "What was deleted: one image if it was named by its id, or by its name and version, else a list.",
            body = Removed, example = json!(examples::image())),
        BadParameter,
        ImagesInUse,
    ),
)]
pub(super) async fn delete(State(api): State<Northbound>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let filters = Parameters::of_request(&parts, body, &FILTERS).await?;
    if filters.is_empty() {
        let detail = format!("say which images to delete, with at least one of {}", FILTERS.join(", "));
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let images = api.catalog.images().await?;
    let ids: Vec<ImageId> =
        images.into_iter().filter(|image| matches(image, &filters)).map(|image| image.id).collect();
    let removed = whole(remove(api.clone(), ids)).await?;
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
        match api.jobs.halt(id).await {
            Ok(work) => paused.push(work),
            Err(error) => busy = Some(error),
        }
    }
    let removed = match busy {
        Some(error) => Err(error.into()),
        None => api.catalog.remove_images(ids).await.map_err(Problem::from),
    };
    for work in paused {
        match &removed {
            Ok(_) => api.jobs.drop_paused(work).await,
            Err(_) => api.jobs.go_on(work),
        }
    }
    removed
}

fn matches(image: &Image, filters: &Parameters) -> bool {
    let status = image.status.to_string();
    let fields =
        [image.id.0.as_str(), image.name.as_str(), image.version.as_str(), image.iso.as_str(), &status];
    FILTERS.iter().zip(fields).all(|(filter, field)| filters.get(filter).is_none_or(|wanted| wanted == field))
}

async fn reserve(api: &Northbound, parameters: &Parameters) -> Result<Reservation, Problem> {
    let name = parameters.required("name", ImageName::new)?;
    let version = parameters.required("version", ImageVersion::new)?;
    let tree = parameters.optional("tree", tree)?;
    Ok(api.catalog.reserve(name, version, tree).await?)
}

async fn register(api: &Northbound, parameters: &Parameters, headers: &HeaderMap) -> Result<Image, Problem> {
    let digests = ExpectedDigests::of_parameters(parameters)?;
    let checksum_file = ChecksumFile::of(parameters)?;
    if parameters.get("isostore").is_some() {
        let iso = parameters.required("isostore", FileName::existing)?;
        let reservation = reserve(api, parameters).await?;
        let digests = checksum_file.complete(api, iso.as_str(), digests).await?;
        let registered = reservation.register_stored(iso, digests.expected()).await;
        return registered.map_err(|error| digests.attribute(error).of_parameter("isostore"));
    }
    if let Some(path) = parameters.get("isolocal") {
        if !path.starts_with('/') || path.contains('\0') {
            return Err(Problem::parameter("isolocal", "must be an absolute path on the server"));
        }
        let reservation = reserve(api, parameters).await?;
        let base_name = path.rsplit('/').next().unwrap_or_default();
        let digests = checksum_file.complete(api, base_name, digests).await?;
        let registered = reservation.register_local(PathBuf::from(path), digests.expected()).await;
        return registered.map_err(|error| digests.attribute(error).of_parameter("isolocal"));
    }
    if parameters.get("isoweb").is_some() {
        let from_web = FromWeb::of(parameters, headers, digests)?;
        return from_web.register(api, reserve(api, parameters).await?).await;
    }
    if parameters.get("isoclient").is_some() {
        return Err(Problem::parameter("isoclient", "must be in the query, because the body is the ISO"));
    }
    reserve(api, parameters).await?;
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "say where the ISO comes from, with isostore, isolocal, isoweb or isoclient",
    ))
}

async fn upload(
    api: &Northbound,
    query: &Parameters,
    parts: &request::Parts,
    body: Body,
) -> Result<Response, Problem> {
    let mut upload = Upload::new(parts, body);
    let expected = upload.expected();
    let accepted = async {
        let iso = query.required("isoclient", FileName::new)?;
        check_headers(&parts.headers)?;
        let digests = ExpectedDigests::of_upload(query, &parts.headers)?;
        let reservation = reserve(api, query).await?;
        let digests = ChecksumFile::of(query)?.complete(api, iso.as_str(), digests).await?;
        let intake = reservation.receive(iso, expected, digests.expected()).await?;
        Ok::<_, Problem>((reservation, intake, digests))
    };
    let (reservation, intake, digests) = match accepted.await {
        Ok(accepted) => accepted,
        Err(problem) => return Err(upload.refuse(problem).await),
    };
    let beginning = upload.peek(SIGNATURE_BYTES).await?;
    if let Err(problem) = judge(&intake, &beginning, expected) {
        return Err(upload.refuse(problem).await);
    }
    let api = api.clone();
    let finish = move |intake| {
        async move {
            let image =
                reservation.register_received(intake).await.map_err(|error| digests.attribute(error))?;
            Ok(api.view(&image))
        }
        .boxed()
    };
    upload.run(intake, Box::new(finish)).await
}

/// Whether it is worth while to receive the rest.
fn judge(intake: &Intake, beginning: &[u8], expected: Option<u64>) -> Result<(), Problem> {
    let refuse = |detail: String| {
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).of_parameter("isoclient"))
    };
    if !intake.may_be_image(beginning) {
        return refuse(NOT_AN_IMAGE.into());
    }
    match (declared_size(beginning), expected) {
        (Some((kind, declared)), Some(expected)) if declared > expected.saturating_add(PADDING) => {
            refuse(format!(
                "the {kind} is cut short: it says that it has {declared} bytes, but {expected} are being sent"
            ))
        }
        _ => Ok(()),
    }
}

fn tree(word: String) -> Result<TreeKind, String> {
    word.parse().map_err(|error| format!("is '{word}': {error}"))
}
