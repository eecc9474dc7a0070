//! The errors of the catalog, the stores, the jobs and the events as clients read them. A client reads what
//! it can repair. What only the operator can repair goes to the log, and the client reads a sentence without
//! inner details.

use std::io;

use blobs::StoreError;
use http::StatusCode;
use http_service::Problem;
use http_service::digest_fields::ExpectedDigests;
use images::CatalogError;
use images::jobs::checksums::ChecksumError;
use images::jobs::{Failure, JobError};
use images::trees::FileError;
use records::feed::SubscribeError;
use records::inventory::CommitError;

/// What a client reads of a failure that only the operator can repair.
const LATER: &str = "the service cannot do this just now; its log says why";

/// The status of tus for bytes that do not have their checksum.
const CHECKSUM_MISMATCH: u16 = 460;

/// An error that clients may read of.
pub(super) trait IntoProblem {
    /// The error as clients read it.
    fn into_problem(self) -> Problem;
}

/// The problem of an error.
pub(super) fn problem(error: impl IntoProblem) -> Problem {
    error.into_problem()
}

/// The problem of a file. If the file has another digest, the problem names the parameters and fields that
/// state the expected one.
pub(super) fn of_file(error: CatalogError, digests: &ExpectedDigests) -> Problem {
    match error {
        CatalogError::Store(StoreError::Mismatch(_)) => digests.attribute(problem(error)),
        other => problem(other),
    }
}

/// The bytes of a piece do not have the checksum that the client announced.
pub(super) fn checksum_mismatch() -> Problem {
    let status = StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST);
    Problem::new(status, "the bytes do not have the checksum that was said; send them again")
}

/// Whether a disk takes no more bytes, though it may give those that it has.
fn cannot_be_written(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};

    matches!(error.kind(), ReadOnlyFilesystem | StorageFull | QuotaExceeded)
}

impl IntoProblem for CatalogError {
    fn into_problem(self) -> Problem {
        let text = self.to_string();
        let status = match &self {
            CatalogError::Duplicate { id, .. } | CatalogError::NotReplaced { id, .. } => {
                return Problem::new(StatusCode::CONFLICT, text).with_id(id.to_string());
            }
            CatalogError::InUse { iso: name, .. }
            | CatalogError::NameIsLocal(name)
            | CatalogError::NameIsStored(name)
            | CatalogError::FileBusy { name, .. }
            | CatalogError::Changing(name)
            | CatalogError::Damaged { name, .. } => {
                return Problem::new(StatusCode::CONFLICT, text).with_name(name.to_string());
            }
            CatalogError::Changed => StatusCode::PRECONDITION_FAILED,
            CatalogError::Busy(_) | CatalogError::Complete | CatalogError::NotServed { .. } => {
                StatusCode::CONFLICT
            }
            CatalogError::NoSuchImage
            | CatalogError::NoSuchFile { .. }
            | CatalogError::NoSuchFolder(_)
            | CatalogError::NotAFolder(_)
            | CatalogError::Local(FileError::NotFound) => StatusCode::NOT_FOUND,
            CatalogError::Empty
            | CatalogError::LocalName(_)
            | CatalogError::LinksTooLong(_)
            | CatalogError::Local(FileError::NotRegular(_)) => StatusCode::BAD_REQUEST,
            CatalogError::Local(FileError::Forbidden) => StatusCode::FORBIDDEN,
            CatalogError::TreeChoice(_) => {
                return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text).of_parameter("tree");
            }
            CatalogError::NotAnImage(_) => StatusCode::UNPROCESSABLE_ENTITY,
            CatalogError::Store(error) => return of_store(error, text),
            CatalogError::Tree(error) => {
                let detail = error.public_message();
                return Problem::internal(error, detail);
            }
            CatalogError::Inventory(error) => {
                let detail = error.public_message();
                return Problem::new(StatusCode::INSUFFICIENT_STORAGE, detail).logged(text);
            }
            CatalogError::Local(FileError::Io(_)) | CatalogError::Lookup(_) | CatalogError::Fault => {
                return Problem::internal(text, LATER);
            }
            CatalogError::ClientCrowds(_) | CatalogError::ClientSearches | CatalogError::ClientHasJobs(_) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            CatalogError::Crowded
            | CatalogError::Searching
            | CatalogError::TooManyJobs(_)
            | CatalogError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem::new(status, text)
    }
}

/// The problem of a store, which `text` tells.
fn of_store(error: &StoreError, text: String) -> Problem {
    let status = match error {
        StoreError::NotFound(_) | StoreError::Link(_) | StoreError::NoSuchUnfinishedFile => {
            StatusCode::NOT_FOUND
        }
        StoreError::NotAFile(_) | StoreError::OtherSpelling { .. } | StoreError::UnfinishedFileExists => {
            StatusCode::CONFLICT
        }
        StoreError::TooManyUnfinishedFiles(_) => StatusCode::SERVICE_UNAVAILABLE,
        StoreError::ClientHasUnfinishedFiles(_) | StoreError::ClientHasShare { .. } => {
            StatusCode::TOO_MANY_REQUESTS
        }
        StoreError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
        StoreError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        StoreError::Mismatch(_) => StatusCode::UNPROCESSABLE_ENTITY,
        StoreError::Io { error: cause, .. } if cannot_be_written(cause) => {
            let detail = error.public_message();
            return Problem::new(StatusCode::INSUFFICIENT_STORAGE, detail).logged(text);
        }
        StoreError::Io { .. } => return Problem::internal(text, error.public_message()),
        StoreError::InUse(_) => return Problem::internal(text, LATER),
    };
    Problem::new(status, text)
}

impl IntoProblem for Failure {
    fn into_problem(self) -> Problem {
        let text = self.to_string();
        let status = match self {
            Failure::TreeChoice(_) => {
                return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text).of_parameter("tree");
            }
            Failure::Missing(_) => StatusCode::NOT_FOUND,
            Failure::Source(_) | Failure::NotAnImage(_) | Failure::Mismatch(_) | Failure::Forbidden(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Failure::Conflict(_) | Failure::Cancelled => StatusCode::CONFLICT,
            Failure::Space(_) => StatusCode::INSUFFICIENT_STORAGE,
            Failure::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Failure::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, text)
    }
}

impl IntoProblem for ChecksumError {
    fn into_problem(self) -> Problem {
        Failure::from(self).into_problem()
    }
}

impl IntoProblem for JobError {
    fn into_problem(self) -> Problem {
        let text = self.to_string();
        let status = match self {
            JobError::NoSuchJob => StatusCode::NOT_FOUND,
            JobError::Changed => StatusCode::PRECONDITION_FAILED,
            JobError::NotOver(_) | JobError::Pointless(_) | JobError::Busy => StatusCode::CONFLICT,
            JobError::Refused(error) => {
                return match error.downcast::<CatalogError>() {
                    Ok(error) => problem(*error),
                    Err(error) => match error.downcast::<CommitError>() {
                        Ok(error) => problem(CatalogError::from(*error)),
                        Err(error) => Problem::internal(error, LATER),
                    },
                };
            }
        };
        Problem::new(status, text)
    }
}

impl IntoProblem for SubscribeError {
    fn into_problem(self) -> Problem {
        let status = match self {
            SubscribeError::ClientCrowds(_) => StatusCode::TOO_MANY_REQUESTS,
            SubscribeError::Crowded | SubscribeError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem::new(status, self.to_string())
    }
}
