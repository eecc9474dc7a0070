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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use model::job::WorkRecord;
    use records::feed::Feed;
    use records::inventory::{Inventory, JsonFile};

    use super::*;

    #[tokio::test]
    async fn what_a_client_asked_for_is_on_disk_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("inventory.json");
        let inventory = Inventory::JsonFile(JsonFile::open(path.clone()).expect("opens"));
        let records = inventory.load().expect("loads");
        let writer: InventoryWriter =
            InventoryWriter::start(inventory, records, Feed::default()).expect("starts");
        let jobs = JobRecords(writer.handle());
        let on_disk = || std::fs::read_to_string(&path).unwrap_or_default();
        let work = WorkRecord { kind: "download".into(), details: serde_json::Map::new() };
        let mut job = Job::new(work, "a.iso".into());

        // Each write makes a new file.
        let version = || std::fs::metadata(&path).expect("is there").ino();
        let before = version();
        jobs.save(None, vec![job.id.clone()]).await.expect("saves");
        assert_eq!(version(), before, "a job without a record is removed without a write");
        jobs.save(Some(job.clone()), Vec::new()).await.expect("saves");
        assert!(on_disk().contains(r#""queued""#), "{}", on_disk());
        job.enter(State::Running);
        jobs.save(Some(job.clone()), Vec::new()).await.expect("saves");
        jobs.save(None, vec![job.id.clone()]).await.expect("saves");
        assert!(!on_disk().contains(&job.id.0), "{}", on_disk());
    }
}
