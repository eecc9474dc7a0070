//! The Rock Ridge Interchange Protocol (IEEE P1282): the attributes in the system use areas of a directory
//! record.

use crate::bytes::{byte, little_u32};
use crate::date;
use crate::error::Error;
use crate::limits::Limits;
use crate::rock_ridge::susp::{Continuation, ContinuationReader, SystemUse, SystemUseEntry};
use crate::source::Image;
use crate::zisofs::Compression;

/// Identifiers by which an `ER` entry announces Rock Ridge (IEEE P1282 4.3, and those of older writers).
const EXTENSIONS: [&[u8]; 3] = [b"RRIP_1991A", b"IEEE_P1282", b"IEEE_1282"];
/// The `SP` entry up to its skip length (IEEE P1281 5.3).
const SHARING: &[u8] = b"SP\x07\x01\xBE\xEF";
/// Bytes of CD-ROM XA attributes that may precede the `SP` entry.
const XA: usize = 14;

/// The attributes of one record. Reused from record to record.
#[derive(Default)]
pub(crate) struct Attributes {
    /// The name of the `NM` entries; empty without one.
    pub(crate) name: Vec<u8>,
    /// The target of the `SL` entries.
    pub(crate) link: Option<Vec<u8>>,
    /// File type and permissions of `PX`.
    pub(crate) mode: Option<u32>,
    /// The time of the last change of `TF`.
    pub(crate) modified: Option<i64>,
    /// The block of the directory that was moved away from here (`CL`).
    pub(crate) child: Option<u32>,
    /// Whether this directory was moved here from elsewhere (`RE`).
    pub(crate) relocated: bool,
    /// How the file is compressed (`ZF`, `Z2`).
    pub(crate) compression: Option<Compression>,
    /// The reason why the record cannot be served.
    pub(crate) fault: Option<&'static str>,
    /// An oddity of a record that can be served.
    pub(crate) oddity: Option<&'static str>,
    recognised: bool,
    name_continues: bool,
    link_continues: bool,
    component_continues: bool,
}

impl Attributes {
    /// Searches the system use area of a root directory's entry for itself for Rock Ridge.
    ///
    /// Returns how many bytes precede the entries in the area of every other record; `None` without Rock
    /// Ridge.
    pub(crate) fn probe(
        image: &mut Image<'_>,
        system_use: &[u8],
        block_size: u64,
        limits: &Limits,
    ) -> Result<Option<usize>, Error> {
        let after_xa = system_use.get(XA..).unwrap_or_default();
        let area = if after_xa.starts_with(SHARING) { after_xa } else { system_use };
        let skip = area.strip_prefix(SHARING).and_then(|rest| byte(rest, 0)).unwrap_or(0);
        let mut attributes = Attributes::default();
        attributes.read(image, &mut ContinuationReader::default(), area, block_size, limits)?;
        Ok(attributes.recognised.then_some(usize::from(skip)))
    }

    /// Reads the entries of a record and of its continuation areas.
    pub(crate) fn read(
        &mut self,
        image: &mut Image<'_>,
        continuations: &mut ContinuationReader,
        area: &[u8],
        block_size: u64,
        limits: &Limits,
    ) -> Result<(), Error> {
        self.clear();
        let mut next = self.apply_all(area, block_size, limits);
        let mut left = limits.continuations;
        while let Some(continuation) = next {
            let bytes = match left.checked_sub(1) {
                Some(fewer) => {
                    left = fewer;
                    continuations.read(image, continuation, limits)?
                }
                None => None,
            };
            let Some(bytes) = bytes else {
                self.oddity = Some("a continuation of its attributes cannot be read");
                break;
            };
            next = self.apply_all(bytes, block_size, limits);
        }
        // As in Linux, a part of a name that says that it goes on may be the last.
        if self.link_continues || self.name_continues && self.oddity.is_some() {
            self.fault = Some("its name or link target is incomplete");
        } else if self.name_continues && self.fault.is_none() {
            self.oddity = Some("its name should go on");
        }
        Ok(())
    }

    fn clear(&mut self) {
        let mut name = std::mem::take(&mut self.name);
        name.clear();
        *self = Attributes { name, ..Attributes::default() };
    }

    /// Applies the entries of one area. Returns where the next area lies.
    fn apply_all(&mut self, area: &[u8], block_size: u64, limits: &Limits) -> Option<Continuation> {
        let mut continuation = None;
        let mut entries = SystemUse::new(area);
        for entry in entries.by_ref() {
            if entry.signature == *b"CE" {
                continuation = Continuation::parse(entry.data, block_size);
            } else if self.apply(entry, limits).is_none() {
                self.oddity = Some("an attribute is shorter than its fields");
            }
        }
        if entries.damaged {
            self.oddity = Some("its attributes are cut off");
        }
        continuation
    }

    /// Applies one entry; `None` if it is too short.
    fn apply(
        &mut self,
        SystemUseEntry { signature, data }: SystemUseEntry<'_>,
        limits: &Limits,
    ) -> Option<()> {
        match &signature {
            b"ER" => self.recognised |= is_rock_ridge(data)?,
            b"RR" => self.recognised = true,
            b"PX" => {
                self.recognised = true;
                self.mode = Some(little_u32(data, 0)?);
            }
            b"NM" => self.add_name(byte(data, 0)?, data.get(1..)?, limits),
            b"SL" => self.add_link(byte(data, 0)?, data.get(1..)?, limits)?,
            b"TF" => self.modified = modification(byte(data, 0)?, data.get(1..)?).or(self.modified),
            b"CL" => self.child = Some(little_u32(data, 0)?),
            b"RE" => self.relocated = true,
            b"ZF" | b"Z2" => self.compression = Some(Compression::parse(data)?),
            // Parents of moved directories (PL), devices (PN), sparse files (SF), Amiga (AL) and the like.
            _ => {}
        }
        Some(())
    }

    /// `NM` (IEEE P1282 4.1.4): part of the name, or a flag for the directory itself or its parent.
    fn add_name(&mut self, flags: u8, part: &[u8], limits: &Limits) {
        const CONTINUES: u8 = 1;
        const CURRENT: u8 = 2;
        const PARENT: u8 = 4;
        if flags & (CURRENT | PARENT) != 0 {
            return;
        }
        self.name_continues = flags & CONTINUES != 0;
        if self.name.len().saturating_add(part.len()) > limits.stored_name_bytes {
            self.fault = Some("its name is too long");
        } else {
            self.name.extend_from_slice(part);
        }
    }

    /// `SL` (IEEE P1282 4.1.3): components of the target, each with its own flags and length.
    fn add_link(&mut self, flags: u8, mut components: &[u8], limits: &Limits) -> Option<()> {
        const CONTINUES: u8 = 1;
        self.link_continues = flags & CONTINUES != 0;
        let mut link = self.link.take().unwrap_or_default();
        while let Some((&[flags, length], rest)) = components.split_first_chunk() {
            let (text, rest) = rest.split_at_checked(usize::from(length))?;
            components = rest;
            self.add_component(&mut link, flags, text);
            if link.len() > limits.link_bytes {
                self.fault = Some("its link target is too long");
                link.clear();
            }
        }
        self.link = Some(link);
        Some(())
    }

    fn add_component(&mut self, link: &mut Vec<u8>, flags: u8, text: &[u8]) {
        const CONTINUES: u8 = 1;
        const CURRENT: u8 = 2;
        const PARENT: u8 = 4;
        const ROOT: u8 = 8;
        if !self.component_continues && !link.is_empty() && !link.ends_with(b"/") {
            link.push(b'/');
        }
        self.component_continues = flags & CONTINUES != 0;
        match flags & !CONTINUES {
            0 => link.extend_from_slice(text),
            CURRENT => link.push(b'.'),
            PARENT => link.extend_from_slice(b".."),
            ROOT => {
                link.clear();
                link.push(b'/');
            }
            // Among others, the root of the volume and the name of the host, which have no meaning in a tree.
            _ => self.fault = Some("its link target is of an unknown kind"),
        }
    }
}

/// Whether an `ER` entry (IEEE P1281 5.5) is that of Rock Ridge.
fn is_rock_ridge(data: &[u8]) -> Option<bool> {
    let identifier = data.get(4..)?.get(..usize::from(byte(data, 0)?))?;
    Some(EXTENSIONS.contains(&identifier))
}

/// The modification time of a `TF` entry (IEEE P1282 4.1.6). It holds the times whose flags are set:
/// creation first, modification second.
fn modification(flags: u8, times: &[u8]) -> Option<i64> {
    const CREATION: u8 = 1;
    const MODIFICATION: u8 = 2;
    const LONG_FORM: u8 = 0x80;
    if flags & MODIFICATION == 0 {
        return None;
    }
    let is_second = flags & CREATION != 0;
    if flags & LONG_FORM != 0 {
        date::long(times.get(if is_second { 17 } else { 0 }..)?)
    } else {
        date::short(times.get(if is_second { 7 } else { 0 }..)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attributes in one area without continuations.
    fn read(area: &[u8]) -> Attributes {
        let bytes: &[u8] = &[];
        let mut image = Image::new(&bytes, u64::MAX).unwrap();
        let mut attributes = Attributes::default();
        attributes
            .read(&mut image, &mut ContinuationReader::default(), area, 2048, &Limits::default())
            .unwrap();
        attributes
    }

    #[test]
    fn links_are_put_together_from_components() {
        let cases: [(&[u8], Option<&str>); 10] = [
            (b"SL\x0A\x01\0\0\x03usr", Some("usr")),
            (b"SL\x0C\x01\0\x08\0\0\x03usr", Some("/usr")),
            (b"SL\x07\x01\0\x08\0", Some("/")),
            (b"SL\x0B\x01\0\x04\0\x04\0\x02\0", Some("../../.")),
            (b"SL\x0B\x01\0\x01\x01a\0\x01b", Some("ab")),
            (b"SL\x08\x01\x01\x01\x01aSL\x08\x01\0\0\x01b", Some("ab")),
            (b"SL\x08\x01\x01\0\x01aSL\x08\x01\0\0\x01b", Some("a/b")),
            (b"SL\x0A\x01\0\0\x01a\x08\0", Some("/")),
            (b"SL\x05\x01\0", Some("")),
            (b"RE\x04\x01", None),
        ];
        for (area, expected) in cases {
            let attributes = read(area);
            assert_eq!(attributes.link.as_deref(), expected.map(str::as_bytes), "{}", area.escape_ascii());
            assert_eq!((attributes.fault, attributes.oddity), (None, None), "{}", area.escape_ascii());
        }
    }

    #[test]
    fn nothing_is_left_from_the_record_before() {
        let bytes: &[u8] = &[];
        let mut image = Image::new(&bytes, u64::MAX).unwrap();
        let mut attributes = read(b"NM\x06\x01\x01aSL\x08\x01\x01\x01\x01aRE\x04\x01CL\x05\x01x");
        assert!(attributes.relocated && attributes.fault.is_some() && attributes.oddity.is_some());
        attributes
            .read(&mut image, &mut ContinuationReader::default(), b"NM\x06\x01\0b", 2048, &Limits::default())
            .unwrap();
        assert_eq!((attributes.name.as_slice(), attributes.link.as_deref()), (&b"b"[..], None));
        assert!(!attributes.relocated && attributes.fault.is_none() && attributes.oddity.is_none());
    }
}
