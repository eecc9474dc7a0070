//! The progress of a job in bytes, and its rate.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time over which the rate is measured: long enough to be steady, short enough to show a change.
const WINDOW: Duration = Duration::from_secs(8);

/// Samples within the window.
const SAMPLES: u32 = 8;

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done.
    pub done: u64,
    /// Bytes in all, where that is known.
    pub total: Option<u64>,
    /// Bytes a second within the last seconds; `None` before two samples.
    pub rate: Option<u64>,
}

impl Progress {
    /// The time left at the present rate; `None` without a rate or a total.
    pub fn left(&self) -> Option<Duration> {
        let rate = self.rate.filter(|rate| *rate > 0)?;
        Some(Duration::from_secs(self.total?.saturating_sub(self.done).div_ceil(rate)))
    }
}

/// Counts the bytes of one job.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    done: u64,
    total: Option<u64>,
    /// The bytes that were done at a time, oldest first.
    samples: Vec<(Instant, u64)>,
}

impl Meter {
    /// Starts the count at `done` bytes. They do not count for the rate, because they may be older.
    pub(crate) fn begin(&self, done: u64, total: Option<u64>) {
        *self.lock() = Inner { done, total, samples: vec![(Instant::now(), done)] };
    }

    /// Moves the count to `done` bytes. Returns whether a sample was taken, which happens about once a
    /// second.
    pub(crate) fn reach(&self, done: u64, now: Instant) -> bool {
        let mut inner = self.lock();
        inner.done = done;
        if inner.samples.last().is_some_and(|(last, _)| now.duration_since(*last) < WINDOW / SAMPLES) {
            return false;
        }
        inner.samples.push((now, done));
        let old = inner.samples.iter().take_while(|(time, _)| now.duration_since(*time) > WINDOW).count();
        inner.samples.drain(..old);
        true
    }

    /// Takes a sample although no bytes came. Returns whether it changes the rate.
    pub(crate) fn rest(&self, now: Instant) -> bool {
        let inner = self.lock();
        let done = inner.done;
        let has_moved = inner.samples.iter().any(|(_, before)| *before != done);
        drop(inner);
        has_moved && self.reach(done, now)
    }

    /// The progress now.
    pub(crate) fn progress(&self) -> Progress {
        let inner = self.lock();
        let rate = inner.samples.first().and_then(|(since, before)| {
            let milliseconds = since.elapsed().min(WINDOW).as_millis();
            let done = u128::from(inner.done.saturating_sub(*before));
            u64::try_from((done * 1000).checked_div(milliseconds)?).ok()
        });
        Progress { done: inner.done, total: inner.total, rate }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_taken_once_a_second_and_old_ones_go() {
        let meter = Meter::default();
        meter.begin(100, Some(1000));
        let start = meter.lock().samples[0].0;
        let taken = (1..=200_u64)
            .filter(|tenth| meter.reach(100 + tenth, start + Duration::from_millis(tenth * 100)));
        assert_eq!(taken.count(), 20);
        assert_eq!(meter.lock().samples.len(), 9);
        assert_eq!((meter.progress().done, meter.progress().total), (300, Some(1000)));
    }

    #[test]
    fn what_no_longer_comes_is_measured_until_that_is_told() {
        let meter = Meter::default();
        meter.begin(0, None);
        let start = meter.lock().samples[0].0;
        let second = |number: u64| start + Duration::from_secs(number);
        assert!(!meter.rest(second(2)), "nothing has come yet");
        // Too early to be measured by itself.
        assert!(!meter.reach(500, start + Duration::from_millis(500)));
        let told: Vec<u64> = (1..=30).filter(|number| meter.rest(second(*number))).collect();
        assert_eq!(told, (1..=told.len() as u64).collect::<Vec<_>>());
        assert!(told.len() < 12, "{told:?}");
        assert!(meter.lock().samples.iter().all(|(_, done)| *done == 500), "the rate is that of now");
    }

    #[test]
    fn the_time_left_needs_a_rate_and_a_total() {
        let progress = |total, rate| Progress { done: 100, total, rate };
        assert_eq!(progress(Some(1100), Some(300)).left(), Some(Duration::from_secs(4)));
        assert_eq!(progress(Some(50), Some(300)).left(), Some(Duration::ZERO));
        for unknown in [progress(None, Some(1)), progress(Some(1), None), progress(Some(1000), Some(0))] {
            assert_eq!(unknown.left(), None);
        }
    }
}
