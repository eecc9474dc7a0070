//! System use entries, and discs with Rock Ridge.

use super::disc::{Disc, ROOT, Record, both32};

pub(crate) const LINK: u32 = 0o120_777;
pub(crate) const FILE: u32 = 0o100_644;
pub(crate) const DIRECTORY: u32 = 0o040_755;

/// An entry of any kind.
pub(crate) fn entry(signature: &[u8; 2], data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len() + 4).unwrap();
    [&signature[..], &[length, 1], data].concat()
}

/// The entry that starts the protocol; `skip` bytes precede the entries of other records.
pub(crate) fn sp(skip: u8) -> Vec<u8> {
    entry(b"SP", &[0xBE, 0xEF, skip])
}

/// The entry that announces Rock Ridge.
pub(crate) fn er() -> Vec<u8> {
    entry(b"ER", b"\x0A\x00\x00\x01RRIP_1991A")
}

pub(crate) fn px(mode: u32) -> Vec<u8> {
    entry(b"PX", &[both32(mode), both32(1), both32(0), both32(0)].concat())
}

/// Part of a name. Flag 1 announces a further part.
pub(crate) fn nm(flags: u8, name: &[u8]) -> Vec<u8> {
    entry(b"NM", &[&[flags], name].concat())
}

/// Part of a link's target, made of components. Flag 1 announces a further part.
pub(crate) fn sl(flags: u8, components: &[(u8, &[u8])]) -> Vec<u8> {
    let mut data = vec![flags];
    for (flags, text) in components {
        data.extend([*flags, u8::try_from(text.len()).unwrap()]);
        data.extend(*text);
    }
    entry(b"SL", &data)
}

pub(crate) fn ce(block: u32, offset: u32, length: u32) -> Vec<u8> {
    entry(b"CE", &[both32(block), both32(offset), both32(length)].concat())
}

pub(crate) fn cl(block: u32) -> Vec<u8> {
    entry(b"CL", &both32(block))
}

pub(crate) fn re() -> Vec<u8> {
    entry(b"RE", &[])
}

pub(crate) fn tf(flags: u8, times: &[u8]) -> Vec<u8> {
    entry(b"TF", &[&[flags], times].concat())
}

/// Compression of a file of `size` bytes: `pz` is zisofs, `PZ` its second version.
pub(crate) fn zf(algorithm: &[u8; 2], header_words: u8, exponent: u8, size: usize) -> Vec<u8> {
    let size = both32(u32::try_from(size).unwrap());
    entry(b"ZF", &[&algorithm[..], &[header_words, exponent], &size].concat())
}

/// A disc with Rock Ridge and these entries in its root directory.
pub(crate) fn rock_disc(records: &[Record]) -> Disc {
    let mut disc = Disc::new();
    disc.file(b"", 30, b"alpha");
    rock_root(&mut disc, records);
    disc
}

/// Writes a root directory that announces Rock Ridge.
pub(crate) fn rock_root(disc: &mut Disc, records: &[Record]) -> u32 {
    let itself = Record::directory(&[0], ROOT).with(&sp(0)).with(&px(DIRECTORY)).with(&er());
    let parent = Record::directory(&[1], ROOT).with(&px(DIRECTORY));
    let write = |disc: &mut Disc, length| {
        let dots = [Record { length, ..itself.clone() }, parent.clone()];
        disc.records(ROOT, &[&dots, records].concat())
    };
    let length = write(disc, 0);
    write(disc, length)
}

/// A file of Rock Ridge with the five bytes that [`rock_disc`] has at block 30.
pub(crate) fn rock_file(name: &[u8]) -> Record {
    Record::file(b"FILE.;1", 30, 5).with(&px(FILE)).with(&nm(0, name))
}

/// A link whose target is one component.
pub(crate) fn rock_link(name: &[u8], target: &[u8]) -> Record {
    let components: Vec<(u8, &[u8])> = target
        .split(|byte| *byte == b'/')
        .enumerate()
        .map(|(at, name)| match name {
            b"" if at == 0 => (8, name),
            b"." => (2, &b""[..]),
            b".." => (4, &b""[..]),
            _ => (0, name),
        })
        .collect();
    Record::file(b"LINK.;1", 0, 0).with(&px(LINK)).with(&nm(0, name)).with(&sl(0, &components))
}

/// A directory of Rock Ridge.
pub(crate) fn rock_directory(name: &[u8], block: u32) -> Record {
    Record::directory(b"DIR", block).with(&px(DIRECTORY)).with(&nm(0, name))
}
