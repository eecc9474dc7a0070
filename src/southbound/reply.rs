//! Responses for boot firmware: each has a length, errors are short plain texts, and no field is superfluous.

use bytes::Bytes;
use file_transport::Body;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use super::media_types;
use super::multipart;
use super::preconditions::{self, PreconditionResult};
use super::prepared::{self, PreparedFile, PreparedListing, REPR_DIGEST, insert, length};
use super::ranges::{self, RangeRequest};

/// A response with a short text.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    prepared::never_sniffed(head);
    length(head, text.len() as u64);
    response
}

/// A 503 with its reason, and `Retry-After` for clients that retry after `pause` seconds.
pub(super) fn unavailable(words: &'static str, pause: Option<u16>) -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, words);
    if let Some(pause) = pause {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(pause));
    }
    response
}

/// A 429 for a client that has its share of the transfers, and may come back after `pause` seconds.
pub(super) fn too_many(pause: u16) -> Response<Body> {
    let mut response = text(StatusCode::TOO_MANY_REQUESTS, "Too many transfers to your address\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(pause));
    response
}

/// A response with a directory's listing.
pub(super) fn listing(listed: &PreparedListing) -> Response<Body> {
    with(StatusCode::OK, listed.head.clone(), Body::from(listed.bytes.clone()))
}

/// A response with a file, or the part of it that the request's preconditions and ranges select.
pub(super) fn file<B>(request: &Request<B>, file: &PreparedFile) -> Response<Body> {
    let headers = request.headers();
    let is_uefi =
        || headers.get(header::USER_AGENT).is_some_and(|agent| media_types::is_uefi(agent.as_bytes()));
    let head = file.head_for_uefi.as_ref().filter(|_| is_uefi()).unwrap_or(&file.head);
    match preconditions::evaluate(headers, file.tag.as_bytes(), file.content.modified) {
        PreconditionResult::Proceed => bytes(request, file, head.clone()),
        PreconditionResult::NotModified => {
            let mut head = head.clone();
            head.remove(header::CONTENT_TYPE);
            // A 304 has no length of its own (RFC 9110 §8.6), and only the fields that caches need (§15.4.5).
            head.remove(header::CONTENT_LENGTH);
            head.remove(REPR_DIGEST);
            with(StatusCode::NOT_MODIFIED, head, Body::empty())
        }
        PreconditionResult::Failed => {
            refusal(StatusCode::PRECONDITION_FAILED, "Precondition failed\n", head.clone())
        }
    }
}

fn bytes<B>(request: &Request<B>, file: &PreparedFile, mut head: HeaderMap) -> Response<Body> {
    let (headers, size) = (request.headers(), file.content.size);
    // Ranges are defined for GET alone (RFC 9110 §14.2). HEAD describes the whole file.
    let range = headers.get(header::RANGE).filter(|_| request.method() == Method::GET);
    let range =
        range.filter(|_| preconditions::range_applies(headers, file.tag.as_bytes(), file.content.modified));
    match range.map_or(RangeRequest::Whole, |range| ranges::parse(range.as_bytes(), size)) {
        RangeRequest::Whole => with(StatusCode::OK, head, Body::from_pieces(file.pieces(0, size))),
        RangeRequest::Unsatisfiable => {
            insert(&mut head, header::CONTENT_RANGE, &format!("bytes */{size}"));
            refusal(StatusCode::RANGE_NOT_SATISFIABLE, "Range not satisfiable\n", head)
        }
        RangeRequest::Ranges(list) => match list.as_slice() {
            [only] => {
                insert(
                    &mut head,
                    header::CONTENT_RANGE,
                    &format!("bytes {}-{}/{size}", only.start, only.last()),
                );
                length(&mut head, only.length);
                let body = Body::from_pieces(file.pieces(only.start, only.length));
                with(StatusCode::PARTIAL_CONTENT, head, body)
            }
            several => {
                let boundary = uuid::Uuid::new_v4().simple().to_string();
                let media_type = head.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
                let pieces = multipart::assemble(file, several, media_type.unwrap_or_default(), &boundary);
                let body = Body::from_pieces(pieces);
                insert(
                    &mut head,
                    header::CONTENT_TYPE,
                    &format!("multipart/byteranges; boundary={boundary}"),
                );
                length(&mut head, body.length().unwrap_or(0));
                with(StatusCode::PARTIAL_CONTENT, head, body)
            }
        },
    }
}

/// A short text instead of the file, with the file's validators.
fn refusal(status: StatusCode, words: &'static str, mut head: HeaderMap) -> Response<Body> {
    let mut response = text(status, words);
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, REPR_DIGEST] {
        head.remove(name);
    }
    response.headers_mut().extend(head);
    response
}

fn with(status: StatusCode, head: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = head;
    response
}
