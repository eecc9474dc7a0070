//! Work that a request begins and that must not stop halfway.

use std::sync::Arc;

use tokio::task::JoinError;

use crate::problem::Problem;
use crate::request_id::RequestId;

/// Runs work to its end, even if the client closes its connection or the time limit ends the request.
///
/// # Errors
///
/// The problem of the work, or 500 if it panicked.
pub async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    complete(work).await.unwrap_or_else(|error| {
        let request = RequestId::current().map(tracing::field::display);
        tracing::error!(request, %error, "a request ended early");
        Err(Problem::mistake())
    })
}

/// As [`run_to_completion`], for a caller that answers a panic itself. The problem of a request whose
/// client has gone is in the log, since no answer tells it.
///
/// # Errors
///
/// The work panicked.
pub async fn complete<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<Result<T, Problem>, JoinError> {
    let request = RequestId::current();
    // Dropped with the request.
    let waiting = Arc::new(());
    let client = Arc::downgrade(&waiting);
    let work = async move {
        let done = work.await;
        if let Err(problem) = &done
            && (problem.is_unread() || client.strong_count() == 0)
        {
            problem.log_unanswered();
        }
        done
    };
    let work = async move {
        match request {
            Some(request) => request.scope(work).await,
            None => work.await,
        }
    };
    let done = tokio::spawn(work).await;
    drop(waiting);
    done
}
