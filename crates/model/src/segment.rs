//! Names as segments of URL paths.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What may stand in a path segment as it is (RFC 3986 §2.3). Everything else is escaped, which is always right.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The name as it must stand in a link.
pub fn encoded(name: &[u8]) -> String {
    percent_encode(name, ESCAPED).to_string()
}

/// Appends the name as it must stand in a link.
pub fn push_encoded(link: &mut String, name: &[u8]) {
    link.extend(percent_encode(name, ESCAPED));
}

/// The name as text, if it may stand in a link as it is. Then it may stand in a page, too.
pub fn plain(name: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~');
    // Without a way out in the middle, many bytes are looked at at once.
    let all = name.iter().fold(true, |all, byte| all & is_plain(byte));
    str::from_utf8(name).ok().filter(|_| all)
}
