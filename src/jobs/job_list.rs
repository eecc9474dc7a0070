//! The board on which all jobs hang: those under way, and the last that ended.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::meter::Meter;
use super::{Failure, kinds};
use crate::model::job::{Job, JobId, State, Work};

/// A job on the board.
pub(super) struct Entry {
    pub(super) id: JobId,
    pub(super) work: Work,
    pub(super) meter: Meter,
    /// Ends the pause before the next try.
    pub(super) now: Notify,
    current: watch::Sender<JobState>,
    stop: Mutex<CancellationToken>,
}

/// What holds for a job at one current.
#[derive(Debug, Clone)]
pub(super) struct JobState {
    pub(super) job: Job,
    /// Why it failed, or waits.
    pub(super) failure: Option<Failure>,
    /// Somebody works on it, or waits to.
    pub(super) is_driven: bool,
    /// Whoever stopped it wants it to end.
    pub(super) is_cancelled: bool,
    /// It is not to be tried again.
    pub(super) gives_up: bool,
    /// It is worth no more tries to whoever stands by: the first one brought nothing, and nobody told when to come back.
    pub(super) failed_without_progress: bool,
}

impl Entry {
    pub(super) fn new(job: Job) -> Arc<Self> {
        let current = JobState {
            job,
            failure: None,
            is_driven: false,
            is_cancelled: false,
            gives_up: false,
            failed_without_progress: false,
        };
        Arc::new(Self {
            id: current.job.id.clone(),
            work: current.job.work.clone(),
            meter: Meter::default(),
            now: Notify::new(),
            current: watch::Sender::new(current),
            stop: Mutex::default(),
        })
    }

    pub(super) fn current(&self) -> JobState {
        self.current.borrow().clone()
    }

    pub(super) fn state(&self) -> State {
        self.current.borrow().job.state.clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut JobState)) {
        self.current.send_modify(change);
    }

    pub(super) fn watch(&self) -> watch::Receiver<JobState> {
        self.current.subscribe()
    }

    /// Waits until nobody works on it any more.
    pub(super) async fn settled(&self) {
        let _ = self.watch().wait_for(|current| !current.is_driven).await;
    }

    /// What stops the present work on it.
    pub(super) fn stop(&self) -> CancellationToken {
        self.lock().clone()
    }

    /// From now on somebody works on it, until `stop`.
    pub(super) fn take_up(&self, stop: CancellationToken) {
        *self.lock() = stop;
        self.change(|current| {
            current.is_driven = true;
            current.is_cancelled = false;
            current.gives_up = false;
            current.failed_without_progress = false;
        });
    }

    fn lock(&self) -> MutexGuard<'_, CancellationToken> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All jobs.
#[derive(Default)]
pub(super) struct JobList(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: BTreeMap<JobId, Arc<Entry>>,
    /// Who does which work, ended ones left out.
    live: HashMap<Work, Arc<Entry>>,
}

impl JobList {
    /// Hangs a job up; `Err` with the one that does the same work already.
    pub(super) fn add(&self, job: Job) -> Result<Arc<Entry>, Arc<Entry>> {
        let mut inner = self.lock();
        if let Some(other) = inner.live.get(&job.work) {
            return Err(Arc::clone(other));
        }
        let entry = Entry::new(job);
        if !entry.state().is_end() {
            inner.live.insert(entry.work.clone(), Arc::clone(&entry));
        }
        inner.entries.insert(entry.id.clone(), Arc::clone(&entry));
        Ok(entry)
    }

    pub(super) fn get(&self, id: &JobId) -> Option<Arc<Entry>> {
        self.lock().entries.get(id).cloned()
    }

    /// Who does this work at present.
    pub(super) fn live(&self, work: &Work) -> Option<Arc<Entry>> {
        self.lock().live.get(work).cloned()
    }

    /// All jobs, those last asked for first.
    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.lock().entries.values().cloned().collect();
        all.sort_by_cached_key(|entry| std::cmp::Reverse(entry.current.borrow().job.created));
        all
    }

    /// Takes up the work of an ended job again, which is driven from now on; `false` if somebody does the same work, or is busy with it.
    pub(super) fn revive(&self, entry: &Arc<Entry>, stop: CancellationToken) -> bool {
        let mut inner = self.lock();
        let is_listed = inner.entries.contains_key(&entry.id);
        if !is_listed || inner.live.contains_key(&entry.work) || entry.current.borrow().is_driven {
            return false;
        }
        entry.take_up(stop);
        inner.live.insert(entry.work.clone(), Arc::clone(entry));
        true
    }

    /// A job has ended: its work may be asked for again. Returns those ended ones that go because there are more than `keep`, oldest first.
    pub(super) fn ended(&self, entry: &Arc<Entry>, keep: usize) -> Vec<JobId> {
        let mut inner = self.lock();
        if inner.live.get(&entry.work).is_some_and(|live| live.id == entry.id) {
            inner.live.remove(&entry.work);
        }
        if !kinds::is_listed(&entry.work, &entry.state()) {
            inner.entries.remove(&entry.id);
            return Vec::new();
        }
        let mut ended: Vec<_> = inner
            .entries
            .values()
            .filter_map(|other| {
                let current = other.current.borrow();
                // The clock may have been set back, so this one need not be the newest.
                let may_go = current.job.state.is_end() && !current.is_driven && other.id != entry.id;
                may_go.then(|| (current.job.updated, other.id.clone()))
            })
            .collect();
        ended.sort();
        ended.truncate((ended.len() + 1).saturating_sub(keep));
        for (_, id) in &ended {
            inner.entries.remove(id);
        }
        ended.into_iter().map(|(_, id)| id).collect()
    }

    /// Takes an ended job down; `false` if it is not there or somebody is still busy with it.
    pub(super) fn remove(&self, id: &JobId) -> bool {
        let mut inner = self.lock();
        let has_ended = inner.entries.get(id).is_some_and(|entry| {
            let current = entry.current.borrow();
            current.job.state.is_end() && !current.is_driven
        });
        has_ended && inner.entries.remove(id).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::ImageId;

    fn job(name: &str) -> Job {
        let image = ImageId(name.into());
        Job::new(Work::Download { image }, name.into())
    }

    #[test]
    fn work_is_done_by_one_job_at_a_time_and_ended_ones_are_kept_to_a_limit() {
        let list = JobList::default();
        let first = list.add(job("a")).unwrap_or_else(|_| panic!("the list is empty"));
        assert!(list.add(job("a")).is_err_and(|other| other.id == first.id));
        assert!(!list.remove(&first.id), "it has not ended");
        let end = |entry: &Arc<Entry>, keep| {
            entry.change(|current| current.job.enter(State::Done));
            list.ended(entry, keep)
        };
        assert!(end(&first, 2).is_empty());
        let others: Vec<_> = ["a", "b"].map(|name| list.add(job(name)).ok()).into_iter().flatten().collect();
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
