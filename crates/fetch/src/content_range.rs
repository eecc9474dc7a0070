//! `Content-Range` (RFC 9110 §14.4) of an answer to a request for one range.

/// What an answer says of its place in the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentRange {
    /// The bytes from `first` on, up to and with `last`.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
        /// The size of the whole, if it is known.
        total: Option<u64>,
    },
    /// The range cannot be had of a file of this size.
    Unsatisfied {
        /// The size of the whole.
        total: u64,
    },
}

/// Reads the value; `None` if it is not of bytes or contradicts itself.
pub(super) fn read(text: &str) -> Option<ContentRange> {
    let (unit, rest) = text.trim().split_once(' ')?;
    let (range, total) = rest.trim().split_once('/')?;
    let total = if total == "*" { None } else { Some(number(total)?) };
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    if range == "*" {
        return total.map(|total| ContentRange::Unsatisfied { total });
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let fits = first <= last && total.is_none_or(|total| last < total);
    fits.then_some(ContentRange::Part { first, last, total })
}

fn number(text: &str) -> Option<u64> {
    // The library would take a sign as well.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_sense_is_read() {
        let part = |first, last, total| Some(ContentRange::Part { first, last, total });
        for (text, expected) in [
            ("bytes 5-9/10", part(5, 9, Some(10))),
            ("Bytes 0-0/*", part(0, 0, None)),
            ("bytes */10", Some(ContentRange::Unsatisfied { total: 10 })),
            ("bytes */*", None),
            ("bytes 5-9", None),
            ("bytes 9-5/10", None),
            ("bytes 5-10/10", None),
            ("bytes +5-9/10", None),
            ("bytes -9/10", None),
            ("bytes 5-/10", None),
            ("lines 5-9/10", None),
            ("bytes 5-99999999999999999999/*", None),
            ("", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
