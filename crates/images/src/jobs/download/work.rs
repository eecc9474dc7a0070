//! The attempts at a download: which link is asked, and what follows when it fails.

use std::time::Duration;

use ::jobs::{JobError, Outcome, Work};
use fetch::Fault;
use serde::{Deserialize, Serialize};

use super::partial::{Partial, discard, offset, suspend};
use super::promised::promised;
use super::resume_data::ResumeData;
use super::sources::Sources;
use super::transfer::{Break, Transfer};
use crate::CatalogError;
use crate::jobs::environment::{Context, Environment};
use crate::jobs::failure::{Failure, failed, retry, retry_from_here};
use blobs::StoreError;
use model::client::ClientKey;
use model::digest::Expected;
use model::image::{Image, ImageId, Source, Status, WebSource};
use model::job::Job;
use model::link::Link;
use records::inventory::ChangedRecord;

/// The pause before a failed download is recorded again, after the disk has refused it.
const RECORD_PAUSE: Duration = Duration::from_secs(2);

/// The pause of a download whose client has its share of the space, before it is tried again.
const SHARE_PAUSE: Duration = Duration::from_secs(60);

/// The job that fetches the ISO of an image.
pub fn job_for(image: &Image) -> Job {
    let title = format!("{} for {} {}", image.iso, image.name, image.version);
    Download::new(image.id.clone()).job(title)
}

/// Fetches the ISO of an image.
#[derive(Debug, Serialize, Deserialize)]
pub struct Download {
    /// The image.
    pub image: ImageId,
    #[serde(skip)]
    sources: Sources,
    /// The digests that the ISO must have, once they are known.
    #[serde(skip)]
    expected: Option<Expected>,
    /// Bytes of several links, or of one that may have changed, did not fit together. All now come from one
    /// link.
    #[serde(skip)]
    unmixed: bool,
}

impl Work for Download {
    const KIND: &'static str = "download";
    const QUEUE: &'static str = "downloads";
    const DURABLE: bool = true;
    type Environment = Environment;

    /// Asks each link that may work, in turn.
    async fn attempt(&mut self, context: &Context<'_>) -> Outcome {
        match self.fetch(context).await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    /// Records at the image why it has no ISO, and removes bytes that are of no use. It retries until that is
    /// recorded, because a record of a download that no job does would stay for ever.
    async fn abandon(&mut self, context: &Context<'_>, failure: &::jobs::Failure) {
        let catalog = &context.environment.catalog;
        let job = context.failed(failure);
        let failure = Failure::from(failure);
        // A client may go on another day if the source or the disk failed, or if the job was cancelled. The
        // bytes go with the image.
        if !matches!(failure, Failure::Source(_) | Failure::Storage(_) | Failure::Cancelled) {
            catalog.downloads.discard(&self.image).await;
        }
        let record = async {
            loop {
                let failed = catalog.downloads.fail(self.image.clone(), failure.to_string(), job.clone());
                let Err(error) = failed.await else { return };
                match error {
                    CatalogError::NoSuchImage => return catalog.downloads.discard(&self.image).await,
                    CatalogError::Stopping => return,
                    _ => {}
                }
                tracing::error!(id = %self.image, %error, "a failed download cannot be recorded yet");
                tokio::time::sleep(RECORD_PAUSE).await;
            }
        };
        tokio::select! {
            () = record => {}
            () = context.shutdown().cancelled() => {}
        }
    }

    async fn before_retry(
        &self,
        environment: &Environment,
        client: Option<ClientKey>,
    ) -> Result<(), JobError> {
        let restarted = environment.catalog.downloads.restart(self.image.clone(), client).await;
        restarted.map_err(|error| match error {
            CatalogError::NoSuchImage => JobError::Pointless("its image was deleted".into()),
            other => JobError::Refused(Box::new(other)),
        })
    }

    /// An image is shown with its job.
    fn announce(&self, environment: &Environment) {
        if environment.catalog.snapshot().image(&self.image).is_some() {
            environment.catalog.tell(ChangedRecord::Image(self.image.clone()));
        }
    }
}

impl Download {
    /// The download for an image.
    pub fn new(image: ImageId) -> Self {
        Self { image, sources: Sources::default(), expected: None, unmixed: false }
    }

    async fn fetch(&mut self, context: &Context<'_>) -> Result<(), Outcome> {
        let catalog = &context.environment.catalog;
        let image = catalog.snapshot().image(&self.image).cloned();
        let image = image.ok_or_else(|| failed(Failure::Cancelled))?;
        // The program may have ended after the image was recorded and before the job was.
        match &image.status {
            Status::Ok => return Ok(()),
            Status::Error(reason) => return Err(failed(Failure::Source(reason.clone()))),
            Status::Downloading | Status::Preparing => {}
        }
        let Source::Web(web) = &image.source else {
            return Err(failed(Failure::Source("its record does not say where to fetch it".into())));
        };
        let links = web.links();
        let expected = self.expected(context, &image, web).await?;
        let mut partial = self.resumed(context, &links, expected).await?;
        if partial.as_ref().is_some_and(|partial| partial.intake.is_complete()) {
            return self.complete(context, 0, &mut partial).await.map(|_| ());
        }
        if image.status == Status::Preparing {
            catalog.downloads.receive_more(&self.image).await.map_err(refused)?;
        }
        let may_mix = !expected.is_nothing() && !self.unmixed;
        let (mut asked, mut last) = (Vec::new(), None);
        while let Some(index) = self.sources.next(links.len(), may_mix, &asked) {
            asked.push(index);
            let before = offset(partial.as_ref());
            let transfer =
                Transfer { context, image: &image, sources: &mut self.sources, expected, may_mix, index };
            match transfer.run(&mut partial).await {
                Ok(()) => {
                    if self.complete(context, index, &mut partial).await? {
                        return Ok(());
                    }
                }
                Err(broken) => {
                    let progressed = offset(partial.as_ref()) > before;
                    let fault = self.broken_off(context, index, &mut partial, broken, progressed).await?;
                    last = fault.or(last);
                }
            }
        }
        self.sources.was_fruitless();
        match (self.sources.exhausted(links.len()), last) {
            (Some(failure), _) => {
                discard(partial).await;
                Err(failed(failure))
            }
            (None, Some(fault)) => {
                suspend(partial).await;
                Err(again(&fault, false))
            }
            // A link was set aside while others are left, which the next attempt asks.
            (None, None) => {
                suspend(partial).await;
                Err(retry_from_here(Failure::Source("another link is asked".into()), None))
            }
        }
    }

    /// A transfer broke off. `Err` ends the attempt; else the next link is asked, and the fault is what the
    /// attempt ends with if there is none.
    async fn broken_off(
        &mut self,
        context: &Context<'_>,
        index: usize,
        partial: &mut Option<Partial>,
        broken: Break,
        progressed: bool,
    ) -> Result<Option<Fault>, Outcome> {
        match broken {
            Break::Stopped => {
                suspend(partial.take()).await;
                Err(Outcome::Stopped)
            }
            Break::Disk(failure) => {
                suspend(partial.take()).await;
                Err(retry(failure, None))
            }
            Break::Share(failure) => {
                suspend(partial.take()).await;
                // It does not count as a failure, since the other files of the client end.
                Err(retry_from_here(failure, Some(SHARE_PAUSE)))
            }
            Break::Fatal(failure) => {
                discard(partial.take()).await;
                Err(failed(failure))
            }
            Break::Link(failure) => {
                if matches!(failure, Failure::NotAnImage(_)) {
                    discard(partial.take()).await;
                    self.sources.begin_anew();
                }
                context.note(format!("link {} is set aside: {failure}", index + 1));
                self.sources.set_aside(index, failure);
                Ok(None)
            }
            Break::Spoilt(fault) => {
                discard(partial.take()).await;
                context.note(format!("all begins anew: link {}: {fault}", index + 1));
                if !self.sources.spoilt_again(index) {
                    return Err(again(&fault, false));
                }
                self.sources.set_aside(index, fault.into());
                Ok(None)
            }
            Break::Trouble { fault, slow } if progressed => {
                suspend(partial.take()).await;
                Err(again(&fault, !slow))
            }
            Break::Trouble { fault, .. } => {
                context.note(format!("link {}: {fault}", index + 1));
                Ok(Some(fault))
            }
        }
    }

    /// The unfinished file of earlier attempts.
    async fn resumed(
        &mut self,
        context: &Context<'_>,
        links: &[&Link],
        expected: Expected,
    ) -> Result<Option<Partial>, Outcome> {
        let catalog = &context.environment.catalog;
        let resumed = catalog.downloads.resume(&self.image, expected).await.map_err(refused)?;
        let Some((intake, unfinished)) = resumed else { return Ok(None) };
        let resume_data = ResumeData::read(&unfinished.plan.resume_data);
        let from = resume_data.as_ref().and_then(|resume_data| resume_data.link_among(links));
        match (resume_data, from) {
            (Some(resume_data), Some(index)) => {
                if intake.offset() > 0 {
                    self.sources.came_from(index);
                }
                Ok(Some(Partial { intake, total: unfinished.plan.size, resume_data }))
            }
            // The bytes came from a link that the image does not have any more.
            _ => intake.discard().await.map(|()| None).map_err(failed),
        }
    }

    /// The digests that the client gave, and those of the checksum file, if there is one.
    async fn expected(
        &mut self,
        context: &Context<'_>,
        image: &Image,
        web: &WebSource,
    ) -> Result<Expected, Outcome> {
        if let Some(expected) = self.expected {
            return Ok(expected);
        }
        let mut expected = image.expected;
        if let Some(promised) = promised(context, image, web).await? {
            let joined = expected.and(promised);
            expected = joined.map_err(|error| failed(Failure::Mismatch(error.to_string())))?;
        }
        Ok(*self.expected.insert(expected))
    }

    /// Makes an image of the complete file; `false` if the bytes are wrong, which another link may mend.
    async fn complete(
        &mut self,
        context: &Context<'_>,
        index: usize,
        partial: &mut Option<Partial>,
    ) -> Result<bool, Outcome> {
        let Some(Partial { intake, resume_data, .. }) = partial.take() else { return Ok(false) };
        let finished = context.environment.catalog.downloads.finish(self.image.clone(), intake).await;
        let failure = match finished {
            Ok(()) => return Ok(true),
            // The bytes are kept, and the record may be written later.
            Err(error @ CatalogError::Inventory(_)) => return Err(refused(error)),
            Err(error) => Failure::from(error),
        };
        self.sources.begin_anew();
        match failure {
            Failure::Mismatch(_) if resume_data.is_mixed => {
                context.note(format!("all begins anew, from one link alone: {failure}"));
                self.unmixed = true;
                Err(retry_from_here(failure, None))
            }
            Failure::Mismatch(_) | Failure::NotAnImage(_) => {
                context.note(format!("link {} is set aside: {failure}", index + 1));
                self.sources.set_aside(index, failure);
                Ok(false)
            }
            failure => Err(failed(failure)),
        }
    }
}

/// The disk may take later what it refuses now, and the bytes are kept for that.
fn refused(error: CatalogError) -> Outcome {
    match error {
        CatalogError::Inventory(_) | CatalogError::Store(StoreError::Full { .. }) => retry(error, None),
        _ => failed(error),
    }
}

fn again(fault: &Fault, progressed: bool) -> Outcome {
    let after = fault.retry_after();
    if progressed { retry_from_here(fault.clone(), after) } else { retry(fault.clone(), after) }
}
