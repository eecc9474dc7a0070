//! `PUT /images` with `isoclient`: the body of the request is the ISO.

use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{StatusCode, request};
use http_service::request_body::{RequestBody, check_headers, refuse_form};
use http_service::{Preconditions, Problem};
use images::trees::{SIGNATURE_BYTES, declared_size, not_an_image};
use images::{AskedSource, Intake, Reservation};
use model::image::{Image, Status};
use serde::Serialize;

use super::conditions::check;
use super::description::{Description, Likeness};
use super::make::{again, duplicate};
use crate::northbound::api::Northbound;
use crate::northbound::file_upload::{finished, receive};
use crate::northbound::problems::{of_file, problem};
use crate::northbound::repeated_body::compare;

/// An upload that lacks more than this of what its beginning announces is cut short. Less may be padding that
/// was trimmed.
const PADDING: u64 = 1 << 20;

/// Receives the ISO and registers it. If an image is what is described already, as its digest says, nothing
/// is stored.
pub(super) async fn upload(
    api: &Northbound,
    mut description: Description,
    conditions: &Preconditions,
    parts: &request::Parts,
    body: Body,
) -> Result<Response, Problem> {
    refuse_form(parts, "")?;
    check_headers(&parts.headers)?;
    let found = api.catalog.registration.find(&description.wanted).await.map_err(problem)?;
    let seen = check(api, conditions, found.as_ref().map(|image| &image.id)).await?;
    if let Some(image) = found.filter(|image| !matches!(image.status, Status::Error(_))) {
        let is_same = description.likeness(api, &image).await? == Likeness::Same;
        if !is_same || !description.states_digest() {
            return Err(duplicate(image));
        }
        compare(&parts.headers, RequestBody::new(parts, body), &description.digests).await?;
        let image = again(api, description, image, seen).await?;
        return Ok(finished(&parts.headers, &api.view(&image)));
    }
    let reservation = api.catalog.registration.reserve(description.wanted.clone()).await.map_err(problem)?;
    let show = |api: Northbound, image: Image| async move { Ok(api.view(&image)) }.boxed();
    receive_iso(api, description, reservation.only_if(seen), parts, body, show).await
}

/// Receives the ISO of an image whose name is reserved. `show` makes the answer of the image.
pub(super) async fn receive_iso<T: Serialize + Send + 'static>(
    api: &Northbound,
    mut description: Description,
    reservation: Reservation,
    parts: &request::Parts,
    body: Body,
    show: impl FnOnce(Northbound, Image) -> BoxFuture<'static, Result<T, Problem>> + Send + 'static,
) -> Result<Response, Problem> {
    description.complete(api).await?;
    let Description { source, digests, .. } = description;
    let AskedSource::Client(iso) = source else {
        return Err(Problem::parameter("isoclient", "is missing"));
    };
    let mut body = RequestBody::new(parts, body);
    let expected = body.expected();
    let intake = reservation.receive(iso, expected, digests.expected()).await;
    let intake = intake.map_err(problem)?;
    judge(&intake, &body.peek(SIGNATURE_BYTES).await?, expected)?;
    let api = api.clone();
    let finish = move |intake| {
        async move {
            let registered = reservation.register_received(intake, digests.expected()).await;
            show(api, registered.map_err(|error| of_file(error, &digests))?).await
        }
        .boxed()
    };
    receive(body, &parts.headers, intake, Box::new(finish)).await
}

/// Refuses a file by its beginning, before the rest is received.
fn judge(intake: &Intake, beginning: &[u8], expected: Option<u64>) -> Result<(), Problem> {
    let refuse = |detail: String| {
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).of_parameter("isoclient"))
    };
    if !intake.may_be_image(beginning) {
        return refuse(not_an_image(beginning));
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
