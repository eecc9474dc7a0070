//! Names as segments of URL paths.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What may stand in a path segment as it is (RFC 3986 §2.3). Everything else is escaped, which is always right.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The name as it must stand in a link.
pub fn encoded(name: &[u8]) -> String {
    percent_encode(name, ESCAPED).to_string()
}
