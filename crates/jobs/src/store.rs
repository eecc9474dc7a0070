//! Where durable jobs are recorded. The application decides on which disk and in which format.

use std::error::Error;
use std::pin::Pin;

use model::job::{Job, JobId};

/// An error of the application.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A future of a trait that is used as an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps the records of durable jobs.
pub trait JobStore: Send + Sync + 'static {
    /// Saves `job` and removes `forgotten`, in one step. An id that is not on record is forgotten already.
    ///
    /// A crash may lose what was saved shortly before. The next start then repeats the work, which finds that
    /// it is done. Without a `job` this is a removal that a client asked for, and it survives a crash.
    fn save(&self, job: Option<Job>, forgotten: Vec<JobId>) -> BoxFuture<'_, Result<(), BoxError>>;
}

/// Keeps nothing: for an engine without durable jobs.
impl JobStore for () {
    fn save(&self, _: Option<Job>, _: Vec<JobId>) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async { Ok(()) })
    }
}
