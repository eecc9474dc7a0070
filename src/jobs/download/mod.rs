//! Fetching an ISO: from the web into the store, checked while it comes, and served when it is whole. What has come is kept when the
//! connection, the server or this program breaks off, and the next attempt goes on from there.

mod resume_data;
mod sources;
mod transfer;

use super::fetch::Fault;
use super::runner::{Context, Outcome};
use super::{ChecksumError, Failure, RECORD_PAUSE, web_name};
use crate::catalog::{CatalogError, Intake};
use crate::model::digest::Expected;
use crate::model::image::{Image, ImageId, Source, Status, WebSource};
use crate::model::job::{Job, Work};
use crate::model::link::Link;
use crate::model::names::FileName;
use crate::store::StoreError;
use resume_data::ResumeData;
use sources::Sources;
use transfer::Break;

/// The job that fetches the ISO of an image.
pub fn job_for(image: &Image) -> Job {
    let title = format!("{} for {} {}", image.iso, image.name, image.version);
    Job::new(Work::Download { image: image.id.clone() }, title)
}

/// What is remembered of a download between its attempts.
pub(super) struct Download {
    image: ImageId,
    sources: Sources,
    /// What the digests must be, once that is known.
    expected: Option<Expected>,
    /// Bytes of several links, or of one that may have changed meanwhile, are not put together any more: they did not fit.
    unmixed: bool,
}

/// What an attempt has of the file.
struct Partly {
    intake: Intake,
    /// The size that was announced.
    total: Option<u64>,
    note: ResumeData,
}

impl Download {
    pub(super) fn of(image: ImageId) -> Self {
        Self { image, sources: Sources::default(), expected: None, unmixed: false }
    }

    /// One attempt: each link that is worth asking, in turn.
    pub(super) async fn run(&mut self, context: &Context<'_>) -> Outcome {
        match self.attempt(context).await {
            Ok(()) => Outcome::Done,
            Err(outcome) => outcome,
        }
    }

    /// The image is told why there is no ISO, and what has come goes unless it may be of use. Tries until that is recorded: a record that
    /// says `downloading iso` with nobody downloading would be a lie that lasts.
    pub(super) async fn conclude(&mut self, context: &Context<'_>, failure: &Failure, job: Job) {
        let catalog = &context.jobs.0.catalog;
        // Where the source or our disk failed, or somebody lost patience, somebody may want to go on another day. It goes with the image.
        if !matches!(failure, Failure::Source(_) | Failure::Storage(_) | Failure::Cancelled) {
            catalog.discard_download(&self.image).await;
        }
        let record = async {
            loop {
                let failed = catalog.fail_download(self.image.clone(), failure.to_string(), job.clone());
                let Err(error) = failed.await else { return };
                match error {
                    CatalogError::NoSuchImage => return catalog.discard_download(&self.image).await,
                    CatalogError::Stopping => return,
                    _ => {}
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

    async fn attempt(&mut self, context: &Context<'_>) -> Result<(), Outcome> {
        let catalog = &context.jobs.0.catalog;
        let image = catalog.snapshot().image(&self.image).cloned();
        let image = image.ok_or(Outcome::Failed(Failure::Cancelled))?;
        // The program may have ended after the image was recorded and before the job was.
        match &image.status {
            Status::Ok => return Ok(()),
            Status::Error(reason) => return Err(Outcome::Failed(Failure::Source(reason.clone()))),
            Status::Downloading | Status::Preparing => {}
        }
        let Source::Web(web) = &image.source else {
            return Err(Outcome::Failed(Failure::Source("its record does not say where to fetch it".into())));
        };
        let links = web.links();
        let expected = self.expected(context, &image, web).await?;
        let mut partly = self.resumed(context, &links, expected).await?;
        if partly.as_ref().is_some_and(|partly| partly.intake.is_whole()) {
            return self.complete(context, 0, &mut partly).await.map(|_| ());
        }
        if image.status == Status::Preparing {
            catalog.download_more(&self.image).await.map_err(refused)?;
        }
        let may_mix = !expected.is_nothing() && !self.unmixed;
        let (mut asked, mut last) = (Vec::new(), None);
        while let Some(index) = self.sources.next(links.len(), may_mix, &asked) {
            asked.push(index);
            let before = partly.as_ref().map_or(0, |partly| partly.intake.offset());
            let transferred = self.transfer(context, &image, index, &mut partly, may_mix).await;
            let further = partly.as_ref().is_some_and(|partly| partly.intake.offset() > before);
            match transferred {
                Ok(()) => match self.complete(context, index, &mut partly).await? {
                    true => return Ok(()),
                    false => continue,
                },
                Err(Break::Stopped) => {
                    suspend(partly).await;
                    return Err(Outcome::Stopped);
                }
                Err(Break::Disk(failure)) => {
                    suspend(partly).await;
                    return Err(Outcome::Again { failure, after: None, further: false });
                }
                Err(Break::Fatal(failure)) => {
                    discard(partly).await;
                    return Err(Outcome::Failed(failure));
                }
                Err(Break::Link(failure)) => {
                    if matches!(failure, Failure::NotAnImage(_)) {
                        discard(partly.take()).await;
                        self.sources.begin_anew();
                    }
                    context.note(format!("link {} is set aside: {failure}", index + 1));
                    self.sources.set_aside(index, failure);
                }
                Err(Break::Spoilt(fault)) => {
                    discard(partly.take()).await;
                    context.note(format!("all begins anew: link {}: {fault}", index + 1));
                    if !self.sources.spoilt_again(index) {
                        return Err(again(&fault, false));
                    }
                    self.sources.set_aside(index, fault.into());
                }
                Err(Break::Trouble { fault, slow }) if further => {
                    suspend(partly).await;
                    return Err(again(&fault, !slow));
                }
                Err(Break::Trouble { fault, .. }) => {
                    context.note(format!("link {}: {fault}", index + 1));
                    last = Some(fault);
                }
            }
        }
        self.sources.was_fruitless();
        match (self.sources.exhausted(links.len()), last) {
            (Some(failure), _) => {
                discard(partly).await;
                Err(Outcome::Failed(failure))
            }
            (None, Some(fault)) => {
                suspend(partly).await;
                Err(again(&fault, false))
            }
            // A link was set aside while others are left, which the next attempt asks.
            (None, None) => {
                suspend(partly).await;
                let failure = Failure::Source("another link is asked".into());
                Err(Outcome::Again { failure, after: None, further: true })
            }
        }
    }

    /// What earlier attempts have got.
    async fn resumed(
        &mut self,
        context: &Context<'_>,
        links: &[&Link],
        expected: Expected,
    ) -> Result<Option<Partly>, Outcome> {
        let resumed = context.jobs.0.catalog.resume_download(&self.image, expected).await.map_err(refused)?;
        let Some((intake, part)) = resumed else { return Ok(None) };
        let note = ResumeData::read(&part.plan.resume_data);
        let from = note.as_ref().and_then(|note| note.link_among(links));
        match (note, from) {
            (Some(note), Some(index)) => {
                if intake.offset() > 0 {
                    self.sources.came_from(index);
                }
                Ok(Some(Partly { intake, total: part.plan.size, note }))
            }
            // It came from a link that the image does not have any more.
            _ => intake.discard().await.map(|()| None).map_err(fatal),
        }
    }

    /// What the digests must be: what the client said, and what the checksum file says, if there is one.
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
        if let Some(checksum) = &web.checksum {
            let names: Vec<FileName> = web.links().into_iter().filter_map(web_name::of_link).collect();
            let names: Vec<&str> = names.iter().chain([&image.iso]).map(FileName::as_str).collect();
            let promised = context.jobs.promised(checksum, web.signature.as_ref(), &names);
            let promised = context.unless_stopped(promised).await?.map_err(unpromised)?;
            if let Some(signer) = promised.signer {
                context.note(format!("the checksum file is signed by {signer}"));
            }
            let joined = expected.and(promised.expected);
            expected = joined.map_err(|error| Outcome::Failed(Failure::Mismatch(error.to_string())))?;
        }
        Ok(*self.expected.insert(expected))
    }

    /// All bytes are here: makes an image of them. `false` if they are not what they must be, which the next link may mend.
    async fn complete(
        &mut self,
        context: &Context<'_>,
        index: usize,
        partly: &mut Option<Partly>,
    ) -> Result<bool, Outcome> {
        let Some(Partly { intake, note, .. }) = partly.take() else { return Ok(false) };
        let finished = context.jobs.0.catalog.finish_download(self.image.clone(), intake).await;
        let failure = match finished {
            Ok(()) => return Ok(true),
            // What has come is kept, and the record may be written later.
            Err(error @ CatalogError::Inventory(_)) => return Err(refused(error)),
            Err(error) => Failure::from(error),
        };
        self.sources.begin_anew();
        match failure {
            Failure::Mismatch(_) if note.is_mixed => {
                context.note(format!("all begins anew, from one link alone: {failure}"));
                self.unmixed = true;
                Err(Outcome::Again { failure, after: None, further: true })
            }
            Failure::Mismatch(_) | Failure::NotAnImage(_) => {
                context.note(format!("link {} is set aside: {failure}", index + 1));
                self.sources.set_aside(index, failure);
                Ok(false)
            }
            failure => Err(Outcome::Failed(failure)),
        }
    }
}

/// Nothing that has come is of use.
async fn discard(partly: Option<Partly>) {
    if let Some(partly) = partly
        && let Err(error) = partly.intake.discard().await
    {
        tracing::warn!(%error, "an unfinished download cannot be removed");
    }
}

/// What has come is kept for another attempt.
async fn suspend(partly: Option<Partly>) {
    if let Some(partly) = partly
        && let Err(error) = partly.intake.suspend().await
    {
        tracing::warn!(%error, "an unfinished download cannot be kept");
    }
}

fn fatal(error: CatalogError) -> Outcome {
    Outcome::Failed(error.into())
}

/// What our disk refuses now it may take later, and what has come is kept for that.
fn refused(error: CatalogError) -> Outcome {
    match error {
        CatalogError::Inventory(_) | CatalogError::Store(StoreError::Full { .. }) => {
            Outcome::Again { failure: error.into(), after: None, further: false }
        }
        _ => fatal(error),
    }
}

fn again(fault: &Fault, further: bool) -> Outcome {
    Outcome::Again { failure: Failure::from(fault.clone()), after: fault.retry_after(), further }
}

fn unpromised(error: ChecksumError) -> Outcome {
    match error.fault().filter(|fault| fault.is_worth_retrying()) {
        Some(fault) => {
            Outcome::Again { after: fault.retry_after(), failure: error.clone().into(), further: false }
        }
        None => Outcome::Failed(error.into()),
    }
}
