//! The extended headers before a member, and how their fields replace those of its own header.

use crate::header::{Header, Type, text};
use crate::member::{Kind, Member};

/// The fields of a member that stand in extended headers before it.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<u64>,
    sparse: bool,
    real_size: Option<u64>,
    real_path: Option<Vec<u8>>,
}

impl Extensions {
    /// Adds the content of an extended header.
    pub(crate) fn add(&mut self, kind: Type, bytes: &[u8]) {
        match kind {
            Type::LongPath => self.path = Some(text(bytes).to_vec()),
            Type::LongTarget => self.target = Some(text(bytes).to_vec()),
            _ => records(bytes, |key, value| self.record(key, value)),
        }
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        let decimal = || std::str::from_utf8(value).ok()?.split('.').next()?.parse().ok();
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.target = Some(value.to_vec()),
            b"size" => self.size = decimal(),
            b"mtime" => self.modified = Some(decimal().unwrap_or(0)),
            b"GNU.sparse.name" => self.real_path = Some(value.to_vec()),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.real_size = decimal(),
            _ => {}
        }
        self.sparse |= key.starts_with(b"GNU.sparse.");
    }

    /// The bytes that follow a header.
    pub(crate) fn stored(&self, header: &Header) -> u64 {
        // The size of a hard link is that of its target, and no data follow.
        if header.kind == Type::Member(Kind::HardLink) { 0 } else { self.size.unwrap_or(header.size) }
    }

    /// Joins the extended fields with the header of the member itself.
    pub(crate) fn complete(self, header: Header, kind: Kind, offset: u64) -> Member {
        let stored = self.stored(&header);
        let kind = if self.sparse && kind == Kind::File { Kind::Sparse } else { kind };
        let real_size = self.real_size.or(header.real_size).filter(|_| kind == Kind::Sparse);
        Member {
            kind,
            path: self.real_path.or(self.path).unwrap_or(header.path),
            target: self.target.unwrap_or(header.target),
            offset,
            stored,
            size: real_size.unwrap_or(stored),
            mode: header.mode,
            modified: self.modified.unwrap_or(header.modified),
        }
    }
}

/// Visits the records of a pax header. A malformed record ends them.
fn records(bytes: &[u8], mut visit: impl FnMut(&[u8], &[u8])) {
    let mut rest = bytes;
    while let Some((key, value, later)) = split_record(rest) {
        visit(key, value);
        rest = later;
    }
}

/// Key and value of the first record, and what follows it. A record is its length in decimal, which counts
/// the whole record, a space, `key=value`, and a line feed.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (digits, _) = split_once(bytes, b' ')?;
    let length = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (record, later) = bytes.split_at_checked(length)?;
    let (_, fields) = split_once(record, b' ')?;
    let (key, value) = split_once(fields.strip_suffix(b"\n")?, b'=')?;
    Some((key, value, later))
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

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
