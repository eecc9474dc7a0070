//! Refuses coded bodies, before a byte of them is read: what is stored must be the bytes of the file.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_ENCODING, HeaderMap, TRANSFER_ENCODING};
use http::{HeaderName, Method, StatusCode};
use http_body::Body;

use crate::problem::Problem;

/// Middleware that answers 415 to a `Content-Encoding` and 501 to a `Transfer-Encoding` other than chunked
/// (RFC 9112 §6.1).
pub(crate) async fn refuse(request: Request, next: Next) -> Response {
    let brings_bytes = matches!(*request.method(), Method::PUT | Method::POST | Method::PATCH)
        || !request.body().is_end_stream();
    match check(request.headers()).filter(|_| brings_bytes) {
        None => next.run(request).await,
        Some(problem) => problem.into_response(),
    }
}

fn check(headers: &HeaderMap) -> Option<Problem> {
    if codings(headers, TRANSFER_ENCODING).any(|coding| !coding.eq_ignore_ascii_case("chunked")) {
        let detail = "the only Transfer-Encoding understood here is chunked";
        return Some(Problem::new(StatusCode::NOT_IMPLEMENTED, detail));
    }
    // Some clients name the absence of a coding, though that is reserved for `Accept-Encoding` (RFC 9110
    // §12.5.3).
    if codings(headers, CONTENT_ENCODING).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        let detail = "send the body as it is, without Content-Encoding";
        return Some(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    None
}

/// The members of all fields of this name. One that is not text is unknown.
fn codings(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let fields = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("unknown"));
    fields.flat_map(|value| value.split(',')).map(str::trim).filter(|coding| !coding.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn checked(fields: &[(HeaderName, &'static [u8])]) -> Option<u16> {
        let value = |value| HeaderValue::from_bytes(value).expect("a value");
        let headers = fields.iter().map(|(name, bytes)| (name.clone(), value(*bytes)));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        check(&map).map(|problem| problem.status().as_u16())
    }

    #[test]
    fn what_names_no_coding_is_harmless() {
        for value in ["", "identity", "Identity", " , identity ,"] {
            assert_eq!(checked(&[(CONTENT_ENCODING, value.as_bytes())]), None, "{value}");
        }
        assert_eq!(checked(&[(TRANSFER_ENCODING, b"Chunked")]), None);
        assert_eq!(checked(&[]), None);
    }

    #[test]
    fn each_coding_is_refused() {
        for value in ["gzip", "identity, br", "zstd", "x\u{e9}", "aws-chunked"] {
            assert_eq!(checked(&[(CONTENT_ENCODING, value.as_bytes())]), Some(415), "{value}");
        }
        let second = [(CONTENT_ENCODING, b"identity".as_slice()), (CONTENT_ENCODING, b"deflate".as_slice())];
        assert_eq!(checked(&second), Some(415));
        for value in ["gzip, chunked", "identity, chunked", "chunked;a=b", "gzip"] {
            assert_eq!(checked(&[(TRANSFER_ENCODING, value.as_bytes())]), Some(501), "{value}");
        }
        let second = [(TRANSFER_ENCODING, b"gzip".as_slice()), (TRANSFER_ENCODING, b"chunked".as_slice())];
        assert_eq!(checked(&second), Some(501));
    }
}
