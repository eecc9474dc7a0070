//! `PUT /images/{id}`: images as tools describe them that want a state.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::FutureExt;
use http::{StatusCode, request};
use http_service::digest_fields::ExpectedDigests;
use http_service::openapi::Bytes;
use http_service::parameters::Parameters;
use http_service::request_body::{RequestBody, check_headers, refuse_form, refuse_form_with};
use http_service::{Preconditions, Problem, UrlPath, run_to_completion};
use images::{AskedSource, CatalogError, Seen};
use model::image::{Image, ImageId, Status};

use super::conditions::{check, in_full};
use super::description::{Description, FORM_ADVICE, KNOWN_WITH_ID, Likeness, is_upload};
use super::make::{MAX_LOOKS, make, unsettled};
use super::upload::receive_iso;
use super::web::wait_again;
use crate::northbound::api::{Northbound, tagged};
use crate::northbound::api_types::examples;
use crate::northbound::api_types::parameters::{
    Conditions, DigestFields, Preference, Registration, RepeatedId, WantedImage,
};
use crate::northbound::api_types::problems::{
    BadParameter, ConditionFailed, EncodingRejected, FileRejected, RegistrationRejected,
};
use crate::northbound::file_upload::finished;
use crate::northbound::problems::problem;
use crate::northbound::repeated_body::compare;
use crate::northbound::views::image::ImageInFull;

/// Why an image keeps its ISO.
const DOWNLOADED: &str = "a download would leave it unserved for as long as it takes";
const UPLOADED: &str =
    "without the digest of what it is made from, the service cannot tell whether this is the same";
const UNREAD: &str = "its ISO has not been read yet";

/// Have an image be as it is described.
///
/// For tools that describe a state, such as Ansible and Terraform. The parameters are those of `PUT /images`,
/// in a JSON body or the query, and they describe all of the image: without `tree` it has the best tree, and
/// without `labels` none. The client chooses the id.
///
/// If there is no image with this id, it is registered. If there is one as it is described, nothing is done.
/// Else it is changed: name, version and labels at once; another file of the store or the server, or another
/// tree, replaces the one before when it has been read, and until then that is served. An image in error is
/// registered anew. An image that is made from a download or an upload keeps it: another one needs another
/// id.
#[utoipa::path(
    put, path = "/images/{id}", tag = "images", operation_id = "putImage",
    params(
        ("id" = String, Path, description = "The image's id: 1 to 64 letters, digits, `-`, `_` and `.`, the first of them a letter or digit."),
        RepeatedId, Registration, Preference, DigestFields, Conditions,
    ),
    request_body(
        description = "The parameters, or, with `isoclient`, the ISO, whatever the Content-Type says then.",
        content(
            (WantedImage = "application/json", example = json!(examples::wanted_image())),
            (inline(Bytes) = "application/octet-stream"),
        ),
    ),
    responses(
        (status = 200, description = "The image is as it is described, or is being made so.", content(
            (ImageInFull = "application/json", example = json!(examples::image_in_full())),
            (String = "text/plain", example = json!(examples::uploaded())),
        )),
        (status = 201, description = "The image is new.", content(
            (ImageInFull = "application/json", example = json!(examples::image_in_full())),
            (String = "text/plain", example = json!(examples::uploaded())),
        )),
        BadParameter,
        FileRejected,
        EncodingRejected,
        RegistrationRejected,
        ConditionFailed,
    ),
)]
pub(in crate::northbound) async fn put(
    State(api): State<Northbound>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let conditions = api.conditions(&parts.headers)?;
    let id = chosen(&api, id)?;
    let query = Parameters::of_query(&parts, KNOWN_WITH_ID)?;
    if is_upload(&query) {
        let digests = ExpectedDigests::of_upload(&query, &parts.headers)?;
        let description = describe(&query, &parts, digests, id)?;
        return upload(&api, description, conditions, &parts, body).await;
    }
    refuse_form_with(&parts.headers, FORM_ADVICE)?;
    let parameters = Parameters::of_request(&parts, body, KNOWN_WITH_ID).await?;
    let digests = ExpectedDigests::of_parameters(&parameters)?;
    let description = describe(&parameters, &parts, digests, id.clone())?;
    let (image, is_new) = bring_about(&api, description, &conditions).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(tagged(status, &in_full(&api, image.id).await.map_err(problem)?))
}

/// The id of an image that is there, or a new one.
fn chosen(api: &Northbound, id: String) -> Result<ImageId, Problem> {
    let known = ImageId(id);
    if api.catalog.snapshot().image(&known).is_some() {
        return Ok(known);
    }
    ImageId::chosen(known.0).map_err(|error| Problem::parameter("id", error))
}

fn describe(
    parameters: &Parameters,
    parts: &request::Parts,
    digests: ExpectedDigests,
    id: ImageId,
) -> Result<Description, Problem> {
    if parameters.get("id").is_some_and(|other| other != id.0) {
        return Err(Problem::parameter("id", "is another one than in the path"));
    }
    let mut description = Description::of(parameters, parts, digests, Some(id))?;
    description.wanted.labels.get_or_insert_default();
    Ok(description)
}

/// Has the image be as described. Tells whether it is new.
async fn bring_about(
    api: &Northbound,
    description: Description,
    conditions: &Preconditions,
) -> Result<(Image, bool), Problem> {
    for _ in 0..MAX_LOOKS {
        if let Some(brought) = attempt(api, description.clone(), conditions).await? {
            return Ok(brought);
        }
    }
    Err(unsettled(&description))
}

/// `None` if another request made or removed the image since it was looked for.
async fn attempt(
    api: &Northbound,
    mut description: Description,
    conditions: &Preconditions,
) -> Result<Option<(Image, bool)>, Problem> {
    let registration = &api.catalog.registration;
    let seen = check(api, conditions, description.wanted.id.as_ref()).await?;
    let found = registration.find(&description.wanted).await.map_err(problem)?;
    let Some(image) = found.filter(|image| !matches!(image.status, Status::Error(_))) else {
        let reservation = match registration.reserve(description.wanted.clone()).await {
            Err(CatalogError::Duplicate { id, .. }) if description.wanted.id.as_ref() == Some(&id) => {
                return Ok(None);
            }
            reservation => reservation.map_err(problem)?.only_if(seen),
        };
        let is_new = !reservation.is_retry();
        return Ok(Some((make(api, description, reservation).await?, is_new)));
    };
    let image = match description.likeness(api, &image).await? {
        Likeness::Same => match registration.adapt(image.id.clone(), description.wanted, seen).await {
            Err(CatalogError::NoSuchImage) => return Ok(None),
            adapted => wait_again(api, adapted.map_err(problem)?, description.wait).await?,
        },
        Likeness::OtherTree if image.status != Status::Ok => return Err(kept(image, UNREAD)),
        Likeness::OtherTree => {
            let reservation = registration.reserve_again(description.wanted).await.map_err(problem)?;
            reservation.only_if(seen).register_same().await.map_err(problem)?
        }
        Likeness::Other => replace(api, description, image, seen).await?,
    };
    Ok(Some((image, false)))
}

/// Makes the image from another file. What is served, or being downloaded, goes on until that is done.
async fn replace(
    api: &Northbound,
    description: Description,
    image: Image,
    seen: Seen,
) -> Result<Image, Problem> {
    match description.source {
        AskedSource::Store(_) | AskedSource::Local(_) => {}
        AskedSource::Web(_) => return Err(kept(image, DOWNLOADED)),
        AskedSource::Client(_) => return Err(kept(image, UPLOADED)),
    }
    let api = api.clone();
    run_to_completion(async move {
        let reservation = api.catalog.registration.reserve_again(description.wanted.clone()).await;
        let reservation = reservation.map_err(problem)?.only_if(seen);
        let download = api.image_jobs.halt(&image.id).await.map_err(problem)?;
        let made = make(&api, description, reservation).await;
        match &made {
            Ok(_) => api.image_jobs.drop_paused(download).await,
            Err(_) => api.image_jobs.go_on(download),
        }
        made
    })
    .await
}

/// The same with `isoclient`, where the body is the ISO.
async fn upload(
    api: &Northbound,
    mut description: Description,
    conditions: Preconditions,
    parts: &request::Parts,
    body: Body,
) -> Result<Response, Problem> {
    refuse_form(parts, "")?;
    check_headers(&parts.headers)?;
    let registration = &api.catalog.registration;
    let seen = check(api, &conditions, description.wanted.id.as_ref()).await?;
    let found = registration.find(&description.wanted).await.map_err(problem)?;
    if let Some(image) = found.as_ref().filter(|image| !matches!(image.status, Status::Error(_))) {
        let is_same = description.likeness(api, image).await? == Likeness::Same;
        if !is_same || !description.states_digest() {
            return Err(kept(image.clone(), UPLOADED));
        }
        compare(&parts.headers, RequestBody::new(parts, body), &description.digests).await?;
        let adapted = registration.adapt(image.id.clone(), description.wanted, seen);
        let adapted = adapted.await.map_err(problem)?;
        return Ok(finished(&parts.headers, &in_full(api, adapted.id).await.map_err(problem)?));
    }
    let reservation = registration.reserve(description.wanted.clone()).await.map_err(problem)?;
    let show =
        |api: Northbound, image: Image| async move { in_full(&api, image.id).await.map_err(problem) }.boxed();
    let reservation = reservation.only_if(seen);
    let mut answer = receive_iso(api, description, reservation, parts, body, show).await?;
    if found.is_none() {
        *answer.status_mut() = StatusCode::CREATED;
    }
    Ok(answer)
}

fn kept(image: Image, why: &'static str) -> Problem {
    problem(CatalogError::NotReplaced { id: image.id, why })
}
