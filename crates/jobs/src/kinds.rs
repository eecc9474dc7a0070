//! The kinds of work that components register, and the queues in which their jobs wait.

use std::collections::HashMap;
use std::sync::Arc;

use model::job::WorkRecord;
use model::settings::Live;
use serde_json::Value;

use crate::entry::Rules;
use crate::queues::Queues;
use crate::task::{Known, Task, Unknown};
use crate::work::Work;

/// The kinds of work that the engine is to do.
#[derive(Default)]
pub struct Kinds {
    kinds: HashMap<&'static str, Kind>,
    pub(crate) queues: Queues,
}

struct Kind {
    rules: Rules,
    task: Box<MakeTask>,
    record: fn(&WorkRecord) -> Option<WorkRecord>,
}

/// Makes the work of a kind from the details of its record.
type MakeTask = dyn Fn(Value) -> Result<Box<dyn Task>, serde_json::Error> + Send + Sync;

/// The rules of a job that no component can do. It is listed, so that a client sees why it failed.
const UNKNOWN: Rules = Rules { queue: "", durable: false, listed: true };

impl Kinds {
    /// Declares how many jobs of the queue `name` are worked on at once. Jobs beyond a lowered number run to
    /// the end of their attempts. A queue that is not declared works on one.
    #[must_use]
    pub fn queue(mut self, name: &'static str, permits: impl Into<Live<usize>>) -> Self {
        self.queues.set(name, &permits.into());
        self
    }

    /// Registers a kind of work, with what its attempts work with.
    #[must_use]
    pub fn with<W: Work>(mut self, environment: Arc<W::Environment>) -> Self {
        self.queues.ensure(W::QUEUE);
        let rules = Rules { queue: W::QUEUE, durable: W::DURABLE, listed: W::LISTED };
        let task = Box::new(move |details| -> Result<Box<dyn Task>, serde_json::Error> {
            let work: W = serde_json::from_value(details)?;
            Ok(Box::new(Known { work, environment: Arc::clone(&environment) }))
        });
        let record = |work: &WorkRecord| {
            let work: W = serde_json::from_value(Value::Object(work.details.clone())).ok()?;
            Some(work.record())
        };
        self.kinds.insert(W::KIND, Kind { rules, task, record });
        self
    }

    /// Adds the kinds of another component.
    pub(crate) fn add(&mut self, others: Self) {
        self.kinds.extend(others.kinds);
        self.queues.add(others.queues);
    }

    /// Whether a component has registered this kind.
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.kinds.contains_key(kind)
    }

    /// The record without members that its kind does not know, which a later version or a person may have
    /// added. Only then the same work has the same record.
    pub(crate) fn known(&self, work: &WorkRecord) -> Option<WorkRecord> {
        (self.kinds.get(work.kind.as_str())?.record)(work)
    }

    pub(crate) fn rules(&self, work: &WorkRecord) -> Rules {
        self.kinds.get(work.kind.as_str()).map_or(UNKNOWN, |kind| kind.rules)
    }

    /// What does this work.
    pub(crate) fn task(&self, work: &WorkRecord) -> Box<dyn Task> {
        let Some(kind) = self.kinds.get(work.kind.as_str()) else {
            return Box::new(Unknown::Kind(work.kind.clone()));
        };
        (kind.task)(Value::Object(work.details.clone()))
            .unwrap_or_else(|error| Box::new(Unknown::Record(error.to_string())))
    }
}
