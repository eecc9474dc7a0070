//! The kinds of work: which lane each takes, whether it outlives the program, and who does it. A new kind is a file of its own and a line in
//! each match here.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::runner::{Context, Outcome};
use super::{Failure, JobError, digest, download, scrub};
use crate::catalog::{Catalog, CatalogError};
use crate::model::image::ImageId;
use crate::model::job::{Job, State, Work};

/// What is remembered of the work from one attempt to the next.
pub(super) enum Task {
    Download(Box<download::Download>),
    Digest(digest::Digesting),
    Scrub,
}

impl Task {
    pub(super) fn of(work: &Work) -> Self {
        match work {
            Work::Download { image } => Self::Download(Box::new(download::Download::of(image.clone()))),
            Work::Digest { kind, name } => {
                Self::Digest(digest::Digesting { kind: *kind, name: name.clone() })
            }
            Work::Scrub => Self::Scrub,
        }
    }

    /// One attempt.
    pub(super) async fn run(&mut self, context: &Context<'_>) -> Outcome {
        match self {
            Self::Download(download) => download.run(context).await,
            Self::Digest(digest) => digest.run(context).await,
            Self::Scrub => scrub::run(context).await,
        }
    }

    /// It failed for good, or was cancelled: what was begun goes, and whoever relied on it is told.
    /// `job` is its record then.
    pub(super) async fn conclude(&mut self, context: &Context<'_>, failure: &Failure, job: Job) {
        match self {
            Self::Download(download) => download.conclude(context, failure, job).await,
            Self::Digest(_) | Self::Scrub => {}
        }
    }
}

/// Whether an ended job is worth a place in the list. There may be thousands of digests at once, and what they found stands with the files.
pub(super) fn is_listed(work: &Work, state: &State) -> bool {
    !matches!((work, state), (Work::Digest { .. }, State::Done))
}

/// The image that is shown with this work, if any.
pub(super) fn image_of(work: &Work) -> Option<&ImageId> {
    match work {
        Work::Download { image } => Some(image),
        Work::Digest { .. } | Work::Scrub => None,
    }
}

/// Work that failed is to be done again: whoever relies on it is told.
pub(super) async fn begin_again(catalog: &Catalog, work: &Work) -> Result<(), JobError> {
    let Some(image) = image_of(work) else { return Ok(()) };
    catalog.begin_again(image.clone()).await.map_err(|error| match error {
        CatalogError::NoSuchImage => JobError::Pointless("its image was deleted".into()),
        other => other.into(),
    })
}

/// Whether a job is recorded. Other work is noticed anew after a start.
pub(super) fn is_durable(work: &Work) -> bool {
    match work {
        Work::Download { .. } => true,
        Work::Digest { .. } | Work::Scrub => false,
    }
}

/// How many jobs are worked on at once.
pub(super) struct Queues {
    downloads: Semaphore,
    /// Reading whole files: the disk gains nothing from more than one at a time.
    reading: Semaphore,
    /// Reading them slowly, which must not hold up those that are wanted.
    scrubbing: Semaphore,
}

impl Queues {
    pub(super) fn new(downloads: usize) -> Self {
        Self {
            downloads: Semaphore::new(downloads),
            reading: Semaphore::new(1),
            scrubbing: Semaphore::new(1),
        }
    }

    /// Waits for a place.
    pub(super) async fn place(&self, work: &Work) -> Option<SemaphorePermit<'_>> {
        let queue = match work {
            Work::Download { .. } => &self.downloads,
            Work::Digest { .. } => &self.reading,
            Work::Scrub => &self.scrubbing,
        };
        // A semaphore that nobody closes always gives one in the end.
        queue.acquire().await.ok()
    }
}
