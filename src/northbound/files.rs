//! The files in the stores, of whichever: `isos.rs` and `microkernels.rs` have the routes.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::Northbound;
use super::checksum_file::ChecksumFile;
use super::digest_fields::Claim;
use super::parameters::Parameters;
use super::problem::Problem;
use super::uploads::{Upload, check_headers};
use super::views::StoredFile;
use crate::model::names::FileName;
use crate::model::stored_file::Shelf;

pub(super) const FILTERS: [&str; 1] = ["name"];
pub(super) const PUT_PARAMETERS: [&str; 5] = ["name", "sha256", "sha512", "checksum", "signature"];

/// `GET`: all files, or the one named.
pub(super) async fn list(
    State(door): State<Northbound>,
    shelf: Shelf,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let parameters = Parameters::of_filters(&parts, &FILTERS)?;
    let mut files = door.catalog.files(shelf).await?;
    if let Some(name) = parameters.get("name") {
        files.retain(|listed| listed.file.name.as_str() == name);
    }
    let views: Vec<_> = files.iter().map(|listed| StoredFile::listed(shelf, listed)).collect();
    Ok(Json(views).into_response())
}

/// `PUT`: an upload. The body is the file, whatever its type says.
pub(super) async fn put(
    State(door): State<Northbound>,
    shelf: Shelf,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let upload = Upload::new(&parts, body);
    let size = upload.expected();
    let accepted = async {
        let parameters = Parameters::of_query(&parts, &PUT_PARAMETERS)?;
        let name = parameters.required("name", FileName::new)?;
        check_headers(&parts.headers)?;
        let claim = Claim::of_upload(&parameters, &parts.headers)?;
        let claim = ChecksumFile::of(&parameters)?.complete(&door, name.as_str(), claim).await?;
        let intake = door.catalog.receive(shelf, name, size, claim.expected()).await?;
        Ok::<_, Problem>((intake, claim))
    };
    let (intake, claim) = match accepted.await {
        Ok(accepted) => accepted,
        Err(problem) => return Err(upload.refuse(problem).await),
    };
    let finish = move |intake: crate::catalog::Intake| {
        let stored = async move {
            let stored = intake.finish().await.map_err(|error| claim.blame(error))?;
            Ok(StoredFile::new(shelf, &stored))
        };
        stored.boxed()
    };
    upload.run(intake, Box::new(finish)).await
}

/// `DELETE`: the file named.
pub(super) async fn delete(
    State(door): State<Northbound>,
    shelf: Shelf,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let parameters = Parameters::of_request(&parts, body, &FILTERS).await?;
    let name = parameters.required("name", FileName::existing)?;
    let removed = door.catalog.remove_file(shelf, name).await?;
    Ok(Json(StoredFile::new(shelf, &removed.file)).into_response())
}
