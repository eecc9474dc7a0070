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
    moment: watch::Sender<Moment>,
    stop: Mutex<CancellationToken>,
}

/// What holds for a job at one moment.
#[derive(Debug, Clone)]
pub(super) struct Moment {
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
    pub(super) disappoints: bool,
}

impl Entry {
    pub(super) fn new(job: Job) -> Arc<Self> {
        let moment = Moment {
            job,
            failure: None,
            is_driven: false,
            is_cancelled: false,
            gives_up: false,
            disappoints: false,
        };
        Arc::new(Self {
            id: moment.job.id.clone(),
            work: moment.job.work.clone(),
            meter: Meter::default(),
            now: Notify::new(),
            moment: watch::Sender::new(moment),
            stop: Mutex::default(),
        })
    }

    pub(super) fn moment(&self) -> Moment {
        self.moment.borrow().clone()
    }

    pub(super) fn state(&self) -> State {
        self.moment.borrow().job.state.clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Moment)) {
        self.moment.send_modify(change);
    }

    pub(super) fn watch(&self) -> watch::Receiver<Moment> {
        self.moment.subscribe()
    }

    /// Waits until nobody works on it any more.
    pub(super) async fn settled(&self) {
        let _ = self.watch().wait_for(|moment| !moment.is_driven).await;
    }

    /// What stops the present work on it.
    pub(super) fn stop(&self) -> CancellationToken {
        self.lock().clone()
    }

    /// From now on somebody works on it, until `stop`.
    pub(super) fn take_up(&self, stop: CancellationToken) {
        *self.lock() = stop;
        self.change(|moment| {
            moment.is_driven = true;
            moment.is_cancelled = false;
            moment.gives_up = false;
            moment.disappoints = false;
        });
    }

    fn lock(&self) -> MutexGuard<'_, CancellationToken> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All jobs.
#[derive(Default)]
pub(super) struct Board(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: BTreeMap<JobId, Arc<Entry>>,
    /// Who does which work, ended ones left out.
    live: HashMap<Work, Arc<Entry>>,
}

impl Board {
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
        all.sort_by_cached_key(|entry| std::cmp::Reverse(entry.moment.borrow().job.created));
        all
    }

    /// Takes up the work of an ended job again, which is driven from now on; `false` if somebody does the same work, or is busy with it.
    pub(super) fn revive(&self, entry: &Arc<Entry>, stop: CancellationToken) -> bool {
        let mut inner = self.lock();
        let is_listed = inner.entries.contains_key(&entry.id);
        if !is_listed || inner.live.contains_key(&entry.work) || entry.moment.borrow().is_driven {
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
                let moment = other.moment.borrow();
                // The clock may have been set back, so this one need not be the newest.
                let may_go = moment.job.state.is_end() && !moment.is_driven && other.id != entry.id;
                may_go.then(|| (moment.job.updated, other.id.clone()))
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
            let moment = entry.moment.borrow();
            moment.job.state.is_end() && !moment.is_driven
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

    fn job(name: &str) -> Job {
        let image = crate::model::image::ImageId(name.into());
        Job::new(Work::Download { image }, name.into())
    }

    #[test]
    fn work_is_done_by_one_job_at_a_time_and_ended_ones_are_kept_to_a_limit() {
        let board = Board::default();
        let first = board.add(job("a")).unwrap_or_else(|_| panic!("the board is empty"));
        assert!(board.add(job("a")).is_err_and(|other| other.id == first.id));
        assert!(!board.remove(&first.id), "it has not ended");
        let end = |entry: &Arc<Entry>, keep| {
            entry.change(|moment| moment.job.enter(State::Done));
            board.ended(entry, keep)
        };
        assert!(end(&first, 2).is_empty());
        let others: Vec<_> = ["a", "b"].map(|name| board.add(job(name)).ok()).into_iter().flatten().collect();
        let revive = |entry: &Arc<Entry>| board.revive(entry, CancellationToken::new());
        assert!(!revive(&first), "another job does the same work");
        assert!(end(&others[0], 2).is_empty());
        assert_eq!(end(&others[1], 2), std::slice::from_ref(&first.id));
        assert!(board.get(&first.id).is_none());
        assert!(!revive(&first), "it is not listed any more");
        assert!(revive(&others[0]) && !revive(&others[0]) && board.live(&others[0].work).is_some());
        assert!(board.remove(&others[1].id) && !board.remove(&others[1].id));
        assert_eq!(board.all().len(), 1);
    }
}
