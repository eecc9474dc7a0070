//! Fetching files from elsewhere, over http, https and ftp: whole, or from where an earlier try broke off. What may be asked for is held
//! against the reach that is configured; what went wrong is told so that the caller knows whether another try is worth it.

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

/// How long a small file may take in all, so that a server that trickles holds nobody up.
const SMALL_FILE_TIMEOUT: Duration = Duration::from_secs(120);

/// The bytes of a file as they come. An error ends them, and so does the announced length.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// What an earlier try left, to go on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The bytes that are here already.
    pub offset: u64,
    /// What that try's source said by which the file can be recognised. It means nothing to another source.
    pub validator: Option<Validator>,
    /// The size that was announced.
    pub total: Option<u64>,
    /// Whether the whole will be held against a digest. Only then the rest may come from a source that cannot promise that it is the rest
    /// of the same file.
    pub verified_later: bool,
}

/// An answer of the source, and its bytes to come.
pub struct Fetched {
    /// Where the bytes begin: at the offset that was asked for, or at 0, where all begins anew.
    pub start: u64,
    /// The size of the whole file, if the source told.
    pub total: Option<u64>,
    /// By what the file can be recognised when this transfer has to be continued.
    pub validator: Option<Validator>,
    /// `Content-Disposition`, if any.
    pub proposed_name: Option<String>,
    /// Where the file was found after all redirects, without credentials.
    pub final_url: Url,
    /// Why all begins anew although it was asked to go on.
    pub started_over: Option<&'static str>,
    /// The bytes.
    pub bytes: ByteStream,
}

/// Asks for a file and returns when the head of the answer is here. With `from`, only for what is missing; see [`Fetched::start`].
pub async fn fetch(fetcher: &Fetcher, url: &Url, from: Option<Resume>) -> Result<Fetched, Fault> {
    let from = from.filter(|from| from.offset > 0);
    let fetched = match url.scheme() {
        "ftp" => ftp::fetch(fetcher, url, from).await?,
        _ => http::fetch(fetcher, url, from).await?,
    };
    Ok(Fetched { bytes: length::held_to(fetched.bytes, fetched.start, fetched.total), ..fetched })
}

/// All bytes of a file that must not be larger than `limit`.
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
