//! Responses as boot firmware wants them: a length on each, short plain texts for what is not there, nothing superfluous.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use file_transport::{Body, Piece};
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};

use super::listing::Form;
use super::media_types;
use super::multipart;
use super::preconditions::{self, Verdict};
use super::ranges::{self, Asked};
use crate::model::content::Content;
use crate::trees::Entry;

/// Answers with a short text.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Answers with a directory's listing. A large one takes its time, and no connection's thread may take part in that.
pub(super) async fn listing<B>(
    request: &Request<B>,
    entries: Vec<Entry>,
    api_root: &Arc<str>,
    path: Vec<Vec<u8>>,
) -> Response<Body> {
    let form = Form::asked(request.uri().query()).unwrap_or_else(|| Form::accepted(request.headers()));
    let api_root = Arc::clone(api_root);
    let rendered = tokio::task::spawn_blocking(move || form.render(entries, &api_root, &path)).await;
    let Ok(rendered) = rendered else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "The folder cannot be listed\n");
    };
    let mut response = Response::new(Body::from(Bytes::from(rendered)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.media_type()));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    if form == Form::Page {
        // The page needs its own style and nothing else; a hostile name that got through would find everything shut.
        let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    response
}

/// Answers with a file, as far as the request's preconditions and ranges ask for it. `name` decides the media type.
pub(super) fn file<B>(request: &Request<B>, content: &Content, name: &[u8]) -> Response<Body> {
    let media_type =
        media_types::of(name, request.headers().get(header::USER_AGENT).map(HeaderValue::as_bytes));
    let tag = format!("\"{}\"", content.tag);
    let mut response = match preconditions::evaluate(request.headers(), &tag, content.modified) {
        Verdict::Failed => text(StatusCode::PRECONDITION_FAILED, "Precondition failed\n"),
        Verdict::NotModified => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        Verdict::Proceed => bytes(request, content, media_type.name, &tag),
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(headers, header::ETAG, &tag);
    insert(headers, header::LAST_MODIFIED, &httpdate::fmt_http_date(not_in_future(content.modified)));
    if media_type.name == "text/html" {
        // A page out of an image must not act as the page of whoever else is served at this address.
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    if media_type.varies {
        headers.insert(header::VARY, HeaderValue::from_static("User-Agent"));
    }
    response
}

/// The pieces that hold `length` bytes from `start` on.
pub(super) fn pieces(content: &Content, start: u64, length: u64) -> impl Iterator<Item = Piece> {
    let file = Arc::clone(&content.file);
    content.slice(start, length).into_iter().map(move |extent| match extent.offset {
        Some(offset) => Piece::File { file: Arc::clone(&file), offset, length: extent.length },
        None => Piece::Zeros(extent.length),
    })
}

fn bytes<B>(request: &Request<B>, content: &Content, media_type: &'static str, tag: &str) -> Response<Body> {
    // Ranges are defined for GET alone (RFC 9110 §14.2); HEAD tells the whole.
    let range = request.headers().get(header::RANGE).filter(|_| request.method() == http::Method::GET);
    let range = range.filter(|_| preconditions::range_applies(request.headers(), tag, content.modified));
    match range.map_or(Asked::Whole, |range| ranges::understand(range.as_bytes(), content.size)) {
        Asked::Whole => with_body(StatusCode::OK, pieces(content, 0, content.size), media_type),
        Asked::Unsatisfiable => {
            let mut response = text(StatusCode::RANGE_NOT_SATISFIABLE, "Range not satisfiable\n");
            insert(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{}", content.size));
            response
        }
        Asked::Ranges(list) => match list.as_slice() {
            [only] => {
                let mut response = with_body(
                    StatusCode::PARTIAL_CONTENT,
                    pieces(content, only.start, only.length),
                    media_type,
                );
                let told = format!("bytes {}-{}/{}", only.start, only.last(), content.size);
                insert(response.headers_mut(), header::CONTENT_RANGE, &told);
                response
            }
            several => {
                let boundary = uuid::Uuid::new_v4().simple().to_string();
                let (body, media_type) = multipart::assemble(content, several, media_type, &boundary);
                with_body(StatusCode::PARTIAL_CONTENT, body, &media_type)
            }
        },
    }
}

fn with_body(
    status: StatusCode,
    pieces: impl IntoIterator<Item = Piece>,
    media_type: &str,
) -> Response<Body> {
    let mut response = Response::new(Body::from_pieces(pieces));
    *response.status_mut() = status;
    insert(response.headers_mut(), header::CONTENT_TYPE, media_type);
    response
}

/// All values made here are plain ASCII; one that were not is left out rather than sent broken.
fn insert(headers: &mut http::HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A date later than the answer's own must not be sent (RFC 9110 §8.8.2.1).
fn not_in_future(modified: SystemTime) -> SystemTime {
    modified.min(SystemTime::now())
}
