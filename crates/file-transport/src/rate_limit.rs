//! Following an answer on its way out, and holding it to a pace.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Follows the body of one answer. It is dropped when the last byte has been handed to the system, or when the connection broke.
pub trait Watch: Send + Sync {
    /// So many more bytes of the body have been handed to the system.
    fn sent(&self, bytes: u64);

    /// The paces that the body is held to.
    fn paces(&self) -> &[Arc<Pace>] {
        &[]
    }
}

/// How much of a second a sender takes at once. Short turns keep many senders even, long ones cost less.
const TURN: Duration = Duration::from_millis(10);

/// The bounds of what a sender takes at once, in bytes.
const LEAST: u64 = 4 << 10;
const MOST: u64 = 256 << 10;

/// A pause shorter than this is not worth a timer; what is sent too early is made up for later.
const SLACK: Duration = Duration::from_millis(1);

/// Those who take without waiting can run up a debt for the others of this much at most. A flood of small answers then exceeds the rate
/// a little, instead of holding up all large ones; EDK2 gives up after 5 s without a byte.
const MAX_DEBT: Duration = Duration::from_secs(1);

/// A rate that several bodies share. Each takes its turn in the order of asking, so all get the same; and nobody takes a turn before it
/// comes, so who goes away while it waits takes nothing along.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: u64,
    /// Who may go next.
    queue: Semaphore,
    /// When the bytes taken so far are through.
    free: Mutex<Instant>,
    /// Something was given back, so whoever waits may go sooner.
    given_back: Notify,
}

impl Pace {
    /// A pace of `bytes_per_second`, at least 1.
    pub fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            queue: Semaphore::new(1),
            free: Mutex::new(Instant::now()),
            given_back: Notify::new(),
        }
    }

    /// How many bytes one sender should take at once.
    pub fn turn(&self) -> u64 {
        let bytes = u128::from(self.bytes_per_second) * TURN.as_nanos() / 1_000_000_000;
        u64::try_from(bytes).unwrap_or(MOST).clamp(LEAST, MOST)
    }

    /// Takes `bytes` out of the rate when it is the caller's turn and they may leave.
    pub async fn wait(&self, bytes: u64) {
        // The semaphore is never closed.
        let _place = self.queue.acquire().await;
        loop {
            let free = *self.lock();
            if free <= Instant::now() + SLACK || timeout_at(free, self.given_back.notified()).await.is_err() {
                break;
            }
        }
        self.charge(bytes, None);
    }

    /// Takes `bytes` out of the rate at once, at the cost of those who wait, who wait for it for a second at most.
    pub fn take(&self, bytes: u64) {
        self.charge(bytes, Some(MAX_DEBT));
    }

    fn charge(&self, bytes: u64, most: Option<Duration>) {
        let mut free = self.lock();
        let now = Instant::now();
        // A rate that was not used is not saved up, but for one turn.
        let before = (*free).max(now.checked_sub(TURN).unwrap_or(*free));
        let after = before + self.cost(bytes);
        *free = most.map_or(after, |most| after.min(before.max(now + most)));
    }

    /// Gives back what was taken and not used.
    pub(crate) fn give_back(&self, bytes: u64) {
        let mut free = self.lock();
        *free = free.checked_sub(self.cost(bytes)).unwrap_or(*free);
        drop(free);
        // Only the first of the queue looks at the time.
        self.given_back.notify_one();
    }

    fn cost(&self, bytes: u64) -> Duration {
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        // A century is as good as never, and still a time that a clock can show.
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
            .min(Duration::from_secs(100 * 365 * 86400))
    }

    fn lock(&self) -> MutexGuard<'_, Instant> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of one body that its paces let go. What is not sent of them goes back.
pub(crate) struct Grant {
    pub(crate) bytes: u64,
    watch: Option<Arc<dyn Watch>>,
    /// How many of the watch's paces let them go.
    paces: usize,
}

impl Grant {
    /// Nothing.
    pub(crate) fn none() -> Self {
        Self::free(0)
    }

    /// So many bytes that no pace has to let go.
    pub(crate) fn free(bytes: u64) -> Self {
        Self { bytes, watch: None, paces: 0 }
    }

    /// As many of `wanted` bytes as may go at once, without asking: there is no pace. `None` if there is one.
    pub(crate) fn at_once(watch: Option<&Arc<dyn Watch>>, wanted: u64) -> Option<Self> {
        watch.is_none_or(|watch| watch.paces().is_empty()).then(|| Self::free(wanted))
    }

    /// Waits for a turn at each of the paces.
    pub(crate) async fn wait(watch: Arc<dyn Watch>, wanted: u64) -> Self {
        let turn = watch.paces().iter().map(|pace| pace.turn()).min().unwrap_or(wanted);
        let bytes = turn.min(wanted);
        let mut grant = Self { bytes, watch: Some(Arc::clone(&watch)), paces: 0 };
        for pace in watch.paces() {
            pace.wait(bytes).await;
            // One by one, because who goes away while it waits for the next has to give back what those before let go.
            grant.paces += 1;
        }
        grant
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if self.bytes > 0
            && let Some(watch) = &self.watch
        {
            watch.paces().iter().take(self.paces).for_each(|pace| pace.give_back(self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn takers_wait_for_those_before_them_and_for_no_longer() {
        let pace = Arc::new(Pace::new(1_000_000));
        let begun = Instant::now();
        for taker in 0..10_u32 {
            pace.wait(100_000).await;
            let (passed, due) = (begun.elapsed(), Duration::from_millis(100) * taker);
            assert!(passed <= due + SLACK && passed + 2 * TURN >= due, "{taker}: {passed:?}");
        }
    }

    struct Paced([Arc<Pace>; 1]);

    impl Watch for Paced {
        fn sent(&self, _bytes: u64) {}

        fn paces(&self) -> &[Arc<Pace>] {
            &self.0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_takes_nothing_along() {
        let watch: Arc<dyn Watch> = Arc::new(Paced([Arc::new(Pace::new(100_000))]));
        let begun = Instant::now();
        for _ in 0..1000 {
            // Each gets its turn, and finds its client gone.
            drop(Grant::wait(Arc::clone(&watch), 1 << 20).await);
        }
        let waiting: Vec<_> =
            (0..1000).map(|_| tokio::spawn(Grant::wait(Arc::clone(&watch), 1 << 20))).collect();
        tokio::task::yield_now().await;
        waiting.iter().for_each(|waiting| waiting.abort());
        let grant = Grant::wait(watch, 1 << 20).await;
        assert_eq!(grant.bytes, LEAST);
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    }

    struct PacedTwice([Arc<Pace>; 2]);

    impl Watch for PacedTwice {
        fn sent(&self, _bytes: u64) {}

        fn paces(&self) -> &[Arc<Pace>] {
            &self.0
        }
    }

    /// The first pace has let go what the second, a slower one, still holds up.
    #[tokio::test(start_paused = true)]
    async fn who_goes_away_between_two_paces_takes_nothing_of_the_first() {
        let (all, image) = (Arc::new(Pace::new(100_000)), Arc::new(Pace::new(1000)));
        image.wait(LEAST).await;
        let both: Arc<dyn Watch> = Arc::new(PacedTwice([Arc::clone(&all), image]));
        let waiting = Grant::wait(both, LEAST);
        let soon = Instant::now() + Duration::from_millis(1);
        assert!(timeout_at(soon, waiting).await.is_err(), "the second pace is used up");
        let begun = Instant::now();
        all.wait(LEAST).await;
        assert!(begun.elapsed() < TURN, "{:?}", begun.elapsed());
    }

    /// Who comes next has looked at the rate before the one ahead finds its client gone.
    #[tokio::test(start_paused = true)]
    async fn who_goes_away_late_holds_up_nobody() {
        let watch: Arc<dyn Watch> = Arc::new(Paced([Arc::new(Pace::new(100_000))]));
        let (begun, mut last) = (Instant::now(), Grant::none());
        for _ in 0..1000 {
            let next = tokio::spawn(Grant::wait(Arc::clone(&watch), 1 << 20));
            tokio::task::yield_now().await;
            drop(last);
            last = next.await.expect("a turn");
        }
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_small_answers_holds_up_the_others_for_a_second_at_most() {
        let (pace, begun) = (Pace::new(1_000_000), Instant::now());
        (0..10_000).for_each(|_| pace.take(4000));
        pace.wait(10_000).await;
        let passed = begun.elapsed();
        assert!(passed <= MAX_DEBT + SLACK && passed + SLACK >= MAX_DEBT, "{passed:?}");
    }

    #[test]
    fn turns_are_neither_tiny_nor_long() {
        assert_eq!(Pace::new(0).turn(), LEAST);
        assert_eq!(Pace::new(10_000_000).turn(), 100_000);
        assert_eq!(Pace::new(u64::MAX).turn(), MOST);
    }
}
