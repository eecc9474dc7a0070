#![doc = include_str!("../README.md")]

mod address;
mod answer;
pub mod checksums;
mod client;
mod content_range;
mod egress;
mod egress_policy;
mod explain;
mod fault;
mod ftp;
mod ftp_session;
mod hang_up;
mod http;
mod length;
mod resolver;
mod retry_after;
pub mod signature;
mod validator;

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, TryStreamExt};
use url::Url;

pub use client::Fetcher;
pub use egress_policy::{EgressPolicy, HostPattern, SCHEMES};
pub use fault::Fault;
/// The HTTP client cannot be made.
pub use reqwest::Error as ClientError;
pub use validator::Validator;

/// The longest time for a whole small file, so that a slow server does not hold up its caller.
const SMALL_FILE_TIMEOUT: Duration = Duration::from_secs(120);

/// The bytes of a file as they arrive. The stream ends at the announced length or with an error.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// The state of an earlier attempt, to resume from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Bytes that are already stored.
    pub offset: u64,
    /// The validator that the source of that attempt sent. It means nothing to another source.
    pub validator: Option<Validator>,
    /// The size that the source announced.
    pub total: Option<u64>,
    /// Whether the caller verifies the complete file by a digest. Only then may the rest come from a source
    /// that cannot guarantee that it is the same file.
    pub verified_later: bool,
}

/// An answer of the source, and its bytes to come.
pub struct Fetched {
    /// Where the bytes begin: at the requested offset, or at 0 if the file starts over.
    pub start: u64,
    /// The size of the whole file, if the source announced it.
    pub total: Option<u64>,
    /// Identifies the file when this transfer is resumed.
    pub validator: Option<Validator>,
    /// `Content-Disposition`, if any.
    pub proposed_name: Option<String>,
    /// The link after all redirects, without credentials.
    pub final_url: Url,
    /// Why the file starts over although a resume was requested.
    pub started_over: Option<&'static str>,
    /// The bytes.
    pub bytes: ByteStream,
}

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
        Ok(all.freeze())
    };
    let late = |_| Fault::transient("the source sends too slowly");
    tokio::time::timeout(SMALL_FILE_TIMEOUT, all).await.map_err(late)?
}
