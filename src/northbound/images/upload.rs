//! `PUT /images` with `isoclient`: the body of the request is the ISO.

use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt;
use http::{StatusCode, request};

use super::reserve::reserve;
use crate::catalog::Intake;
use crate::model::names::FileName;
use crate::northbound::api::Northbound;
use crate::northbound::checksum_file::ChecksumFile;
use crate::northbound::digest_fields::ExpectedDigests;
use crate::northbound::parameters::Parameters;
use crate::northbound::problem::Problem;
use crate::northbound::request_body::{Upload, check_headers};
use crate::trees::{NOT_AN_IMAGE, SIGNATURE_BYTES, declared_size};

/// An upload that lacks more than this of what its beginning announces is cut short. Less may be padding that was trimmed.
const PADDING: u64 = 1 << 20;

pub(super) async fn upload(
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

/// Refuses a file by its beginning, before the rest is received.
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
