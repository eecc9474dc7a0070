//! Any bytes as a squashfs. Opening it, walking it, resolving paths and reading files must end soon, without
//! a panic, and a layout must be consistent.

#![no_main]

use std::collections::HashSet;
use std::panic;
use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use squashfs_reader::{Error, Image, InodeRef, Kind, Layout, Listing, Location, ReadAt, Reader};

/// Entries that are visited; more would tell nothing new.
const ENTRIES: usize = 256;
/// Parts read at each position of a file.
const PARTS: usize = 2;
/// The largest block of the format.
const BLOCK: u64 = 1 << 20;

static HOOK: Once = Once::new();

/// An image that panics when a read goes beyond its end.
struct Bytes<'a>(&'a [u8]);

impl ReadAt for Bytes<'_> {
    fn size(&self) -> std::io::Result<u64> {
        self.0.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.0.read_exact_at(buffer, offset).expect("reads stay inside the image");
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    // The crate catches panics of the decoders. libFuzzer's hook would end the run before.
    HOOK.call_once(|| {
        let end = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_ours = |file: &str| file.contains("squashfs-reader") || file.contains("targets");
            if info.location().is_none_or(|place| is_ours(place.file())) {
                end(info);
            }
        }));
    });
    let source = &Bytes(bytes);
    let Ok(image) = Image::open(source) else { return };
    let mut reader = image.reader(source);
    let mut entered = HashSet::new();
    let mut waiting = vec![(Vec::new(), image.root())];
    let mut seen = 0;
    while let Some((path, at)) = waiting.pop() {
        seen += 1;
        assert_eq!(InodeRef::from_number(at.number()), at);
        let Ok(inode) = reader.inode(at) else { continue };
        match inode.kind {
            Kind::Directory(listing) if entered.insert(at) => {
                let Ok(children) = list(&mut reader, &listing) else { continue };
                let room = ENTRIES.saturating_sub(waiting.len() + seen);
                waiting.extend(children.into_iter().take(room).map(|(name, at)| {
                    let names: Vec<Vec<u8>> = path.iter().cloned().chain([name]).collect();
                    (names, at)
                }));
            }
            Kind::File(file) => {
                if let Ok(layout) = reader.layout(&file) {
                    assert_eq!(layout.size(), file.size());
                    read(&image, source, &layout);
                }
            }
            Kind::Directory(_) | Kind::Link(_) | Kind::Special => {}
        }
        // Another reader finds the same entry, on the way from the root.
        if seen % 16 == 1 {
            assert_eq!(resolve(&mut image.reader(source), image.root(), &path, at), Some(()));
        }
    }
});

fn list(reader: &mut Reader<'_>, listing: &Listing) -> Result<Vec<(Vec<u8>, InodeRef)>, Error> {
    let mut found = Vec::new();
    reader.entries(listing, |name, at| {
        assert!((1..=256).contains(&name.len()));
        if found.len() < ENTRIES {
            found.push((name.to_vec(), at));
        }
    })?;
    Ok(found)
}

/// Follows the names of a path. A hostile directory may hold the same name several times.
fn resolve(reader: &mut Reader<'_>, root: InodeRef, path: &[Vec<u8>], wanted: InodeRef) -> Option<()> {
    let mut here = HashSet::from([root]);
    for name in path {
        let mut next = HashSet::new();
        for at in here {
            let Kind::Directory(listing) = reader.inode(at).ok()?.kind else { continue };
            let Ok(children) = list(reader, &listing) else { continue };
            next.extend(children.into_iter().filter(|(found, _)| found == name).map(|(_, at)| at));
        }
        here = next;
    }
    here.contains(&wanted).then_some(())
}

/// Reads the beginning of a file, its middle and its end.
fn read(image: &Image, source: &Bytes<'_>, layout: &Layout) {
    let size = layout.size();
    assert!(layout.part(size).is_none() && layout.part(u64::MAX).is_none());
    for start in [0, size / 2, size.saturating_sub(9)] {
        let mut at = start;
        for _ in 0..PARTS {
            let Some(part) = layout.part(at) else {
                assert!(at >= size, "a layout has all bytes");
                break;
            };
            assert!((1..=BLOCK.min(size - at)).contains(&part.length));
            at += part.length;
            if let Location::Block { block, skip } = part.location {
                assert!(u64::from(skip) + part.length <= BLOCK);
                match image.decode(source, &block) {
                    Ok(bytes) => assert!(bytes.len() as u64 <= BLOCK),
                    Err(error) => assert!(matches!(error, Error::Corrupt(_)), "{error}"),
                }
            }
        }
    }
}
