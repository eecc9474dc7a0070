//! Begins the work that the catalog asks for. Every listing asks again, so the same request may come many
//! times.

use std::collections::HashSet;
use std::sync::Arc;

use ::jobs::{Jobs, Work};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::digest::Digest;
use super::environment::Environment;
use crate::{CatalogError, JobRequest};

/// Takes requests until `stop`.
pub(super) async fn run(
    environment: Arc<Environment>,
    jobs: Jobs,
    stop: CancellationToken,
    mut job_requests: mpsc::Receiver<JobRequest>,
) {
    let catalog = &environment.catalog;
    loop {
        let mut waiting = Vec::new();
        tokio::select! {
            received = job_requests.recv_many(&mut waiting, 1024) => if received == 0 { return },
            () = stop.cancelled() => return,
        }
        let unique: HashSet<JobRequest> = waiting.into_iter().collect();
        for request in unique {
            if stop.is_cancelled() {
                return;
            }
            match request {
                JobRequest::Digest(kind, name) => {
                    let title = format!("the digest of the {kind} {name}");
                    drop(jobs.begin(Digest { kind, name }.job(title)));
                }
                JobRequest::Prepare(id) => match catalog.registration.prepare(id.clone()).await {
                    Ok(()) => {}
                    Err(CatalogError::Local(_)) => {
                        tracing::debug!(%id, "an ISO went away before it was read");
                    }
                    Err(error) => tracing::warn!(%id, %error, "an image cannot be prepared"),
                },
            }
        }
    }
}
