//! The record of a job: its work, its state and its log. A record knows no kind of work.

use std::collections::VecDeque;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::client::ClientKey;

/// Bytes of a text in a record.
const TEXT_BYTES: usize = 2048;

/// Lines that a job's log keeps. Later lines push out the oldest.
pub const LOG_LINES: usize = 50;

/// The identity of a job for clients: a random UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl JobId {
    /// A new id that no other job has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The work of a job: the name of its kind, and the details that the kind needs. Equal records are the same
/// work.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WorkRecord {
    /// The kind as clients know it.
    pub kind: String,
    /// The details of the kind, by name. No name is that of a field of [`Job`] or [`State`].
    #[serde(flatten, deserialize_with = "without_state")]
    pub details: Map<String, Value>,
}

/// The fields of [`State`], which stand beside those of the work.
const STATE_FIELDS: [&str; 3] = ["state", "until", "reason"];

fn without_state<'de, D: Deserializer<'de>>(record: D) -> Result<Map<String, Value>, D::Error> {
    let mut fields = Map::deserialize(record)?;
    fields.retain(|name, _| !STATE_FIELDS.contains(&name.as_str()));
    Ok(fields)
}

/// The state of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// It waits for its turn in its queue.
    Queued,
    /// It runs.
    Running,
    /// An attempt failed, and another follows.
    Waiting {
        /// When the next attempt begins.
        until: Timestamp,
        /// Why the attempt failed.
        reason: String,
    },
    /// It was done.
    Done,
    /// It cannot be done.
    Failed {
        /// Why.
        reason: String,
    },
    /// A client stopped it.
    Cancelled,
}

impl State {
    /// The state as clients know it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting { .. } => "waiting",
            Self::Done => "done",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the job does nothing more unless a client asks for it.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { .. } | Self::Cancelled)
    }
}

/// An entry of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it happened.
    pub time: Timestamp,
    /// The text, for people.
    pub text: String,
}

/// The record of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its identity for clients.
    pub id: JobId,
    /// Its work.
    #[serde(flatten)]
    pub work: WorkRecord,
    /// Its subject, for people.
    pub title: String,
    /// The client that asked for it, as limits count it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientKey>,
    /// Its state.
    #[serde(flatten)]
    pub state: State,
    /// Attempts that were begun.
    pub attempts: u32,
    /// When it was asked for.
    pub created: Timestamp,
    /// When its state last changed.
    pub updated: Timestamp,
    /// Its log, oldest line first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub log: VecDeque<LogLine>,
}

impl Job {
    /// A new job that waits for its turn.
    pub fn new(work: WorkRecord, title: String) -> Self {
        let now = Timestamp::now();
        Self {
            id: JobId::random(),
            work,
            title,
            client: None,
            state: State::Queued,
            attempts: 0,
            created: now,
            updated: now,
            log: VecDeque::new(),
        }
    }

    /// Adds a line to the log.
    pub fn note(&mut self, text: impl Into<String>) {
        if self.log.len() >= LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(LogLine { time: Timestamp::now(), text: bounded(text.into()) });
    }

    /// Goes to another state.
    pub fn enter(&mut self, state: State) {
        self.state = match state {
            State::Waiting { until, reason } => State::Waiting { until, reason: bounded(reason) },
            State::Failed { reason } => State::Failed { reason: bounded(reason) },
            other => other,
        };
        self.updated = Timestamp::now();
    }
}

/// A text of at most 2,048 bytes, because records are kept in memory and written whole, and a server may put
/// as much as it likes into a text that a failure tells. What is cut is marked.
pub fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES {
        let end = (0..=TEXT_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let rest = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("… ({rest} more bytes)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(details: Value) -> WorkRecord {
        let Value::Object(details) = details else { panic!("the details are an object") };
        WorkRecord { kind: "download".into(), details }
    }

    #[test]
    fn a_job_survives_storage() {
        let mut job = Job::new(work(serde_json::json!({"image": "1", "size": 7})), "a.iso".into());
        for state in [
            State::Queued,
            State::Waiting { until: Timestamp::UNIX_EPOCH, reason: "later".into() },
            State::Failed { reason: "never".into() },
        ] {
            job.enter(state);
            let stored = serde_json::to_string(&job).expect("JSON");
            let fields: Value = serde_json::from_str(&stored).expect("JSON");
            assert_eq!(fields["state"], job.state.word());
            assert_eq!(fields["kind"], job.work.kind);
            assert_eq!(serde_json::from_str::<Job>(&stored).expect("a job"), job);
            assert_eq!(serde_json::from_value::<Job>(fields).expect("a job"), job);
        }
    }

    #[test]
    fn a_record_on_disk_is_read_and_written_as_ever() {
        let stored = r#"{"id":"7","kind":"download","image":"1","title":"a.iso for a 1","state":"waiting","until":"1970-01-01T00:00:00Z","reason":"later","attempts":3,"created":"1970-01-01T00:00:00Z","updated":"1970-01-01T00:00:00Z","log":[{"time":"1970-01-01T00:00:00Z","text":"tried"}]}"#;
        let job: Job = serde_json::from_str(stored).expect("a job");
        assert_eq!(job.work, work(serde_json::json!({"image": "1"})));
        assert_eq!(serde_json::to_string(&job).expect("JSON"), stored);
        let without_kind = stored.replace(r#""kind":"download","#, "");
        assert!(serde_json::from_str::<Job>(&without_kind).is_err());
    }

    #[test]
    fn texts_are_bounded_and_say_so() {
        assert_eq!(bounded("short".into()), "short");
        let cut = bounded("é".repeat(TEXT_BYTES));
        assert!(cut.ends_with("… (2048 more bytes)") && cut.len() < TEXT_BYTES + 30, "{cut}");
        let mut job = Job::new(work(serde_json::json!({})), String::new());
        job.note("x".repeat(1 << 20));
        job.enter(State::Failed { reason: "x".repeat(1 << 20) });
        assert!(serde_json::to_string(&job).expect("JSON").len() < 3 * TEXT_BYTES);
    }

    #[test]
    fn a_log_keeps_its_last_lines() {
        let mut job = Job::new(work(serde_json::json!({})), String::new());
        (0..=LOG_LINES).for_each(|line| job.note(line.to_string()));
        assert_eq!((job.log.len(), job.log[0].text.as_str()), (LOG_LINES, "1"));
    }
}
