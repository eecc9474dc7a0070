//! Kinds of digests, by the words that checksum files and their names use. Several kinds have the same
//! length, so the length alone tells none.

/// A kind of digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// Its name, for people.
    pub(super) name: &'static str,
    /// Its length in bits; `None` if the word leaves it open.
    bits: Option<usize>,
}

const fn kind(name: &'static str, bits: usize) -> Kind {
    Kind { name, bits: Some(bits) }
}

const fn open(name: &'static str) -> Kind {
    Kind { name, bits: None }
}

/// FIPS 180-4 §6.2.
pub(super) const SHA256: Kind = kind("SHA-256", 256);
/// FIPS 180-4 §6.4.
pub(super) const SHA512: Kind = kind("SHA-512", 512);

/// The spellings of words, in lower case. A `-` stands for one of `-_/` or nothing. A word that is the
/// beginning of another stands after it.
const WORDS: [(&str, Kind); 44] = [
    ("sha-512-224", kind("SHA-512/224", 224)),
    ("sha-512-256", kind("SHA-512/256", 256)),
    ("sha2-512-224", kind("SHA-512/224", 224)),
    ("sha2-512-256", kind("SHA-512/256", 256)),
    ("sha-3-224", kind("SHA3-224", 224)),
    ("sha-3-256", kind("SHA3-256", 256)),
    ("sha-3-384", kind("SHA3-384", 384)),
    ("sha-3-512", kind("SHA3-512", 512)),
    ("sha-3", open("SHA-3")),
    ("keccak-256", kind("Keccak-256", 256)),
    ("keccak", open("Keccak")),
    ("shake-256", open("SHAKE256")),
    ("shake-128", open("SHAKE128")),
    ("sha2-224", kind("SHA-224", 224)),
    ("sha2-256", SHA256),
    ("sha2-384", kind("SHA-384", 384)),
    ("sha2-512", SHA512),
    ("sha-224", kind("SHA-224", 224)),
    ("sha-256", SHA256),
    ("sha-384", kind("SHA-384", 384)),
    ("sha-512", SHA512),
    ("sha-1", kind("SHA-1", 160)),
    ("md-5", kind("MD5", 128)),
    ("md-4", kind("MD4", 128)),
    ("blake-2b-256", kind("BLAKE2b-256", 256)),
    ("blake-2b-512", kind("BLAKE2b", 512)),
    ("blake-2b", open("BLAKE2b")),
    ("blake-2s-256", kind("BLAKE2s", 256)),
    ("blake-2s", open("BLAKE2s")),
    ("blake-2", open("BLAKE2")),
    ("b2", open("BLAKE2b")),
    ("blake-3", open("BLAKE3")),
    ("b3", open("BLAKE3")),
    ("sm3", kind("SM3", 256)),
    ("whirlpool", kind("Whirlpool", 512)),
    ("ripemd-160", kind("RIPEMD-160", 160)),
    ("ripemd", open("RIPEMD")),
    ("rmd-160", kind("RIPEMD-160", 160)),
    ("tiger", kind("Tiger", 192)),
    ("streebog-256", kind("Streebog-256", 256)),
    ("streebog-512", kind("Streebog-512", 512)),
    ("gost", kind("GOST", 256)),
    ("skein", open("Skein")),
    ("snefru-256", kind("Snefru-256", 256)),
];

impl Kind {
    /// The kind that a tag such as `SHA256`, `sha512sum` or `SHA-256 checksum` names, and nothing else.
    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        let tag = tag.trim().to_ascii_lowercase();
        let words = [" checksum", " digest", " hash", " sum"];
        let tag = words.iter().find_map(|word| tag.strip_suffix(word)).unwrap_or(&tag);
        longest(tag).filter(|(_, length)| *length == tag.len()).map(|(kind, _)| kind)
    }

    /// The kinds that a heading or the name of a file names, each once.
    pub(super) fn all_in(text: &str) -> Vec<Self> {
        let text = text.to_ascii_lowercase();
        let mut kinds: Vec<Self> = Vec::new();
        let mut rest = text.as_str();
        let mut is_begun = false;
        while let Some(first) = rest.chars().next() {
            let found = longest(rest).filter(|_| !is_begun);
            let (kind, length) =
                found.map_or((None, first.len_utf8()), |(kind, length)| (Some(kind), length));
            kinds.extend(kind.filter(|kind| !kinds.contains(kind)));
            // A word does not begin within another.
            is_begun = kind.is_none() && first.is_alphanumeric();
            rest = rest.get(length..).unwrap_or_default();
        }
        kinds
    }

    /// Whether a digest of this kind may have so many bits.
    pub(super) fn may_have(self, bits: usize) -> bool {
        self.bits.is_none_or(|own| own == bits)
    }

    /// The kind of most digests of this length, where the file says nothing.
    pub(super) fn usual(bits: usize) -> Option<Self> {
        match bits {
            128 => Some(kind("MD5", 128)),
            160 => Some(kind("SHA-1", 160)),
            224 => Some(kind("SHA-224", 224)),
            256 => Some(SHA256),
            384 => Some(kind("SHA-384", 384)),
            512 => Some(SHA512),
            _ => None,
        }
    }
}

/// The word at the beginning of `text`, as far as it ends there, with its length.
fn longest(text: &str) -> Option<(Kind, usize)> {
    let found = WORDS.iter().filter_map(|(word, kind)| Some((*kind, length_of(text, word)?)));
    let (kind, length) = found.max_by_key(|(_, length)| *length)?;
    let rest = text.get(length..)?;
    // `sha256sum.txt`, `SHA256SUMS`.
    let end = ["sums", "sum", ""].into_iter().find(|end| {
        rest.strip_prefix(end).is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
    })?;
    Some((kind, length + end.len()))
}

fn length_of(text: &str, word: &str) -> Option<usize> {
    let mut rest = text;
    for character in word.chars() {
        match character {
            '-' => rest = rest.strip_prefix(['-', '_', '/']).unwrap_or(rest),
            other => rest = rest.strip_prefix(other)?,
        }
    }
    Some(text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_kinds() {
        for (text, names) in [
            ("SHA256SUMS", &["SHA-256"][..]),
            ("x.iso.sha256", &["SHA-256"]),
            ("sha256sum.txt", &["SHA-256"]),
            ("a-1.0-SHA3_256.txt", &["SHA3-256"]),
            ("SHA512-256SUMS", &["SHA-512/256"]),
            ("SHA2-512/256", &["SHA-512/256"]),
            ("b2sums.txt", &["BLAKE2b"]),
            ("x.iso.b3", &["BLAKE3"]),
            ("x.md5", &["MD5"]),
            ("# SHA-256 and SHA512, SHA-256", &["SHA-256", "SHA-512"]),
            ("# BLAKE2 HASH", &["BLAKE2"]),
            ("BLAKE2b-256", &["BLAKE2b-256"]),
            ("CHECKSUMS", &[]),
            ("mysha256", &[]),
            ("sha2567", &[]),
            ("usb2.iso", &[]),
            ("ß sha1", &["SHA-1"]),
            ("", &[]),
        ] {
            let found: Vec<&str> = Kind::all_in(text).into_iter().map(|kind| kind.name).collect();
            assert_eq!(found, names, "{text}");
        }
        assert_eq!(Kind::of_tag("SHA2-256"), Some(SHA256));
        for tag in ["SHA256 ", "sha256sum"] {
            assert_eq!(Kind::of_tag(tag), Some(SHA256), "{tag}");
        }
        for tag in ["SHA256x", "x SHA256", ""] {
            assert_eq!(Kind::of_tag(tag), None, "{tag}");
        }
    }
}
