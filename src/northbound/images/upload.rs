//! `PUT /images` with `isoclient`: the body of the request is the ISO.

use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt;
use http::{StatusCode, request};
use http_service::Problem;
use http_service::digest_fields::ExpectedDigests;
use http_service::parameters::Parameters;
use http_service::request_body::{RequestBody, check_headers, refuse_form};
use images::Intake;
use images::trees::{SIGNATURE_BYTES, declared_size, not_an_image};
use model::names::FileName;

use super::reserve::reserve;
use crate::northbound::api::{Northbound, client};
use crate::northbound::checksum_file::ChecksumFile;
use crate::northbound::file_upload::receive;
use crate::northbound::problems::{of_file, problem};

/// An upload that lacks more than this of what its beginning announces is cut short. Less may be padding that
/// was trimmed.
const PADDING: u64 = 1 << 20;

pub(super) async fn upload(
    api: &Northbound,
    query: &Parameters,
    parts: &request::Parts,
    body: Body,
) -> Result<Response, Problem> {
    refuse_form(parts, "")?;
    let iso = query.required("isoclient", FileName::new)?;
    check_headers(&parts.headers)?;
    let digests = ExpectedDigests::of_upload(query, &parts.headers)?;
    let reservation = reserve(api, client(&parts.extensions), query).await?;
    let digests = ChecksumFile::of(query)?.complete(api, iso.as_str(), digests).await?;
    let mut body = RequestBody::new(parts, body);
    let expected = body.expected();
    let intake = reservation.receive(iso, expected, digests.expected()).await;
    let intake = intake.map_err(problem)?;
    judge(&intake, &body.peek(SIGNATURE_BYTES).await?, expected)?;
    let api = api.clone();
    let finish = move |intake| {
        async move {
            let image =
                reservation.register_received(intake).await.map_err(|error| of_file(error, &digests))?;
            Ok(api.view(&image))
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
