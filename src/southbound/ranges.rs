//! `Range` (RFC 9110 §14): the bytes that a client requests. Pure functions of the header and the size.

/// Ranges of one request. dnf's zchunk requests at most 256. A longer list gets the whole file.
const MAX_RANGES: usize = 512;

/// A satisfiable range: its first byte and its length, which is at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) start: u64,
    pub(super) length: u64,
}

impl ByteRange {
    /// The position of the last byte, as in `Content-Range`.
    pub(super) fn last(self) -> u64 {
        self.start + self.length - 1
    }
}

/// What a `Range` header requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RangeRequest {
    /// The whole file: there is no valid range, or the ranges are larger than the file.
    Whole,
    /// These ranges, in the order of the header.
    Ranges(Vec<ByteRange>),
    /// No byte that the file has: 416.
    Unsatisfiable,
}

/// Parses a `Range` header for a file of `size` bytes. An invalid header is ignored (§14.2).
pub(super) fn parse(header: &[u8], size: u64) -> RangeRequest {
    let Some(list) = std::str::from_utf8(header).ok().and_then(strip_unit) else {
        return RangeRequest::Whole;
    };
    let mut ranges = Vec::new();
    let mut seen = 0;
    for spec in list.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        seen += 1;
        let Some(spec) = Spec::parse(spec, size) else { return RangeRequest::Whole };
        ranges.extend(spec.within(size));
        if seen > MAX_RANGES {
            return RangeRequest::Whole;
        }
    }
    let total: u64 = ranges.iter().map(|range| range.length).fold(0, u64::saturating_add);
    match ranges.len() {
        0 if seen == 0 => RangeRequest::Whole,
        0 => RangeRequest::Unsatisfiable,
        // Overlapping ranges can request many times the file (RFC 9110 §17.15).
        2.. if total > size => RangeRequest::Whole,
        _ => RangeRequest::Ranges(ranges),
    }
}

fn strip_unit(header: &str) -> Option<&str> {
    let (unit, list) = header.trim().split_once('=')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(list)
}

enum Spec {
    FromTo(u64, u64),
    From(u64),
    Last(u64),
}

impl Spec {
    fn parse(spec: &str, size: u64) -> Option<Self> {
        if let Some(repaired) = signed(spec, size) {
            return Some(repaired);
        }
        let (first, last) = spec.split_once('-')?;
        match (first.trim(), last.trim()) {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo(first, last))
            }
        }
    }

    fn within(self, size: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            Self::FromTo(first, last) => (first, last.saturating_add(1).min(size)),
            Self::From(first) => (first, size),
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        (start < end).then(|| ByteRange { start, length: end - start })
    }
}

/// Parses digits alone. A number too large for any file becomes the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// 32-bit builds of iPXE print offsets from 2 GiB on as negative numbers (`bytes=-1540874240--1540857857`,
/// ipxe#767). With two dashes in a row, or three in all, this is no valid range. So it can be read as iPXE
/// means it: as offsets modulo 2³². In a file beyond 4 GiB such an offset is ambiguous, and is not repaired.
fn signed(spec: &str, size: u64) -> Option<Spec> {
    let split = spec.get(1..)?.find('-')? + 1;
    let (first, last) = (spec.get(..split)?, spec.get(split + 1..)?);
    if !(last.starts_with('-') && size <= 1 << 32) {
        return None;
    }
    let wrapped = |text: &str| -> Option<u64> {
        let value: i32 = text.parse().ok()?;
        Some(u64::from(value.cast_unsigned()))
    };
    let (first, last) = (wrapped(first)?, wrapped(last)?);
    (first <= last).then_some(Spec::FromTo(first, last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn requested(header: &str, size: u64) -> RangeRequest {
        parse(header.as_bytes(), size)
    }

    fn ranges(list: &[(u64, u64)]) -> RangeRequest {
        RangeRequest::Ranges(list.iter().map(|&(start, length)| ByteRange { start, length }).collect())
    }

    #[test]
    fn ranges_mean_what_the_standard_says() {
        for (header, expected) in [
            ("bytes=0-0", ranges(&[(0, 1)])),
            ("bytes=0-99", ranges(&[(0, 100)])),
            ("bytes=0-100000000000000000000000", ranges(&[(0, 100)])),
            ("bytes=50-", ranges(&[(50, 50)])),
            ("bytes=-30", ranges(&[(70, 30)])),
            ("bytes=-300", ranges(&[(0, 100)])),
            ("Bytes = 1-2 , 4-5,", ranges(&[(1, 2), (4, 2)])),
            ("bytes=90-99,0-9", ranges(&[(90, 10), (0, 10)])),
            ("bytes=200-300,0-9", ranges(&[(0, 10)])),
            ("bytes=100-", RangeRequest::Unsatisfiable),
            ("bytes=-0", RangeRequest::Unsatisfiable),
            ("bytes=100-200,300-", RangeRequest::Unsatisfiable),
            ("bytes=0-99,0-99", RangeRequest::Whole),
            ("bytes=5-4", RangeRequest::Whole),
            ("bytes=", RangeRequest::Whole),
            ("bytes=-", RangeRequest::Whole),
            ("bytes=a-b", RangeRequest::Whole),
            ("bytes=+1-2", RangeRequest::Whole),
            ("bytes=1-2-3", RangeRequest::Whole),
            ("bytes=--1", RangeRequest::Whole),
            ("lines=0-1", RangeRequest::Whole),
            ("0-1", RangeRequest::Whole),
            ("bytes=u-u", RangeRequest::Whole),
        ] {
            assert_eq!(requested(header, 100), expected, "{header}");
        }
        assert_eq!(requested("bytes=0-", 0), RangeRequest::Unsatisfiable);
        let many: Vec<String> = (0..=MAX_RANGES).map(|start| format!("{start}-{start}")).collect();
        assert_eq!(requested(&format!("bytes={}", many.join(",")), 10_000), RangeRequest::Whole);
    }

    #[test]
    fn offsets_that_ipxe_printed_as_negative_are_understood() {
        let size = 3 << 30;
        assert_eq!(requested("bytes=-1540874240--1540857857", size), ranges(&[(2_754_093_056, 16_384)]));
        assert_eq!(requested("bytes=2147467264--2147467265", size), ranges(&[(2_147_467_264, 32_768)]));
        assert_eq!(requested("bytes=-1540874240--1540857857", (1 << 32) + 1), RangeRequest::Whole);
        assert_eq!(requested("bytes=-1540874240--1540857857", 1 << 20), RangeRequest::Unsatisfiable);
    }

    proptest! {
        #[test]
        fn whatever_comes_stays_inside_the_file(header in "bytes=[-0-9, ]{0,40}", size in 0_u64..5000) {
            if let RangeRequest::Ranges(ranges) = requested(&header, size) {
                prop_assert!(!ranges.is_empty());
                for range in ranges {
                    prop_assert!(range.length >= 1 && range.last() < size);
                }
            }
        }

        #[test]
        fn a_plain_range_is_exactly_that(first in 0_u64..1000, length in 1_u64..1000, size in 1_u64..2000) {
            let expected = if first >= size {
                RangeRequest::Unsatisfiable
            } else {
                ranges(&[(first, length.min(size - first))])
            };
            prop_assert_eq!(requested(&format!("bytes={first}-{}", first + length - 1), size), expected);
        }
    }
}
