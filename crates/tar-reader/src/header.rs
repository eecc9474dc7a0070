//! The headers of a tar: POSIX ustar and pax (IEEE Std 1003.1, pax, "Interchange Formats"), and the GNU
//! extensions.

use crate::member::Kind;

/// Bytes of a header. Headers and data begin at a multiple of this.
pub const BLOCK_BYTES: usize = 512;

/// The permission bits of a mode, with set-user-ID, set-group-ID and sticky bit.
const MODE_BITS: u64 = 0o7777;

/// The word that headers have since POSIX.
const MAGIC: &[u8] = b"ustar";

/// Whether a file that begins like this is a tar: a header with the right checksum. Headers of the seventh
/// edition and some labels of GNU tar have no magic number, but hardly anything else has the sum.
#[must_use]
pub fn has_header(beginning: &[u8]) -> bool {
    beginning.first_chunk().is_some_and(|block: &[u8; BLOCK_BYTES]| Header::parse(block).is_some())
}

/// Whether a block has the word of POSIX and GNU at its place: a damaged header shows itself by this.
pub(crate) fn has_magic(block: &[u8; BLOCK_BYTES]) -> bool {
    block[257..].starts_with(MAGIC)
}

/// What a header describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Member(Kind),
    /// Records for all members that follow (pax): as a rule a comment, and nothing that a tree would show.
    Global,
    /// Records for the next member (pax).
    Records,
    /// GNU: the path of the next member.
    LongPath,
    /// GNU: the target of the next member.
    LongTarget,
}

/// A header by itself. Extended headers can replace its size, path, target and time, so nothing is decided by
/// these here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Type,
    /// Bytes that follow, if those of its kind have any.
    pub(crate) size: u64,
    pub(crate) path: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) modified: u64,
    /// GNU: bytes of a sparse file.
    pub(crate) real_size: Option<u64>,
    /// GNU: whether the map of a sparse file goes on in the next block.
    pub(crate) map_goes_on: bool,
    /// GNU: whether the names in a directory follow its header.
    pub(crate) lists_names: bool,
    /// What is odd about its type.
    pub(crate) oddity: Option<&'static str>,
}

impl Header {
    /// `None` unless it has the right checksum and a size. As in other programs, the sum alone makes a
    /// header: those of the seventh edition have no magic number.
    pub(crate) fn parse(block: &[u8; BLOCK_BYTES]) -> Option<Self> {
        if !has_checksum(block) {
            return None;
        }
        let is_gnu = block[257..265] == *b"ustar  \0";
        let is_posix = has_magic(block) && !is_gnu;
        let name = text(&block[..100]);
        let prefix = text(&block[345..500]);
        let is_exact = block[257..263] == *b"ustar\0";
        let path = if is_posix && !prefix.is_empty() && (is_exact || !is_time(prefix)) {
            [prefix, b"/", name].concat()
        } else {
            name.to_vec()
        };
        let (kind, oddity) = kind(block[156]);
        let mode = number(&block[100..108]).unwrap_or(0) & MODE_BITS;
        let is_gnu_sparse = is_gnu && kind == Type::Member(Kind::Sparse);
        Some(Self {
            kind,
            size: size(&block[124..136])?,
            path,
            target: text(&block[157..257]).to_vec(),
            mode: u32::try_from(mode).unwrap_or(0),
            modified: number(&block[136..148]).unwrap_or(0),
            real_size: if is_gnu_sparse { number(&block[483..495]) } else { None },
            map_goes_on: is_gnu_sparse && block[482] != 0,
            lists_names: block[156] == b'D',
            oddity,
        })
    }
}

/// Whether a prefix is the time of the last access, which GNU tar has at its place. Some headers of GNU have
/// another magic number.
fn is_time(prefix: &[u8]) -> bool {
    prefix.len() == 11 && prefix.iter().all(|byte| matches!(byte, b'0'..=b'7'))
}

/// What a type flag means, and what is odd about it.
fn kind(flag: u8) -> (Type, Option<&'static str>) {
    let kind = match flag {
        // Solaris writes `X` for `x`.
        b'x' | b'X' => return (Type::Records, None),
        b'g' => return (Type::Global, None),
        b'L' => return (Type::LongPath, None),
        b'K' => return (Type::LongTarget, None),
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Link,
        b'3' | b'4' | b'6' => Kind::Special,
        b'5' | b'D' => Kind::Directory,
        b'S' => Kind::Sparse,
        b'V' => Kind::Label,
        b'M' => return (Type::Member(Kind::Continued), Some("its beginning is in another tar")),
        // POSIX: "treated as if it were a regular file".
        _ => return (Type::Member(Kind::File), Some("it is of an unknown type, and read as a file")),
    };
    (Type::Member(kind), None)
}

/// Whether the bytes of a header have the sum that it records. The field of the sum counts as spaces.
fn has_checksum(block: &[u8; BLOCK_BYTES]) -> bool {
    let recorded = number(&block[148..156]);
    let sum = |value: fn(u8) -> i64| {
        let counted = block[..148].iter().chain(&[b' '; 8]).chain(&block[156..]);
        u64::try_from(counted.map(|&byte| value(byte)).sum::<i64>()).ok()
    };
    // Some old programs summed the bytes as signed numbers.
    let sums = [sum(i64::from), sum(|byte| i64::from(byte.cast_signed()))];
    recorded.is_some() && sums.contains(&recorded)
}

/// A size, which is not negative.
fn size(field: &[u8]) -> Option<u64> {
    number(field).filter(|_| field.first().is_some_and(|first| first & 0xC0 != 0xC0))
}

/// A number in octal or, if the first bit is set, in binary with the most significant byte first (GNU).
/// Negative numbers and empty fields count as 0. `None` if it is malformed or does not fit.
fn number(field: &[u8]) -> Option<u64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let is_negative = first & 0x40 != 0;
        let grow = |number: u64, &byte: &u8| number.checked_mul(256)?.checked_add(byte.into());
        return if is_negative { Some(0) } else { rest.iter().try_fold(u64::from(first & 0x3F), grow) };
    }
    let digits = field.iter().skip_while(|byte| byte.is_ascii_whitespace());
    let mut digits = digits.take_while(|byte| !matches!(**byte, b' ' | 0));
    digits.try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 8)?;
        number.checked_mul(8)?.checked_add(digit.into())
    })
}

/// A text up to its first NUL.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_in_octal_and_in_binary() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"  644 \0 ", Some(0o644)),
            (b" \t644 \0 ", Some(0o644)),
            (b"77777777777", Some(0o77_777_777_777)),
            (b"\0\0\0", Some(0)),
            (b"8", None),
            (b"-1", None),
            (b"\x80\0\0\0\0\0\0\0\x02\0\0\0", Some(2 << 24)),
            (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", Some(u64::MAX)),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(0)),
            (b"", None),
        ] {
            assert_eq!(number(field), expected, "{}", field.escape_ascii());
            let is_negative = field.first().is_some_and(|first| *first >= 0xC0);
            assert_eq!(size(field), expected.filter(|_| !is_negative), "{}", field.escape_ascii());
        }
    }
}
