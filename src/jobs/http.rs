//! Fetching over http and https.

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_DISPOSITION};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, StatusCode};
use url::Url;

use super::Failure;
use super::download::Fetched;

/// As many redirects as common mirrors need, twice over.
const MAX_REDIRECTS: usize = 10;

/// A host that does not answer the first packet for this long is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The client that all downloads share. `stall` is how long a server may send nothing.
pub(super) fn client(stall: Duration) -> Result<Client, reqwest::Error> {
    // An error means that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder(stall).build().or_else(|error| {
        // Minimal systems have no certificates. Everything but https works without.
        tracing::warn!(%error, "downloads over https will fail: this system has no CA certificates (package ca-certificates)");
        builder(stall).tls_certs_only([]).build()
    })
}

fn builder(stall: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("image-service/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::limited(MAX_REDIRECTS))
        .connect_timeout(CONNECT_TIMEOUT.min(stall))
        .read_timeout(stall)
}

/// Asks for `url` and returns when the head of the answer is here.
pub(super) async fn fetch(client: &Client, url: &Url) -> Result<Fetched, Failure> {
    // An ISO must arrive bit for bit, so no encoding on the way.
    let response = client
        .get(url.clone())
        .header(ACCEPT_ENCODING, "identity")
        .send()
        .await
        .map_err(|error| explain(&error))?;
    let status = response.status();
    match status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            return Err(Failure::Missing(format!("the web server answered {status}")));
        }
        _ => return Err(Failure::Source(format!("the web server answered {status}"))),
    }
    if let Some(encoding) =
        response.headers().get("content-encoding").filter(|encoding| encoding.as_bytes() != b"identity")
    {
        return Err(Failure::Source(format!(
            "the web server sent the file encoded ({encoding:?}), although it was asked not to"
        )));
    }
    let proposed_name = response
        .headers()
        .get(CONTENT_DISPOSITION)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    Ok(Fetched {
        length: response.content_length(),
        proposed_name,
        bytes: Box::pin(response.bytes_stream().map(|chunk| chunk.map_err(|error| explain(&error)))),
    })
}

/// The library's own text holds the whole link, credentials included; the innermost cause is what people need.
fn explain(error: &reqwest::Error) -> Failure {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what = if error.is_timeout() {
        "the web server sent nothing for too long"
    } else if error.is_connect() {
        "cannot connect to the web server"
    } else if error.is_redirect() {
        "the web server redirects too often or in a circle"
    } else if error.is_body() || error.is_decode() {
        "the connection broke before the file was complete"
    } else {
        "cannot fetch from the web server"
    };
    // Where the cause is the library's error itself, its text is the one with the link.
    let is_inner = !cause.is::<reqwest::Error>();
    Failure::Source(if is_inner && !error.is_redirect() {
        format!("{what} ({cause})")
    } else {
        what.to_owned()
    })
}
