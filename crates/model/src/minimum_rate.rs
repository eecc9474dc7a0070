//! The rate that a sender must keep. A slower one would hold its connection for ever; dnf has the same limit.

use std::time::{Duration, Instant};

/// Bytes a second below which a transfer is given up.
pub const MINIMUM: u32 = 1000;

/// Measures one transfer against the minimum rate.
#[derive(Debug)]
pub struct MinimumRate {
    window: Duration,
    since: Instant,
    bytes: u64,
}

impl MinimumRate {
    /// Begins to measure. The average over each `window` counts.
    pub fn new(window: Duration, now: Instant) -> Self {
        Self { window, since: now, bytes: 0 }
    }

    /// Counts received bytes; `false` if the window that ends now was below the minimum rate.
    pub fn keeps_up(&mut self, bytes: usize, now: Instant) -> bool {
        self.bytes += bytes as u64;
        let passed = now.saturating_duration_since(self.since);
        if passed < self.window {
            return true;
        }
        #[expect(clippy::cast_precision_loss, reason = "an average needs no more than 53 bits")]
        let keeps_up = self.bytes as f64 >= f64::from(MINIMUM) * passed.as_secs_f64();
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
