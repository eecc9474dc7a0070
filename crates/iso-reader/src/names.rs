//! Names that may become part of a path, and the forms of names that several kinds of trees share.

use std::fmt;

/// Why a name may not become part of a path.
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

/// Asserts that a name is safe as one component of a path.
pub(crate) fn check(name: &[u8]) -> Result<(), BadName> {
    match name {
        b"" | b"." | b".." => Err(BadName::Reserved),
        _ if name.iter().any(|&byte| byte == b'/' || byte == 0) => Err(BadName::Separator),
        _ => Ok(()),
    }
}

/// Appends big-endian UTF-16 as UTF-8, with U+FFFD for units that are no text. Returns whether all of it
/// could be decoded.
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

/// `NAME` of `NAME;12` (ECMA-119 7.5.1), or the name itself if it has no version.
pub(crate) fn without_version(name: &[u8]) -> &[u8] {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let bare = name.len().checked_sub(digits).and_then(|end| name.get(..end)).unwrap_or(name);
    if digits == 0 { name } else { bare.strip_suffix(b";").unwrap_or(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
