//! The list of all jobs: those under way, and the last that ended.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::job::{Job, JobId, State, WorkRecord};
use tokio_util::sync::CancellationToken;

use crate::entry::{Entry, Rules};

/// All jobs, by id and by the work that they do.
#[derive(Default)]
pub(crate) struct JobList(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: BTreeMap<JobId, Arc<Entry>>,
    /// The jobs that have not ended, by their work.
    live: HashMap<WorkRecord, Arc<Entry>>,
}

impl JobList {
    /// Adds a job; `Err` with the one that does the same work already.
    pub(crate) fn add(&self, job: Job, rules: Rules) -> Result<Arc<Entry>, Arc<Entry>> {
        let mut inner = self.lock();
        if let Some(other) = inner.live.get(&job.work) {
            return Err(Arc::clone(other));
        }
        let entry = Entry::new(job, rules);
        if !entry.state().is_end() {
            inner.live.insert(entry.work.clone(), Arc::clone(&entry));
        }
        inner.entries.insert(entry.id.clone(), Arc::clone(&entry));
        Ok(entry)
    }

    pub(crate) fn get(&self, id: &JobId) -> Option<Arc<Entry>> {
        self.lock().entries.get(id).cloned()
    }

    /// The job that does this work at present.
    pub(crate) fn live(&self, work: &WorkRecord) -> Option<Arc<Entry>> {
        self.lock().live.get(work).cloned()
    }

    /// All jobs, the newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.lock().entries.values().cloned().collect();
        all.sort_by_cached_key(|entry| std::cmp::Reverse(entry.current().job.created));
        all
    }

    /// Gives an ended job to a runner again, until `stop`; `false` if another job does the same work, or a
    /// runner has this one.
    pub(crate) fn revive(&self, entry: &Arc<Entry>, stop: CancellationToken) -> bool {
        let mut inner = self.lock();
        let is_listed = inner.entries.contains_key(&entry.id);
        if !is_listed || inner.live.contains_key(&entry.work) || entry.current().has_runner {
            return false;
        }
        entry.take_up(stop);
        inner.live.insert(entry.work.clone(), Arc::clone(entry));
        true
    }

    /// Marks a job as ended, so that another may do its work. Of more than `keep` ended jobs the oldest leave
    /// the list; returns their ids.
    pub(crate) fn ended(&self, entry: &Arc<Entry>, keep: usize) -> Vec<JobId> {
        let mut inner = self.lock();
        if inner.live.get(&entry.work).is_some_and(|live| live.id == entry.id) {
            inner.live.remove(&entry.work);
        }
        if !entry.rules.listed && entry.state() == State::Done {
            inner.entries.remove(&entry.id);
            return Vec::new();
        }
        let mut ended: Vec<_> = inner
            .entries
            .values()
            .filter_map(|other| {
                // The clock may have been set back, so this job need not be the newest.
                let may_go = other.is_over() && other.id != entry.id;
                may_go.then(|| (other.current().job.updated, other.id.clone()))
            })
            .collect();
        ended.sort();
        ended.truncate((ended.len() + 1).saturating_sub(keep));
        for (_, id) in &ended {
            inner.entries.remove(id);
        }
        ended.into_iter().map(|(_, id)| id).collect()
    }

    /// Removes a job that did not begin.
    pub(crate) fn withdraw(&self, entry: &Entry) {
        let mut inner = self.lock();
        inner.live.remove(&entry.work);
        inner.entries.remove(&entry.id);
    }

    /// Removes an ended job; `false` if it is not listed, or its end is not on record yet.
    pub(crate) fn remove(&self, id: &JobId) -> bool {
        let mut inner = self.lock();
        let is_over = inner.entries.get(id).is_some_and(|entry| entry.is_over());
        is_over && inner.entries.remove(id).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { queue: "", durable: false, listed: true };

    fn job(kind: &str) -> Job {
        Job::new(WorkRecord { kind: kind.into(), details: serde_json::Map::new() }, String::new())
    }

    #[test]
    fn work_is_done_by_one_job_at_a_time_and_ended_ones_are_kept_to_a_limit() {
        let list = JobList::default();
        let first = list.add(job("a"), RULES).unwrap_or_else(|_| panic!("the list is empty"));
        assert!(list.add(job("a"), RULES).is_err_and(|other| other.id == first.id));
        assert!(!list.remove(&first.id), "it has not ended");
        let end = |entry: &Arc<Entry>, keep| {
            entry.change(|current| current.job.enter(State::Done));
            list.ended(entry, keep)
        };
        assert!(end(&first, 2).is_empty());
        let others: Vec<_> =
            ["a", "b"].map(|name| list.add(job(name), RULES).ok()).into_iter().flatten().collect();
        let revive = |entry: &Arc<Entry>| list.revive(entry, CancellationToken::new());
        assert!(!revive(&first), "another job does the same work");
        assert!(end(&others[0], 2).is_empty());
        assert_eq!(end(&others[1], 2), std::slice::from_ref(&first.id));
        assert!(list.get(&first.id).is_none());
        assert!(!revive(&first), "it is not listed any more");
        assert!(revive(&others[0]) && !revive(&others[0]) && list.live(&others[0].work).is_some());
        assert!(list.remove(&others[1].id) && !list.remove(&others[1].id));
        assert_eq!(list.all().len(), 1);
    }
}
