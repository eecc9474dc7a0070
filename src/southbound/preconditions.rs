//! Conditional requests (RFC 9110 §13): pure functions of the request's headers and the file's validators.

use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderValue};

/// The result of a request's preconditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreconditionResult {
    /// They hold: the request is performed.
    Proceed,
    /// The client has this version: 304.
    NotModified,
    /// The client expects another version: 412.
    Failed,
}

/// Evaluates the preconditions in the order of RFC 9110 §13.2.2. `tag` is the strong entity tag with its
/// quotes.
pub(super) fn evaluate(headers: &HeaderMap, tag: &[u8], modified: SystemTime) -> PreconditionResult {
    let if_match = headers.contains_key(header::IF_MATCH);
    if if_match {
        if !lists(headers, header::IF_MATCH, tag, Comparison::Strong) {
            return PreconditionResult::Failed;
        }
    } else if date(headers.get(header::IF_UNMODIFIED_SINCE))
        .is_some_and(|date| whole_seconds(modified) > date)
    {
        return PreconditionResult::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if lists(headers, header::IF_NONE_MATCH, tag, Comparison::Weak) {
            return PreconditionResult::NotModified;
        }
    } else if date(headers.get(header::IF_MODIFIED_SINCE)).is_some_and(|date| whole_seconds(modified) <= date)
    {
        return PreconditionResult::NotModified;
    }
    PreconditionResult::Proceed
}

/// Whether `Range` applies (RFC 9110 §13.1.5): `If-Range` is absent, or names exactly this version. A date is
/// a strong validator only if it is well in the past (§8.8.2.2). Ours is the file's, so an equal date was
/// sent by us.
pub(super) fn range_applies(headers: &HeaderMap, tag: &[u8], modified: SystemTime) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    match value.as_bytes().trim_ascii() {
        quoted @ [b'"', ..] => quoted == tag,
        _ => date(Some(value)).is_some_and(|date| date == whole_seconds(modified)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

fn lists(headers: &HeaderMap, name: header::HeaderName, tag: &[u8], comparison: Comparison) -> bool {
    let values = headers.get_all(name).iter();
    let mut tags =
        values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    tags.any(|listed| {
        let strong = if comparison == Comparison::Weak {
            listed.strip_prefix(b"W/").unwrap_or(listed)
        } else {
            listed
        };
        listed == b"*" || strong == tag
    })
}

fn date(value: Option<&HeaderValue>) -> Option<SystemTime> {
    httpdate::parse_http_date(value?.to_str().ok()?.trim()).ok()
}

/// Drops the fraction of a second, which HTTP dates do not have.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &[u8] = b"\"t\"";
    const OLD: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEW: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn modified() -> SystemTime {
        httpdate::parse_http_date(SAME).expect("a date") + Duration::from_millis(500)
    }

    fn headers(list: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn preconditions_are_evaluated_in_order() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        for (list, expected) in [
            (&[][..], PreconditionResult::Proceed),
            (&[(IF_MATCH, "\"t\"")], PreconditionResult::Proceed),
            (&[(IF_MATCH, "\"x\", \"t\"")], PreconditionResult::Proceed),
            (&[(IF_MATCH, "*")], PreconditionResult::Proceed),
            (&[(IF_MATCH, "\"x\"")], PreconditionResult::Failed),
            (&[(IF_MATCH, "W/\"t\"")], PreconditionResult::Failed),
            (&[(IF_UNMODIFIED_SINCE, OLD)], PreconditionResult::Failed),
            (&[(IF_UNMODIFIED_SINCE, SAME)], PreconditionResult::Proceed),
            (&[(IF_MATCH, "\"t\""), (IF_UNMODIFIED_SINCE, OLD)], PreconditionResult::Proceed),
            (&[(IF_NONE_MATCH, "\"t\"")], PreconditionResult::NotModified),
            (&[(IF_NONE_MATCH, "W/\"t\"")], PreconditionResult::NotModified),
            (&[(IF_NONE_MATCH, "\"x\"")], PreconditionResult::Proceed),
            (&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, NEW)], PreconditionResult::Proceed),
            (&[(IF_MODIFIED_SINCE, SAME)], PreconditionResult::NotModified),
            (&[(IF_MODIFIED_SINCE, NEW)], PreconditionResult::NotModified),
            (&[(IF_MODIFIED_SINCE, OLD)], PreconditionResult::Proceed),
            (&[(IF_MODIFIED_SINCE, "yesterday")], PreconditionResult::Proceed),
            (&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "\"t\"")], PreconditionResult::Failed),
        ] {
            assert_eq!(evaluate(&headers(list), TAG, modified()), expected, "{list:?}");
        }
    }

    #[test]
    fn a_range_applies_to_the_version_that_the_client_knows() {
        for (value, expected) in [
            ("\"t\"", true),
            ("W/\"t\"", false),
            ("\"x\"", false),
            (SAME, true),
            (OLD, false),
            (NEW, false),
            ("x", false),
        ] {
            assert_eq!(
                range_applies(&headers(&[(header::IF_RANGE, value)]), TAG, modified()),
                expected,
                "{value}"
            );
        }
        assert!(range_applies(&HeaderMap::new(), TAG, modified()));
    }
}
