//! Why work was not done, told apart by who can repair it. The texts are shown to clients and name no path of the server.

use super::checksums::ChecksumError;
use super::fetch::Fault;
use crate::catalog::CatalogError;
use crate::store::StoreError;
use crate::trees::FileError;

/// Why a job failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// What is to be worked on is not there.
    #[error("{0}")]
    Missing(String),
    /// Where it comes from cannot be reached, refuses, or gives something wrong.
    #[error("{0}")]
    Source(String),
    /// The configuration forbids it.
    #[error("{0}")]
    Forbidden(String),
    /// What came is not an image.
    #[error("{0}")]
    NotAnImage(String),
    /// What came is not what somebody expected.
    #[error("{0}")]
    Mismatch(String),
    /// It does not have the tree that was asked for.
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
    /// Our disk failed.
    #[error("the service cannot store it: {0}")]
    Storage(String),
    /// It was stopped.
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

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        let text = error.to_string();
        match error {
            CatalogError::NoSuchFile { .. } | CatalogError::Local(FileError::NotFound) => Self::Missing(text),
            CatalogError::NotAnImage(_) | CatalogError::Empty => Self::NotAnImage(text),
            CatalogError::TreeChoice(_) => Self::TreeChoice(text),
            CatalogError::Store(StoreError::Full { .. }) => Self::Space(text),
            CatalogError::Store(StoreError::TooLarge { .. }) => Self::TooLarge(text),
            CatalogError::Store(StoreError::Mismatch(_)) => Self::Mismatch(text),
            CatalogError::Store(StoreError::NotAFile(_))
            | CatalogError::Busy(_)
            | CatalogError::InUse { .. }
            | CatalogError::NameIsLocal(_)
            | CatalogError::NameIsStored(_)
            | CatalogError::Changing(_)
            | CatalogError::Damaged { .. } => Self::Conflict(text),
            CatalogError::NoSuchImage | CatalogError::Stopping => Self::Cancelled,
            CatalogError::Inventory(error) => {
                tracing::error!(%error, "a job cannot be recorded");
                Self::Storage("the inventory cannot be written, see the service's log".into())
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
