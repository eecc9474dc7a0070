//! Text of UDF: OSTA compressed Unicode, and the paths of links.

use crate::bytes::{byte, little_u16};
use crate::names;

/// Why text cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidText;

/// Appends OSTA compressed Unicode (UDF 2.1.1) as UTF-8. A byte for the form precedes Latin-1 or UTF-16.
///
/// Returns whether all of it could be decoded. U+FFFD stands for units that are no text.
pub(crate) fn push(text: &[u8], to: &mut Vec<u8>) -> Result<bool, InvalidText> {
    match text.split_first() {
        // 254 and 255 mark the names of deleted files (UDF 2.3.4.2), which some writers never reset.
        Some((8 | 254, latin)) => {
            let mut buffer = [0; 4];
            for &byte in latin {
                to.extend_from_slice(char::from(byte).encode_utf8(&mut buffer).as_bytes());
            }
            Ok(true)
        }
        Some((16 | 255, wide)) => Ok(names::push_utf16(wide, to)),
        _ => Err(InvalidText),
    }
}

/// Characters in compressed Unicode, where a pair of surrogates counts as two.
pub(crate) fn units(text: &[u8]) -> usize {
    match text.split_first() {
        Some((16 | 255, wide)) => wide.len() / 2,
        Some((_, latin)) => latin.len(),
        None => 0,
    }
}

/// A field of fixed length whose last byte is the number of bytes in use (ECMA-167 1/7.2.12).
pub(crate) fn dstring(field: &[u8]) -> String {
    let Some((length, field)) = field.split_last() else { return String::new() };
    let mut text = Vec::new();
    let used = field.get(..usize::from(*length)).unwrap_or_default();
    if push(used, &mut text).is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&text).trim_matches([' ', '\0']).to_owned()
}

/// Appends the path in the body of a link (ECMA-167 4/14.16) in the form of POSIX. Returns whether all of it
/// could be decoded.
pub(crate) fn push_path(mut components: &[u8], to: &mut Vec<u8>) -> Result<bool, InvalidText> {
    const ROOT_BY_AGREEMENT: u8 = 1;
    const ROOT: u8 = 2;
    const PARENT: u8 = 3;
    const CURRENT: u8 = 4;
    const NAME: u8 = 5;
    let mut sound = true;
    let mut is_first = true;
    while !components.is_empty() {
        let kind = byte(components, 0).ok_or(InvalidText)?;
        let length = usize::from(byte(components, 1).ok_or(InvalidText)?);
        let (name, rest) =
            components.get(4..).and_then(|rest| rest.split_at_checked(length)).ok_or(InvalidText)?;
        // A version other than zero means an older state of a file, which no medium of today keeps.
        if little_u16(components, 2) != Some(0) {
            return Err(InvalidText);
        }
        components = rest;
        if !is_first && !to.ends_with(b"/") {
            to.push(b'/');
        }
        is_first = false;
        match kind {
            // A root with a name is that of another volume.
            ROOT_BY_AGREEMENT if !name.is_empty() => return Err(InvalidText),
            ROOT_BY_AGREEMENT | ROOT => {
                to.clear();
                to.push(b'/');
            }
            PARENT => to.extend_from_slice(b".."),
            CURRENT => to.push(b'.'),
            NAME => {
                let start = to.len();
                sound &= push(name, to)?;
                let name = to.get(start..).unwrap_or_default();
                if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
                    return Err(InvalidText);
                }
            }
            _ => return Err(InvalidText),
        }
    }
    Ok(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let cases: [(&[u8], Result<bool, InvalidText>, &str); 9] = [
            (b"\x08plain", Ok(true), "plain"),
            (b"\x08caf\xE9", Ok(true), "café"),
            (b"\x10\0a\x6F\x22", Ok(true), "a漢"),
            (b"\x10\xD8\x3D\xDE\x80", Ok(true), "🚀"),
            (b"\x10\0a\xD8\x3D\0b", Ok(false), "a\u{FFFD}b"),
            (b"\x10\0a\0", Ok(false), "a"),
            (b"\xFEgone", Ok(true), "gone"),
            (b"\x07what", Err(InvalidText), ""),
            (b"", Err(InvalidText), ""),
        ];
        for (text, expected, utf8) in cases {
            let mut name = Vec::new();
            assert_eq!(push(text, &mut name), expected, "{}", text.escape_ascii());
            assert_eq!(name, utf8.as_bytes(), "{}", text.escape_ascii());
        }
        assert_eq!((units(b"\x08caf\xE9"), units(b"\x10\0a\x6F\x22"), units(b"")), (4, 2, 0));
    }

    #[test]
    fn fields() {
        assert_eq!(dstring(b"\x08LABEL\0\0\0\x06"), "LABEL");
        assert_eq!(dstring(b"\x10\0L\0A\0\0\0\0\x05"), "LA");
        for unusable in [&b""[..], b"\0", b"\x08abc\x09", b"\x63abc\x04", b"\0\0\0\0"] {
            assert_eq!(dstring(unusable), "", "{}", unusable.escape_ascii());
        }
    }

    #[test]
    fn paths() {
        let name =
            |text: &str| [&[5, u8::try_from(text.len() + 1).unwrap(), 0, 0, 8], text.as_bytes()].concat();
        let simple = |kind: u8| vec![kind, 0, 0, 0];
        type Case = (Vec<Vec<u8>>, Result<bool, InvalidText>, &'static str);
        let cases: [Case; 14] = [
            (vec![name("a")], Ok(true), "a"),
            (vec![name("a"), name("bc")], Ok(true), "a/bc"),
            (vec![simple(2), name("a")], Ok(true), "/a"),
            (vec![simple(1)], Ok(true), "/"),
            (vec![simple(3), simple(3), simple(4), name("x")], Ok(true), "../.././x"),
            (vec![name("a"), simple(2), name("b")], Ok(true), "/b"),
            (vec![], Ok(true), ""),
            (vec![vec![1, 2, 0, 0, 8, b'v']], Err(InvalidText), ""),
            (vec![simple(9)], Err(InvalidText), ""),
            (vec![simple(5)], Err(InvalidText), ""),
            (vec![name("a/b")], Err(InvalidText), ""),
            (vec![vec![5, 9, 0, 0, 8]], Err(InvalidText), ""),
            (vec![vec![5]], Err(InvalidText), ""),
            (vec![vec![5, 2, 1, 0, 8, b'a']], Err(InvalidText), ""),
        ];
        for (components, expected, path) in cases {
            let mut target = Vec::new();
            let result = push_path(&components.concat(), &mut target);
            assert_eq!(result, expected, "{components:?}");
            assert!(result.is_err() || target == path.as_bytes(), "{components:?}");
        }
    }
}
