//! `Content-Range` (RFC 9110 §14.4) of an answer to a request for one range.

/// The position of an answer's bytes in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentRange {
    /// The bytes from `first` to `last`, both included.
    Range {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
        /// The size of the file, if it is known.
        total: Option<u64>,
    },
    /// A file of this size does not have the range.
    Unsatisfied {
        /// The size of the file.
        total: u64,
    },
}

/// Reads the value; `None` if its unit is not bytes or it contradicts itself.
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
    fits.then_some(ContentRange::Range { first, last, total })
}

fn number(text: &str) -> Option<u64> {
    // `parse` accepts a sign as well.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_sense_is_read() {
        let part = |first, last, total| Some(ContentRange::Range { first, last, total });
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
