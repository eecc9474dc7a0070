//! Registrations with `isoweb`: downloads, and how long the client waits for their end.

use std::time::Duration;

use http::HeaderMap;
use http_service::Problem;
use http_service::parameters::Parameters;
use http_service::run_to_completion;
use images::jobs::{Failure, download_job, provisional_name};
use images::{CatalogError, Reservation};
use model::digest::Expected;
use model::image::{Image, Status, WebSource};

use crate::northbound::api::Northbound;
use crate::northbound::problems::problem;

/// How long a registration from the web waits for its end by default: the download of a small ISO from a near
/// server takes less.
const DEFAULT_WAIT: Duration = Duration::from_secs(3);

/// The longest that a client may ask a request to wait.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Begins the download of the ISO from `source`, and waits for its end as long as the client wants to.
pub(super) async fn download(
    api: &Northbound,
    source: WebSource,
    expected: Expected,
    wait: Duration,
    reservation: Reservation,
) -> Result<Image, Problem> {
    let url = source.url.secret_url();
    let iso = provisional_name(url, reservation.name(), reservation.version());
    let iso = iso.map_err(|error| Problem::parameter("name", error))?;
    let is_retry = reservation.is_retry();
    let jobs = api.image_jobs.clone();
    let begun = run_to_completion(async move {
        let begun = reservation.begin_download(source, iso, expected, download_job).await;
        let (image, job, reservation) = begun.map_err(|error| problem(error).of_parameter("isoweb"))?;
        Ok((image, jobs.begin_new(job).await, reservation))
    });
    // Held until the answer is decided: a retry between a failure and its removal would be removed too.
    let (image, download, _reservation) = begun.await?;
    if wait.is_zero() {
        return Ok(image);
    }
    let ended = download.ended_within(wait).await;
    match ended.map(|end| end.map_err(|failure| Failure::from(&failure))) {
        None | Some(Ok(())) => current(api, image).await,
        // The request that deleted the image, or the stop of the service, decides about the record.
        Some(Err(failure @ Failure::Cancelled)) => Err(problem(failure)),
        Some(Err(failure)) => {
            // The client learns of the failure, so no record is kept. An image that was in error before
            // stays listed.
            if !is_retry {
                let _ = api.catalog.registration.remove(vec![image.id], None).await;
            }
            Err(problem(failure).of_parameter("isoweb"))
        }
    }
}

/// Waits for the end of a download that an earlier request began. Its failure is told by the status.
pub(super) async fn wait_again(api: &Northbound, image: Image, wait: Duration) -> Result<Image, Problem> {
    if matches!(image.status, Status::Downloading | Status::Preparing) && !wait.is_zero() {
        api.image_jobs.wait(&image.id, wait).await;
    }
    current(api, image).await
}

/// The image as it is now.
async fn current(api: &Northbound, image: Image) -> Result<Image, Problem> {
    match api.catalog.images.get(image.id).await {
        // A client deleted it meanwhile.
        Err(CatalogError::NoSuchImage) => Err(problem(Failure::Cancelled)),
        image => image.map_err(problem),
    }
}

/// How long to wait for a download: `wait=N` or `Prefer: wait=N` seconds (RFC 7240 §4.3), or not at all
/// (`respond-async`, §4.1).
pub(super) fn wait(parameters: &Parameters, headers: &HeaderMap) -> Result<Duration, Problem> {
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
