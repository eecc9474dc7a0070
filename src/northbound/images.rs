//! `/images`: the registered images.

use std::path::PathBuf;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path as UrlPath, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, StatusCode, request};
use iso_reader::TreeKind;
use url::Url;

use super::Northbound;
use super::digest_fields::Claim;
use super::parameters::Parameters;
use super::problem::Problem;
use super::uploads::{Upload, check_headers};
use super::views;
use crate::catalog::{Intake, Reservation};
use crate::jobs::{Failure, download_job, provisional_name};
use crate::model::digest::Expected;
use crate::model::image::{Image, ImageId};
use crate::model::names::{FileName, ImageName, ImageVersion};
use crate::trees::{NOT_AN_IMAGE, SIGNATURE_BYTES, declared_size};

const FILTERS: [&str; 5] = ["id", "name", "version", "iso", "status"];
const PUT_PARAMETERS: [&str; 10] =
    ["name", "version", "isostore", "isolocal", "isoweb", "isoclient", "tree", "wait", "sha256", "sha512"];

/// How long a registration from the web waits for its end when the client says nothing: small ISOs on a near server are done by then.
const DEFAULT_WAIT: Duration = Duration::from_secs(3);

/// The longest that a client may ask a request to wait.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// An upload that lacks more than this of what its beginning announces is cut short. Less may be padding that somebody trimmed.
const PADDING: u64 = 1 << 20;

/// `GET /images`: those that match all filters.
pub(super) async fn list(State(door): State<Northbound>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let filters = Parameters::of_filters(&parts, &FILTERS)?;
    let images = door.catalog.images().await?;
    let views: Vec<_> =
        images.iter().filter(|image| matches(image, &filters)).map(|image| door.view(image)).collect();
    Ok(Json(views).into_response())
}

/// `GET /images/{id}`: one image, with what was noticed in its ISO.
pub(super) async fn show(
    State(door): State<Northbound>,
    UrlPath(id): UrlPath<String>,
) -> Result<Response, Problem> {
    let (image, findings) = door.catalog.image_in_full(ImageId(id)).await?;
    let mut view = door.view(&image);
    view["findings"] = findings.as_ref().map(views::findings).into();
    Ok(Json(view).into_response())
}

/// `PUT /images`: registers an image from one of the four sources.
pub(super) async fn put(State(door): State<Northbound>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let query = Parameters::of_query(&parts, &PUT_PARAMETERS);
    let other_source = |query: &Parameters| {
        ["isostore", "isolocal", "isoweb"].iter().any(|source| query.get(source).is_some())
    };
    match query {
        // With an upload the body is the ISO, so the parameters are all in the query.
        Ok(query) if query.get("isoclient").is_some() && !other_source(&query) => {
            upload(&door, &query, &parts, body).await
        }
        Err(problem) => Err(Upload::new(&parts, body).refuse(problem).await),
        Ok(_) => {
            let parameters = Parameters::of_request(&parts, body, &PUT_PARAMETERS).await?;
            let image = register(&door, &parameters, &parts.headers).await?;
            Ok(Json(door.view(&image)).into_response())
        }
    }
}

/// `DELETE /images`: those that match; never all of them by accident.
pub(super) async fn delete(State(door): State<Northbound>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let filters = Parameters::of_request(&parts, body, &FILTERS).await?;
    if filters.is_empty() {
        let detail = format!("say which images to delete, with at least one of {}", FILTERS.join(", "));
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let images = door.catalog.images().await?;
    let ids: Vec<ImageId> =
        images.into_iter().filter(|image| matches(image, &filters)).map(|image| image.id).collect();
    let mut halted = Vec::new();
    for id in &ids {
        halted.push(door.jobs.halt(id).await);
    }
    let removed = door.catalog.remove_images(ids).await;
    for halted in halted {
        match &removed {
            Ok(_) => door.jobs.drop_halted(halted).await,
            Err(_) => door.jobs.go_on(halted),
        }
    }
    let removed = removed?;
    let one_was_named =
        filters.get("id").is_some() || (filters.get("name").is_some() && filters.get("version").is_some());
    let mut views: Vec<_> = removed.iter().map(|image| door.view(image)).collect();
    Ok(if one_was_named && views.len() == 1 {
        Json(views.remove(0)).into_response()
    } else {
        Json(views).into_response()
    })
}

fn matches(image: &Image, filters: &Parameters) -> bool {
    let status = image.status.to_string();
    let fields =
        [image.id.0.as_str(), image.name.as_str(), image.version.as_str(), image.iso.as_str(), &status];
    FILTERS.iter().zip(fields).all(|(filter, field)| filters.get(filter).is_none_or(|wanted| wanted == field))
}

async fn reserve(door: &Northbound, parameters: &Parameters) -> Result<Reservation, Problem> {
    let name = parameters.required("name", ImageName::new)?;
    let version = parameters.required("version", ImageVersion::new)?;
    let tree = match parameters.get("tree") {
        Some(_) => Some(parameters.required("tree", tree)?),
        None => None,
    };
    Ok(door.catalog.reserve(name, version, tree).await?)
}

async fn register(door: &Northbound, parameters: &Parameters, headers: &HeaderMap) -> Result<Image, Problem> {
    let claim = Claim::of_parameters(parameters)?;
    let refuse = |error, source| claim.blame(error).of_parameter(source);
    if parameters.get("isostore").is_some() {
        let iso = parameters.required("isostore", FileName::existing)?;
        let reservation = reserve(door, parameters).await?;
        let registered = reservation.register_stored(iso, claim.expected()).await;
        return registered.map_err(|error| refuse(error, "isostore"));
    }
    if let Some(path) = parameters.get("isolocal") {
        if !path.starts_with('/') || path.contains('\0') {
            return Err(Problem::parameter("isolocal", "must be an absolute path on the server"));
        }
        let reservation = reserve(door, parameters).await?;
        let registered = reservation.register_local(PathBuf::from(path), claim.expected()).await;
        return registered.map_err(|error| refuse(error, "isolocal"));
    }
    if parameters.get("isoweb").is_some() {
        let url = parameters.required("isoweb", link)?;
        let wait = wait(parameters, headers)?;
        return register_from_web(door, reserve(door, parameters).await?, url, claim.expected(), wait).await;
    }
    if parameters.get("isoclient").is_some() {
        return Err(Problem::parameter("isoclient", "must be in the query, because the body is the ISO"));
    }
    reserve(door, parameters).await?;
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "say where the ISO comes from, with isostore, isolocal, isoweb or isoclient",
    ))
}

async fn register_from_web(
    door: &Northbound,
    reservation: Reservation,
    url: Url,
    expected: Expected,
    wait: Duration,
) -> Result<Image, Problem> {
    if !expected.is_nothing() {
        let detail = "downloads are not held against `sha256` and `sha512` yet";
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail));
    }
    let iso = provisional_name(&url, reservation.name(), reservation.version());
    let iso = iso.map_err(|error| Problem::parameter("name", error))?;
    let is_retry = reservation.is_retry();
    let begun = reservation.begin_download(url, iso, download_job).await;
    // Kept until the answer is decided: a retry that came between a failure and its removal would be removed too.
    let (image, job, _reservation) = begun.map_err(|error| Problem::from(error).of_parameter("isoweb"))?;
    let download = door.jobs.begin(job);
    if wait.is_zero() {
        return Ok(image);
    }
    match download.ended_within(wait).await {
        None | Some(Ok(())) => Ok(door.catalog.image(image.id).await?),
        // Whoever stopped it, by deleting the image or stopping the service, decides about the record.
        Some(Err(failure @ Failure::Cancelled)) => Err(failure.into()),
        Some(Err(failure)) => {
            // Whoever gets an error in answer needs no record of it. An image that was in error before stays listed.
            if !is_retry {
                let _ = door.catalog.remove_images(vec![image.id]).await;
            }
            Err(Problem::from(failure).of_parameter("isoweb"))
        }
    }
}

async fn upload(
    door: &Northbound,
    query: &Parameters,
    parts: &request::Parts,
    body: Body,
) -> Result<Response, Problem> {
    let mut upload = Upload::new(parts, body);
    let expected = upload.expected();
    let accepted = async {
        let iso = query.required("isoclient", FileName::new)?;
        check_headers(&parts.headers)?;
        let claim = Claim::of_upload(query, &parts.headers)?;
        let reservation = reserve(door, query).await?;
        let intake = reservation.receive(iso, expected, claim.expected()).await?;
        Ok::<_, Problem>((reservation, intake, claim))
    };
    let (reservation, intake, claim) = match accepted.await {
        Ok(accepted) => accepted,
        Err(problem) => return Err(upload.refuse(problem).await),
    };
    let beginning = upload.peek(SIGNATURE_BYTES).await?;
    if let Err(problem) = judge(&intake, &beginning, expected) {
        return Err(upload.refuse(problem).await);
    }
    let door = door.clone();
    let finish = move |intake| {
        async move {
            let image = reservation.register_received(intake).await.map_err(|error| claim.blame(error))?;
            Ok(door.view(&image))
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

fn link(text: String) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("is not a link: {error}"))?;
    if !matches!(url.scheme(), "http" | "https" | "ftp") {
        return Err(format!("has the scheme '{}'; http, https and ftp are known", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no server".into());
    }
    Ok(url)
}

/// How long to wait for a download: `wait=N` or `Prefer: wait=N` seconds (RFC 7240 §4.3), or not at all (`respond-async`, §4.1).
fn wait(parameters: &Parameters, headers: &HeaderMap) -> Result<Duration, Problem> {
    let seconds = |text: &str| text.parse().ok().map(|seconds| Duration::from_secs(seconds).min(MAX_WAIT));
    if let Some(text) = parameters.get("wait") {
        return seconds(text).ok_or_else(|| Problem::parameter("wait", "must be a whole number of seconds"));
    }
    // Names are case-insensitive, and values may be quoted (§2). A preference that makes no sense is ignored.
    let preferences: Vec<String> = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_ascii_lowercase)
        .collect();
    let mut preferences = preferences.iter().flat_map(|value| value.split([',', ';'])).map(str::trim);
    let asked = preferences.clone().find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        if name.trim() == "wait" { seconds(value.trim().trim_matches('"')) } else { None }
    });
    let respond_async = preferences.any(|preference| preference == "respond-async");
    Ok(asked.unwrap_or(if respond_async { Duration::ZERO } else { DEFAULT_WAIT }))
}
