//! The list of the kinds of work on images, and the engine that does them, with what the API asks of it.

use std::sync::Arc;
use std::time::Duration;

use ::jobs::{Begun, JobError, Kinds, Paused, Shown, Work};
use fetch::checksums::{ChecksumError, Promise};

use super::digest::Digest;
use super::download::{self, Download};
use super::environment::{Environment, JobSettings};
use super::scrub::{self, Scrub};
use super::{folder_scan, requests};
use crate::Catalog;
use component::Core;
use model::image::ImageId;
use model::job::Job;
use model::link::Link;
use model::stored_file::StoreKind;

/// The jobs on images and their files.
#[derive(Clone)]
pub struct Jobs {
    engine: ::jobs::Jobs,
    environment: Arc<Environment>,
}

/// The kinds of work on images. A disk gains nothing from two readers at once, so digests have one permit,
/// and so have scrubs.
fn kinds(environment: &Arc<Environment>) -> Kinds {
    Kinds::default()
        .queue(Download::QUEUE, environment.settings.max_downloads.clone())
        .with::<Download>(Arc::clone(environment))
        .with::<Digest>(Arc::clone(environment))
        .with::<Scrub>(Arc::clone(environment))
}

impl Jobs {
    /// Registers the kinds of work with the engine of `core`, and starts the tasks that ask it for work.
    pub fn start(core: &Core, catalog: Catalog, settings: JobSettings) -> Self {
        let environment = Arc::new(Environment { catalog, fetcher: core.fetcher.clone(), settings });
        core.jobs.register(kinds(&environment));
        let jobs = Self { engine: core.jobs.clone(), environment };
        jobs.start_tasks(core);
        jobs
    }

    fn start_tasks(&self, core: &Core) {
        let (environment, engine) = (|| Arc::clone(&self.environment), || self.engine.clone());
        let stop = || core.stop.clone();
        core.tasks.spawn(requests::prepare(environment(), stop()));
        core.tasks.spawn(requests::digest(environment(), engine(), stop()));
        core.tasks.spawn(scrub::run_when_due(environment(), engine(), stop()));
        for kind in [StoreKind::Iso, StoreKind::Microkernel] {
            core.tasks.spawn(folder_scan::run(environment(), stop(), kind));
        }
    }

    /// Begins the downloads of `images`, unless they are on record: a program without jobs may have begun
    /// them.
    pub fn begin_downloads(&self, images: &[ImageId]) {
        let snapshot = self.environment.catalog.snapshot();
        for image in images.iter().filter_map(|id| snapshot.image(id)) {
            drop(self.engine.begin(download::job_for(image)));
        }
    }

    /// The digests that a checksum file has for a file with one of `names`.
    ///
    /// # Errors
    ///
    /// An error that may pass says when to ask again, if the source said so.
    pub async fn promised(
        &self,
        checksum: &Link,
        signature: Option<&Link>,
        names: &[&str],
    ) -> Result<Promise, ChecksumError> {
        self.environment.promised(checksum, signature, names).await
    }

    /// The job that fetches the ISO of an image, while there is one.
    pub fn of_image(&self, image: &ImageId) -> Option<Shown> {
        self.engine.find(&Download::new(image.clone()).record())
    }

    /// Waits until the job that fetches the ISO of an image has ended, at most for `limit`.
    pub async fn wait(&self, image: &ImageId, limit: Duration) {
        self.engine.wait(&Download::new(image.clone()).record(), limit).await;
    }

    /// Interrupts the download of an image's ISO, and waits until it has stopped. See
    /// [`halt`](::jobs::Jobs::halt).
    ///
    /// # Errors
    ///
    /// [`JobError::Busy`] if it does not stop in time.
    pub async fn halt(&self, image: &ImageId) -> Result<Paused, JobError> {
        self.engine.halt(&Download::new(image.clone()).record()).await
    }

    /// Goes on with what was interrupted. See [`go_on`](::jobs::Jobs::go_on).
    pub fn go_on(&self, paused: Paused) {
        self.engine.go_on(paused);
    }

    /// Ends what was interrupted. See [`drop_paused`](::jobs::Jobs::drop_paused).
    pub async fn drop_paused(&self, paused: Paused) {
        self.engine.drop_paused(paused).await;
    }

    /// Begins a job for work that was never asked for. See [`begin_new`](::jobs::Jobs::begin_new).
    pub async fn begin_new(&self, job: Job) -> Begun {
        self.engine.begin_new(job).await
    }
}
