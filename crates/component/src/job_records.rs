//! The records of durable jobs in the inventory.

use jobs::{BoxError, BoxFuture, JobStore};
use model::job::{Job, JobId, State};
use records::inventory::InventoryWriter;

/// Keeps the records of jobs in the inventory.
pub(crate) struct JobRecords(pub(crate) InventoryWriter);

impl JobStore for JobRecords {
    /// Records `job` and removes `forgotten`. A job is on disk within a second, because a crash may repeat
    /// work. A removal alone, and a job that a client starts again, are on disk at once.
    fn save(&self, job: Option<Job>, forgotten: Vec<JobId>) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            let is_recorded = |id: &JobId| self.0.snapshot().records().jobs.contains_key(id);
            if job.is_none() && !forgotten.iter().any(is_recorded) {
                return Ok(());
            }
            let is_urgent = job.as_ref().is_none_or(|job| job.state == State::Queued);
            let saved = self.0.commit_when(
                move |()| is_urgent,
                move |records| {
                    for id in forgotten {
                        records.jobs.remove(&id);
                    }
                    if let Some(job) = job {
                        records.jobs.insert(job.id.clone(), job);
                    }
                    Ok(())
                },
            );
            Ok(saved.await?)
        })
    }
}
