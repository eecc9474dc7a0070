//! Why work on images was not done, by what can be repaired. Clients read the texts, so
//! they name no path of the server.

use std::time::Duration;

use ::jobs::Outcome;
use fetch::Fault;
use fetch::checksums::ChecksumError;

use crate::CatalogError;
use crate::trees::FileError;
use blobs::StoreError;

/// Why a job failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The file or the image is not there.
    #[error("{0}")]
    Missing(String),
    /// The source cannot be reached, refuses, or sends something wrong.
    #[error("{0}")]
    Source(String),
    /// The configuration forbids it.
    #[error("{0}")]
    Forbidden(String),
    /// The bytes are not an image.
    #[error("{0}")]
    NotAnImage(String),
    /// The bytes have other digests than expected.
    #[error("{0}")]
    Mismatch(String),
    /// The image does not have the tree that the client asked for.
    #[error("{0}")]
    TreeChoice(String),
    /// Another image or request stands in the way.
    #[error("{0}")]
    Conflict(String),
    /// It does not fit.
    #[error("{0}")]
    Space(String),
    /// It is larger than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// The disk of the service failed.
    #[error("the service cannot store it: {0}")]
    Storage(String),
    /// The job was cancelled.
    #[error("it was cancelled")]
    Cancelled,
}

impl Failure {
    /// The same kind of failure in other words.
    pub(super) fn told_as(self, text: String) -> Self {
        match self {
            Self::Missing(_) => Self::Missing(text),
            Self::Source(_) => Self::Source(text),
            Self::Forbidden(_) => Self::Forbidden(text),
            Self::NotAnImage(_) => Self::NotAnImage(text),
            Self::Mismatch(_) => Self::Mismatch(text),
            Self::TreeChoice(_) => Self::TreeChoice(text),
            Self::Conflict(_) => Self::Conflict(text),
            Self::Space(_) => Self::Space(text),
            Self::TooLarge(_) => Self::TooLarge(text),
            Self::Storage(_) => Self::Storage(text),
            Self::Cancelled => Self::Cancelled,
        }
    }
}

/// The engine's view of a failure.
impl From<Failure> for ::jobs::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Cancelled => Self::Cancelled,
            failure => Self::new(failure),
        }
    }
}

/// The failure that a kind of this component gave to the engine.
impl From<&::jobs::Failure> for Failure {
    fn from(failure: &::jobs::Failure) -> Self {
        match failure {
            ::jobs::Failure::Cancelled => Self::Cancelled,
            other => other.cause().cloned().unwrap_or_else(|| Self::Storage(other.to_string())),
        }
    }
}

/// The work cannot be done.
pub(super) fn failed(failure: impl Into<Failure>) -> Outcome {
    Outcome::Failed(failure.into().into())
}

/// Another attempt may succeed, though this one made no progress.
pub(super) fn retry(failure: impl Into<Failure>, after: Option<Duration>) -> Outcome {
    Outcome::Retry { failure: failure.into().into(), after, progressed: false }
}

/// Another attempt goes on from where this one came.
pub(super) fn retry_from_here(failure: impl Into<Failure>, after: Option<Duration>) -> Outcome {
    Outcome::Retry { failure: failure.into().into(), after, progressed: true }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        let text = error.to_string();
        match error {
            CatalogError::NoSuchFile { .. } | CatalogError::Local(FileError::NotFound) => Self::Missing(text),
            CatalogError::NotAnImage(_) | CatalogError::Empty => Self::NotAnImage(text),
            CatalogError::TreeChoice(_) => Self::TreeChoice(text),
            CatalogError::Store(
                StoreError::Full { .. }
                | StoreError::ClientHasShare { .. }
                | StoreError::ClientHasUnfinishedFiles(_)
                | StoreError::TooManyUnfinishedFiles(_),
            ) => Self::Space(text),
            CatalogError::Store(StoreError::TooLarge { .. }) => Self::TooLarge(text),
            CatalogError::Store(StoreError::Mismatch(_)) => Self::Mismatch(text),
            CatalogError::Store(StoreError::NotAFile(_) | StoreError::OtherSpelling { .. })
            | CatalogError::Busy(_)
            | CatalogError::FileBusy { .. }
            | CatalogError::InUse { .. }
            | CatalogError::NameIsLocal(_)
            | CatalogError::NameIsStored(_)
            | CatalogError::Changing(_)
            | CatalogError::Damaged { .. } => Self::Conflict(text),
            CatalogError::NoSuchImage | CatalogError::Stopping => Self::Cancelled,
            CatalogError::Inventory(error) => {
                tracing::error!(error = error.with_cause(), "a job cannot be recorded");
                Self::Storage(error.public_message())
            }
            CatalogError::TooManyJobs(_) | CatalogError::ClientHasJobs(_) => Self::Conflict(text),
            CatalogError::LinksTooLong(_) => Self::TooLarge(text),
            CatalogError::Store(error @ StoreError::Io { .. }) => {
                tracing::error!(error = text, "a job cannot be done");
                Self::Storage(error.public_message())
            }
            _ => {
                tracing::error!(error = text, "a job cannot be done");
                Self::Storage("an internal error, see the service's log".into())
            }
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Missing(text) => Self::Missing(text),
            Fault::Refused(text) => Self::Forbidden(text),
            fault => Self::Source(fault.to_string()),
        }
    }
}

impl From<ChecksumError> for Failure {
    fn from(error: ChecksumError) -> Self {
        let text = error.to_string();
        match error.fault().cloned().map(Self::from) {
            Some(failure) => failure.told_as(text),
            None => Self::Mismatch(text),
        }
    }
}
