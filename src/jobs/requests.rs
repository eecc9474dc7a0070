//! What the desk notices becomes work here. Every look at a listing asks again, so what is asked for is often being done already.

use std::collections::HashSet;

use tokio::sync::mpsc;

use super::{Jobs, digest};
use crate::catalog::{CatalogError, JobRequest};

/// Takes errands until told to stop.
pub(super) async fn run(jobs: Jobs, mut job_requests: mpsc::Receiver<JobRequest>) {
    loop {
        let mut waiting = Vec::new();
        tokio::select! {
            received = job_requests.recv_many(&mut waiting, 1024) => if received == 0 { return },
            () = jobs.0.stop.cancelled() => return,
        }
        let unique: HashSet<JobRequest> = waiting.into_iter().collect();
        for request in unique {
            if jobs.0.stop.is_cancelled() {
                return;
            }
            match request {
                JobRequest::Digest(kind, name) => drop(jobs.begin(digest::job_for(kind, name))),
                JobRequest::Prepare(id) => match jobs.0.catalog.prepare(id.clone()).await {
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
