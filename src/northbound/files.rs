//! The files in the stores, of whichever: `isos.rs` and `microkernels.rs` have the routes.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::api::Northbound;
use super::checksum_file::ChecksumFile;
use super::digest_fields::ExpectedDigests;
use super::parameters::Parameters;
use super::problem::Problem;
use super::request_body::{Upload, check_headers};
use super::views::file::StoredFile;
use crate::model::names::FileName;
use crate::model::stored_file::StoreKind;

pub(super) const FILTERS: [&str; 1] = ["name"];
pub(super) const PUT_PARAMETERS: [&str; 5] = ["name", "sha256", "sha512", "checksum", "signature"];

/// `GET`: all files, or the one named.
pub(super) async fn list(
    State(api): State<Northbound>,
    kind: StoreKind,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let parameters = Parameters::of_filters(&parts, &FILTERS)?;
    let mut files = api.catalog.files(kind).await?;
    if let Some(name) = parameters.get("name") {
        files.retain(|listed| listed.file.name.as_str() == name);
    }
    let views: Vec<_> = files.iter().map(|listed| StoredFile::listed(kind, listed)).collect();
    Ok(Json(views).into_response())
}

/// `PUT`: an upload. The body is the file, whatever its type says.
pub(super) async fn put(
    State(api): State<Northbound>,
    kind: StoreKind,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let upload = Upload::new(&parts, body);
    let size = upload.expected();
    let accepted = async {
        let parameters = Parameters::of_query(&parts, &PUT_PARAMETERS)?;
        let name = parameters.required("name", FileName::new)?;
        check_headers(&parts.headers)?;
        let digests = ExpectedDigests::of_upload(&parameters, &parts.headers)?;
        let digests = ChecksumFile::of(&parameters)?.complete(&api, name.as_str(), digests).await?;
        let intake = api.catalog.receive(kind, name, size, digests.expected()).await?;
        Ok::<_, Problem>((intake, digests))
    };
    let (intake, digests) = match accepted.await {
        Ok(accepted) => accepted,
        Err(problem) => return Err(upload.refuse(problem).await),
    };
    let finish = move |intake: crate::catalog::Intake| {
        let stored = async move {
            let stored = intake.finish().await.map_err(|error| digests.attribute(error))?;
            Ok(StoredFile::new(kind, &stored))
        };
        stored.boxed()
    };
    upload.run(intake, Box::new(finish)).await
}

/// `DELETE`: the file named.
pub(super) async fn delete(
    State(api): State<Northbound>,
    kind: StoreKind,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let parameters = Parameters::of_request(&parts, body, &FILTERS).await?;
    let name = parameters.required("name", FileName::existing)?;
    let removed = api.catalog.remove_file(kind, name).await?;
    Ok(Json(StoredFile::new(kind, &removed.file)).into_response())
}
