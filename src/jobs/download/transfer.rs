//! Bytes from one link into the unfinished file.

use std::time::Instant;

use futures_util::StreamExt;

use super::{Download, Partly, ResumeData};
use crate::catalog::{CatalogError, Intake};
use crate::jobs::fetch::{Fault, Fetched, Resume, fetch};
use crate::jobs::runner::{Context, Outcome};
use crate::jobs::{Failure, web_name};
use crate::model::image::{Image, Source};
use crate::model::minimum_rate::MinimumRate;
use crate::trees::{NOT_AN_IMAGE, SIGNATURE_BYTES};

/// Why a transfer ended before the file was whole.
pub(super) enum Break {
    /// The job was stopped.
    Stopped,
    /// Our disk does not take it now.
    Disk(Failure),
    /// No link can mend it.
    Fatal(Failure),
    /// This link is no good.
    Link(Failure),
    /// What has come is not the file, or no longer.
    Spoilt(Fault),
    /// It may go better later, though not much if the source is just `slow`.
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

impl Download {
    /// Fetches what is missing from the link at `index`. When it returns `Ok`, all announced bytes are in `partly`.
    pub(super) async fn transfer(
        &mut self,
        context: &Context<'_>,
        image: &Image,
        index: usize,
        partly: &mut Option<Partly>,
        may_mix: bool,
    ) -> Result<(), Break> {
        let Source::Web(web) = &image.source else { return Err(Break::Stopped) };
        let links = web.links();
        let Some(link) = links.get(index) else { return Err(Break::Stopped) };
        let resume = partly.as_ref().map(|Partly { intake, total, note }| Resume {
            offset: intake.offset(),
            validator: note.validator.clone().filter(|_| note.is_of(link)),
            total: *total,
            verified_later: may_mix,
        });
        let resumes_in_doubt = resume.as_ref().is_some_and(|resume| resume.validator.is_none());
        let url = link.secret_url();
        let fetched = context.unless_stopped(fetch(&context.jobs.0.fetcher, url, resume)).await??;
        let note = ResumeData::of(link, fetched.validator.clone());
        match partly {
            Some(partly) if fetched.start > 0 => {
                context.note(format!("goes on at {} bytes", fetched.start));
                let is_mixed = partly.note.is_mixed || resumes_in_doubt;
                partly.note = ResumeData { is_mixed, ..note };
            }
            Some(begun) => {
                if let Some(why) = fetched.started_over {
                    context.note(format!("begins anew: {why}"));
                }
                self.sources.did_not_continue();
                begun.intake.restart().await.map_err(fatal)?;
                begun.intake.set_expected_size(fetched.total).await.map_err(fatal)?;
                (begun.note, begun.total) = (note, fetched.total);
            }
            None => {
                let name = web_name::choose(web.url.secret_url(), fetched.proposed_name.as_deref(), image);
                let expected = self.expected.unwrap_or_default();
                let catalog = &context.jobs.0.catalog;
                let intake =
                    catalog.receive_download(image, name, fetched.total, expected, note.written()).await;
                *partly = Some(Partly { intake: intake.map_err(fatal)?, total: fetched.total, note });
            }
        }
        let Some(partly) = partly else { return Err(Break::Stopped) };
        let written = partly.note.written();
        partly.intake.checkpoint(Some(written)).await.map_err(fatal)?;
        context.begin(partly.intake.offset(), fetched.total);
        self.pump(context, index, &mut partly.intake, fetched).await
    }

    async fn pump(
        &mut self,
        context: &Context<'_>,
        index: usize,
        intake: &mut Intake,
        mut fetched: Fetched,
    ) -> Result<(), Break> {
        let mut beginning = Some(Vec::new()).filter(|_| intake.offset() == 0);
        let mut pace = MinimumRate::new(context.jobs.0.settings.stall_timeout, Instant::now());
        while let Some(chunk) = context.unless_stopped(fetched.bytes.next()).await? {
            let chunk = chunk?;
            if !pace.keeps_up(chunk.len(), Instant::now()) {
                let fault =
                    Fault::Transient { text: "the source sends too slowly".into(), retry_after: None };
                return Err(Break::Trouble { fault, slow: true });
            }
            if let Some(read) = &mut beginning {
                read.extend_from_slice(&chunk[..chunk.len().min(SIGNATURE_BYTES - read.len())]);
                if read.len() == SIGNATURE_BYTES {
                    check_beginning(intake, read)?;
                    beginning = None;
                }
            }
            intake.write(chunk).await.map_err(fatal)?;
            self.sources.brought(index, intake.offset());
            context.reach(intake.offset());
        }
        match beginning {
            Some(read) => check_beginning(intake, &read),
            None => Ok(()),
        }
    }
}

fn fatal(error: CatalogError) -> Break {
    match error {
        CatalogError::Inventory(_) => Break::Disk(error.into()),
        _ => Break::Fatal(error.into()),
    }
}

/// An error page in place of an ISO shows itself within the first sectors, long before it fills the disk.
fn check_beginning(intake: &Intake, beginning: &[u8]) -> Result<(), Break> {
    if intake.may_be_image(beginning) {
        return Ok(());
    }
    let start = beginning.trim_ascii_start();
    let is_page = start
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"<html") || start.eq_ignore_ascii_case(b"<!doc"));
    Err(Break::Link(Failure::NotAnImage(if is_page {
        "not an ISO image: the source sent a web page".to_owned()
    } else {
        NOT_AN_IMAGE.to_owned()
    })))
}
