//! The tree inside an uncompressed tar: an index of where the files lie, as in an ISO. It equals the unpacked
//! tar: of entries with one name the last counts, and no name leads outside.

use file_transport::OpenFile;
use iso_reader::limits::{DEPTH, NAME_BYTES};
use tar_reader::{End, Error, Kind, Member, Members};

use crate::trees::builder::{Builder, Item, TooLarge, Warnings};
use crate::trees::error::TreeError;
use crate::trees::index::{EntryKind, Index, ROOT, Stored};

/// Reads the headers of a tar of `size` bytes. Returns its index, the warnings, and its label.
pub(super) fn open(file: &OpenFile, size: u64) -> Result<(Index, Warnings, String), TreeError> {
    let mut tree = Unpacked { builder: Builder::new(), label: String::new(), last: None };
    let mut members = Members::new(&**file, size);
    for member in members.by_ref() {
        tree.add(&member.map_err(refuse)?)?;
    }
    if let Some(text) = members.end().and_then(odd_end) {
        tree.builder.warnings.note(text);
    }
    let (index, warnings) = tree.builder.finish();
    Ok((index, warnings, tree.label))
}

fn refuse(error: Error) -> TreeError {
    match error {
        Error::Io(error) => TreeError::Io(error),
        other => TreeError::NotAnImage(other.to_string()),
    }
}

/// What is odd about how a tar ends. Entries may be missing in silence otherwise: a tar that was cut between
/// two of them looks like one without an end mark, and a hole of zeros like an end mark.
fn odd_end(end: End) -> Option<String> {
    match end {
        End::Mark => None,
        End::Promise { at } => {
            Some(format!("the entry that should follow its extended header at byte {at} is missing"))
        }
        End::Early { at } => {
            Some(format!("the tar ends at byte {at}, but its file goes on: what follows is left out"))
        }
        _ => Some("the tar has no end mark: it may have been cut between two entries".to_owned()),
    }
}

/// Names in the targets of links that the path of one entry leads through.
const LINKED_NAMES: usize = 64;

/// The tree that unpacking leaves.
struct Unpacked {
    builder: Builder,
    label: String,
    /// The file that the last member is.
    last: Option<u32>,
}

impl Unpacked {
    /// Adds an entry, and warns of what is odd about it or why it is left out.
    fn add(&mut self, member: &Member) -> Result<(), TreeError> {
        if let Some(oddity) = member.oddity {
            self.builder.warnings.add(&member.path, oddity);
        }
        if member.kind == Kind::Label {
            let label = member.path.get(..NAME_BYTES).unwrap_or(&member.path);
            self.label = String::from_utf8_lossy(label).into_owned();
        }
        let before = self.last.take();
        let (at, count) = (member.offset, member.stored);
        match member.kind {
            Kind::Label => {}
            Kind::Lost => self.builder.warnings.note(format!(
                "the header at byte {at} is damaged: its entry is lost, and {count} bytes are skipped"
            )),
            Kind::Stray => {
                self.builder.warnings.note(format!(
                    "there is no header at byte {at}: {count} bytes are skipped, and the entry before them \
                     may have another size"
                ));
                if let Some(file) = before {
                    self.builder.mark_damaged(file);
                }
            }
            _ => {
                if let Some(reason) = self.place(member)? {
                    self.builder.warnings.add(&member.path, reason);
                }
            }
        }
        Ok(())
    }

    /// Puts an entry into its directory; returns the reason if that is not possible.
    fn place(&mut self, member: &Member) -> Result<Option<&'static str>, TreeError> {
        let Some(path) = clean(&member.path) else { return Ok(Some("it climbs out of the tree")) };
        if path.len() > DEPTH {
            return Ok(Some("it is too deep in the tree"));
        }
        // A time as far as an index holds it.
        let modified = u32::try_from(member.modified).unwrap_or(u32::MAX);
        let Some((name, parents)) = path.split_last() else {
            if member.kind != Kind::Directory {
                return Ok(Some("it has no name"));
            }
            self.builder.set_modified(ROOT, modified);
            return Ok(None);
        };
        let Some(parent) = self.parent(parents, &member.path)? else {
            return Ok(Some("something else is where its directory should be"));
        };
        let target;
        let item = match member.kind {
            // Devices and pipes are left out as in any other image, and so is what one replaces.
            Kind::Special if self.builder.child(parent, name).is_none() => return Ok(None),
            Kind::Special => Item::Link(b""),
            Kind::Directory => Item::Directory,
            Kind::File => Item::File(Stored { place: member.offset, size: member.size, damaged: false }),
            // Not all of its bytes are there, or not side by side.
            Kind::Sparse | Kind::Continued => {
                Item::File(Stored { place: member.offset, size: member.size, damaged: true })
            }
            Kind::Link => Item::Link(&member.target),
            Kind::HardLink => match self.linked(&member.target) {
                Some(EntryKind::File(stored)) => Item::File(stored),
                Some(EntryKind::Link(text)) => {
                    target = self.builder.text(text).to_vec();
                    Item::Link(&target)
                }
                _ => return Ok(Some("the file that it links to is not there")),
            },
            _ => return Ok(Some("it is of no known type")),
        };
        let has_other_bytes = member.kind == Kind::File
            && matches!(self.linked(&member.target), Some(EntryKind::File(file)) if file.size != member.size);
        if has_other_bytes {
            let reason = "it is a hard link, and has other bytes than what it links to";
            self.builder.warnings.add(&member.path, reason);
        }
        let added = self.builder.add(parent, name, modified, item).map_err(too_large)?;
        self.last = added.filter(|_| member.kind == Kind::File);
        Ok(None)
    }

    /// The directory of an entry, made if it is missing. `None` where something else has its name.
    fn parent(&mut self, path: &[&[u8]], member: &[u8]) -> Result<Option<u32>, TreeError> {
        let (mut here, mut left) = (ROOT, LINKED_NAMES);
        for name in path {
            let there = self.builder.child(here, name);
            here = match there {
                Some(id) => match self.directory(id, &mut left) {
                    Some(directory) => directory,
                    None => return Ok(None),
                },
                None => match self.builder.add(here, name, 0, Item::Directory).map_err(too_large)? {
                    Some(id) => id,
                    None => return Ok(None),
                },
            };
        }
        if left < LINKED_NAMES {
            let reason = "its directory is a link, and it is shown where that leads";
            self.builder.warnings.add(member, reason);
        }
        Ok(Some(here))
    }

    /// The directory that an entry is or, as a link, leads to. GNU tar unpacks through links, but not through
    /// absolute ones and those that climb.
    fn directory(&self, id: u32, left: &mut usize) -> Option<u32> {
        let node = self.builder.node(id);
        let text = match node.kind {
            EntryKind::Directory { .. } => return Some(id),
            EntryKind::File(_) => return None,
            EntryKind::Link(text) => text,
        };
        let target = self.builder.text(text);
        if target.is_empty() || target.starts_with(b"/") {
            return None;
        }
        *left = left.checked_sub(1)?;
        let mut here = node.parent;
        for name in clean(target)? {
            *left = left.checked_sub(1)?;
            here = self.directory(self.builder.child(here, name)?, left)?;
        }
        Some(here)
    }

    /// The entry that a hard link names, as it is now.
    fn linked(&self, target: &[u8]) -> Option<EntryKind> {
        let (mut here, mut left) = (ROOT, LINKED_NAMES);
        let path = clean(target)?;
        let (name, parents) = path.split_last()?;
        for name in parents {
            here = self.directory(self.builder.child(here, name)?, &mut left)?;
        }
        Some(self.builder.node(self.builder.child(here, name)?).kind)
    }
}

/// The names of a path as `tar` unpacks it: relative, even if it begins with `/`. `None` if it climbs.
fn clean(path: &[u8]) -> Option<Vec<&[u8]>> {
    let names = path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names.map(|name| (name != b"..").then_some(name)).collect()
}

fn too_large(TooLarge(what): TooLarge) -> TreeError {
    TreeError::NotAnImage(format!("the tar is too large to index: {what}"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tar_reader::BLOCK_BYTES as BLOCK;

    use super::*;

    const KINDS: &[u8] = b"01257DSVxgLKMA0000";

    /// Numbers that are the same in each run (xorshift).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % limit as u64).expect("fits")
        }
    }

    fn header(name: &[u8], kind: u8, target: &[u8], size: usize) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let size = format!("{size:011o}\0");
        for (at, bytes) in
            [(0, name), (124, size.as_bytes()), (136, b"00000000005\0"), (157, target), (257, b"ustar\x0000")]
        {
            block[at..at + bytes.len()].copy_from_slice(bytes);
        }
        block[156] = kind;
        seal(&mut block);
        block
    }

    fn seal(block: &mut [u8; BLOCK]) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    fn push(tar: &mut Vec<u8>, header: &[u8; BLOCK], bytes: &[u8]) {
        tar.extend(header);
        tar.extend(bytes);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }

    fn entry(tar: &mut Vec<u8>, name: &[u8], kind: u8, bytes: &[u8]) {
        push(tar, &header(name, kind, b"", bytes.len()), bytes);
    }

    fn opened(bytes: &[u8]) -> Result<(Index, Warnings, String), TreeError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        let file = File::open(file.path()).expect("opened");
        open(&file.into(), bytes.len() as u64)
    }

    /// Asserts what must hold for a tree out of any bytes.
    fn check(index: &Index, bytes: &[u8]) {
        let longest = bytes.len() as u64;
        // An entry may bring as many directories as its path has names.
        assert!(index.memory() <= 4096 + longest * 64, "{} bytes for {longest}", index.memory());
        for (id, node) in (0_u32..).zip(&index.nodes) {
            match node.kind {
                EntryKind::File(Stored { place, size, damaged: false }) => {
                    assert!(place.checked_add(size).is_some_and(|end| end <= longest), "{place} + {size}");
                }
                EntryKind::Directory { .. } => {
                    for entry in index.entries(id) {
                        assert!(!matches!(&entry.name[..], b"" | b"." | b".."));
                        assert!(!entry.name.iter().any(|byte| matches!(byte, b'/' | 0)));
                    }
                }
                _ => {}
            }
            assert!(id == ROOT || node.parent < id, "parents come first");
        }
    }

    #[test]
    fn any_bytes_behind_sound_headers_end_in_order() {
        let mut whole = Vec::new();
        entry(&mut whole, b"label", b'V', b"");
        entry(&mut whole, b"comment", b'g', b"10 a=bcde\n");
        entry(&mut whole, b"directory/", b'5', b"");
        entry(&mut whole, b"directory/file", b'0', &[7; 700]);
        entry(&mut whole, b"x", b'x', b"18 path=pax/named\n13 size=1000\n");
        entry(&mut whole, b"short", b'0', &[8; 1000]);
        entry(&mut whole, b"././@LongLink", b'L', b"long/name\0");
        push(&mut whole, &header(b"link", b'2', b"../file", 0), b"");
        push(&mut whole, &header(b"hard", b'1', b"directory/file", 0), b"");
        entry(&mut whole, b"sparse", b'S', &[9; 512]);
        whole.extend([0; 2 * BLOCK]);
        let (index, warnings, _) = opened(&whole).expect("a sound tar");
        assert_eq!((index.nodes.len(), warnings.count, index.damaged().count()), (9, 0, 1));
        check(&index, &whole);
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let (mut refused, mut read) = (0, 0);
        for _ in 0..4000 {
            let mut bytes = whole.clone();
            for _ in 0..=numbers.below(4) {
                // Numbers, kinds and records matter more than the rest of a header.
                let block = numbers.below(bytes.len() / BLOCK) * BLOCK;
                let (begin, length) = [(0, BLOCK), (124, 24), (156, 1), (0, 32)][numbers.below(4)];
                let at = block + begin + numbers.below(length);
                bytes[at] = match numbers.below(5) {
                    0 => 0xff,
                    1 => KINDS[numbers.below(KINDS.len())],
                    2 => b"/.01789 \n="[numbers.below(10)],
                    3 => bytes[at] ^ (1 << numbers.below(8)),
                    _ => u8::try_from(numbers.below(256)).expect("fits"),
                };
            }
            for block in bytes.as_chunks_mut::<BLOCK>().0 {
                if block[257..262] == *b"ustar" {
                    seal(block);
                }
            }
            if numbers.below(8) == 0 {
                bytes.truncate(numbers.below(whole.len()));
            }
            match opened(&bytes) {
                Ok((index, ..)) => {
                    check(&index, &bytes);
                    read += 1;
                }
                Err(TreeError::NotAnImage(_)) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(refused > 500 && read > 500, "{refused} refused, {read} read");
    }

    /// The record of the image holds it.
    #[test]
    fn a_label_is_no_longer_than_a_name() {
        let mut tar = Vec::new();
        entry(&mut tar, b"././@LongLink", b'L', &[b'l'; 100_000]);
        entry(&mut tar, b"label", b'V', b"");
        tar.extend([0; 2 * BLOCK]);
        let (_, _, label) = opened(&tar).expect("a sound tar");
        assert_eq!((label.len(), label.trim_matches('l')), (NAME_BYTES, ""));
    }
}
