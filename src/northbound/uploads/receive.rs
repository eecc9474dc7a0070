//! From the body of a request to the unfinished file, as many bytes as arrive.

use http::StatusCode;
use http_service::Problem;
use http_service::request_body::RequestBody;
use images::{Catalog, CatalogError, Intake};
use model::client::ClientKey;
use model::unfinished_file::UnfinishedFileId;
use tokio_util::sync::CancellationToken;

use super::fields::{Checksum, Piece};
use crate::northbound::problems::{checksum_mismatch, problem};
use crate::northbound::views::file::StoredFile;

/// An upload after its bytes were appended.
pub(super) struct Appended {
    /// Bytes that it has now.
    pub(super) offset: u64,
    /// The stored file, once the upload is complete.
    pub(super) stored: Option<StoredFile>,
}

/// The problem of an upload that another request works on is 423: clients of tus wait then. On 409 they would
/// begin anew.
pub(super) fn locked(error: CatalogError) -> Problem {
    match error {
        CatalogError::Busy(_) | CatalogError::FileBusy { .. } => {
            Problem::new(StatusCode::LOCKED, error.to_string())
        }
        other => problem(other),
    }
}

/// Appends the body of a request of `client` to the upload `id`. Bytes that arrived are kept when the request
/// breaks off, unless it has a checksum: then all count or none. `token` ends it.
pub(super) async fn receive(
    catalog: &Catalog,
    (client, id): (Option<ClientKey>, &UnfinishedFileId),
    mut body: RequestBody,
    piece: Option<Piece>,
    checksum: Option<Checksum>,
    token: CancellationToken,
) -> Result<Appended, Problem> {
    let (kind, file) = catalog.intakes.refresh(id).await.map_err(locked)?;
    let first = piece.map_or(0, |piece| piece.offset);
    if file.whole && first == file.offset && body.expected().unwrap_or(0) == 0 {
        return Ok(Appended { offset: file.offset, stored: None });
    }
    if file.whole {
        return Err(problem(CatalogError::Complete));
    }
    let total = piece.map_or(body.expected(), |piece| piece.total);
    let (mut intake, size) = open(catalog, (client, id), piece, total, body.expected()).await?;
    let received = tokio::select! {
        () = token.cancelled() => Err(Problem::new(StatusCode::CONFLICT, "a newer request goes on with this upload")),
        received = receive_chunks(&mut intake, &mut body, size, checksum) => received,
    };
    let offset = intake.offset();
    if received.is_ok() && size == Some(offset) {
        let stored = intake.finish().await.map_err(problem)?;
        return Ok(Appended { offset, stored: Some(StoredFile::new(kind, &stored)) });
    }
    let suspended = intake.suspend().await;
    // A disk that is full ends both, and only the first knows why.
    received?;
    suspended.map_err(problem)?;
    Ok(Appended { offset, stored: None })
}

/// Opens the unfinished file for a piece, with the size of the complete file if that is known by now.
async fn open(
    catalog: &Catalog,
    (client, id): (Option<ClientKey>, &UnfinishedFileId),
    piece: Option<Piece>,
    total: Option<u64>,
    length: Option<u64>,
) -> Result<(Intake, Option<u64>), Problem> {
    let mut intake = catalog.intakes.resume(id, client, None).await.map_err(locked)?;
    let start = piece.map_or(0, |piece| piece.offset);
    if piece.is_some() && start != intake.offset() {
        let detail = format!("the upload has {} bytes; go on from there", intake.offset());
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let known = catalog.intakes.unfinished_file(id).and_then(|(_, file)| file.plan.size);
    if let (Some(known), Some(total)) = (known, total)
        && known != total
    {
        let detail = format!("the upload is to have {known} bytes, not {total}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let size = known.or(total);
    let end = length.map(|length| start.saturating_add(length));
    if let (Some(end), Some(size)) = (end, size)
        && end > size
    {
        return Err(too_much(size));
    }
    // A request that is refused removes no byte.
    if piece.is_none() {
        intake.restart(size).await.map_err(problem)?;
    } else if known.is_none() && total.is_some() {
        intake.set_expected_size(total).await.map_err(problem)?;
    }
    Ok((intake, size))
}

async fn receive_chunks(
    intake: &mut Intake,
    body: &mut RequestBody,
    size: Option<u64>,
    mut checksum: Option<Checksum>,
) -> Result<(), Problem> {
    if checksum.is_some() {
        intake.hold().await.map_err(problem)?;
    }
    while let Some(chunk) = body.next().await? {
        if size.is_some_and(|size| intake.offset() + chunk.len() as u64 > size) {
            return Err(too_much(size.unwrap_or(0)));
        }
        if let Some(checksum) = &mut checksum {
            checksum.update(&chunk);
        }
        intake.write(chunk).await.map_err(problem)?;
    }
    match checksum.map(Checksum::fits) {
        None => Ok(()),
        Some(true) => intake.release().await.map_err(problem),
        Some(false) => {
            intake.take_back().await.map_err(problem)?;
            Err(checksum_mismatch())
        }
    }
}

fn too_much(size: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("these are more bytes than the {size} that were announced"),
    )
}
