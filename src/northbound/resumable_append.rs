//! Bytes for an upload that can be resumed: from the request to the part, as many as come.

use std::time::Instant;

use http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use super::resumable_fields::{Checksum, Piece};
use super::uploads::{STALL_TIMEOUT, Upload};
use super::views::StoredFile;
use crate::catalog::{Catalog, CatalogError, Intake};
use crate::model::minimum_rate::MinimumRate;
use crate::model::unfinished_file::UnfinishedFileId;

/// How tus says that the bytes were not what they must be.
const CHECKSUM_MISMATCH: u16 = 460;

/// What became of the bytes.
pub(super) struct Appended {
    /// How many the upload has now.
    pub(super) offset: u64,
    /// The file, if all are here.
    pub(super) stored: Option<StoredFile>,
}

/// What cannot be done with an upload. That somebody else is busy with it is 423, on which clients wait; on 409 they would begin anew.
pub(super) fn locked(error: CatalogError) -> Problem {
    match error {
        CatalogError::Busy(_) => Problem::new(StatusCode::LOCKED, error.to_string()),
        other => other.into(),
    }
}

/// Adds the body of a request to a part. What came stays, also when the request breaks off, unless it has a checksum: then all counts or
/// nothing. `token` ends it.
pub(super) async fn append(
    catalog: &Catalog,
    id: &UnfinishedFileId,
    mut upload: Upload,
    piece: Option<Piece>,
    checksum: Option<Checksum>,
    token: CancellationToken,
) -> Result<Appended, Problem> {
    let (kind, part) = match catalog.settle_part(id).await {
        Ok(found) => found,
        Err(error) => return Err(upload.refuse(locked(error)).await),
    };
    let first = piece.map_or(0, |piece| piece.offset);
    if part.whole && first == part.offset && upload.expected().unwrap_or(0) == 0 {
        return Ok(Appended { offset: part.offset, stored: None });
    }
    if part.whole {
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
        received = receive(&mut intake, &mut upload, size, checksum) => received,
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

/// Opens the part for a piece, and tells the size of the whole file, if that is known by now.
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
    let known = catalog.part(id).and_then(|(_, part)| part.plan.size);
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

async fn receive(
    intake: &mut Intake,
    upload: &mut Upload,
    size: Option<u64>,
    mut checksum: Option<Checksum>,
) -> Result<(), Problem> {
    if checksum.is_some() {
        intake.hold().await?;
    }
    let mut pace = MinimumRate::new(STALL_TIMEOUT, Instant::now());
    while let Some(chunk) = upload.next().await? {
        if !pace.keeps_up(chunk.len(), Instant::now()) {
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

pub(super) fn checksum_mismatch() -> Problem {
    let status = StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST);
    Problem::new(status, "the bytes do not have the checksum that was said; send them again")
}

fn too_much(size: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("these are more bytes than the {size} that were announced"),
    )
}
