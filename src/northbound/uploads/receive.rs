//! From the body of a request to the unfinished file, as many bytes as arrive.

use std::time::Instant;

use http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::fields::{Checksum, Piece};
use crate::catalog::{Catalog, CatalogError, Intake};
use crate::model::minimum_rate::MinimumRate;
use crate::model::unfinished_file::UnfinishedFileId;
use crate::northbound::problem::{Problem, checksum_mismatch};
use crate::northbound::request_body::{STALL_TIMEOUT, Upload};
use crate::northbound::views::file::StoredFile;

/// An upload after its bytes were appended.
pub(super) struct Appended {
    /// Bytes that it has now.
    pub(super) offset: u64,
    /// The stored file, once the upload is complete.
    pub(super) stored: Option<StoredFile>,
}

/// The problem of an upload that another request works on is 423: clients of tus wait then. On 409 they would begin anew.
pub(super) fn locked(error: CatalogError) -> Problem {
    match error {
        CatalogError::Busy(_) => Problem::new(StatusCode::LOCKED, error.to_string()),
        other => other.into(),
    }
}

/// Appends the body of a request. Bytes that arrived are kept when the request breaks off, unless it has a checksum: then all count or none.
/// `token` ends it.
pub(super) async fn receive(
    catalog: &Catalog,
    id: &UnfinishedFileId,
    mut upload: Upload,
    piece: Option<Piece>,
    checksum: Option<Checksum>,
    token: CancellationToken,
) -> Result<Appended, Problem> {
    let (kind, file) = match catalog.settle_part(id).await {
        Ok(found) => found,
        Err(error) => return Err(upload.refuse(locked(error)).await),
    };
    let first = piece.map_or(0, |piece| piece.offset);
    if file.whole && first == file.offset && upload.expected().unwrap_or(0) == 0 {
        return Ok(Appended { offset: file.offset, stored: None });
    }
    if file.whole {
        return Err(upload.refuse(CatalogError::Whole.into()).await);
    }
    let total = piece.map_or(upload.expected(), |piece| piece.total);
    let opened = open(catalog, id, piece, total, upload.expected()).await;
    let (mut intake, size) = match opened {
        Ok(opened) => opened,
        Err(problem) => return Err(upload.refuse(problem).await),
    };
    let received = tokio::select! {
        () = token.cancelled() => Err(Problem::new(StatusCode::CONFLICT, "a newer request goes on with this upload")),
        received = receive_chunks(&mut intake, &mut upload, size, checksum) => received,
    };
    let offset = intake.offset();
    if received.is_ok() && size == Some(offset) {
        let stored = intake.finish().await?;
        return Ok(Appended { offset, stored: Some(StoredFile::new(kind, &stored)) });
    }
    intake.suspend().await?;
    match received {
        Ok(()) => Ok(Appended { offset, stored: None }),
        Err(problem) => Err(upload.refuse(problem).await),
    }
}

/// Opens the unfinished file for a piece, with the size of the complete file if that is known by now.
async fn open(
    catalog: &Catalog,
    id: &UnfinishedFileId,
    piece: Option<Piece>,
    total: Option<u64>,
    length: Option<u64>,
) -> Result<(Intake, Option<u64>), Problem> {
    let mut intake = catalog.resume_part(id, None).await.map_err(locked)?;
    match piece {
        None => intake.restart().await?,
        Some(piece) if piece.offset == intake.offset() => {}
        Some(_) => {
            let detail = format!("the upload has {} bytes; go on from there", intake.offset());
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
    }
    let known = catalog.part(id).and_then(|(_, file)| file.plan.size);
    let size = match (known, total) {
        (Some(known), Some(total)) if known != total => {
            let detail = format!("the upload is to have {known} bytes, not {total}");
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
        (None, Some(total)) => {
            intake.set_expected_size(Some(total)).await?;
            Some(total)
        }
        (known, _) => known,
    };
    let end = length.map(|length| intake.offset().saturating_add(length));
    if let (Some(end), Some(size)) = (end, size)
        && end > size
    {
        return Err(too_much(size));
    }
    Ok((intake, size))
}

async fn receive_chunks(
    intake: &mut Intake,
    upload: &mut Upload,
    size: Option<u64>,
    mut checksum: Option<Checksum>,
) -> Result<(), Problem> {
    if checksum.is_some() {
        intake.hold().await?;
    }
    let mut rate = MinimumRate::new(STALL_TIMEOUT, Instant::now());
    while let Some(chunk) = upload.next().await? {
        if !rate.keeps_up(chunk.len(), Instant::now()) {
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the upload comes too slowly"));
        }
        if size.is_some_and(|size| intake.offset() + chunk.len() as u64 > size) {
            return Err(too_much(size.unwrap_or(0)));
        }
        if let Some(checksum) = &mut checksum {
            checksum.update(&chunk);
        }
        intake.write(chunk).await?;
    }
    match checksum.map(Checksum::fits) {
        None => Ok(()),
        Some(true) => Ok(intake.release().await?),
        Some(false) => {
            intake.take_back().await?;
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
