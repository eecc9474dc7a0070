//! The records of jobs, which outlive the program that works on them.

use super::{Catalog, CatalogError};
use crate::model::job::{Job, JobId};

impl Catalog {
    /// Remembers how far a job has come, and forgets those that `forgotten` names. After a crash within the next second, the
    /// job is done once more, which finds that nothing is left to do.
    pub async fn keep_job(&self, job: Job, forgotten: Vec<JobId>) -> Result<(), CatalogError> {
        self.0
            .writer
            .commit_soon(move |records| {
                for id in forgotten {
                    records.jobs.remove(&id);
                }
                records.jobs.insert(job.id.clone(), job);
                Ok(())
            })
            .await
    }

    /// Forgets a job. One that is not known is forgotten already.
    pub async fn forget_job(&self, id: JobId) -> Result<(), CatalogError> {
        if !self.snapshot().records().jobs.contains_key(&id) {
            return Ok(());
        }
        self.0
            .writer
            .commit(move |records| {
                records.jobs.remove(&id);
                Ok(())
            })
            .await
    }
}
