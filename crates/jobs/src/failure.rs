//! Why work was not done, as far as the engine cares.

use std::error::Error;
use std::sync::Arc;

/// Why a job failed. Its text becomes the `reason` of the job, which clients read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// It was cancelled.
    #[error("it was cancelled")]
    Cancelled,
    /// The kind of work says why.
    #[error(transparent)]
    Work(Arc<dyn Error + Send + Sync>),
}

impl Failure {
    /// A failure with an error of the kind of work.
    pub fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::Work(Arc::new(cause))
    }

    /// The error of the kind of work, if it is of this type.
    pub fn cause<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Cancelled => None,
            Self::Work(cause) => cause.downcast_ref(),
        }
    }
}
