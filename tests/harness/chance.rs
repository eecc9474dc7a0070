//! Random instants and places, from a seed that a failed test tells, so that it can be tried again: `TEST_SEED=<seed>`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A source of numbers. When its test fails it says how to get the same ones again.
pub struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// From `TEST_SEED`, or from a seed of its own. Each `lane` of a test gets other numbers from one seed.
    pub fn of_lane(lane: u64) -> Self {
        let told = std::env::var("TEST_SEED").ok().map(|seed| seed.parse().expect("TEST_SEED is a number"));
        let seed = told.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        Self { seed, state: seed ^ lane.wrapping_mul(0x9E37_79B9_7F4A_7C15) }
    }

    /// A number from `low` up to, but not, `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        // SplitMix64: evenly spread, whatever the seed.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + (mixed ^ (mixed >> 31)) % (high - low)
    }

    /// A time between two numbers of milliseconds, to the microsecond.
    pub fn time(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_micros(self.between(low * 1000, high * 1000))
    }
}

impl Drop for Chance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the same instants again: TEST_SEED={}", self.seed);
        }
    }
}
