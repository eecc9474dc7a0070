//! Dates of ECMA-119 and ECMA-167 as seconds since 1970.

use crate::bytes::array;

/// The 7-byte form of directory records (ECMA-119 9.1.5) and of Rock Ridge `TF` entries.
///
/// `None` for a date that is not specified or makes no sense.
pub(crate) fn short(bytes: &[u8]) -> Option<i64> {
    let [year, month, day, hour, minute, second, zone] = array(bytes, 0)?;
    seconds(1900_i64.checked_add(i64::from(year))?, [month, day, hour, minute, second], quarters(zone))
}

/// The 17-byte form of descriptors (ECMA-119 8.4.26.1) and of long `TF` entries: digits, then the zone.
///
/// `None` for a date that is not specified or makes no sense.
pub(crate) fn long(bytes: &[u8]) -> Option<i64> {
    let text: [u8; 17] = array(bytes, 0)?;
    let number = |at: usize, length: usize| -> Option<u16> {
        let digits = text.get(at..)?.get(..length)?;
        digits.iter().try_fold(0_u16, |sum, digit| {
            let digit = digit.is_ascii_digit().then(|| digit & 0x0F)?;
            sum.checked_mul(10)?.checked_add(u16::from(digit))
        })
    };
    let pair = |at: usize| number(at, 2).and_then(|value| u8::try_from(value).ok());
    let fields = [pair(4)?, pair(6)?, pair(8)?, pair(10)?, pair(12)?];
    let [.., zone] = text;
    seconds(i64::from(number(0, 4)?), fields, quarters(zone))
}

/// The timestamps of UDF (ECMA-167 1/7.3), whose first 16 bits are a kind and a zone in minutes.
///
/// `None` for a date that is not specified or makes no sense.
pub(crate) fn timestamp(bytes: &[u8]) -> Option<i64> {
    const LOCAL: u16 = 1;
    const UNSPECIFIED: i64 = -2047;
    let kind_and_zone = array(bytes, 0).map(u16::from_le_bytes)?;
    let year = array(bytes, 2).map(i16::from_le_bytes)?;
    // The zone is a signed number of twelve bits. It counts for local times only.
    let zone = i64::from(i16::from_ne_bytes((kind_and_zone << 4).to_ne_bytes()) >> 4);
    let zone = if kind_and_zone >> 12 == LOCAL && zone != UNSPECIFIED { zone } else { 0 };
    seconds(i64::from(year), array(bytes, 4)?, zone)
}

/// Minutes of a zone of ECMA-119 (9.1.5), which is signed and counts quarters of an hour, from -48 to 52.
///
/// A zone beyond 52 either way counts as 0, as in Linux: genisoimage writes such zones for times after 2036.
fn quarters(zone: u8) -> i64 {
    let zone = i64::from(i8::from_ne_bytes([zone]));
    if (-52..=52).contains(&zone) { zone.saturating_mul(15) } else { 0 }
}

/// Seconds since 1970. `zone` counts minutes east of Greenwich.
fn seconds(year: i64, [month, day, hour, minute, second]: [u8; 5], zone: i64) -> Option<i64> {
    let plausible =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !plausible || !(-1440..=1440).contains(&zone) {
        return None;
    }
    let days = days_since_1970(year, i64::from(month), i64::from(day))?;
    let hours = days.checked_mul(24)?.checked_add(i64::from(hour))?;
    let minutes = hours.checked_mul(60)?.checked_add(i64::from(minute))?.checked_sub(zone)?;
    minutes.checked_mul(60)?.checked_add(i64::from(second))
}

/// Days of the Gregorian calendar. Years are counted from March, so that the leap day is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let (year, month) =
        if month > 2 { (year, month.checked_sub(3)?) } else { (year.checked_sub(1)?, month.checked_add(9)?) };
    let leap_days =
        year.div_euclid(4).checked_sub(year.div_euclid(100))?.checked_add(year.div_euclid(400))?;
    // March to July, August to December and January on each have 153 days in five months.
    let before_month = month.checked_mul(153)?.checked_add(2)?.div_euclid(5);
    let days = year.checked_mul(365)?.checked_add(leap_days)?.checked_add(before_month)?.checked_add(day)?;
    // 1 March of year 0 to 1 January 1970, with days counted from 1.
    days.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_dates() {
        let cases: [([u8; 7], Option<i64>); 12] = [
            ([70, 1, 1, 0, 0, 0, 0], Some(0)),
            ([124, 2, 29, 12, 34, 56, 0], Some(1_709_210_096)),
            ([124, 2, 29, 12, 34, 56, 4], Some(1_709_210_096 - 3600)),
            ([124, 2, 29, 12, 34, 56, 0xF0], Some(1_709_210_096 + 4 * 3600)),
            ([124, 2, 29, 12, 34, 56, 0xCC], Some(1_709_210_096 + 52 * 900)),
            ([124, 2, 29, 12, 34, 56, 0xA0], Some(1_709_210_096)),
            // A leap second.
            ([124, 2, 29, 12, 34, 60, 0], Some(1_709_210_100)),
            ([124, 2, 29, 12, 34, 61, 0], None),
            ([0, 1, 1, 0, 0, 0, 0], Some(-2_208_988_800)),
            ([255, 12, 31, 23, 59, 59, 0], Some(5_869_583_999)),
            ([124, 13, 1, 0, 0, 0, 0], None),
            ([0; 7], None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(short(&bytes), expected, "{bytes:?}");
        }
        assert_eq!(short(&[124, 2, 29]), None);
    }

    #[test]
    fn long_dates() {
        assert_eq!(long(b"2024022912345600\0"), Some(1_709_210_096));
        assert_eq!(long(b"2024022912345699\x04"), Some(1_709_210_096 - 3600));
        assert_eq!(long(b"0000000000000000\0"), None);
        assert_eq!(long(b"2024 22912345600\0"), None);
        assert_eq!(long(b"2024022912345600"), None);
    }

    #[test]
    fn timestamps() {
        let stamp = |kind_and_zone: u16, year: i16, rest: [u8; 5]| {
            [&kind_and_zone.to_le_bytes()[..], &year.to_le_bytes(), &rest, &[0; 3]].concat()
        };
        let date = [2, 29, 12, 34, 56];
        let cases = [
            (0x1000, 2024, date, Some(1_709_210_096)),
            (0x103C, 2024, date, Some(1_709_210_096 - 3600)),
            (0x1FC4, 2024, date, Some(1_709_210_096 + 3600)),
            // Coordinated time has no zone, and a zone may be unknown.
            (0x003C, 2024, date, Some(1_709_210_096)),
            (0x1801, 2024, date, Some(1_709_210_096)),
            (0x1000, 1969, [12, 31, 23, 59, 59], Some(-1)),
            (0x17FF, 2024, date, None),
            (0x1000, 2024, [0; 5], None),
        ];
        for (kind_and_zone, year, rest, expected) in cases {
            assert_eq!(timestamp(&stamp(kind_and_zone, year, rest)), expected, "{kind_and_zone:x} {rest:?}");
        }
        assert_eq!(timestamp(&[0; 8]), None);
    }
}
