//! The extended headers before a member, and how their fields replace those of its own header.

use crate::header::{Header, Type, text};
use crate::member::{Kind, Member};

/// The fields of a member that stand in extended headers before it, or those of all later members.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    /// Path and target in the headers of GNU. Records of pax count more, in whichever order they come.
    long_path: Option<Vec<u8>>,
    long_target: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<u64>,
    sparse: bool,
    real_size: Option<u64>,
    real_path: Option<Vec<u8>>,
    /// GNU: the label of the tar.
    pub(crate) label: Option<Vec<u8>>,
    /// Whether records of pax have been added.
    has_records: bool,
    pub(crate) oddity: Option<&'static str>,
}

impl Extensions {
    /// Adds the content of an extended header.
    pub(crate) fn add(&mut self, kind: Type, bytes: &[u8]) {
        match kind {
            Type::LongPath => self.long_path = Some(self.name(bytes)),
            Type::LongTarget => self.long_target = Some(self.name(bytes)),
            _ => {
                if kind == Type::Records && self.has_records {
                    let (long_path, long_target) = (self.long_path.take(), self.long_target.take());
                    *self = Self { long_path, long_target, ..Self::default() };
                    self.oddity = Some("it has two extended headers, and the second counts");
                }
                self.has_records = true;
                if !records(bytes, |key, value| self.record(key, value)) {
                    self.oddity = Some("a record of its extended header is malformed, and the rest is lost");
                }
            }
        }
    }

    fn record(&mut self, key: &[u8], value: &[u8]) {
        let integer = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
        match key {
            b"path" => self.path = Some(self.name_record(value)),
            b"linkpath" => self.target = Some(self.name_record(value)),
            b"size" => self.size = self.checked(value, integer(value)),
            b"mtime" => {
                let seconds = value.split(|&byte| byte == b'.').next().unwrap_or_default();
                self.modified = Some(integer(seconds).unwrap_or(0));
            }
            b"GNU.sparse.name" => self.real_path = Some(self.name_record(value)),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => {
                self.real_size = self.checked(value, integer(value));
            }
            b"GNU.volume.label" => self.label = Some(value.to_vec()),
            _ => {}
        }
        self.sparse |= key.starts_with(b"GNU.sparse.");
    }

    /// A path or target in a header of GNU.
    fn name(&mut self, bytes: &[u8]) -> Vec<u8> {
        let name = text(bytes);
        if name.is_empty() {
            self.oddity = Some("its long name is empty, and that of its header counts");
        }
        name.to_vec()
    }

    /// A path or target in a record, which all programs cut at a NUL.
    fn name_record(&mut self, value: &[u8]) -> Vec<u8> {
        let name = text(value);
        if name.len() < value.len() {
            self.oddity = Some("a name in its extended header goes on behind a NUL, and is cut there");
        }
        name.to_vec()
    }

    /// The number of a record. An empty value takes back an earlier record (pax).
    fn checked(&mut self, value: &[u8], number: Option<u64>) -> Option<u64> {
        if number.is_none() && !value.is_empty() {
            self.oddity = Some("a size in its extended header is malformed, and that of its header counts");
        }
        number
    }

    /// Joins the extended fields with those of all members and with the header of the member itself. The
    /// place of its bytes is not known yet, and `stored` is what the header tells.
    pub(crate) fn complete(self, global: &Self, header: Header, kind: Kind) -> Member {
        let own = self.real_path.or(self.path).or(self.long_path);
        let path = replaced(header.path, own, &global.path);
        let target = replaced(header.target, self.target.or(self.long_target), &global.target);
        let kind = match kind {
            // Old formats have no type for directories: a path with a final `/` is one. All of the path
            // counts: its beginning in the header may end with any byte.
            Kind::File if path.ends_with(b"/") => Kind::Directory,
            Kind::File if self.sparse => Kind::Sparse,
            kind => kind,
        };
        let stored = self.size.or(global.size).unwrap_or(header.size);
        let real_size = self.real_size.or(header.real_size).filter(|_| kind == Kind::Sparse);
        Member {
            kind,
            path,
            target,
            offset: 0,
            stored,
            size: real_size.unwrap_or(stored),
            mode: header.mode,
            modified: self.modified.or(global.modified).unwrap_or(header.modified),
            oddity: self.oddity.or(global.oddity).or(header.oddity),
        }
    }
}

/// The field of a header, or what replaces it. An empty value takes back what an earlier one replaced (pax).
fn replaced(field: Vec<u8>, own: Option<Vec<u8>>, global: &Option<Vec<u8>>) -> Vec<u8> {
    own.or_else(|| global.clone()).filter(|value| !value.is_empty()).unwrap_or(field)
}

/// Visits the records of a pax header up to the first malformed one; returns whether there is none. Zeros may
/// follow the last record.
fn records(bytes: &[u8], mut visit: impl FnMut(&[u8], &[u8])) -> bool {
    let mut rest = bytes;
    while let Some((key, value, later)) = split_record(rest) {
        visit(key, value);
        rest = later;
    }
    matches!(rest.first(), None | Some(0))
}

/// Key and value of the first record, and what follows it. A record is its length in decimal, which counts
/// the whole record, a space, `key=value`, and a line feed.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (digits, _) = split_once(bytes, b' ')?;
    // Not even a sign is allowed.
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    let length = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (record, later) = bytes.split_at_checked(length)?;
    let (_, fields) = split_once(record, b' ')?;
    let (key, value) = split_once(fields.strip_suffix(b"\n")?, b'=')?;
    // GNU tar passes over further blanks.
    Some((key.trim_ascii_start(), value, later))
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
        for (bytes, expected, is_sound) in [
            (&b"12 path=abc\n18 linkpath=a=b c\n"[..], &["path:abc", "linkpath:a=b c"][..], true),
            (b"12 path=a\nb\n", &["path:a\nb"], true),
            (b"12 path=abc\n\0\0\0", &["path:abc"], true),
            (b"12 path=abc\n99 size=1\n", &["path:abc"], false),
            (b"12 path=abcd\n", &[], false),
            (b"0 path=abc\n", &[], false),
            (b"3 p\n", &[], false),
            (b"-3 p=1\n", &[], false),
            (b"+12 path=ab\n", &[], false),
            (b"13  path=abc\n", &["path:abc"], true),
            (b"path=abc\n", &[], false),
            (b"7 path\n", &[], false),
            (b"", &[], true),
        ] {
            let mut seen = Vec::new();
            let all = records(bytes, |key, value| {
                seen.push(format!("{}:{}", String::from_utf8_lossy(key), String::from_utf8_lossy(value)));
            });
            assert_eq!((seen.join("|"), all), (expected.join("|"), is_sound), "{}", bytes.escape_ascii());
        }
    }
}
