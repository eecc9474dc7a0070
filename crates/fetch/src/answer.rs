//! Interprets the head of an answer over http: it continues the file, starts over, or is useless.

use std::time::SystemTime;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_RANGE, HeaderMap};

use super::content_range::{self, ContentRange};
use super::{Fault, Resume, Validator, retry_after};

/// The meaning of the body of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// The whole file; after a resume, with the reason.
    Complete(Option<&'static str>),
    /// The missing bytes of a file of this size.
    Rest(Option<u64>),
    /// No byte is missing.
    NothingMissing,
    /// Useless, for this reason: the whole file must be requested.
    Useless(&'static str),
}

const CHANGED: &str = "the file has changed at its source";
const NOT_CONTINUED: &str = "the source does not continue files";
const WRONG_PART: &str = "the source answered with another part than the one asked for";

/// Checks the answer to a request for the whole file.
pub(super) fn to_whole(status: StatusCode, headers: &HeaderMap) -> Result<(), Fault> {
    match status {
        StatusCode::OK => unencoded(headers),
        _ => Err(refusal(status, headers)),
    }
}

/// Interprets the answer to a request for the missing bytes.
pub(super) fn to_rest(status: StatusCode, headers: &HeaderMap, from: &Resume) -> Result<Body, Fault> {
    let denied = from.validator.as_ref().is_some_and(|validator| validator.is_denied_by(headers));
    let range = headers.get(CONTENT_RANGE).and_then(|value| content_range::read(value.to_str().ok()?));
    match (status, range) {
        (StatusCode::OK, _) => {
            unencoded(headers)?;
            // With the same validator, the source could have continued the file.
            let same = from.validator.is_some() && from.validator == Validator::of(headers);
            Ok(Body::Complete(Some(if same { NOT_CONTINUED } else { CHANGED })))
        }
        (StatusCode::PARTIAL_CONTENT, _) if denied => Ok(Body::Useless(CHANGED)),
        (StatusCode::PARTIAL_CONTENT, Some(ContentRange::Range { first, total, .. }))
            if first == from.offset =>
        {
            unencoded(headers)?;
            match (from.total, total) {
                (Some(announced), Some(total)) if announced != total => Ok(Body::Useless(CHANGED)),
                (announced, total) => Ok(Body::Rest(total.or(announced))),
            }
        }
        (StatusCode::PARTIAL_CONTENT, _) => Ok(Body::Useless(WRONG_PART)),
        (StatusCode::RANGE_NOT_SATISFIABLE, Some(ContentRange::Unsatisfied { total }))
            if total == from.offset && from.total.is_none_or(|announced| announced == total) && !denied =>
        {
            Ok(Body::NothingMissing)
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => Ok(Body::Useless(CHANGED)),
        _ => Err(refusal(status, headers)),
    }
}

/// The fault of a refusal, by whether a later request may succeed (RFC 9110 §15, RFC 6585 §4, RFC 8470 §5.2).
fn refusal(status: StatusCode, headers: &HeaderMap) -> Fault {
    let text = format!("the web server answered {status}");
    match status.as_u16() {
        404 | 410 => Fault::Missing(text),
        408 | 425 | 429 | 500 | 502 | 503 | 504 => {
            Fault::Transient { text, retry_after: retry_after::read(headers, SystemTime::now()) }
        }
        _ => Fault::Permanent(text),
    }
}

/// Refuses an encoded body, because the bytes must arrive unchanged.
fn unencoded(headers: &HeaderMap) -> Result<(), Fault> {
    match headers
        .get(CONTENT_ENCODING)
        .filter(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        None => Ok(()),
        Some(encoding) => Err(Fault::Permanent(format!(
            "the web server sent the file encoded ({}), although it was asked not to",
            Fault::quoted(format_args!("{encoding:?}"))
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::HeaderName;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_rest_is_taken_only_of_the_same_file() {
        let from = Resume {
            offset: 5,
            validator: Some(Validator::EntityTag("\"a\"".into())),
            total: Some(10),
            verified_later: false,
        };
        let part = |range| [("content-range", range)];
        let tagged = |range, tag| [("content-range", range), ("etag", tag)];
        for (status, head, expected) in [
            (206, headers(&part("bytes 5-9/10")), Body::Rest(Some(10))),
            (206, headers(&part("bytes 5-7/10")), Body::Rest(Some(10))),
            (206, headers(&part("bytes 5-9/*")), Body::Rest(Some(10))),
            (206, headers(&tagged("bytes 5-9/10", "\"a\"")), Body::Rest(Some(10))),
            (206, headers(&tagged("bytes 5-9/10", "\"b\"")), Body::Useless(CHANGED)),
            (206, headers(&part("bytes 5-10/11")), Body::Useless(CHANGED)),
            (206, headers(&part("bytes 4-9/10")), Body::Useless(WRONG_PART)),
            (206, headers(&part("bytes 0-9/10")), Body::Useless(WRONG_PART)),
            (206, headers(&part("bytes */10")), Body::Useless(WRONG_PART)),
            (
                206,
                headers(&[("content-type", "multipart/byteranges; boundary=x")]),
                Body::Useless(WRONG_PART),
            ),
            (200, headers(&[("etag", "\"a\"")]), Body::Complete(Some(NOT_CONTINUED))),
            (200, headers(&[("etag", "\"b\"")]), Body::Complete(Some(CHANGED))),
            (416, headers(&part("bytes */5")), Body::Useless(CHANGED)),
            (416, headers(&tagged("bytes */5", "\"b\"")), Body::Useless(CHANGED)),
            (416, headers(&part("bytes */3")), Body::Useless(CHANGED)),
            (416, headers(&[]), Body::Useless(CHANGED)),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(to_rest(status, &head, &from), Ok(expected), "{status} {head:?}");
        }
        for (total, tag, expected) in [
            (None, "\"a\"", Body::NothingMissing),
            (Some(5), "\"a\"", Body::NothingMissing),
            (Some(5), "\"b\"", Body::Useless(CHANGED)),
            (Some(6), "\"a\"", Body::Useless(CHANGED)),
        ] {
            let from = Resume { total, ..from.clone() };
            let head = headers(&tagged("bytes */5", tag));
            let judged = to_rest(StatusCode::RANGE_NOT_SATISFIABLE, &head, &from);
            assert_eq!(judged, Ok(expected), "{total:?} {tag}");
        }
        let encoded = headers(&[("content-range", "bytes 5-9/10"), ("content-encoding", "gzip")]);
        let judged = to_rest(StatusCode::PARTIAL_CONTENT, &encoded, &from);
        assert!(matches!(judged, Err(Fault::Permanent(_))), "{judged:?}");
    }

    #[test]
    fn a_refusal_tells_whether_to_come_again() {
        for (status, worth) in [
            (204, false),
            (206, false),
            (304, false),
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (408, true),
            (410, false),
            (416, false),
            (425, true),
            (429, true),
            (500, true),
            (501, false),
            (502, true),
            (503, true),
            (504, true),
            (505, false),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let fault = to_whole(status, &headers(&[("retry-after", "7")])).expect_err("no file");
            assert_eq!(fault.is_worth_retrying(), worth, "{status}");
            assert_eq!(fault.retry_after(), worth.then_some(Duration::from_secs(7)), "{status}");
            assert_eq!(matches!(fault, Fault::Missing(_)), matches!(status.as_u16(), 404 | 410), "{status}");
            assert!(fault.to_string().contains(status.as_str()), "{fault}");
        }
        assert_eq!(to_whole(StatusCode::OK, &headers(&[("content-encoding", "Identity")])), Ok(()));
        let encoded = to_whole(StatusCode::OK, &headers(&[("content-encoding", "gzip")]));
        assert!(matches!(encoded, Err(Fault::Permanent(_))), "{encoded:?}");
        let long = to_whole(StatusCode::OK, &headers(&[("content-encoding", &"x".repeat(400 << 10))]));
        assert!(long.expect_err("encoded").to_string().len() < 300);
    }
}
