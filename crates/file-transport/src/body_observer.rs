//! Following the body of an answer, and holding it to rate limits.

use std::sync::Arc;

use crate::rate_limit::RateLimit;

/// Follows the body of one answer. It is dropped when the last byte has been handed to the system, or when
/// the connection broke.
pub trait BodyObserver: Send + Sync {
    /// So many more bytes of the body have been handed to the system.
    fn sent(&self, bytes: u64);

    /// The rate limits that the body is held to.
    fn rate_limits(&self) -> &[Arc<RateLimit>] {
        &[]
    }
}

/// Bytes of one body that its rate limits let pass. Unsent ones are given back on drop.
pub(crate) struct Grant {
    pub(crate) bytes: u64,
    observer: Option<Arc<dyn BodyObserver>>,
    /// How many of the observer's limits let them pass.
    limits_passed: usize,
}

impl Grant {
    /// A grant of nothing.
    pub(crate) fn none() -> Self {
        Self::free(0)
    }

    /// Bytes of a body without limits.
    pub(crate) fn free(bytes: u64) -> Self {
        Self { bytes, observer: None, limits_passed: 0 }
    }

    /// All `wanted` bytes if the body has no limits; `None` if it has to wait.
    pub(crate) fn at_once(observer: Option<&Arc<dyn BodyObserver>>, wanted: u64) -> Option<Self> {
        observer.is_none_or(|observer| observer.rate_limits().is_empty()).then(|| Self::free(wanted))
    }

    /// Waits for a turn at each of the limits.
    pub(crate) async fn wait(observer: Arc<dyn BodyObserver>, wanted: u64) -> Self {
        let turn = observer.rate_limits().iter().map(|limit| limit.turn()).min().unwrap_or(wanted);
        let bytes = turn.min(wanted);
        let mut grant = Self { bytes, observer: Some(Arc::clone(&observer)), limits_passed: 0 };
        for limit in observer.rate_limits() {
            limit.wait(bytes).await;
            // Counted one by one: a connection that ends while it waits for the next limit gives back what it
            // took from these.
            grant.limits_passed += 1;
        }
        grant
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if self.bytes > 0
            && let Some(observer) = &self.observer
        {
            let passed = observer.rate_limits().iter().take(self.limits_passed);
            passed.for_each(|limit| limit.give_back(self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, timeout_at};

    use super::*;
    use crate::rate_limit::{MIN_TURN, TURN};

    struct Limited(Vec<Arc<RateLimit>>);

    impl BodyObserver for Limited {
        fn sent(&self, _bytes: u64) {}

        fn rate_limits(&self) -> &[Arc<RateLimit>] {
            &self.0
        }
    }

    fn limited() -> Arc<dyn BodyObserver> {
        Arc::new(Limited(vec![Arc::new(RateLimit::new(100_000))]))
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_takes_nothing_along() {
        let observer = limited();
        let begun = Instant::now();
        for _ in 0..1000 {
            // Each gets its turn, and finds that its client has gone.
            drop(Grant::wait(Arc::clone(&observer), 1 << 20).await);
        }
        let waiting: Vec<_> =
            (0..1000).map(|_| tokio::spawn(Grant::wait(Arc::clone(&observer), 1 << 20))).collect();
        tokio::task::yield_now().await;
        waiting.iter().for_each(|waiting| waiting.abort());
        let grant = Grant::wait(observer, 1 << 20).await;
        assert_eq!(grant.bytes, MIN_TURN);
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    }

    /// The first limit has let pass what the second, a slower one, still holds back.
    #[tokio::test(start_paused = true)]
    async fn who_goes_away_between_two_paces_takes_nothing_of_the_first() {
        let (all, image) = (Arc::new(RateLimit::new(100_000)), Arc::new(RateLimit::new(1000)));
        image.wait(MIN_TURN).await;
        let both: Arc<dyn BodyObserver> = Arc::new(Limited(vec![Arc::clone(&all), Arc::clone(&image)]));
        let waiting = Grant::wait(both, MIN_TURN);
        let soon = Instant::now() + Duration::from_millis(1);
        assert!(timeout_at(soon, waiting).await.is_err(), "the second limit is used up");
        let begun = Instant::now();
        all.wait(MIN_TURN).await;
        assert!(begun.elapsed() < TURN, "{:?}", begun.elapsed());
        // The second limit did not let it pass, so it gets nothing back: 4 KiB at 1,000 bytes a second take
        // 4 s.
        image.wait(1).await;
        assert!(begun.elapsed() > Duration::from_secs(4), "{:?}", begun.elapsed());
    }

    /// The next sender has read the time before the one ahead of it finds that its client has gone.
    #[tokio::test(start_paused = true)]
    async fn who_goes_away_late_holds_up_nobody() {
        let observer = limited();
        let (begun, mut last) = (Instant::now(), Grant::none());
        for _ in 0..1000 {
            let next = tokio::spawn(Grant::wait(Arc::clone(&observer), 1 << 20));
            tokio::task::yield_now().await;
            drop(last);
            last = next.await.expect("a turn");
        }
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    }
}
