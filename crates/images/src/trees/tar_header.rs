//! The headers of a tar: POSIX ustar and pax (IEEE Std 1003.1, pax, "Interchange Formats"), and the GNU
//! extensions.

/// Headers and data begin at a multiple of this.
pub(super) const BLOCK: usize = 512;

/// The kind of entry that a header describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    File,
    HardLink,
    Link,
    Directory,
    /// GNU: a file with holes that are not stored.
    Sparse,
    /// A device or a pipe.
    Special,
    /// GNU: the label of the tar.
    Label,
    /// Records for the next entry (pax).
    Extended,
    /// GNU: the name of the next entry.
    LongName,
    /// GNU: the target of the next entry.
    LongLink,
    /// Records for all entries that follow (pax): as a rule a comment, and nothing that a tree would show.
    Global,
    /// An entry that has no place in a tree, such as a part of a file from another volume.
    Other,
}

/// A header by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Type,
    /// Bytes that follow.
    pub(super) size: u64,
    path: Vec<u8>,
    target: Vec<u8>,
    modified: u32,
    /// GNU: bytes of a sparse file.
    real_size: Option<u64>,
}

/// The fields of an entry that stand in extended headers before it.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<u32>,
    sparse: bool,
    real_size: Option<u64>,
    real_path: Option<Vec<u8>>,
}

/// An entry of the tar, with all its fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) kind: Type,
    pub(super) path: Vec<u8>,
    pub(super) target: Vec<u8>,
    /// Bytes of the file.
    pub(super) size: u64,
    /// Bytes of it that follow.
    pub(super) stored: u64,
    pub(super) modified: u32,
}

impl Header {
    /// `None` unless it has a known magic number, the right checksum and a size.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Option<Self> {
        let is_gnu = block[257..265] == *b"ustar  \0";
        let is_posix = block[257..263] == *b"ustar\0";
        let recorded = number(&block[148..156])?;
        let sum = |byte: fn(u8) -> i64| -> i64 {
            let spaces = 8 * i64::from(b' ');
            let counted = block[..148].iter().chain(&block[156..]);
            counted.map(|&value| byte(value)).sum::<i64>() + spaces
        };
        // Some old programs summed the bytes as signed numbers.
        let is_sound = [sum(i64::from), sum(|byte| i64::from(byte.cast_signed()))]
            .iter()
            .any(|sum| u64::try_from(*sum) == Ok(recorded));
        if !(is_gnu || is_posix) || !is_sound {
            return None;
        }
        let kind = match block[156] {
            b'0' | 0 | b'7' => Type::File,
            b'1' => Type::HardLink,
            b'2' => Type::Link,
            b'3' | b'4' | b'6' => Type::Special,
            b'5' | b'D' => Type::Directory,
            b'S' => Type::Sparse,
            b'V' => Type::Label,
            b'x' => Type::Extended,
            b'g' => Type::Global,
            b'L' => Type::LongName,
            b'K' => Type::LongLink,
            _ => Type::Other,
        };
        let name = text(&block[..100]);
        let prefix = if is_posix { text(&block[345..500]) } else { &[] };
        let path = if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() };
        Some(Self {
            // Old formats have no type for directories: a name with a final `/` is one.
            kind: if kind == Type::File && path.ends_with(b"/") { Type::Directory } else { kind },
            size: number(&block[124..136])?,
            path,
            target: text(&block[157..257]).to_vec(),
            modified: clamp(number(&block[136..148])),
            real_size: if is_gnu { number(&block[483..495]) } else { None },
        })
    }
}

impl Extensions {
    /// Adds the content of an extended header.
    pub(super) fn add(&mut self, kind: Type, bytes: &[u8]) {
        match kind {
            Type::LongName => self.path = Some(text(bytes).to_vec()),
            Type::LongLink => self.target = Some(text(bytes).to_vec()),
            _ => records(bytes, |key, value| self.record(key, value)),
        }
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        let decimal = || std::str::from_utf8(value).ok()?.split('.').next()?.parse().ok();
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.target = Some(value.to_vec()),
            b"size" => self.size = decimal(),
            b"mtime" => self.modified = Some(clamp(decimal())),
            b"GNU.sparse.name" => self.real_path = Some(value.to_vec()),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.real_size = decimal(),
            _ => {}
        }
        self.sparse |= key.starts_with(b"GNU.sparse.");
    }

    /// Joins the extended fields with the header of the entry itself.
    pub(super) fn complete(&self, header: &Header) -> Member {
        let kind = if self.sparse && header.kind == Type::File { Type::Sparse } else { header.kind };
        // The size of a hard link is that of its target, and no data follow.
        let stored = if kind == Type::HardLink { 0 } else { self.size.unwrap_or(header.size) };
        let real_size = self.real_size.or(header.real_size).filter(|_| kind == Type::Sparse);
        let path = self.real_path.as_ref().or(self.path.as_ref()).unwrap_or(&header.path).clone();
        Member {
            kind,
            path,
            target: self.target.as_ref().unwrap_or(&header.target).clone(),
            size: real_size.unwrap_or(stored),
            stored,
            modified: self.modified.unwrap_or(header.modified),
        }
    }
}

/// Visits the records of a pax header: a length in decimal that counts the whole record, a space,
/// `key=value`, a line feed. A malformed record ends them.
fn records(bytes: &[u8], mut visit: impl FnMut(&[u8], &[u8])) {
    let mut rest = bytes;
    loop {
        let Some(space) = rest.iter().position(|&byte| byte == b' ') else { return };
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|digits| digits.parse().ok());
        let Some((record, later)) = length.and_then(|length| rest.split_at_checked(length)) else { return };
        let Some(record) = record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n")) else {
            return;
        };
        let Some(equals) = record.iter().position(|&byte| byte == b'=') else { return };
        visit(&record[..equals], &record[equals + 1..]);
        rest = later;
    }
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

/// A time as far as an index holds it.
fn clamp(seconds: Option<u64>) -> u32 {
    u32::try_from(seconds.unwrap_or(0)).unwrap_or(u32::MAX)
}

/// A text up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
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

    #[test]
    fn records_end_where_they_make_no_sense() {
        for (bytes, expected) in [
            (&b"12 path=abc\n18 linkpath=a=b c\n"[..], &["path:abc", "linkpath:a=b c"][..]),
            (b"12 path=a\nb\n", &["path:a\nb"]),
            (b"12 path=abc\n99 size=1\n", &["path:abc"]),
            (b"12 path=abcd\n", &[]),
            (b"0 path=abc\n", &[]),
            (b"3 p\n", &[]),
            (b"-3 p=1\n", &[]),
            (b"path=abc\n", &[]),
            (b"7 path\n", &[]),
            (b"", &[]),
        ] {
            let mut seen = Vec::new();
            records(bytes, |key, value| {
                seen.push(format!("{}:{}", String::from_utf8_lossy(key), String::from_utf8_lossy(value)));
            });
            assert_eq!(seen, expected, "{}", bytes.escape_ascii());
        }
    }
}
