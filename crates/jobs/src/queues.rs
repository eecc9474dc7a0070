//! How many jobs are worked on at once.

use std::collections::HashMap;

use model::fair_limit::FairLimit;
use model::settings::Live;

/// Queues by name. Each has a number of permits, which go to those that wait longest. Jobs of one client have
/// half of them at most, so that slow ones do not stop those of all others.
#[derive(Debug, Default)]
pub(crate) struct Queues(HashMap<&'static str, FairLimit>);

impl Queues {
    /// Gives a queue so many permits, which follow the setting.
    pub(crate) fn set(&mut self, name: &'static str, total: &Live<usize>) {
        let limit = FairLimit::new(*total.get());
        self.0.insert(name, limit.clone());
        total.on_change(move |total| limit.set_total(**total));
    }

    /// Makes a queue with one permit, unless it exists.
    pub(crate) fn ensure(&mut self, name: &'static str) {
        self.0.entry(name).or_insert_with(|| FairLimit::new(1));
    }

    /// The permits of a queue. A queue that does not exist has no limit.
    pub(crate) fn permits(&self, name: &str) -> Option<FairLimit> {
        self.0.get(name).cloned()
    }

    /// Adds the queues of another component. A queue that both have keeps the permits of the first.
    pub(crate) fn add(&mut self, others: Self) {
        for (name, permits) in others.0 {
            self.0.entry(name).or_insert(permits);
        }
    }
}
