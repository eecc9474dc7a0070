//! Names as segments of URL paths.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// All but the unreserved characters (RFC 3986 §2.3). To escape more than needed is always valid.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The name, escaped for a link.
pub fn encoded(name: &[u8]) -> String {
    percent_encode(name, ESCAPED).to_string()
}

/// Appends the name, escaped for a link.
pub fn push_encoded(link: &mut String, name: &[u8]) {
    link.extend(percent_encode(name, ESCAPED));
}

/// The name as text if neither a link nor a page needs it escaped.
pub fn plain(name: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~');
    // Without an early exit the compiler vectorizes the loop.
    let all = name.iter().fold(true, |all, byte| all & is_plain(byte));
    str::from_utf8(name).ok().filter(|_| all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_exactly_if_nothing_is_escaped() {
        for byte in 0..=u8::MAX {
            let name = [b'a', byte];
            assert_eq!(plain(&name).is_some(), encoded(&name).as_bytes() == name, "{byte:#x}");
        }
        assert_eq!(encoded("ä b".as_bytes()), "%C3%A4%20b");
    }
}
