//! Work that a request begins and that must not stop halfway.

use crate::problem::Problem;

/// Runs work to its end, even if the client closes its connection or the time limit ends the request.
///
/// # Errors
///
/// The problem of the work, or 500 if it panicked.
pub async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request ended early");
        Err(Problem::mistake())
    })
}
