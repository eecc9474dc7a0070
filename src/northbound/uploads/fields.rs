//! The header fields of resumable uploads (tus 1.0.0, and `Content-Range` of RFC 9110 §14.5 for plain
//! clients).

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use http::header::{CONTENT_RANGE, HeaderMap};
use http::{HeaderName, StatusCode};
use http_service::Problem;
use sha2::Digest;

/// The protocol's only version.
pub(super) const VERSION: &str = "1.0.0";

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where the bytes of a request belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// The position of its first byte.
    pub(super) offset: u64,
    /// The size of the complete file, if the request says it.
    pub(super) total: Option<u64>,
}

/// The digest that the bytes of a request must have, with what was computed so far.
pub(super) enum Checksum {
    Sha1(sha1::Sha1, Vec<u8>),
    Sha256(sha2::Sha256, Vec<u8>),
    Sha512(sha2::Sha512, Vec<u8>),
}

/// A field's value as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    headers.get(name)?.to_str().ok()
}

/// A field that is a number of bytes.
pub(super) fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Problem> {
    let Some(found) = text(headers, name) else { return Ok(None) };
    let is_number = !found.is_empty() && found.bytes().all(|byte| byte.is_ascii_digit());
    let value = found.parse().ok().filter(|_| is_number);
    value.map(Some).ok_or_else(|| bad(format!("{name} must be a number of bytes")))
}

/// Refuses other versions of tus. Plain clients name none.
pub(super) fn check_version(headers: &HeaderMap, is_required: bool) -> Result<(), Problem> {
    match headers.get("tus-resumable") {
        Some(version) if version.as_bytes() == VERSION.as_bytes() => Ok(()),
        None if !is_required => Ok(()),
        _ => {
            let detail =
                format!("say which version of tus this is: `Tus-Resumable: {VERSION}` is the one known");
            Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail))
        }
    }
}

/// The pairs of `Upload-Metadata` with one of the keys `known`, each once. Clients of tus send whatever they
/// know of a file, so other keys are passed over, and so are known ones without a value.
pub(super) fn metadata(headers: &HeaderMap, known: &[&str]) -> Result<Vec<(String, String)>, Problem> {
    let mut read = Vec::new();
    for field in headers.get_all("upload-metadata") {
        let field = String::from_utf8_lossy(field.as_bytes());
        for pair in field.split(',').map(str::trim) {
            let (key, value) = pair.split_once([' ', '\t']).unwrap_or((pair, ""));
            if value.trim().is_empty() || !known.contains(&key) {
                continue;
            }
            let value = BASE64.decode(value.trim()).ok().and_then(|value| String::from_utf8(value).ok());
            let value = value.ok_or_else(|| bad(format!("Upload-Metadata: {key} is not text in Base64")))?;
            let pair = (key.to_owned(), value);
            if !read.contains(&pair) {
                read.push(pair);
            }
        }
    }
    Ok(read)
}

/// Where a piece belongs, from `Content-Range: bytes a-b/total`; `length` is the length of the body.
pub(super) fn content_range(headers: &HeaderMap, length: Option<u64>) -> Result<Option<Piece>, Problem> {
    let Some(found) = text(headers, CONTENT_RANGE.as_str()) else { return Ok(None) };
    range(found, length).map(Some).ok_or_else(|| {
        bad("Content-Range must be `bytes first-last/total` or `bytes first-last/*`, and fit the body".into())
    })
}

fn range(text: &str, length: Option<u64>) -> Option<Piece> {
    let (first, rest) = text.trim().strip_prefix("bytes ")?.trim().split_once('-')?;
    let (last, total) = rest.split_once('/')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let total = if total == "*" { None } else { Some(total.parse::<u64>().ok()?) };
    let count = last.checked_sub(first)?.checked_add(1)?;
    let fits = length.is_none_or(|length| length == count) && total.is_none_or(|total| last < total);
    fits.then_some(Piece { offset: first, total })
}

impl Checksum {
    /// From `Upload-Checksum: algorithm base64`.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(found) = text(headers, "upload-checksum") else { return Ok(None) };
        let (algorithm, value) = found.split_once(' ').unwrap_or((found, ""));
        let value = BASE64.decode(value.trim()).map_err(|_| bad("Upload-Checksum is not Base64".into()))?;
        match algorithm {
            "sha1" => Ok(Some(Self::Sha1(sha1::Sha1::new(), value))),
            "sha256" => Ok(Some(Self::Sha256(sha2::Sha256::new(), value))),
            "sha512" => Ok(Some(Self::Sha512(sha2::Sha512::new(), value))),
            _ => Err(bad("Upload-Checksum: sha1, sha256 and sha512 are known".into())),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher, _) => hasher.update(bytes),
            Self::Sha256(hasher, _) => hasher.update(bytes),
            Self::Sha512(hasher, _) => hasher.update(bytes),
        }
    }

    /// Whether the bytes have this digest.
    pub(super) fn fits(self) -> bool {
        match self {
            Self::Sha1(hasher, value) => hasher.finalize()[..] == value,
            Self::Sha256(hasher, value) => hasher.finalize()[..] == value,
            Self::Sha512(hasher, value) => hasher.finalize()[..] == value,
        }
    }
}

fn bad(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn ranges_say_where_a_piece_belongs() {
        for (text, length, piece) in [
            ("bytes 0-9/10", Some(10), Some((0, Some(10)))),
            ("bytes 5-9/*", None, Some((5, None))),
            ("bytes 5-9/10", Some(4), None),
            ("bytes 5-10/10", Some(6), None),
            ("bytes 9-5/10", None, None),
            ("bytes 0-18446744073709551615/*", None, None),
            ("bytes */10", None, None),
            ("items 0-9/10", Some(10), None),
            ("", None, None),
        ] {
            let piece = piece.map(|(offset, total)| Piece { offset, total });
            assert_eq!(range(text, length), piece, "{text}");
        }
    }

    #[test]
    fn metadata_is_text_in_base64_of_known_keys() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("upload-metadata", HeaderValue::from_static(value));
            metadata(&headers, &["filename", "store"])
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let (name, store) = (pair("filename", "a.iso"), pair("store", "iso"));
        for value in [
            "filename YS5pc28=, store aXNv",
            "filename YS5pc28,store aXNv",
            " filename  YS5pc28= ,,flag,note ,other ???,binary gA==,store aXNv,",
            "filename YS5pc28=,store aXNv,filename YS5pc28=",
        ] {
            assert_eq!(read(value).expect(value), [name.clone(), store.clone()], "{value}");
        }
        for value in ["", "filename", "filename ,store", "Filename YS5pc28="] {
            assert_eq!(read(value).expect(value), [], "{value}");
        }
        assert!(read("filename ???").is_err());
        assert!(read("filename gA==").is_err());
    }
}
