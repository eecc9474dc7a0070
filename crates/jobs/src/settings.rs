//! How patient the engine is.

use std::time::Duration;

/// How patient the engine is, and how much it remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Attempts in a row without progress that may fail before the job fails, the first one not counted.
    pub retries: u32,
    /// The pause before the first retry. It doubles with each further one.
    pub retry_delay: Duration,
    /// Jobs that are listed after their end. The oldest go first.
    pub max_finished: usize,
}
