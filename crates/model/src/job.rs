//! A job as a record: what is to be done, how far it has come, and what happened on the way. What the work is, is the workers' business.

use std::collections::VecDeque;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::ImageId;
use crate::names::FileName;
use crate::stored_file::StoreKind;

/// Lines that a job's log keeps; of more, the oldest go.
pub const LOG_LINES: usize = 50;

/// The name under which scripts know a job: a random UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl JobId {
    /// A new one that no other job has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What is to be done. The workers have a file for each kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    /// Fetch the ISO of this image from the web.
    Download {
        /// The image.
        image: ImageId,
    },
    /// Compute the digest of a file that did not come through this program.
    Digest {
        /// Where it stands.
        #[serde(rename = "shelf")]
        kind: StoreKind,
        /// Its name there.
        name: FileName,
    },
    /// Read the stored files that were not verified for long.
    Scrub,
}

impl Work {
    /// The kind as scripts know it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Download { .. } => "download",
            Self::Digest { .. } => "digest",
            Self::Scrub => "scrub",
        }
    }
}

/// How far a job has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It is being done.
    Running,
    /// It did not go well and is tried again.
    Waiting {
        /// When.
        until: Timestamp,
        /// What went wrong.
        reason: String,
    },
    /// It was done.
    Done,
    /// It cannot be done.
    Failed {
        /// Why.
        reason: String,
    },
    /// Somebody stopped it.
    Cancelled,
}

impl State {
    /// The state as scripts know it.
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

    /// Whether nothing will happen any more unless somebody asks for it.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { .. } | Self::Cancelled)
    }
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub time: Timestamp,
    /// What.
    pub text: String,
}

/// The record of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its identity for scripts.
    pub id: JobId,
    /// What is to be done.
    #[serde(flatten)]
    pub work: Work,
    /// What it is about, for people.
    pub title: String,
    /// How far it has come.
    #[serde(flatten)]
    pub state: State,
    /// How often it was begun.
    pub attempts: u32,
    /// When it was asked for.
    pub created: Timestamp,
    /// When its state last changed.
    pub updated: Timestamp,
    /// What happened, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub log: VecDeque<LogLine>,
}

impl Job {
    /// A new job that waits for its turn.
    pub fn new(work: Work, title: String) -> Self {
        let now = Timestamp::now();
        Self {
            id: JobId::random(),
            work,
            title,
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
        self.log.push_back(LogLine { time: Timestamp::now(), text: text.into() });
    }

    /// Goes to another state.
    pub fn enter(&mut self, state: State) {
        self.state = state;
        self.updated = Timestamp::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_survives_storage() {
        let image = ImageId("1".into());
        let mut job = Job::new(Work::Download { image }, "a.iso".into());
        for state in [
            State::Queued,
            State::Waiting { until: Timestamp::UNIX_EPOCH, reason: "later".into() },
            State::Failed { reason: "never".into() },
        ] {
            job.enter(state);
            let stored = serde_json::to_value(&job).expect("JSON");
            assert_eq!(stored["state"], job.state.word());
            assert_eq!(stored["kind"], job.work.kind());
            assert_eq!(serde_json::from_value::<Job>(stored).expect("a job"), job);
        }
    }

    #[test]
    fn a_log_keeps_its_last_lines() {
        let mut job = Job::new(Work::Scrub, String::new());
        (0..=LOG_LINES).for_each(|line| job.note(line.to_string()));
        assert_eq!((job.log.len(), job.log[0].text.as_str()), (LOG_LINES, "1"));
    }
}
