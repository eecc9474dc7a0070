//! How the trees of ISO 9660 record names.

use crate::names::{push_utf16, without_version};

/// How the names of a tree are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// In system use areas, whose entries start behind `skip` bytes.
    RockRidge {
        skip: usize,
    },
    Joliet,
    Enhanced,
    Plain,
}

/// A name of a bare ISO 9660 tree: without version and final dot, in lower case, as Linux shows it. Some old
/// writers leave a `/` in names.
pub(crate) fn plain(identifier: &[u8], name: &mut Vec<u8>) {
    let bare = without_version(identifier);
    let bare = bare.strip_suffix(b".").unwrap_or(bare);
    name.clear();
    let shown = |byte: &u8| if *byte == b'/' { b'.' } else { byte.to_ascii_lowercase() };
    name.extend(bare.iter().map(shown));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names() {
        let cases: [(&[u8], &[u8]); 11] = [
            (b"READ/ME.;1", b"read.me"),
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
}
