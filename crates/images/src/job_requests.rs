//! Work that the catalog notices while it answers, and leaves to jobs.

use tokio::sync::mpsc;

use model::image::ImageId;
use model::names::FileName;
use model::stored_file::StoreKind;

/// Requests that may wait. More are dropped: the next listing makes them again.
const MAX_REQUESTS: usize = 4096;

/// A job that the catalog asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobRequest {
    /// The digest of this version of a file is not known.
    Digest(StoreKind, FileName),
    /// The ISO of this image has never been read.
    Prepare(ImageId),
}

/// The sender of requests.
#[derive(Debug, Clone)]
pub(crate) struct JobRequests(mpsc::Sender<JobRequest>);

impl JobRequests {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<JobRequest>) {
        let (sender, receiver) = mpsc::channel(MAX_REQUESTS);
        (Self(sender), receiver)
    }

    /// Asks for a job and does not wait.
    pub(crate) fn post(&self, request: JobRequest) {
        if let Err(error) = self.0.try_send(request) {
            tracing::debug!(%error, "a job request was dropped");
        }
    }
}
