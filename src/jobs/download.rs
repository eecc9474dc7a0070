//! Fetching an ISO: from the web into the store, checked while it comes, and served when it is whole.

use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::StreamExt;

use super::fetch::{Fault, fetch};
use super::{Download, Inner, web_name};
use crate::catalog::CatalogError;
use crate::model::image::{ImageId, Source};
use crate::model::pace::Pace;
use crate::trees::{NOT_AN_IMAGE, SIGNATURE_BYTES};

/// Why a download failed. The texts are shown as the image's status and name no path of the server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The source says that there is no such file.
    #[error("{0}")]
    Missing(String),
    /// The source cannot be reached, refuses, or sends something wrong.
    #[error("{0}")]
    Source(String),
    /// What came is not an image.
    #[error("{0}")]
    NotAnImage(String),
    /// It does not have the tree that was asked for.
    #[error("{0}")]
    TreeChoice(String),
    /// Another image or request stands in the way.
    #[error("{0}")]
    Conflict(String),
    /// It does not fit.
    #[error("{0}")]
    Space(String),
    /// It is larger than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// Our disk failed.
    #[error("the service cannot store it: {0}")]
    Storage(String),
    /// It was stopped.
    #[error("the download was cancelled")]
    Cancelled,
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        use crate::store::StoreError;

        let text = error.to_string();
        match error {
            CatalogError::NotAnImage(_) | CatalogError::Empty => Self::NotAnImage(text),
            CatalogError::TreeChoice(_) => Self::TreeChoice(text),
            CatalogError::Store(StoreError::Full { .. }) => Self::Space(text),
            CatalogError::Store(StoreError::TooLarge { .. }) => Self::TooLarge(text),
            CatalogError::Store(StoreError::NotAFile(_))
            | CatalogError::Busy(_)
            | CatalogError::InUse { .. }
            | CatalogError::NameIsLocal(_)
            | CatalogError::NameIsStored(_) => Self::Conflict(text),
            CatalogError::NoSuchImage | CatalogError::Stopping => Self::Cancelled,
            _ => {
                tracing::error!(error = text, "a download cannot be stored");
                Self::Storage("an internal error, see the service's log".into())
            }
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Missing(text) => Self::Missing(text),
            fault => Self::Source(fault.to_string()),
        }
    }
}

/// Runs one download to its end. Dropping the future leaves nothing behind.
pub(super) async fn run(jobs: &Inner, id: &ImageId, download: &Download) -> Result<(), Failure> {
    let _place = jobs.places.acquire().await.map_err(|_| Failure::Cancelled)?;
    let image = jobs.catalog.snapshot().image(id).cloned().ok_or(Failure::Cancelled)?;
    let Source::Web { url } = &image.source else {
        return Err(Failure::Source("its record does not say where to fetch it".into()));
    };
    let fetched = fetch(&jobs.fetcher, url, None).await?;
    let name = web_name::choose(url, fetched.proposed_name.as_deref(), &image);
    download.total.store(fetched.total.unwrap_or(0), Ordering::Relaxed);

    let mut intake = jobs.catalog.receive_download(id.clone(), name, fetched.total).await?;
    let mut bytes = fetched.bytes;
    let mut beginning = Vec::with_capacity(SIGNATURE_BYTES);
    let mut received = 0;
    let mut pace = Pace::new(jobs.settings.stall_timeout, Instant::now());
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk?;
        if !pace.keeps_up(chunk.len(), Instant::now()) {
            return Err(Failure::Source("the source sends too slowly".into()));
        }
        if beginning.len() < SIGNATURE_BYTES {
            let wanted = chunk.len().min(SIGNATURE_BYTES - beginning.len());
            beginning.extend_from_slice(&chunk[..wanted]);
            if beginning.len() == SIGNATURE_BYTES {
                check_beginning(&intake, &beginning)?;
            }
        }
        received += chunk.len() as u64;
        intake.write(chunk).await?;
        download.received.store(received, Ordering::Relaxed);
    }
    if beginning.len() < SIGNATURE_BYTES {
        check_beginning(&intake, &beginning)?;
    }
    Ok(jobs.catalog.finish_download(id.clone(), intake).await?)
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
