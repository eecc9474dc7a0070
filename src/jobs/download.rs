//! Fetching an ISO: from the web into the store, checked while it comes, and served when it is whole.

use std::time::Instant;

use futures_util::StreamExt;

use super::drive::{Context, Outcome};
use super::fetch::{Fault, fetch};
use super::{Failure, RECORD_PAUSE, web_name};
use crate::catalog::CatalogError;
use crate::model::digest::Expected;
use crate::model::image::{Image, ImageId, Source};
use crate::model::job::{Job, Work};
use crate::model::pace::Pace;
use crate::trees::{NOT_AN_IMAGE, SIGNATURE_BYTES};

/// The job that fetches the ISO of an image.
pub fn job_for(image: &Image) -> Job {
    Job::new(
        Work::Download { image: image.id.clone() },
        format!("{} for {} {}", image.iso, image.name, image.version),
    )
}

/// What is remembered of a download between its attempts.
pub(super) struct Download {
    image: ImageId,
}

impl Download {
    pub(super) fn of(image: ImageId) -> Self {
        Self { image }
    }

    /// One attempt.
    pub(super) async fn run(&mut self, context: &Context<'_>) -> Outcome {
        match self.fetch(context).await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    /// The image is told why there is no ISO. Tries until that is recorded: a record that says `downloading iso` with nobody downloading
    /// would be a lie that lasts.
    pub(super) async fn conclude(&mut self, context: &Context<'_>, failure: &Failure) {
        let catalog = &context.jobs.0.catalog;
        let record = async {
            while let Err(error) = catalog.fail_download(self.image.clone(), failure.to_string()).await {
                if matches!(error, CatalogError::NoSuchImage | CatalogError::Stopping) {
                    return;
                }
                tracing::error!(id = %self.image, %error, "a failed download cannot be recorded yet");
                tokio::time::sleep(RECORD_PAUSE).await;
            }
        };
        tokio::select! {
            () = record => {}
            () = context.jobs.0.stop.cancelled() => {}
        }
    }

    async fn fetch(&mut self, context: &Context<'_>) -> Result<(), Outcome> {
        let jobs = &context.jobs.0;
        let image = jobs.catalog.snapshot().image(&self.image).cloned();
        let image = image.ok_or(Outcome::Failed(Failure::Cancelled))?;
        let Source::Web(web) = &image.source else {
            return Err(Outcome::Failed(Failure::Source("its record does not say where to fetch it".into())));
        };
        let url = web.url.secret_url();
        let fetched = context.unless_stopped(fetch(&jobs.fetcher, url, None)).await?.map_err(judged)?;
        let name = web_name::choose(url, fetched.proposed_name.as_deref(), &image);
        context.begin(0, fetched.total);
        let intake =
            jobs.catalog.receive_download(self.image.clone(), name, fetched.total, Expected::default()).await;
        let mut intake = intake.map_err(|error| Outcome::Failed(error.into()))?;
        let mut bytes = fetched.bytes;
        let mut beginning = Vec::with_capacity(SIGNATURE_BYTES);
        let mut received = 0;
        let mut pace = Pace::new(jobs.settings.stall_timeout, Instant::now());
        while let Some(chunk) = context.unless_stopped(bytes.next()).await? {
            let chunk = chunk.map_err(judged)?;
            if !pace.keeps_up(chunk.len(), Instant::now()) {
                return Err(judged(Fault::Transient {
                    text: "the source sends too slowly".into(),
                    retry_after: None,
                }));
            }
            if beginning.len() < SIGNATURE_BYTES {
                let wanted = chunk.len().min(SIGNATURE_BYTES - beginning.len());
                beginning.extend_from_slice(&chunk[..wanted]);
                if beginning.len() == SIGNATURE_BYTES {
                    check_beginning(&intake, &beginning).map_err(Outcome::Failed)?;
                }
            }
            received += chunk.len() as u64;
            intake.write(chunk).await.map_err(|error| Outcome::Failed(error.into()))?;
            context.reach(received);
        }
        if beginning.len() < SIGNATURE_BYTES {
            check_beginning(&intake, &beginning).map_err(Outcome::Failed)?;
        }
        let finished = jobs.catalog.finish_download(self.image.clone(), intake).await;
        finished.map_err(|error| Outcome::Failed(error.into()))
    }
}

fn judged(fault: Fault) -> Outcome {
    let (again, after) = (fault.is_worth_retrying(), fault.retry_after());
    let failure = Failure::from(fault);
    if again { Outcome::Again { failure, after, further: false } } else { Outcome::Failed(failure) }
}

/// An error page in place of an ISO shows itself within the first sectors, long before it fills the disk.
fn check_beginning(intake: &crate::catalog::Intake, beginning: &[u8]) -> Result<(), Failure> {
    if intake.may_be_image(beginning) {
        return Ok(());
    }
    let start = beginning.trim_ascii_start();
    let is_page = start
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"<html") || start.eq_ignore_ascii_case(b"<!doc"));
    Err(Failure::NotAnImage(if is_page {
        "not an ISO image: the source sent a web page".to_owned()
    } else {
        NOT_AN_IMAGE.to_owned()
    }))
}
