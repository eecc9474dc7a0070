//! The pause before a retry. It doubles each time, so that a server in trouble can recover. Chance makes it
//! longer or shorter, so that many jobs that failed together do not come back together.

use std::time::Duration;

/// The longest pause, unless the settings or a server ask for more.
const LONGEST: Duration = Duration::from_secs(300);

/// The pause after `failures` in a row, of which the first is 1. `chance` is from 0 to 1.
pub(crate) fn pause(first: Duration, failures: u32, chance: f64) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LONGEST.max(first)).mul_f64(0.75 + chance.clamp(0.0, 1.0) / 2.0)
}

/// A random number from 0 to 1. It need not be secret, so the standard library's random keys will do.
pub(crate) fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};

    let random = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(random).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_chance_moves_them_by_a_quarter() {
        let seconds = |failures, chance| pause(Duration::from_secs(1), failures, chance).as_secs_f64();
        assert_eq!([1, 2, 3, 4].map(|failures| seconds(failures, 0.5)), [1.0, 2.0, 4.0, 8.0]);
        assert_eq!((seconds(1, 0.0), seconds(1, 1.0)), (0.75, 1.25));
        for many in [10, 32, 33, u32::MAX] {
            assert_eq!(seconds(many, 0.5), 300.0, "{many}");
        }
        assert_eq!(pause(Duration::from_secs(3600), 3, 0.5), Duration::from_secs(3600));
        assert!((0..100).map(|_| chance()).all(|chance| (0.0..=1.0).contains(&chance)));
        assert!((0..100).any(|_| chance() != chance()));
    }
}
