//! Writes bytes from one link into the unfinished file.

use std::time::Instant;

use ::jobs::Outcome;
use fetch::{Fault, Fetched, Resume};
use futures_util::StreamExt;

use super::partial::Partial;
use super::resume_data::ResumeData;
use super::sources::Sources;
use crate::jobs::environment::Context;
use crate::jobs::failure::Failure;
use crate::jobs::web_name::{self, Clues};
use crate::trees::{SIGNATURE_BYTES, not_an_image};
use crate::{CatalogError, Intake};
use blobs::StoreError;
use model::digest::Expected;
use model::image::{Image, Source};
use model::labels::Labels;
use model::link::Link;
use model::minimum_rate::MinimumRate;
use model::names::FileName;
use model::unfinished_file::{Owner, Plan};

/// Why a transfer ended before the file was complete.
pub(super) enum Break {
    /// The job was stopped.
    Stopped,
    /// The disk does not take the bytes now.
    Disk(Failure),
    /// The client of the job has its share of the space.
    Share(Failure),
    /// No link can help.
    Fatal(Failure),
    /// This link does not work.
    Link(Failure),
    /// The bytes are not those of the file, or no longer.
    Spoilt(Fault),
    /// Another attempt may succeed. It is not worth much if the source is only `slow`.
    Trouble { fault: Fault, slow: bool },
}

impl From<Fault> for Break {
    fn from(fault: Fault) -> Self {
        if matches!(fault, Fault::Changed(_)) {
            Self::Spoilt(fault)
        } else if fault.is_worth_retrying() {
            Self::Trouble { fault, slow: false }
        } else {
            Self::Link(Failure::from(fault))
        }
    }
}

impl From<Outcome> for Break {
    fn from(_: Outcome) -> Self {
        Self::Stopped
    }
}

/// A transfer from the link at `index`.
pub(super) struct Transfer<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) image: &'a Image,
    pub(super) sources: &'a mut Sources,
    pub(super) expected: Expected,
    /// Whether bytes of several links may be put together.
    pub(super) may_mix: bool,
    pub(super) index: usize,
}

impl Transfer<'_> {
    /// Fetches what is missing. When it returns `Ok`, all announced bytes are in `partial`.
    pub(super) async fn run(mut self, partial: &mut Option<Partial>) -> Result<(), Break> {
        let (context, image) = (self.context, self.image);
        let Source::Web(web) = &image.source else { return Err(Break::Stopped) };
        let links = web.links();
        let Some(link) = links.get(self.index) else { return Err(Break::Stopped) };
        let resume = partial.as_ref().map(|Partial { intake, total, resume_data }| Resume {
            offset: intake.offset(),
            validator: resume_data.validator.clone().filter(|_| resume_data.is_of(link)),
            total: *total,
            verified_later: self.may_mix,
        });
        let resumes_in_doubt = resume.as_ref().is_some_and(|resume| resume.validator.is_none());
        let fetched = fetch::fetch(&context.environment.fetcher, link.secret_url(), resume);
        let fetched = context.unless_stopped(fetched).await??;
        let resume_data = ResumeData::of(link, fetched.validator.clone());
        match partial {
            Some(partial) if fetched.start > 0 => {
                context.note(format!("goes on at {} bytes", fetched.start));
                let is_mixed = partial.resume_data.is_mixed || resumes_in_doubt;
                partial.resume_data = ResumeData { is_mixed, ..resume_data };
            }
            Some(begun) => {
                if let Some(why) = fetched.started_over {
                    context.note(format!("begins anew: {why}"));
                }
                self.sources.did_not_continue();
                begun.intake.restart(fetched.total).await.map_err(fatal)?;
                (begun.resume_data, begun.total) = (resume_data, fetched.total);
            }
            None => {
                // A mirror has the file of the first link, whose name the image shows already.
                let stated = web_name::stated(web.url.secret_url()).filter(|_| self.index > 0);
                let names = stated.map_or_else(|| clues(link, &fetched).names(image), |name| vec![name]);
                let intake = self.begin(names, fetched.total, &resume_data).await?;
                *partial = Some(Partial { intake, total: fetched.total, resume_data });
            }
        }
        let Some(partial) = partial else { return Err(Break::Stopped) };
        let written = partial.resume_data.written();
        partial.intake.checkpoint(Some(written)).await.map_err(fatal)?;
        context.begin(partial.intake.offset(), fetched.total);
        self.pump(&mut partial.intake, fetched).await
    }

    /// Begins a file under the first of `names` that no other file has.
    async fn begin(
        &self,
        names: Vec<FileName>,
        total: Option<u64>,
        resume_data: &ResumeData,
    ) -> Result<Intake, Break> {
        let downloads = &self.context.environment.catalog.downloads;
        let mut refused = None;
        for name in names {
            let plan = Plan {
                name,
                size: total,
                expected: self.expected,
                owner: Owner::Job,
                client: self.context.client(),
                labels: Labels::default(),
                resume_data: resume_data.written(),
            };
            match downloads.receive(self.image, plan).await {
                Ok(intake) => return Ok(intake),
                Err(error) if error.is_about_the_name() => refused = refused.or(Some(error)),
                Err(error) => return Err(fatal(error)),
            }
        }
        Err(refused.map_or(Break::Stopped, fatal))
    }

    async fn pump(&mut self, intake: &mut Intake, mut fetched: Fetched) -> Result<(), Break> {
        let context = self.context;
        let mut beginning = Some(Vec::new()).filter(|_| intake.offset() == 0);
        let mut rate = MinimumRate::new(*context.environment.settings.stall_timeout.get(), Instant::now());
        while let Some(chunk) = context.unless_stopped(fetched.bytes.next()).await? {
            let chunk = chunk?;
            if !rate.keeps_up(chunk.len(), Instant::now()) {
                let fault =
                    Fault::Transient { text: "the source sends too slowly".into(), retry_after: None };
                return Err(Break::Trouble { fault, slow: true });
            }
            if let Some(read) = &mut beginning {
                read.extend_from_slice(&chunk[..chunk.len().min(SIGNATURE_BYTES - read.len())]);
                if read.len() == SIGNATURE_BYTES {
                    check_beginning(intake, read, fetched.coding.as_deref())?;
                    beginning = None;
                }
            }
            intake.write(chunk).await.map_err(fatal)?;
            self.sources.brought(self.index, intake.offset());
            context.reach(intake.offset());
        }
        match beginning {
            Some(read) => check_beginning(intake, &read, fetched.coding.as_deref()),
            None => Ok(()),
        }
    }
}

/// What a source has told of the file's name.
pub(super) fn clues<'a>(link: &'a Link, fetched: &'a Fetched) -> Clues<'a> {
    let (final_url, proposed) = (&fetched.final_url, fetched.proposed_name.as_deref());
    Clues { final_url, typed: link.secret_url(), proposed }
}

fn fatal(error: CatalogError) -> Break {
    match error {
        CatalogError::Inventory(_) => Break::Disk(error.into()),
        CatalogError::Store(StoreError::ClientHasShare { .. } | StoreError::ClientHasUnfinishedFiles(_)) => {
            Break::Share(error.into())
        }
        _ => Break::Fatal(error.into()),
    }
}

/// Finds an error page in place of an ISO within the first sectors, long before it fills the disk.
fn check_beginning(intake: &Intake, beginning: &[u8], coding: Option<&str>) -> Result<(), Break> {
    if intake.may_be_image(beginning) {
        return Ok(());
    }
    let told = not_an_image(beginning);
    Err(Break::Link(Failure::NotAnImage(match coding {
        None => told,
        Some(coding) => format!("{told}; the web server sent it encoded ({coding})"),
    })))
}
