//! Limits the lines of a log that clients cause: the same line again and again would hide all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a line about the same thing is left out.
const PAUSE: Duration = Duration::from_secs(60);

/// The most things that are remembered. Clients choose them, so lines about more in a minute are left out.
const MAX_SUBJECTS: usize = 256;

/// Allows one line about each thing in a minute. Clones share the limit.
#[derive(Debug, Clone, Default)]
pub struct LineLimit(Arc<Mutex<HashMap<String, Instant>>>);

impl LineLimit {
    /// Whether a line about `subject` may be written now.
    pub fn allows(&self, subject: &str) -> bool {
        self.allows_at(subject, Instant::now())
    }

    fn allows_at(&self, subject: &str, now: Instant) -> bool {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |at: &Instant| now.duration_since(*at) < PAUSE;
        if written.get(subject).is_some_and(is_recent) {
            return false;
        }
        if written.len() >= MAX_SUBJECTS {
            written.retain(|_, at| is_recent(at));
        }
        let is_allowed = written.len() < MAX_SUBJECTS;
        if is_allowed {
            written.insert(subject.to_owned(), now);
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_has_one_line_a_minute_and_things_are_bounded() {
        let (limit, begin) = (LineLimit::default(), Instant::now());
        assert!(limit.allows_at("a", begin) && limit.allows_at("b", begin));
        assert!(!limit.allows_at("a", begin + Duration::from_secs(59)));
        assert!(limit.allows_at("a", begin + PAUSE));
        assert!(!limit.allows_at("a", begin + PAUSE));
        let later = begin + 10 * PAUSE;
        let allowed = (0..1000).filter(|number| limit.allows_at(&number.to_string(), later)).count();
        assert_eq!(allowed, MAX_SUBJECTS);
        assert!(limit.allows_at("new", later + PAUSE));
    }
}
