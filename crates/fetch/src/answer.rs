//! Interprets the head of an answer over http: it continues the file, starts over, or is useless.

use std::time::SystemTime;

use reqwest::StatusCode;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, TRANSFER_ENCODING,
};

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
const ENCODED: &str = "the source encodes the file";
const WRONG_PART: &str = "the source answered with another part than the one asked for";

/// Codings (registered by IANA, and their older names) that change the bytes. Other words, such as `none`,
/// `binary` or `UTF-8`, are mistakes that change nothing.
const CODINGS: [&str; 11] = [
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "pack200-gzip",
    "x-compress",
    "zstd",
    "bzip2",
];

/// Checks the answer to a request for the whole file. A part counts if it is all of the file.
pub(super) fn to_whole(status: StatusCode, headers: &HeaderMap) -> Result<(), Fault> {
    let is_complete = match (plain(status), range(headers)) {
        (StatusCode::OK, _) => !is_part(headers),
        (StatusCode::PARTIAL_CONTENT, Some(ContentRange::Range { first: 0, last, total: Some(total) })) => {
            last.checked_add(1) == Some(total)
        }
        _ => false,
    };
    if is_complete { transferable(headers) } else { Err(refusal(status, headers)) }
}

/// Interprets the answer to a request for the missing bytes.
pub(super) fn to_rest(status: StatusCode, headers: &HeaderMap, from: &Resume) -> Result<Body, Fault> {
    let denied = from.validator.as_ref().is_some_and(|validator| validator.is_denied_by(headers));
    match (plain(status), range(headers)) {
        (StatusCode::OK, part) if is_part(headers) => to_part(part, headers, from, denied),
        // The rest without a word that it is no more than that: the length tells.
        (StatusCode::OK, None) if from.total.is_some() && from.total == rest_end(headers, from) => {
            Ok(Body::Useless(WRONG_PART))
        }
        (StatusCode::OK, _) => {
            transferable(headers)?;
            // With the same validator, the source could have continued the file.
            let same = from.validator.is_some() && from.validator == Validator::of(headers);
            Ok(Body::Complete(Some(if same { NOT_CONTINUED } else { CHANGED })))
        }
        (StatusCode::PARTIAL_CONTENT, part) => to_part(part, headers, from, denied),
        (StatusCode::RANGE_NOT_SATISFIABLE, Some(ContentRange::Unsatisfied { total }))
            if total == from.offset && from.total.is_none_or(|announced| announced == total) && !denied =>
        {
            Ok(Body::NothingMissing)
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => Ok(Body::Useless(CHANGED)),
        _ => match refusal(status, headers) {
            // Some servers and filters before them refuse each part, and send the whole file.
            Fault::Permanent(_) => Ok(Body::Useless(NOT_CONTINUED)),
            other => Err(other),
        },
    }
}

fn to_part(
    part: Option<ContentRange>,
    headers: &HeaderMap,
    from: &Resume,
    denied: bool,
) -> Result<Body, Fault> {
    match part {
        _ if denied => Ok(Body::Useless(CHANGED)),
        Some(ContentRange::Range { first, total, .. }) if first == from.offset => {
            transferable(headers)?;
            match (from.total, total) {
                _ if codings(headers).next().is_some() => Ok(Body::Useless(ENCODED)),
                (Some(announced), Some(total)) if announced != total => Ok(Body::Useless(CHANGED)),
                (announced, total) => Ok(Body::Rest(total.or(announced))),
            }
        }
        _ => Ok(Body::Useless(WRONG_PART)),
    }
}

/// The status by what it says of the body. Each success but those without a body, and a part, brings a file
/// to curl and browsers: a scanner for viruses says 203 for 200 (RFC 9110 §15.3.4), and services say 201.
fn plain(status: StatusCode) -> StatusCode {
    match status.as_u16() {
        204..=206 => status,
        200..=299 => StatusCode::OK,
        _ => status,
    }
}

fn range(headers: &HeaderMap) -> Option<ContentRange> {
    content_range::read(headers.get(CONTENT_RANGE)?.to_str().ok()?)
}

/// Whether the body has the length of the part that `Content-Range` names. Some servers label such an answer
/// as the whole file.
fn is_part(headers: &HeaderMap) -> bool {
    let Some(ContentRange::Range { first, last, .. }) = range(headers) else { return false };
    first > 0 && length(headers) == Some((last - first).saturating_add(1))
}

/// Where the file would end if the body were its rest.
fn rest_end(headers: &HeaderMap, from: &Resume) -> Option<u64> {
    length(headers)?.checked_add(from.offset)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
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

/// What an answer calls the coding of its bytes. It was asked for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Coding {
    None,
    /// gzip alone, which can be undone.
    Gzip,
    /// Others, in the words of the server.
    Other(String),
}

/// The coding of the body.
pub(super) fn coding(headers: &HeaderMap) -> Coding {
    let all: Vec<String> = codings(headers).collect();
    match all.as_slice() {
        [] => Coding::None,
        [one] if is_gzip(one) => Coding::Gzip,
        _ => Coding::Other(Fault::quoted(all.join(", "))),
    }
}

/// Refuses a transfer coding that the library does not undo, because the bytes must arrive unchanged.
fn transferable(headers: &HeaderMap) -> Result<(), Fault> {
    match words(headers, TRANSFER_ENCODING).find(|word| changes_bytes(word)) {
        None => Ok(()),
        Some(coding) => Err(Fault::Permanent(format!(
            "the web server encoded the answer ({coding}), although it was asked not to"
        ))),
    }
}

/// The length of a body whose `Transfer-Encoding` encodes nothing, as old servers say (`identity`, RFC 2616
/// §3.6). The library reads such a body until the connection closes.
pub(super) fn unencoded_length(headers: &HeaderMap) -> Option<u64> {
    let mut transfer = words(headers, TRANSFER_ENCODING).peekable();
    transfer.peek()?;
    if transfer.any(|word| word == "chunked") { None } else { length(headers) }
}

/// The content codings of the body that change its bytes.
fn codings(headers: &HeaderMap) -> impl Iterator<Item = String> {
    words(headers, CONTENT_ENCODING).filter(|word| changes_bytes(word))
}

fn changes_bytes(word: &str) -> bool {
    is_gzip(word) || CODINGS.contains(&word)
}

fn is_gzip(coding: &str) -> bool {
    matches!(coding, "gzip" | "x-gzip")
}

/// The words of a field that is a list, in lower case.
fn words(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = String> {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let words: Vec<String> = values
        .flat_map(|value| value.split(',').map(|word| word.trim().to_ascii_lowercase()).collect::<Vec<_>>())
        .filter(|word| !word.is_empty())
        .collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            (203, headers(&[("etag", "\"b\"")]), Body::Complete(Some(CHANGED))),
            (201, headers(&[("etag", "\"b\"")]), Body::Complete(Some(CHANGED))),
            (416, headers(&part("bytes */5")), Body::Useless(CHANGED)),
            (416, headers(&tagged("bytes */5", "\"b\"")), Body::Useless(CHANGED)),
            (416, headers(&part("bytes */3")), Body::Useless(CHANGED)),
            (416, headers(&[]), Body::Useless(CHANGED)),
            (400, headers(&[]), Body::Useless(NOT_CONTINUED)),
            (403, headers(&[]), Body::Useless(NOT_CONTINUED)),
            (412, headers(&[]), Body::Useless(NOT_CONTINUED)),
            (501, headers(&[]), Body::Useless(NOT_CONTINUED)),
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
        for status in [404, 503] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert!(to_rest(status, &headers(&[]), &from).is_err(), "{status}");
        }
        let coded = |coding| headers(&[("content-range", "bytes 5-9/10"), ("content-encoding", coding)]);
        for coding in ["br", "gzip"] {
            let judged = to_rest(StatusCode::PARTIAL_CONTENT, &coded(coding), &from);
            assert_eq!(judged, Ok(Body::Useless(ENCODED)), "{coding}");
        }
        // A part that is labelled 200: its length tells.
        for (range, length, expected) in [
            ("bytes 5-9/10", "5", Body::Rest(Some(10))),
            ("bytes 4-9/10", "6", Body::Useless(WRONG_PART)),
            ("bytes 5-9/10", "10", Body::Complete(Some(CHANGED))),
            ("bytes 0-9/10", "10", Body::Complete(Some(CHANGED))),
            ("", "5", Body::Useless(WRONG_PART)),
            ("", "6", Body::Complete(Some(CHANGED))),
        ] {
            let head = headers(&[("content-range", range), ("content-length", length)]);
            assert_eq!(to_rest(StatusCode::OK, &head, &from), Ok(expected), "{range} {length}");
        }
    }

    #[test]
    fn a_refusal_tells_whether_to_come_again() {
        for (status, worth) in [
            (204, false),
            (205, false),
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
    }

    #[test]
    fn only_what_changes_the_bytes_is_an_encoding() {
        let judged = |name: &str, value: &str| {
            let head = headers(&[(name, value)]);
            to_whole(StatusCode::OK, &head).map(|()| coding(&head))
        };
        for harmless in ["Identity", "none", "binary", "UTF-8", "", "8bit", ",", "identity, none"] {
            assert_eq!(judged("content-encoding", harmless), Ok(Coding::None), "{harmless}");
            assert_eq!(judged("transfer-encoding", harmless), Ok(Coding::None), "{harmless}");
        }
        assert_eq!(judged("transfer-encoding", "chunked"), Ok(Coding::None));
        assert_eq!(judged("content-encoding", "X-GZip"), Ok(Coding::Gzip));
        for (value, told) in [("br", "br"), ("identity, Deflate", "deflate"), ("gzip,gzip", "gzip, gzip")] {
            assert_eq!(judged("content-encoding", value), Ok(Coding::Other(told.into())), "{value}");
        }
        for value in ["gzip, chunked", "br"] {
            let refused = judged("transfer-encoding", value);
            assert!(matches!(refused, Err(Fault::Permanent(_))), "{value}");
        }
        match coding(&headers(&[("content-encoding", &"br,".repeat(100 << 10))])) {
            Coding::Other(told) => assert!(told.len() < 200, "{}", told.len()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_part_that_is_all_of_the_file_is_the_file() {
        for (status, range, is_whole) in [
            (206, "bytes 0-9/10", true),
            (206, "bytes 0-8/10", false),
            (206, "bytes 1-9/10", false),
            (206, "bytes 0-9/*", false),
            (206, "bytes 0-18446744073709551615/*", false),
            (200, "bytes 0-9/10", true),
            (200, "bytes 5-14/20", false),
            (200, "nonsense", true),
        ] {
            let head = headers(&[("content-range", range), ("content-length", "10")]);
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(to_whole(status, &head).is_ok(), is_whole, "{status} {range}");
        }
    }
}
