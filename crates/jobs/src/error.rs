//! What a client asks of a job and does not get.

use crate::store::BoxError;

/// The request cannot be met by this job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// There is no such job.
    #[error("no job has this id")]
    NoSuchJob,
    /// Its state forbids it.
    #[error("the job is {0}, so it cannot be begun again")]
    NotOver(&'static str),
    /// The work is not needed any more, or is being done by another job.
    #[error("the job cannot be begun again: {0}")]
    Pointless(String),
    /// It is not as the caller has seen it.
    #[error("the job was changed meanwhile; look at it again")]
    Changed,
    /// The end of the job is still being recorded.
    #[error("the end of the job is just being recorded; try again")]
    Busy,
    /// The kind of work or the store refuses, and says why.
    #[error(transparent)]
    Refused(BoxError),
}
