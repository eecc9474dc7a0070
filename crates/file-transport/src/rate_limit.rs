//! A rate that several senders share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

/// How much of a second a sender takes at once. Short turns keep many senders even, long ones cost less.
pub(crate) const TURN: Duration = Duration::from_millis(10);

/// The bounds of a turn, in bytes.
pub(crate) const MIN_TURN: u64 = 4 << 10;
const MAX_TURN: u64 = 256 << 10;

/// A wait shorter than this is not worth a timer. The next wait makes up for what leaves too early.
pub(crate) const SLACK: Duration = Duration::from_millis(1);

/// The most that senders which do not wait can delay the others. A flood of small answers then exceeds the
/// rate a little, instead of stopping all large ones; EDK2 gives up after 5 s without a byte.
const MAX_DEBT: Duration = Duration::from_secs(1);

/// A rate limit in bytes a second. Senders take turns in the order of asking, so all get the same. A sender
/// pays when its turn comes, so one that ends while it waits costs nothing.
#[derive(Debug)]
pub struct RateLimit {
    bytes_per_second: AtomicU64,
    /// Admits the sender whose turn is next.
    queue: Semaphore,
    /// When all bytes taken so far have left, at this rate.
    free: Mutex<Instant>,
    /// Notified when bytes were given back, so that the next turn may come sooner.
    given_back: Notify,
}

impl RateLimit {
    /// A limit of `bytes_per_second`, at least 1.
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: AtomicU64::new(bytes_per_second.max(1)),
            queue: Semaphore::new(1),
            free: Mutex::new(Instant::now()),
            given_back: Notify::new(),
        }
    }

    /// Changes the rate from now on. What was taken before keeps its time.
    pub fn set_rate(&self, bytes_per_second: u64) {
        self.bytes_per_second.store(bytes_per_second.max(1), Ordering::Relaxed);
    }

    fn rate(&self) -> u128 {
        self.bytes_per_second.load(Ordering::Relaxed).into()
    }

    /// How many bytes one sender should take at once.
    pub fn turn(&self) -> u64 {
        let bytes = self.rate() * TURN.as_nanos() / 1_000_000_000;
        u64::try_from(bytes).unwrap_or(MAX_TURN).clamp(MIN_TURN, MAX_TURN)
    }

    /// Waits for the caller's turn, then takes `bytes`.
    pub async fn wait(&self, bytes: u64) {
        // The semaphore is never closed.
        let _permit = self.queue.acquire().await;
        loop {
            let free = *self.lock();
            if free <= Instant::now() + SLACK || timeout_at(free, self.given_back.notified()).await.is_err() {
                break;
            }
        }
        self.charge(bytes, None);
    }

    /// Takes `bytes` without waiting. This delays the senders that wait, by a second at most.
    pub fn take(&self, bytes: u64) {
        self.charge(bytes, Some(MAX_DEBT));
    }

    fn charge(&self, bytes: u64, max_debt: Option<Duration>) {
        let mut free = self.lock();
        let now = Instant::now();
        // An unused rate is not saved up, but for one turn.
        let before = (*free).max(now.checked_sub(TURN).unwrap_or(*free));
        let after = before + self.cost(bytes);
        *free = max_debt.map_or(after, |max_debt| after.min(before.max(now + max_debt)));
    }

    /// Gives back bytes that were taken and not sent.
    pub(crate) fn give_back(&self, bytes: u64) {
        let mut free = self.lock();
        *free = free.checked_sub(self.cost(bytes)).unwrap_or(*free);
        drop(free);
        // Only the first sender of the queue waits for the time.
        self.given_back.notify_one();
    }

    fn cost(&self, bytes: u64) -> Duration {
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / self.rate();
        // A century is as good as never, and a clock can still show it.
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
            .min(Duration::from_secs(100 * 365 * 86400))
    }

    fn lock(&self) -> MutexGuard<'_, Instant> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn takers_wait_for_those_before_them_and_for_no_longer() {
        let limit = Arc::new(RateLimit::new(1_000_000));
        let begun = Instant::now();
        for taker in 0..10_u32 {
            limit.wait(100_000).await;
            let (passed, due) = (begun.elapsed(), Duration::from_millis(100) * taker);
            assert!(passed <= due + SLACK && passed + 2 * TURN >= due, "{taker}: {passed:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_small_answers_holds_up_the_others_for_a_second_at_most() {
        let (limit, begun) = (RateLimit::new(1_000_000), Instant::now());
        (0..10_000).for_each(|_| limit.take(4000));
        limit.wait(10_000).await;
        let passed = begun.elapsed();
        assert!(passed <= MAX_DEBT + SLACK && passed + SLACK >= MAX_DEBT, "{passed:?}");
    }

    #[test]
    fn turns_are_neither_tiny_nor_long() {
        assert_eq!(RateLimit::new(0).turn(), MIN_TURN);
        assert_eq!(RateLimit::new(10_000_000).turn(), 100_000);
        assert_eq!(RateLimit::new(u64::MAX).turn(), MAX_TURN);
    }
}
