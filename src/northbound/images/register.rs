//! `PUT /images`: registrations.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http_service::digest_fields::ExpectedDigests;
use http_service::openapi::Bytes;
use http_service::parameters::Parameters;
use http_service::request_body::refuse_form_with;
use http_service::{Preconditions, Problem};
use images::CatalogError;
use model::image::{Image, Status};

use super::conditions::check;
use super::description::{Description, FORM_ADVICE, KNOWN, Likeness, is_upload};
use super::make::{MAX_LOOKS, again, duplicate, make, unsettled};
use super::upload::upload;
use crate::northbound::api::Northbound;
use crate::northbound::api_types::examples;
use crate::northbound::api_types::parameters::{Conditions, DigestFields, Preference, Registration};
use crate::northbound::api_types::problems::{
    BadParameter, ConditionFailed, EncodingRejected, FileRejected, RegistrationRejected,
};
use crate::northbound::problems::problem;
use crate::northbound::views;

/// Register an image.
///
/// Its ISO is a file of the store (`isostore`), a file of the server (`isolocal`), comes from the web
/// (`isoweb`), or is the body of the request (`isoclient`). A squashfs or an uncompressed tar will do as
/// well. But for `isoclient`, the parameters may be in the query or in a JSON body; the query wins.
///
/// An image that is in error is registered anew in the same way. One that is there already is answered as it
/// is, if the request states the same source and a digest that it has: nothing is done but to give it the
/// labels of the request.
///
/// With `isoweb` the answer comes after three seconds at most, with the status that was reached by then;
/// `wait` or `Prefer` wait longer, or not at all. With `isoclient` it is text that tells each tenth as it
/// comes, or, with `Accept: application/json`, the image at the end. If something fails after the text has
/// begun, it is cut, so that clients notice.
#[utoipa::path(
    put, path = "/images", tag = "images", operation_id = "registerImage",
    params(Registration, Preference, DigestFields, Conditions),
    request_body(
        description = "The parameters, or, with `isoclient`, the ISO, whatever the Content-Type says then.",
        content(
            (Registration = "application/json", example = json!(examples::registration())),
            (inline(Bytes) = "application/octet-stream"),
        ),
    ),
    responses(
        (status = 200, description = "The image is registered. It is served when its status says `OK`.", content(
            (views::image::Image = "application/json", example = json!(examples::image())),
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
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let conditions = api.conditions(&parts.headers)?;
    let query = Parameters::of_query(&parts, KNOWN)?;
    if is_upload(&query) {
        // The body is the ISO, so all parameters are in the query.
        let digests = ExpectedDigests::of_upload(&query, &parts.headers)?;
        let description = Description::of(&query, &parts, digests, None)?;
        return upload(&api, description, &conditions, &parts, body).await;
    }
    refuse_form_with(&parts.headers, FORM_ADVICE)?;
    let parameters = Parameters::of_request(&parts, body, KNOWN).await?;
    let digests = ExpectedDigests::of_parameters(&parameters)?;
    let description = Description::of(&parameters, &parts, digests, None)?;
    let image = register(&api, description, &conditions).await?;
    Ok(Json(api.view(&image)).into_response())
}

/// The answer to a registration whose parameters are all in the query or a JSON body.
async fn register(
    api: &Northbound,
    description: Description,
    conditions: &Preconditions,
) -> Result<Image, Problem> {
    for _ in 0..MAX_LOOKS {
        if let Some(image) = attempt(api, description.clone(), conditions).await? {
            return Ok(image);
        }
    }
    Err(unsettled(&description))
}

/// `None` if another request made the image since it was looked for: it may be the same.
async fn attempt(
    api: &Northbound,
    mut description: Description,
    conditions: &Preconditions,
) -> Result<Option<Image>, Problem> {
    let found = api.catalog.registration.find(&description.wanted).await.map_err(problem)?;
    let seen = check(api, conditions, found.as_ref().map(|image| &image.id)).await?;
    let Some(image) = found.filter(|image| !matches!(image.status, Status::Error(_))) else {
        let reservation = match api.catalog.registration.reserve(description.wanted.clone()).await {
            Err(CatalogError::Duplicate { .. }) => return Ok(None),
            reservation => reservation.map_err(problem)?.only_if(seen),
        };
        return make(api, description, reservation).await.map(Some);
    };
    if description.likeness(api, &image).await? != Likeness::Same || !description.states_digest() {
        return Err(duplicate(image));
    }
    again(api, description, image, seen).await.map(Some)
}
