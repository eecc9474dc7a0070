//! The headers of a tar: POSIX ustar and pax (IEEE Std 1003.1, pax, "Interchange Formats"), and the GNU
//! extensions.

use crate::member::Kind;

/// Bytes of a header. Headers and data begin at a multiple of this.
pub const BLOCK_BYTES: usize = 512;

/// The permission bits of a mode, with set-user-ID, set-group-ID and sticky bit.
const MODE_BITS: u64 = 0o7777;

/// Whether a file that begins like this is a tar: a header with the magic number of POSIX or GNU, and the
/// right checksum.
#[must_use]
pub fn has_header(beginning: &[u8]) -> bool {
    beginning.first_chunk().is_some_and(|block| Header::parse(block).is_some())
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

/// A header by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Type,
    /// Bytes that follow.
    pub(crate) size: u64,
    pub(crate) path: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) modified: u64,
    /// GNU: bytes of a sparse file.
    pub(crate) real_size: Option<u64>,
}

impl Header {
    /// `None` unless it has a known magic number, the right checksum and a size.
    pub(crate) fn parse(block: &[u8; BLOCK_BYTES]) -> Option<Self> {
        let is_gnu = block[257..265] == *b"ustar  \0";
        let is_posix = block[257..263] == *b"ustar\0";
        if !(is_gnu || is_posix) || !has_checksum(block) {
            return None;
        }
        let name = text(&block[..100]);
        let prefix = if is_posix { text(&block[345..500]) } else { &[] };
        let path = if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() };
        let mode = number(&block[100..108]).unwrap_or(0) & MODE_BITS;
        Some(Self {
            kind: kind(block[156], &path),
            size: number(&block[124..136])?,
            path,
            target: text(&block[157..257]).to_vec(),
            mode: u32::try_from(mode).unwrap_or(0),
            modified: number(&block[136..148]).unwrap_or(0),
            real_size: if is_gnu { number(&block[483..495]) } else { None },
        })
    }
}

fn kind(flag: u8, path: &[u8]) -> Type {
    Type::Member(match flag {
        b'x' => return Type::Records,
        b'g' => return Type::Global,
        b'L' => return Type::LongPath,
        b'K' => return Type::LongTarget,
        // Old formats have no type for directories: a path with a final `/` is one.
        b'0' | 0 | b'7' if path.ends_with(b"/") => Kind::Directory,
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Link,
        b'3' | b'4' | b'6' => Kind::Special,
        b'5' | b'D' => Kind::Directory,
        b'S' => Kind::Sparse,
        b'V' => Kind::Label,
        _ => Kind::Other,
    })
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

/// A number in octal or, if the first bit is set, in binary with the most significant byte first (GNU).
/// Negative numbers and empty fields count as 0. `None` if it is malformed or does not fit.
fn number(field: &[u8]) -> Option<u64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let is_negative = first & 0x40 != 0;
        let grow = |number: u64, &byte: &u8| number.checked_mul(256)?.checked_add(byte.into());
        return if is_negative { Some(0) } else { rest.iter().try_fold(u64::from(first & 0x3F), grow) };
    }
    let digits = field.iter().skip_while(|byte| **byte == b' ');
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
        }
    }
}
