//! How fast bytes must come. A sender that trickles would hold its place for ever; dnf gives up below the same floor.

use std::time::{Duration, Instant};

/// Bytes a second below which a sender counts as gone.
const FLOOR: f64 = 1000.0;

/// Watches one transfer.
#[derive(Debug)]
pub struct MinimumRate {
    window: Duration,
    since: Instant,
    bytes: u64,
}

impl MinimumRate {
    /// Begins to watch. The average over each `window` counts.
    pub fn new(window: Duration, now: Instant) -> Self {
        Self { window, since: now, bytes: 0 }
    }

    /// Counts bytes that came; `false` if the window that ends now was below the floor.
    pub fn keeps_up(&mut self, bytes: usize, now: Instant) -> bool {
        self.bytes += bytes as u64;
        let passed = now.saturating_duration_since(self.since);
        if passed < self.window {
            return true;
        }
        #[expect(clippy::cast_precision_loss, reason = "an average needs no more than 53 bits")]
        let keeps_up = self.bytes as f64 >= FLOOR * passed.as_secs_f64();
        *self = Self::new(self.window, now);
        keeps_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_noticed_and_a_pause_between_bursts_is_not() {
        let (window, start) = (Duration::from_secs(10), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut trickle = MinimumRate::new(window, start);
        assert!((1..10).all(|second| trickle.keeps_up(1, at(second))));
        assert!(!trickle.keeps_up(1, at(10)));
        let mut bursts = MinimumRate::new(window, start);
        assert!((1..100).all(|round| bursts.keeps_up(9000, at(round * 9))));
    }
}
