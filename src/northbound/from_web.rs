//! Registration from the web: links, what their bytes must be, and how long the client waits for the end.

use std::time::Duration;

use http::HeaderMap;

use super::checksum_file::{ChecksumFile, link};
use super::digest_fields::ExpectedDigests;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{Northbound, whole};
use crate::catalog::{CatalogError, Reservation};
use crate::jobs::{Failure, download_job, provisional_name};
use crate::model::image::{Image, WebSource};

/// How long a registration from the web waits for its end when the client says nothing: small ISOs on a near server are done by then.
const DEFAULT_WAIT: Duration = Duration::from_secs(3);

/// The longest that a client may ask a request to wait.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// What a client asks to be fetched.
pub(super) struct FromWeb {
    source: WebSource,
    digests: ExpectedDigests,
    wait: Duration,
}

impl FromWeb {
    /// Reads what the request says.
    pub(super) fn of(
        parameters: &Parameters,
        headers: &HeaderMap,
        digests: ExpectedDigests,
    ) -> Result<Self, Problem> {
        let mut links = parameters.all("isoweb", link)?.into_iter();
        let url = links.next().ok_or_else(|| Problem::parameter("isoweb", "is missing"))?;
        let ChecksumFile { checksum, signature } = ChecksumFile::of(parameters)?;
        let source = WebSource { url, mirrors: links.collect(), checksum, signature };
        Ok(Self { source, digests, wait: wait(parameters, headers)? })
    }

    /// Begins the download and waits for its end for as long as the client wants to.
    pub(super) async fn register(self, api: &Northbound, reservation: Reservation) -> Result<Image, Problem> {
        let url = self.source.url.secret_url();
        let iso = provisional_name(url, reservation.name(), reservation.version());
        let iso = iso.map_err(|error| Problem::parameter("name", error))?;
        let is_retry = reservation.is_retry();
        let (expected, jobs) = (self.digests.expected(), api.jobs.clone());
        let begun = whole(async move {
            let begun = reservation.begin_download(self.source, iso, expected, download_job).await;
            let (image, job, reservation) =
                begun.map_err(|error| Problem::from(error).of_parameter("isoweb"))?;
            Ok((image, jobs.begin_new(job).await, reservation))
        });
        // Kept until the answer is decided: a retry that came between a failure and its removal would be removed too.
        let (image, download, _reservation) = begun.await?;
        if self.wait.is_zero() {
            return Ok(image);
        }
        let ended = download.ended_within(self.wait).await;
        match ended.map(|end| end.map_err(|failure| Failure::from(&failure))) {
            None | Some(Ok(())) => match api.catalog.image(image.id).await {
                // It was deleted in this very moment.
                Err(CatalogError::NoSuchImage) => Err(Failure::Cancelled.into()),
                image => Ok(image?),
            },
            // Whoever stopped it, by deleting the image or stopping the service, decides about the record.
            Some(Err(failure @ Failure::Cancelled)) => Err(failure.into()),
            Some(Err(failure)) => {
                // Whoever gets an error in answer needs no record of it. An image that was in error before stays listed.
                if !is_retry {
                    let _ = api.catalog.remove_images(vec![image.id]).await;
                }
                Err(Problem::from(failure).of_parameter("isoweb"))
            }
        }
    }
}

/// How long to wait for a download: `wait=N` or `Prefer: wait=N` seconds (RFC 7240 §4.3), or not at all (`respond-async`, §4.1).
fn wait(parameters: &Parameters, headers: &HeaderMap) -> Result<Duration, Problem> {
    let seconds = |text: &str| text.parse().ok().map(|seconds| Duration::from_secs(seconds).min(MAX_WAIT));
    if let Some(text) = parameters.get("wait") {
        return seconds(text).ok_or_else(|| Problem::parameter("wait", "must be a whole number of seconds"));
    }
    // Names are case-insensitive, and values may be quoted (§2). A preference that makes no sense is ignored.
    let preferences: Vec<String> = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_ascii_lowercase)
        .collect();
    let mut preferences = preferences.iter().flat_map(|value| value.split([',', ';'])).map(str::trim);
    let asked = preferences.clone().find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        if name.trim() == "wait" { seconds(value.trim().trim_matches('"')) } else { None }
    });
    let respond_async = preferences.any(|preference| preference == "respond-async");
    Ok(asked.unwrap_or(if respond_async { Duration::ZERO } else { DEFAULT_WAIT }))
}
