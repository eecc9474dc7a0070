//! Random instants and offsets. A failed test prints its seed; `TEST_SEED=<seed>` repeats the run.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A source of random numbers that prints its seed when the test fails.
pub struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// Seeded by `TEST_SEED`, else by the clock. Each `worker` of a test gets other numbers from one seed.
    pub fn of_worker(worker: u64) -> Self {
        let told = std::env::var("TEST_SEED").ok().map(|seed| seed.parse().expect("TEST_SEED is a number"));
        let seed = told.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        Self::seeded(seed, worker)
    }

    /// Seeded by a number that another source gave.
    pub fn seeded(seed: u64, worker: u64) -> Self {
        Self { seed, state: seed ^ worker.wrapping_mul(0x9E37_79B9_7F4A_7C15) }
    }

    /// A number from `low` to below `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        // SplitMix64: evenly spread for any seed.
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
