//! Begins the work that the catalog asks for. Every listing asks again, so the same request may come many
//! times.

use std::sync::Arc;
use std::time::Duration;

use ::jobs::{Jobs, Work};
use tokio_util::sync::CancellationToken;

use super::digest::Digest;
use super::environment::Environment;
use crate::CatalogError;

/// How long the next digest job waits for the one before. A disk that hangs must not hold up others for ever.
const LONGEST_DIGEST: Duration = Duration::from_secs(86_400);

/// Prepares images until `stop`.
pub(super) async fn prepare(environment: Arc<Environment>, stop: CancellationToken) {
    let catalog = &environment.catalog;
    let work = async {
        loop {
            for id in catalog.job_requests.images.take().await.into_keys() {
                match catalog.registration.prepare(id.clone()).await {
                    Ok(()) => {}
                    Err(CatalogError::Local(_)) => {
                        tracing::debug!(%id, "an ISO went away before it was read");
                    }
                    Err(error) => tracing::warn!(%id, %error, "an image cannot be prepared"),
                }
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

/// Begins digest jobs until `stop`: one after the other, since a disk gains nothing from two readers.
/// Requests that come meanwhile wait together, and share jobs.
pub(super) async fn digest(environment: Arc<Environment>, jobs: Jobs, stop: CancellationToken) {
    let requests = &environment.catalog.job_requests.digests;
    let work = async {
        loop {
            for digest in Digest::jobs(requests.take().await) {
                let title = digest.title();
                let begun = jobs.begin(digest.job(title));
                // A failure is on record with the job, and the next listing or scan asks again.
                drop(begun.ended_within(LONGEST_DIGEST).await);
            }
        }
    };
    stop.run_until_cancelled(work).await;
}
