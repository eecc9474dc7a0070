//! Jobs.

use images::jobs::{self, Digest, Download, Work};
use model::image::ImageId;
use model::job::{self, JobId, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::file::FileReference;
use super::time::Time;

/// Work that takes longer than a request.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::northbound) struct Job {
    /// Its identity for scripts.
    #[schema(value_type = String)]
    id: JobId,
    kind: JobKind,
    /// What it is about, for people.
    title: String,
    state: JobState,
    /// How often it was begun.
    attempts: u32,
    /// When it was asked for.
    created: Time,
    /// When its state last changed.
    updated: Time,
    /// How far it has come; null before that is known, and after its end.
    #[schema(required)]
    progress: Option<Progress>,
    /// When the next attempt begins. Only of one that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    until: Option<Time>,
    /// What went wrong. Only of one that waits or has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// The id of the image that it fetches the ISO of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    image: Option<ImageId>,
    /// The file that it computes the digest of, if it is for one file only: small files share a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    file: Option<FileReference>,
}

/// A job with its log.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::northbound) struct JobInFull {
    #[serde(flatten)]
    job: Job,
    /// What happened, oldest first; of many lines the last.
    log: Vec<LogLine>,
}

/// What a job does: it fetches the ISO of an image (`download`), computes the digests of files that did
/// not come through this service (`digest`), reads stored files again, to see whether they are what they were
/// (`scrub`), or works for a further component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(examples("download", "digest", "scrub"))]
pub(in crate::northbound) struct JobKind(String);

/// How far a job has come. One that is `waiting` did not go well and is tried again; `done`, `failed` and
/// `cancelled` are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::northbound) enum JobState {
    Queued,
    Running,
    Waiting,
    Done,
    Failed,
    Cancelled,
}

/// How far something has come.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Progress {
    /// Bytes that are done.
    done: u64,
    /// Bytes in all, where that is known.
    #[schema(required)]
    total: Option<u64>,
    /// Bytes a second, lately; null before there is anything to tell.
    #[schema(required)]
    rate: Option<u64>,
    /// Seconds that are left at this rate, where that can be told.
    #[schema(required)]
    seconds_left: Option<u64>,
}

/// Something that happened to a job.
#[derive(Debug, Serialize, ToSchema)]
struct LogLine {
    time: Time,
    text: String,
}

impl From<&jobs::Shown> for Job {
    fn from(shown: &jobs::Shown) -> Self {
        let job = &shown.job;
        let (until, reason) = match &job.state {
            State::Waiting { until, reason } => (Some(Time::from(*until)), Some(reason.clone())),
            State::Failed { reason } => (None, Some(reason.clone())),
            State::Queued | State::Running | State::Done | State::Cancelled => (None, None),
        };
        Self {
            id: job.id.clone(),
            kind: JobKind(job.work.kind.clone()),
            title: job.title.clone(),
            state: (&job.state).into(),
            attempts: job.attempts,
            created: job.created.into(),
            updated: job.updated.into(),
            progress: shown.progress.as_ref().map(Progress::from),
            until,
            reason,
            image: Download::of(job).map(|download| download.image),
            file: Digest::of(job).and_then(|digest| {
                digest.only_file().map(|(kind, name)| FileReference::new(kind, name.clone()))
            }),
        }
    }
}

impl From<&jobs::Shown> for JobInFull {
    fn from(shown: &jobs::Shown) -> Self {
        Self { job: shown.into(), log: shown.job.log.iter().map(LogLine::from).collect() }
    }
}

impl From<&State> for JobState {
    fn from(state: &State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Running => Self::Running,
            State::Waiting { .. } => Self::Waiting,
            State::Done => Self::Done,
            State::Failed { .. } => Self::Failed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

impl From<&jobs::Progress> for Progress {
    fn from(progress: &jobs::Progress) -> Self {
        Self {
            done: progress.done,
            total: progress.total,
            rate: progress.rate,
            seconds_left: progress.left().map(|left| left.as_secs()),
        }
    }
}

impl From<&job::LogLine> for LogLine {
    fn from(line: &job::LogLine) -> Self {
        Self { time: line.time.into(), text: line.text.clone() }
    }
}
