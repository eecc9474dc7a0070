//! Parses checksum files in the formats of distributions: `SHA256SUMS` of coreutils, `CHECKSUM` of the BSDs
//! and Fedora, and `a.iso.sha256` with only a digest. The kind of a digest is what its tag, the heading above
//! it or the name of the checksum file says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::kind::{Kind, SHA256, SHA512};
use model::digest::{Expected, Sha256, Sha512};

/// The entries of a checksum file.
#[derive(Debug, Default)]
pub(super) struct Listing {
    entries: Vec<(String, Value)>,
    /// Digests without a name, all of the same file.
    nameless: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Sha256(Sha256),
    Sha512(Sha512),
    /// A digest of this kind, which is too weak or not computed here.
    Other(&'static str),
}

/// The kind of a digest that may be one of several.
const UNCLEAR: &str = "digest of an unclear kind";

/// Why a listing gives no digest of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// It has no digests.
    #[error("lists no checksums")]
    Empty,
    /// The file is not listed.
    #[error("does not list {0}")]
    NotListed(String),
    /// It is listed with several digests.
    #[error("lists {name} with more than one {algorithm}")]
    Ambiguous {
        /// The file.
        name: String,
        /// The kind of digest that differs.
        algorithm: &'static str,
    },
    /// It is listed only with weak digests, or with those of another kind.
    #[error("lists {name} only with its {algorithm}; a SHA-256 or SHA-512 is needed")]
    TooWeak {
        /// The file.
        name: String,
        /// The best digest that it has.
        algorithm: &'static str,
    },
}

impl Listing {
    /// Reads the lines of a file that is called `file_name`, and passes over those without a checksum.
    pub(super) fn read(text: &str, file_name: &str) -> Self {
        let mut listing = Self::default();
        let mut kinds = Kind::all_in(file_name);
        // Lines end in every way that systems know, and by NUL (`sha256sum --zero`).
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
        for line in signed_lines(&text.replace(['\r', '\0'], "\n")) {
            match tagged(line).or_else(|| labelled(line)).or_else(|| plain(line, &kinds)) {
                Some((name, value)) if is_no_name(&name) => listing.nameless.push(value),
                Some(entry) => listing.entries.push(entry),
                None => {
                    let named = Kind::all_in(line);
                    if !named.is_empty() {
                        kinds = named;
                    }
                }
            }
        }
        listing
    }

    /// The digests of the first of `names` that is listed. A name may have folders before it, which decide
    /// between entries with the same last segment.
    pub(super) fn find(&self, names: &[&str]) -> Result<Expected, ListingError> {
        let shown = || names.first().copied().unwrap_or_default().to_owned();
        if self.entries.is_empty() {
            return if self.nameless.is_empty() {
                Err(ListingError::Empty)
            } else {
                join(&shown(), self.nameless.iter().copied())
            };
        }
        let mut found = Err(ListingError::NotListed(shown()));
        for name in names {
            let ranked = || self.entries.iter().filter_map(|(path, value)| Some((rank(path, name)?, *value)));
            let Some(best) = ranked().map(|(rank, _)| rank).max() else { continue };
            found = join(name, ranked().filter(|(rank, _)| *rank == best).map(|(_, value)| value));
            // A later name counts only if this one has weak digests alone.
            if !matches!(found, Err(ListingError::TooWeak { .. })) {
                break;
            }
        }
        found
    }
}

/// Joins all digests of one file.
fn join(name: &str, values: impl Iterator<Item = Value>) -> Result<Expected, ListingError> {
    let (mut expected, mut other) = (Expected::default(), None);
    for value in values {
        let more = match value {
            Value::Sha256(digest) => Expected { sha256: Some(digest), sha512: None },
            Value::Sha512(digest) => Expected { sha256: None, sha512: Some(digest) },
            Value::Other(algorithm) => {
                other = Some(algorithm);
                continue;
            }
        };
        let algorithm = if more.sha256.is_some() { "SHA-256" } else { "SHA-512" };
        let ambiguous = |_| ListingError::Ambiguous { name: name.to_owned(), algorithm };
        expected = expected.and(more).map_err(ambiguous)?;
    }
    match other {
        Some(algorithm) if expected.is_nothing() => {
            Err(ListingError::TooWeak { name: name.to_owned(), algorithm })
        }
        _ => Ok(expected),
    }
}

/// Whether a word stands in the place of a name: that of a pipe (`openssl dgst`, coreutils), or the label of
/// a digest (`Get-FileHash | Format-List`).
fn is_no_name(name: &str) -> bool {
    let words = ["", "-", "stdin", "(stdin)", "hash", "digest", "checksum"];
    words.iter().any(|word| word.eq_ignore_ascii_case(name))
}

/// How well a listed path fits a name: the number of its segments if it is the end of the name, else 0;
/// `None` if the last segments differ. Windows separates segments by backslashes, and some quote them.
fn rank(path: &str, name: &str) -> Option<usize> {
    let segments = |text: &str| -> Vec<String> {
        let segments = text.trim_matches(['"', '\'', '`']).split(['/', '\\']);
        segments.filter(|segment| !matches!(*segment, "" | ".")).map(str::to_owned).collect()
    };
    let (path, name) = (segments(path), segments(name));
    (path.last()? == name.last()?).then(|| if name.ends_with(&path) { path.len() } else { 0 })
}

/// All lines, or only the signed ones of a clear-signed message (RFC 9580 §7), without their dash escapes.
fn signed_lines(text: &str) -> impl Iterator<Item = &str> {
    const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
    let is_signed = text.lines().any(|line| line.trim_end() == BEGIN);
    let body = text.lines().map(str::trim_end);
    let body = body.skip_while(move |line| is_signed && *line != BEGIN);
    let body = body.skip_while(move |line| is_signed && !line.is_empty());
    let body = body.take_while(move |line| !is_signed || !line.starts_with("-----"));
    body.map(move |line| if is_signed { line.strip_prefix("- ").unwrap_or(line) } else { line })
}

/// `SHA256 (name) = digest`, as the BSDs, `sha256sum --tag` and `openssl dgst` write it.
fn tagged(line: &str) -> Option<(String, Value)> {
    let (escaped, line) = escaped(line);
    let (tag, rest) = line.split_once('(')?;
    // A name may contain parentheses.
    let ends = rest.rmatch_indices(')').map(|(end, _)| rest.split_at(end));
    let (name, digest) = ends
        .into_iter()
        .find_map(|(name, rest)| Some((name, rest.get(1..)?.trim_start().strip_prefix('=')?.trim())))?;
    let tag = tag.trim();
    if tag.contains(' ') || tag.is_empty() {
        return None;
    }
    let bytes = bytes(digest)?;
    let value = match Kind::of_tag(tag) {
        Some(kind) if kind.may_have(8 * bytes.len()) => Value::of(kind, &bytes),
        Some(_) => return None,
        None => Value::Other("digest of an unknown kind"),
    };
    Some((unescaped(escaped, name), value))
}

/// `SHA256: digest`, `sha256=digest`, `sha256:digest  name` or `sha256-digest`, where the kind stands before
/// each digest; also the field `Repr-Digest: sha-256=:digest:` (RFC 9530 §3).
fn labelled(line: &str) -> Option<(String, Value)> {
    let line = line.trim_start_matches(['#', '*', ' ', '\t']);
    let fields = ["repr-digest", "content-digest", "digest"];
    let is_field = |name: &str| fields.iter().any(|field| name.trim().eq_ignore_ascii_case(field));
    let field = line.split_once(':').filter(|(name, _)| is_field(name));
    let line = field.map_or(line, |(_, members)| members.trim()).trim_end_matches(':');
    let separators = line.match_indices([':', '=', '-', ' ', '\t']).take(4);
    let (kind, rest) = separators.into_iter().find_map(|(end, separator)| {
        let rest = line.get(end + separator.len()..)?.trim_start_matches([':', '=', ' ', '\t']);
        let digest = rest.split([' ', '\t']).next()?;
        Some((Kind::of_tag(line.get(..end)?)?, bytes(digest).map(|_| rest)?))
    })?;
    let (digest, name) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let bytes = bytes(digest)?;
    let name = name.trim().trim_start_matches('*');
    kind.may_have(8 * bytes.len()).then(|| (name.to_owned(), Value::of(kind, &bytes)))
}

/// `digest  name` or `digest *name`, as coreutils writes it; the digest alone has no name. Some lists have
/// `name  digest`, and those of Debian's `Release` are indented and have the size between the two.
fn plain(line: &str, kinds: &[Kind]) -> Option<(String, Value)> {
    let is_indented = line.starts_with([' ', '\t']);
    let (escaped, line) = escaped(line.trim_start());
    let (first, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    if let Some(bytes) = bytes(first) {
        let name = rest.trim_start();
        let name = name.strip_prefix('*').unwrap_or(name);
        let sized = name.split_once(' ').filter(|(size, _)| is_indented && is_number(size));
        let name = sized.map_or(name, |(_, name)| name.trim_start());
        return Some((unescaped(escaped, name), Value::among(kinds, &bytes)?));
    }
    let (name, digest) = line.rsplit_once([' ', '\t'])?;
    let bytes = bytes(digest)?;
    // A tag that is not understood, or contradicts its digest.
    if name.ends_with('=') && name.contains('(') && name != "(stdin)=" {
        return None;
    }
    let name = name.trim_end().trim_end_matches([':', '=', ' ', '\t']);
    Some((unescaped(escaped, name), Value::among(kinds, &bytes)?))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The bytes of a digest, in hexadecimal or in Base64 with its padding.
fn bytes(text: &str) -> Option<Vec<u8>> {
    const LENGTHS: [usize; 7] = [16, 20, 24, 28, 32, 48, 64];
    let is_hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes: Vec<u8> = if is_hex {
        let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
        pairs.collect::<Option<_>>()?
    } else {
        // No name of a file is a digest by chance.
        STANDARD.decode(text).ok().filter(|bytes| bytes.len() >= 28)?
    };
    LENGTHS.contains(&bytes.len()).then_some(bytes)
}

impl Value {
    fn of(kind: Kind, bytes: &[u8]) -> Self {
        match (kind, <[u8; 32]>::try_from(bytes), <[u8; 64]>::try_from(bytes)) {
            (SHA256, Ok(digest), _) => Self::Sha256(Sha256(digest)),
            (SHA512, _, Ok(digest)) => Self::Sha512(Sha512(digest)),
            (kind, ..) => Self::Other(kind.name),
        }
    }

    /// The digest, of the one of `kinds` that has its length. If none has, the length tells its kind.
    fn among(kinds: &[Kind], bytes: &[u8]) -> Option<Self> {
        let bits = 8 * bytes.len();
        let mut fitting = kinds.iter().filter(|kind| kind.may_have(bits));
        match (fitting.next(), fitting.next()) {
            (Some(kind), None) => Some(Self::of(*kind, bytes)),
            (None, _) => Some(Self::of(Kind::usual(bits)?, bytes)),
            (Some(_), Some(_)) => Some(Self::Other(UNCLEAR)),
        }
    }
}

/// A backslash before a line says that the name in it is escaped.
fn escaped(line: &str) -> (bool, &str) {
    line.strip_prefix('\\').map_or((false, line), |line| (true, line))
}

fn unescaped(escaped: bool, name: &str) -> String {
    if !escaped {
        return name.to_owned();
    }
    let (mut plain, mut characters) = (String::new(), name.chars());
    while let Some(character) = characters.next() {
        plain.push(match (character, if character == '\\' { characters.next() } else { None }) {
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            ('\\', Some(other)) => other,
            (character, _) => character,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> String {
        Sha256([byte; 32]).to_string()
    }

    fn long(byte: u8) -> String {
        Sha512([byte; 64]).to_string()
    }

    /// `<1>`, `<2>` … stand for the SHA-256, `<<1>>` … for the SHA-512 of that byte.
    fn filled(text: &str) -> String {
        (1..=4).fold(text.to_owned(), |text, byte| {
            text.replace(&format!("<<{byte}>>"), &long(byte)).replace(&format!("<{byte}>"), &digest(byte))
        })
    }

    fn find(text: &str, names: &[&str]) -> Result<Expected, ListingError> {
        Listing::read(&filled(text), "CHECKSUMS").find(names)
    }

    #[test]
    fn every_way_to_write_a_listing_is_read() {
        let short = |byte| Expected { sha256: Some(Sha256([byte; 32])), sha512: None };
        let long = |byte| Expected { sha256: None, sha512: Some(Sha512([byte; 64])) };
        let both = |one, other| Expected { sha256: short(one).sha256, sha512: long(other).sha512 };
        for (text, names, expected) in [
            ("<1>  a.iso\n<2>  b.iso\n", &["b.iso"][..], short(2)),
            ("<1> *a.iso", &["a.iso"], short(1)),
            ("<1> a.iso", &["a.iso"], short(1)),
            ("<1>\ta.iso", &["a.iso"], short(1)),
            ("<1>  a.iso\r\n<2>  b.iso\r\n", &["a.iso"], short(1)),
            ("\u{feff}<1>  a.iso", &["a.iso"], short(1)),
            ("<2>  b.iso\r<1>  a.iso\r", &["a.iso"], short(1)),
            ("<2>  b.iso\0<1>  a.iso\0", &["a.iso"], short(1)),
            ("<2>  b.iso\r\n\r\n<1> *D:\\isos\\a.iso\r\n", &["a.iso"], short(1)),
            ("\\<1> *D:\\\\isos\\\\a.iso", &["a.iso"], short(1)),
            ("<1>  \"a.iso\"", &["a.iso"], short(1)),
            ("a.iso = <1>", &["a.iso"], short(1)),
            ("<1>  ./a.iso", &["a.iso"], short(1)),
            ("<1>  images/x/a.iso", &["a.iso"], short(1)),
            ("<1>  name with space.iso", &["name with space.iso"], short(1)),
            ("\\<1>  a\\\\b\\nc.iso", &["a\\b\nc.iso"], short(1)),
            ("<<1>>  a.iso", &["a.iso"], long(1)),
            ("<1>  a.iso\n<<2>>  a.iso", &["a.iso"], both(1, 2)),
            ("<1>  a.iso\n<1>  ./a.iso", &["a.iso"], short(1)),
            // Of several folders that of the link counts, and without one that of the listing.
            ("<1>  netboot/mini.iso\n<2>  netboot/gtk/mini.iso", &["/d/netboot/gtk/mini.iso"], short(2)),
            ("<1>  netboot/mini.iso\n<2>  netboot/gtk/mini.iso", &["/d/netboot/mini.iso"], short(1)),
            ("<1>  mini.iso\n<2>  gtk/mini.iso", &["mini.iso"], short(1)),
            // The first listed name counts.
            ("<1>  a.iso\n<2>  b.iso", &["c.iso", "b.iso", "a.iso"], short(2)),
            ("d41d8cd98f00b204e9800998ecf8427e  a.iso\n<1>  b.iso", &["a.iso", "b.iso"], short(1)),
            ("# a.iso: 5 bytes\nSHA256 (a.iso) = <1>\nSHA256 (b.iso) = <2>", &["b.iso"], short(2)),
            ("SHA512 (a (1).iso) = <<1>>", &["a (1).iso"], long(1)),
            ("SHA2-256(a.iso)= <1>", &["a.iso"], short(1)),
            ("\\SHA256 (a\\\\b.iso) = <1>", &["a\\b.iso"], short(1)),
            ("MD5 (a.iso) = d41d8cd98f00b204e9800998ecf8427e\nSHA256 (a.iso) = <1>", &["a.iso"], short(1)),
            ("SHA512/256 (a.iso) = <2>\nSHA256 (a.iso) = <1>", &["a.iso"], short(1)),
            ("BLAKE2b (a.iso) = <<2>>\nSHA256 (a.iso) = <1>", &["a.iso"], short(1)),
            ("<1>", &["a.iso"], short(1)),
            ("<1>\n", &["a.iso"], short(1)),
            ("<1>  -\n", &["a.iso"], short(1)),
            ("SHA2-256(stdin)= <1>\n", &["a.iso"], short(1)),
            ("(stdin)= <1>\n", &["a.iso"], short(1)),
            ("# for a.iso\n<1>\n<<2>>\n", &["a.iso"], both(1, 2)),
            (
                "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# x\n- -- y\nSHA256 (a.iso) = <1>\n-----BEGIN PGP SIGNATURE-----\n\n<2>  a.iso\n-----END PGP SIGNATURE-----\n",
                &["a.iso"],
                short(1),
            ),
            (
                "<2>  a.iso\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA512\r\n\r\n<1>  a.iso\r\n-----BEGIN PGP SIGNATURE-----\r\n",
                &["a.iso"],
                short(1),
            ),
            (
                "-----BEGIN PGP SIGNED MESSAGE-----\n\n- <1>  a.iso\n-----BEGIN PGP SIGNATURE-----\n",
                &["a.iso"],
                short(1),
            ),
        ] {
            assert_eq!(find(text, names), Ok(expected), "{text} {names:?}");
        }
        let upper = Listing::read(&format!("{}  a.iso", "AB".repeat(32)), "").find(&["a.iso"]);
        assert_eq!(upper, Ok(short(0xab)));
    }

    #[test]
    fn the_kind_is_what_the_file_says() {
        let short = |byte| Ok(Expected { sha256: Some(Sha256([byte; 32])), sha512: None });
        let long = |byte| Ok(Expected { sha256: None, sha512: Some(Sha512([byte; 64])) });
        let other = |algorithm| Err(ListingError::TooWeak { name: "a.iso".into(), algorithm });
        let base64 = STANDARD.encode([1; 32]);
        for (file, text, expected) in [
            // Two kinds of one length in one file, the wrong one first.
            ("DIGESTS", "# BLAKE2 HASH\n<<2>>  a.iso\n# SHA512 HASH\n<<1>>  a.iso\n", long(1)),
            ("sums.txt", "SHA3-256\n<2>  a.iso\n\nSHA-256:\n<1>  a.iso", short(1)),
            ("sums.txt", "SHA-256:\n<1>  a.iso\n\nSHA3-256:\n<2>  a.iso", short(1)),
            ("sums.txt", "SHA512/256 (a.iso) = <2>\nSHA256 (a.iso) = <1>", short(1)),
            ("sums.txt", "# MD5 and SHA256\nd41d8cd98f00b204e9800998ecf8427e  a.iso\n<1>  a.iso", short(1)),
            ("sums.txt", "# SHA256 and SHA3-256\n<1>  a.iso", other(UNCLEAR)),
            ("sums.txt", "# BLAKE2b-256\n<1>  a.iso", other("BLAKE2b-256")),
            ("sums.txt", "# made with b2sum\n<<1>>  a.iso", other("BLAKE2b")),
            // The name of the file, which a heading corrects.
            ("SHA3-256SUMS", "<1>  a.iso", other("SHA3-256")),
            ("SHA3-256SUMS", "# SHA-256\n<1>  a.iso", short(1)),
            ("SHA512-256SUMS.txt", "<1>  a.iso", other("SHA-512/256")),
            ("b2sums.txt", "<<1>>  a.iso", other("BLAKE2b")),
            ("a.iso.b3", "<1>", other("BLAKE3")),
            ("a.iso.sha256", "<1>\n", short(1)),
            ("a.iso.sha512sum", "<<1>>  a.iso", long(1)),
            ("a.iso.md5", "d41d8cd98f00b204e9800998ecf8427e  a.iso", other("MD5")),
            ("SM3SUMS", "<1>  a.iso", other("SM3")),
            // Tags that are not known, or contradict the digest.
            ("x", "SM3 (a.iso) = <1>", other("SM3")),
            ("x", "FOO (a.iso) = <1>", other("digest of an unknown kind")),
            ("x", "BLAKE2b (a.iso) = <<1>>", other("BLAKE2b")),
            ("x", "SHA2-512/256(a.iso)= <1>", other("SHA-512/256")),
            ("x", "SHA384 (a.iso) = <1>\nSHA256 (a.iso) = <1>", short(1)),
            // Labels.
            ("x", "sha256:<1>  a.iso", short(1)),
            ("x", "SHA256: <1>", short(1)),
            ("x", "SHA-256 Checksum: <1>\nSHA3-256 Checksum: <2>", short(1)),
            ("x", "SHA-256 Digest: <1>\nSHA3-256 Digest: <2>", short(1)),
            ("x", "SHA256=<1>", short(1)),
            ("x", "sha3-256:<1>  a.iso", other("SHA3-256")),
            ("x", "Algorithm  Hash  Path\n---------  ----  ----\nSHA256     <1>  C:\\isos\\a.iso", short(1)),
            ("x", "SHA256 hash of a.iso:\r\n<1>\r\nCertUtil: completed\r\n", short(1)),
            ("x", "Algorithm : SHA256\r\nHash      : <1>\r\nPath      : C:\\isos\\a.iso\r\n", short(1)),
            ("x", "Algorithm : MACTripleDES\nHash : d41d8cd98f00b204", Err(ListingError::Empty)),
            ("x", "[sha3-256]\na.iso = <2>\n[sha256]\na.iso = <1>", short(1)),
            (
                "x",
                "MD5: d41d8cd98f00b204e9800998ecf8427e\nSHA1: da39a3ee5e6b4b0d3255bfef95601890afd80709\nSHA256: <1>",
                short(1),
            ),
            // Other orders.
            ("x", "a.iso  <1>\nb.iso  <2>", short(1)),
            ("x", "a.iso: <1>", short(1)),
            (
                "Release",
                "MD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 5 x/a.iso\nSHA256:\n <1>     5 x/a.iso",
                short(1),
            ),
            // Base64.
            ("x", &format!("SHA256 (a.iso) = {base64}"), short(1)),
            ("x", &format!("{base64}  a.iso"), short(1)),
            ("x", &format!("sha256-{base64}"), short(1)),
            ("x", &format!("Repr-Digest: sha-256=:{base64}:"), short(1)),
            ("x", &format!("Digest: SHA-256={base64}"), short(1)),
            ("x", &format!("SHA3-256 (a.iso) = {base64}"), other("SHA3-256")),
        ] {
            let found = Listing::read(&filled(text), file).find(&["a.iso"]);
            assert_eq!(found, expected, "{file}: {text}");
        }
    }

    #[test]
    fn what_does_not_tell_is_an_error() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        let sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
        let not_listed = || ListingError::NotListed("a.iso".into());
        let ambiguous = |algorithm| ListingError::Ambiguous { name: "a.iso".into(), algorithm };
        let too_weak = |algorithm| ListingError::TooWeak { name: "a.iso".into(), algorithm };
        for (text, expected) in [
            ("", ListingError::Empty),
            ("<!DOCTYPE html><p>Sign in</p>", ListingError::Empty),
            ("<1>x  a.iso", ListingError::Empty),
            ("<1>1  a.iso", ListingError::Empty),
            ("SHA256 (a.iso) = d41d", ListingError::Empty),
            ("SHA512 (a.iso) = <1>", ListingError::Empty),
            ("<1>  b.iso", not_listed()),
            ("<1>  A.iso", not_listed()),
            ("<1>  a.iso.sig", not_listed()),
            ("<1>  xa.iso", not_listed()),
            // A digest without a name does not count beside those with one.
            ("<1>\n<2>  b.iso", not_listed()),
            ("<1>  a.iso\n<2>  a.iso", ambiguous("SHA-256")),
            ("<1>  x/a.iso\n<2>  y/a.iso", ambiguous("SHA-256")),
            ("<<1>>  a.iso\n<<2>>  a.iso", ambiguous("SHA-512")),
            ("<1>\n<2>", ambiguous("SHA-256")),
            (&format!("{md5}  a.iso"), too_weak("MD5")),
            (&format!("{sha1}  a.iso\n<1>  b.iso"), too_weak("SHA-1")),
            (&format!("SHA1 (a.iso) = {sha1}"), too_weak("SHA-1")),
            (md5, too_weak("MD5")),
        ] {
            assert_eq!(find(text, &["a.iso"]), Err(expected), "{text}");
        }
    }
}
