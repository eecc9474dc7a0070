//! Validators, which identify a file when its rest is requested. Only those that guarantee the same bytes
//! count.

use std::time::Duration;

use reqwest::header::{DATE, ETAG, HeaderMap, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

/// The longest validator, in bytes. Most have some dozen; each checkpoint and each request contains it.
const MAX_BYTES: usize = 1 << 10;

/// Identifies the version of a file at its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Validator {
    /// A strong entity tag of a web server, quotes included.
    EntityTag(String),
    /// The `Last-Modified` of a web server, as it wrote it.
    LastModified(String),
    /// The time of an ftp server (MDTM, RFC 3659 §3). It counts only together with the size.
    FtpTime(String),
}

impl Validator {
    /// The validator of an answer that is valid in `If-Range` (RFC 9110 §13.1.5): a strong tag or, without
    /// any tag, a date at least a second before the answer. A file may change twice within a second
    /// (§8.8.2.2).
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let fits = |text: &&str| text.len() <= MAX_BYTES;
        let text = |name| headers.get(name).map(|value| value.to_str().ok().filter(fits).map(str::to_owned));
        match text(ETAG) {
            Some(tag) => tag.filter(|tag| is_strong(tag)).map(Self::EntityTag),
            None => {
                let modified = text(LAST_MODIFIED)??;
                let changed = httpdate::parse_http_date(&modified).ok()?;
                let made = httpdate::parse_http_date(&text(DATE)??).ok()?;
                let age = made.duration_since(changed).ok()?;
                (age >= Duration::from_secs(1)).then_some(Self::LastModified(modified))
            }
        }
    }

    /// The value of `If-Range`; `None` for an ftp server.
    pub(super) fn if_range(&self) -> Option<&str> {
        match self {
            Self::EntityTag(text) | Self::LastModified(text) => Some(text),
            Self::FtpTime(_) => None,
        }
    }

    /// Whether an answer has another validator of this kind. An answer without one does not contradict.
    pub(super) fn is_denied_by(&self, headers: &HeaderMap) -> bool {
        let differs =
            |name, text: &str| headers.get(name).is_some_and(|value| value.as_bytes() != text.as_bytes());
        match self {
            Self::EntityTag(tag) => differs(ETAG, tag),
            Self::LastModified(date) => differs(LAST_MODIFIED, date),
            Self::FtpTime(_) => false,
        }
    }
}

/// A weak tag begins with `W/` and stands for equal meaning, not for equal bytes (RFC 9110 §8.8.3).
fn is_strong(tag: &str) -> bool {
    tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
    const LATER: &str = "Wed, 21 Oct 2015 07:28:01 GMT";

    fn headers(tag: &str, modified: &str, date: &str) -> HeaderMap {
        let pairs = [(ETAG, tag), (LAST_MODIFIED, modified), (DATE, date)];
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| (name, value.parse().expect("a value"))).collect()
    }

    #[test]
    fn only_what_promises_the_same_bytes_is_kept() {
        let tag = |text: &str| Some(Validator::EntityTag(text.to_owned()));
        let modified = |text: &str| Some(Validator::LastModified(text.to_owned()));
        let (at_most, too_long) = (format!("\"{}\"", "a".repeat(1022)), format!("\"{}\"", "a".repeat(1023)));
        for (etag, last_modified, date, expected) in [
            ("\"a\"", "", "", tag("\"a\"")),
            ("\"a\"", OLD, LATER, tag("\"a\"")),
            ("\"\"", "", "", tag("\"\"")),
            (at_most.as_str(), "", "", tag(&at_most)),
            (too_long.as_str(), OLD, LATER, None),
            ("W/\"a\"", "", "", None),
            // A weak tag is a tag, so the date does not replace it.
            ("W/\"a\"", OLD, LATER, None),
            ("a", "", "", None),
            ("\"", "", "", None),
            ("", OLD, LATER, modified(OLD)),
            ("", OLD, OLD, None),
            ("", LATER, OLD, None),
            ("", OLD, "", None),
            ("", "yesterday", LATER, None),
            ("", "", LATER, None),
        ] {
            assert_eq!(
                Validator::of(&headers(etag, last_modified, date)),
                expected,
                "{etag} {last_modified} {date}"
            );
        }
    }

    #[test]
    fn a_validator_survives_storage() {
        for validator in [
            Validator::EntityTag("\"a\"".into()),
            Validator::LastModified(OLD.into()),
            Validator::FtpTime("2015-10-21 07:28:00".into()),
        ] {
            let text = serde_json::to_string(&validator).expect("JSON");
            assert_eq!(serde_json::from_str::<Validator>(&text).expect("a validator"), validator, "{text}");
        }
    }
}
