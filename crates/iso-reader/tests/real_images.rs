//! Images from Debian packages, compared with the files that xorriso unpacks.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::fs::File;
use std::path::Path;

use iso_reader::{Matching, Options, Tree, TreeKind};
use support::compare::{Attributes, assert_same};
use support::tools::{Workshop, extract};

#[test]
fn images_of_debian_packages() {
    let workshop = Workshop::new("real");
    for (at, (package, path, file)) in [
        ("grub-rescue-pc", "/usr/lib/grub-rescue/grub-rescue-cdrom.iso", "boot/grub/grub.cfg"),
        ("memtest86+", "/usr/lib/memtest86+/memtest86+x64.iso", "EFI/BOOT/bootx64.efi"),
        ("memtest86+", "/usr/lib/memtest86+/memtest86+ia32.iso", "EFI/BOOT/bootia32.efi"),
        ("ipxe", "/usr/lib/ipxe/ipxe.iso", "ipxe.krn"),
    ]
    .iter()
    .enumerate()
    {
        let image =
            File::open(path).unwrap_or_else(|error| panic!("{path}: {error}: install the package {package}"));
        let tree = Tree::open(&image, &Options::default()).unwrap();
        assert_eq!(tree.volume().kind(), TreeKind::RockRidge, "{path}");
        assert!(tree.warnings().is_empty(), "{path}: {:?}", tree.warnings());
        assert!(tree.resolve_path(file, Matching::Exact).is_ok(), "{path}");
        assert!(tree.volume().boot_catalog().is_some(), "{path}");
        let unpacked = workshop.path(at.to_string());
        extract(Path::new(path), &[], &unpacked);
        assert_same(&tree, &image, &unpacked, Attributes::Posix, &[]);
    }
}
