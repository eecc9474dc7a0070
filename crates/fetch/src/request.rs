//! Requests a file by the scheme of its link.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use url::Url;

use super::{Fault, Fetched, Fetcher, Resume, ftp, http, length};

/// The longest time for a whole small file, so that a slow server does not hold up its caller.
const SMALL_FILE_TIMEOUT: Duration = Duration::from_secs(120);

/// Requests a file, and returns when the head of the answer has arrived. With `from` it requests only the
/// missing bytes; see [`Fetched::start`].
///
/// # Errors
///
/// The policy refuses the link, or the source does not send the file; see [`Fault`].
pub async fn fetch(fetcher: &Fetcher, url: &Url, from: Option<Resume>) -> Result<Fetched, Fault> {
    let from = from.filter(|from| from.offset > 0);
    let fetched = match url.scheme() {
        "ftp" => ftp::fetch(fetcher, url, from).await?,
        _ => http::fetch(fetcher, url, from).await?,
    };
    Ok(Fetched { bytes: length::held_to(fetched.bytes, fetched.start, fetched.total), ..fetched })
}

/// All bytes of a file of at most `limit` bytes.
///
/// # Errors
///
/// As for [`fetch`]; or the file is larger, or takes longer than two minutes.
pub async fn small(fetcher: &Fetcher, url: &Url, limit: usize) -> Result<Bytes, Fault> {
    let too_large = || Fault::Permanent(format!("the file is larger than {limit} bytes"));
    let all = async {
        let mut fetched = fetch(fetcher, url, None).await?;
        if fetched.total.is_some_and(|total| total > limit as u64) {
            return Err(too_large());
        }
        let mut all = BytesMut::new();
        while let Some(chunk) = fetched.bytes.try_next().await? {
            if all.len() + chunk.len() > limit {
                return Err(too_large());
            }
            all.extend_from_slice(&chunk);
        }
        match fetched.coding {
            Some(coding) if str::from_utf8(&all).is_err() => Err(Fault::Permanent(format!(
                "the web server sent the file encoded ({coding}), although it was asked not to"
            ))),
            _ => Ok(all.freeze()),
        }
    };
    let late = |_| Fault::transient("the source sends too slowly");
    tokio::time::timeout(SMALL_FILE_TIMEOUT, all).await.map_err(late)?
}
