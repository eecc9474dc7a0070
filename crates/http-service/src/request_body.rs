//! Bodies that are files, read chunk by chunk from clients that keep a minimum rate.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap};
use http::{StatusCode, request};
use model::io_words::without_numbers;
use model::minimum_rate::MinimumRate;
use tokio::time::Instant;

use crate::problem::Problem;

/// A client that sends nothing for this long has gone. The average rate over this time must not be below the
/// minimum.
const STALL_TIMEOUT: Duration = Duration::from_secs(120);

/// A body that is a file.
pub struct RequestBody {
    chunks: BodyDataStream,
    /// Bytes that [`Self::peek`] read ahead.
    beginning: Option<Bytes>,
    expected: Option<u64>,
    rate: Option<MinimumRate>,
}

impl RequestBody {
    /// The body of a request.
    pub fn new(parts: &request::Parts, body: Body) -> Self {
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let length = length.and_then(|length| length.parse().ok());
        // A request that says nothing of a body has none (RFC 9112 §6.3).
        let expected = if body.is_end_stream() { Some(0) } else { length };
        Self { chunks: body.into_data_stream(), beginning: None, expected, rate: None }
    }

    /// The size that the client announced, in bytes.
    pub fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// Reads up to `count` bytes ahead, or some more. They stay part of the body.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    pub async fn peek(&mut self, count: usize) -> Result<Bytes, Problem> {
        let mut read = Vec::new();
        while read.len() < count {
            let Some(chunk) = self.receive().await? else { break };
            read.extend_from_slice(&chunk);
        }
        let read = Bytes::from(read);
        self.beginning = Some(read.clone());
        Ok(read)
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    ///
    /// 400 if the connection breaks off, 408 if the client sends nothing, or less than the minimum rate.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match self.beginning.take() {
            Some(chunk) => Ok(Some(chunk)),
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, Problem> {
        // The rate counts from here on: before, the client may have waited for the service.
        let rate =
            self.rate.get_or_insert_with(|| MinimumRate::new(STALL_TIMEOUT, Instant::now().into_std()));
        match tokio::time::timeout(STALL_TIMEOUT, self.chunks.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(chunk))) if rate.keeps_up(chunk.len(), Instant::now().into_std()) => Ok(Some(chunk)),
            Ok(Some(Ok(_))) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the upload comes too slowly")),
            Ok(Some(Err(error))) => {
                let words = without_numbers(&error.to_string());
                Err(Problem::new(StatusCode::BAD_REQUEST, format!("the upload broke off: {words}")).unread())
            }
            Err(_) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the upload brought nothing for {} seconds", STALL_TIMEOUT.as_secs()),
            )),
        }
    }
}

/// Fields by which the body is a part of a file, and their values that say so. `None` is any value. The
/// drafts of the IETF for resumable uploads say whether more comes, in their versions before and after 03.
const PARTS: [(&str, Option<&[u8]>); 3] =
    [("Content-Range", None), ("Upload-Complete", Some(b"?0")), ("Upload-Incomplete", Some(b"?1"))];

/// Refuses a header by which the body would not be the bytes of a complete file. [`crate::middleware`]
/// refuses coded bodies.
///
/// # Errors
///
/// 400 for `Content-Range` (RFC 9110 §14.5), `Upload-Complete: ?0` and `Upload-Incomplete: ?1`.
pub fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let says_part = |(name, value): &(&str, Option<&[u8]>)| {
        headers.get_all(*name).iter().any(|said| value.is_none_or(|value| said.as_bytes() == value))
    };
    let Some((name, _)) = PARTS.into_iter().find(says_part) else { return Ok(()) };
    let detail = format!(
        "a part of a file cannot be uploaded here; send it whole, without {name}, or by tus to /uploads"
    );
    Err(Problem::new(StatusCode::BAD_REQUEST, detail))
}

/// Refuses a form, such as `curl -F` and pages send: its body is an envelope around the file. Any other type
/// says nothing about the bytes. `query` stands in the advice where the request has none.
///
/// # Errors
///
/// 415 for a `multipart` type (RFC 7578, RFC 2046 §5.1), with the command that sends the file alone.
pub fn refuse_form(parts: &request::Parts, query: &str) -> Result<(), Problem> {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("SERVER");
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let query = if parts.uri.query().is_none() { query } else { "" };
    let url = format!("{host}{target}{query}").replace('\'', "%27");
    refuse_form_with(&parts.headers, &format!("send the file alone: curl -T FILE '{url}'"))
}

/// The same where the body is no file; `advice` tells what to do.
///
/// # Errors
///
/// 415 for a `multipart` type.
pub fn refuse_form_with(headers: &HeaderMap, advice: &str) -> Result<(), Problem> {
    let types = headers.get_all(CONTENT_TYPE).iter().filter_map(|value| value.as_bytes().get(..10));
    if types.into_iter().all(|start| !start.eq_ignore_ascii_case(b"multipart/")) {
        return Ok(());
    }
    let detail = format!("the body is a form (multipart), an envelope around the file; {advice}");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    fn refused(uri: &str, content_type: &str) -> Option<String> {
        let request = http::Request::put(uri).header(HOST, "h:7070").header(CONTENT_TYPE, content_type);
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        refuse_form(&parts, "?name=FILE").err().map(|problem| format!("{problem:?}"))
    }

    #[test]
    fn a_form_is_told_how_to_send_the_file() {
        for form in ["multipart/form-data; boundary=x", "Multipart/Form-Data", "multipart/related"] {
            let told = refused("/iso?name=x.iso", form).expect("a refusal");
            assert!(told.contains("curl -T FILE 'h:7070/iso?name=x.iso'"), "{told}");
            let told = refused("/iso", form).expect("a refusal");
            assert!(told.contains("curl -T FILE 'h:7070/iso?name=FILE'"), "{told}");
        }
        for file in ["application/x-www-form-urlencoded", "application/json", "text/html", "multi", ""] {
            assert_eq!(refused("/iso?name=x.iso", file), None, "{file}");
        }
    }

    /// A body of a byte each `pause`.
    fn drips(pause: Duration) -> RequestBody {
        let bytes = stream::unfold((), move |()| async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), ()))
        });
        let (parts, ()) = http::Request::new(()).into_parts();
        RequestBody::new(&parts, Body::from_stream(bytes))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_from_its_first_byte_on() {
        let begun = Instant::now();
        let peeked = drips(Duration::from_secs(50)).peek(34_000).await;
        assert_eq!(peeked.expect_err("too slow").status(), StatusCode::REQUEST_TIMEOUT);
        assert!(begun.elapsed() <= 2 * STALL_TIMEOUT, "{:?}", begun.elapsed());
        let mut body = drips(Duration::from_secs(1));
        let refused = loop {
            match body.next().await {
                Ok(chunk) => assert_eq!(chunk.as_deref(), Some(b"x".as_slice())),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
