//! File identifiers of directory records as names that can be served.

use std::fmt;

/// Why an entry is not served under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadName {
    /// Empty, `.` or `..`.
    Reserved,
    /// It holds `/` or NUL.
    Separator,
    /// Longer than [`Limits::name_bytes`](crate::Limits::name_bytes).
    TooLong,
}

impl fmt::Display for BadName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            BadName::Reserved => "its name is empty, `.` or `..`",
            BadName::Separator => "its name holds a slash or NUL",
            BadName::TooLong => "its name is too long",
        })
    }
}

/// Checks a name: it must be safe as one component of a path.
pub(crate) fn check(name: &[u8]) -> Result<(), BadName> {
    match name {
        b"" | b"." | b".." => Err(BadName::Reserved),
        _ if name.iter().any(|&byte| byte == b'/' || byte == 0) => Err(BadName::Separator),
        _ => Ok(()),
    }
}

/// A name of a bare ISO 9660 tree: without version and final dot, in lower case, as Linux shows it.
pub(crate) fn plain(identifier: &[u8], name: &mut Vec<u8>) {
    let bare = without_version(identifier);
    let bare = bare.strip_suffix(b".").unwrap_or(bare);
    name.clear();
    name.extend(bare.iter().map(u8::to_ascii_lowercase));
}

/// A name of an ISO 9660:1999 tree: without version, else as recorded.
pub(crate) fn enhanced(identifier: &[u8], name: &mut Vec<u8>) {
    name.clear();
    name.extend_from_slice(without_version(identifier));
}

/// A name of a Joliet tree: without version. Returns whether all of it could be decoded.
pub(crate) fn joliet(identifier: &[u8], name: &mut Vec<u8>) -> bool {
    name.clear();
    let sound = push_utf16(identifier, name);
    name.truncate(without_version(name).len());
    sound
}

/// Appends big-endian UTF-16 as UTF-8. Returns whether all of it could be decoded; what could not is U+FFFD.
pub(crate) fn push_utf16(text: &[u8], name: &mut Vec<u8>) -> bool {
    let (pairs, rest) = text.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    let mut sound = rest.is_empty();
    let mut buffer = [0; 4];
    for decoded in char::decode_utf16(units) {
        let character = decoded.unwrap_or_else(|_| {
            sound = false;
            char::REPLACEMENT_CHARACTER
        });
        name.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    }
    sound
}

/// `NAME` of `NAME;12` (ECMA-119 7.5.1), the name itself if it has no version.
pub(crate) fn without_version(name: &[u8]) -> &[u8] {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let bare = name.len().checked_sub(digits).and_then(|end| name.get(..end)).unwrap_or(name);
    if digits == 0 { name } else { bare.strip_suffix(b";").unwrap_or(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names() {
        let cases: [(&[u8], &[u8]); 10] = [
            (b"README.TXT;1", b"readme.txt"),
            (b"README.;1", b"readme"),
            (b"README..;12", b"readme."),
            (b"KERNEL", b"kernel"),
            (b"A;B", b"a;b"),
            (b"A;", b"a;"),
            (b";1", b""),
            (b"1234", b"1234"),
            (b"caf\xC9.TXT;1", b"caf\xC9.txt"),
            (b"", b""),
        ];
        let mut name = vec![1];
        for (identifier, expected) in cases {
            plain(identifier, &mut name);
            assert_eq!(name, expected, "{}", identifier.escape_ascii());
        }
        enhanced(b"Mixed.Case.;1", &mut name);
        assert_eq!(name, b"Mixed.Case.");
    }

    #[test]
    fn joliet_names() {
        let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
        let mut name = Vec::new();
        for (text, expected) in
            [("Grüße.txt;1", "Grüße.txt"), ("漢字", "漢字"), ("🚀 rocket;1", "🚀 rocket"), ("dot.", "dot.")]
        {
            assert!(joliet(&wide(text), &mut name));
            assert_eq!(name, expected.as_bytes());
        }
        assert!(!joliet(&[0, b'a', 0xD8, 0x00, 0, b'b'], &mut name));
        assert_eq!(name, "a\u{FFFD}b".as_bytes());
        assert!(!joliet(&[0, b'a', 0], &mut name));
        assert_eq!(name, b"a");
    }

    #[test]
    fn names_that_are_no_path_component() {
        for (name, expected) in [
            (&b""[..], Err(BadName::Reserved)),
            (b".", Err(BadName::Reserved)),
            (b"..", Err(BadName::Reserved)),
            (b"a/b", Err(BadName::Separator)),
            (b"a\0", Err(BadName::Separator)),
            (b"...", Ok(())),
            (b"\xFF\n", Ok(())),
        ] {
            assert_eq!(check(name), expected, "{}", name.escape_ascii());
        }
    }
}
