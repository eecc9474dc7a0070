//! Boot catalogs: those of real images against the reports of xorriso, and broken ones.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::fs::{self, File};
use std::path::Path;

use iso_reader::{BootEmulation, BootEntry, BootPlatform, Limits, Matching, Options, Tree};
use support::disc::{Disc, ROOT, SECTOR};
use support::tools::{Workshop, assert_success, run, tool};

fn open(image: &Path) -> Tree {
    let file = File::open(image).unwrap_or_else(|error| panic!("{}: {error}", image.display()));
    let tree = Tree::open(&file, &Options::default()).unwrap();
    assert!(tree.warnings().is_empty(), "{:?}", tree.warnings());
    tree
}

/// The report of xorriso on the catalog of an image.
fn report(image: &Path) -> String {
    let mut command = tool("xorriso");
    command.arg("-indev").arg(image).args(["-report_el_torito", "plain"]);
    let output = command.output().unwrap();
    assert_success(&command, output.status, &String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An entry in the words of xorriso.
fn describe(number: usize, entry: &BootEntry) -> String {
    let platform = match entry.platform {
        BootPlatform::X86 => "BIOS",
        BootPlatform::PowerPc => "PPC",
        BootPlatform::Mac => "Mac",
        BootPlatform::Efi => "UEFI",
        other => panic!("{other:?}"),
    };
    let emulation = match entry.emulation {
        BootEmulation::None => "none",
        BootEmulation::Floppy1200 => "fd1.2",
        BootEmulation::Floppy1440 => "fd1.4",
        BootEmulation::Floppy2880 => "fd2.8",
        BootEmulation::HardDisk => "hd",
        other => panic!("{other:?}"),
    };
    format!(
        "{number} {platform} {} {emulation} 0x{:04x} {} {}",
        if entry.bootable { "y" } else { "n" },
        entry.load_segment,
        entry.load_sectors,
        entry.offset / 2048
    )
}

/// Asserts that a tree has the entries that xorriso reports, and returns their number.
fn assert_as_reported(image: &Path) -> usize {
    let tree = open(image);
    let entries = tree.volume().boot_entries();
    let mut reported = Vec::new();
    for line in report(image).lines() {
        let (key, rest) = line.split_once(" : ").unwrap_or_default();
        let words: Vec<&str> = rest.split_whitespace().collect();
        match key.trim_end() {
            "El Torito catalog" => {
                assert_eq!(
                    tree.volume().boot_catalog().map(|sector| sector.to_string()).as_deref(),
                    Some(words[0])
                );
            }
            // Fields: number, platform, bootable, emulation, load segment, partition type, load size, sector.
            "El Torito boot img" => reported.push([&words[..5], &words[6..]].concat().join(" ")),
            "El Torito img path" => {
                let file = tree.resolve_path(words[1].as_bytes(), Matching::Lenient).unwrap();
                let entry = &entries[words[0].parse::<usize>().unwrap() - 1];
                assert_eq!(entry.length, Some(tree.node(file).size()), "{line}");
            }
            "El Torito img blks" => {
                let entry = &entries[words[0].parse::<usize>().unwrap() - 1];
                assert_eq!(entry.length.unwrap().div_ceil(2048).to_string(), words[1], "{line}");
            }
            _ => {}
        }
    }
    let described: Vec<String> = (1..).zip(entries).map(|(number, entry)| describe(number, entry)).collect();
    assert_eq!(described, reported, "{}", image.display());
    entries.len()
}

#[test]
fn entries_are_those_that_xorriso_reports() {
    for (path, count) in [
        ("/usr/lib/grub-rescue/grub-rescue-cdrom.iso", 1),
        ("/usr/lib/memtest86+/memtest86+x64.iso", 2),
        ("/usr/lib/memtest86+/memtest86+ia32.iso", 2),
        ("/usr/lib/ipxe/ipxe.iso", 2),
    ] {
        assert_eq!(assert_as_reported(Path::new(path)), count, "{path}");
    }
    let workshop = Workshop::new("boot");
    let source = workshop.folder("source");
    for (name, size) in [("bios.img", 2048), ("efi.img", 100_000), ("floppy.img", 1_474_560), ("other", 5000)]
    {
        fs::write(source.join(name), vec![0x5A; size]).unwrap();
    }
    let bios = ["-b", "bios.img", "-no-emul-boot", "-boot-load-size", "4"];
    let efi = ["-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot"];
    let more = ["-eltorito-alt-boot", "-b", "floppy.img", "-eltorito-alt-boot", "-eltorito-platform", "PPC"];
    let power_pc = ["-b", "other", "-no-emul-boot"];
    let makers: [(&str, &[&[&str]], usize); 6] = [
        ("xorriso", &[&["-as", "mkisofs", "-R"], &bios, &efi], 2),
        ("xorriso", &[&["-as", "mkisofs", "-R"], &bios, &efi, &more, &power_pc], 4),
        ("xorriso", &[&["-as", "mkisofs", "-J"], &["-b", "floppy.img"]], 1),
        ("genisoimage", &[&["-quiet", "-R"], &bios, &efi], 2),
        ("genisoimage", &[&["-quiet", "-R"], &bios, &["-boot-load-seg", "1984"]], 1),
        ("genisoimage", &[&["-quiet"], &["-b", "floppy.img"]], 1),
    ];
    for (at, (program, options, count)) in makers.iter().enumerate() {
        let image = workshop.path(format!("{at}.iso"));
        run(tool(program).args(options.concat()).arg("-o").arg(&image).arg(&source));
        assert_eq!(assert_as_reported(&image), *count, "{at}: {program}");
    }
}

/// One record of a catalog.
fn record(start: &[u8]) -> Vec<u8> {
    let mut record = start.to_vec();
    record.resize(32, 0);
    record
}

fn validation(platform: u8) -> Vec<u8> {
    let mut record = record(&[1, platform]);
    record[4..9].copy_from_slice(b"MAKER");
    record[30..].copy_from_slice(&[0x55, 0xAA]);
    let sum =
        record.as_chunks().0.iter().fold(0_u16, |sum, word| sum.wrapping_add(u16::from_le_bytes(*word)));
    record[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    record
}

fn entry(indicator: u8, media_type: u8, sectors: u16, block: u8) -> Vec<u8> {
    let [low, high] = sectors.to_le_bytes();
    record(&[indicator, media_type, 0, 0, 0, 0, low, high, block])
}

fn section(kind: u8, platform: u8, count: u16) -> Vec<u8> {
    let [low, high] = count.to_le_bytes();
    record(&[kind, platform, low, high])
}

/// A disc whose boot catalog is at sector 25.
fn boot_disc(records: &[Vec<u8>]) -> Disc {
    let mut disc = Disc::new();
    disc.put(18 * SECTOR, &[0; SECTOR]);
    disc.put(17 * SECTOR, b"\0CD001\x01EL TORITO SPECIFICATION");
    disc.put(17 * SECTOR + 71, &[25, 0, 0, 0]);
    disc.put(18 * SECTOR, b"\xFFCD001\x01");
    disc.put(25 * SECTOR, &records.concat());
    let file = disc.file(b"BOOT.IMG;1", 30, &[7; 3000]);
    disc.directory(ROOT, &[file]);
    disc
}

/// All entries as one line: platform, indicator, block, length.
fn entries(tree: &Tree) -> String {
    let entries = tree.volume().boot_entries().iter().map(|entry| {
        let bootable = if entry.bootable { "" } else { "-" };
        let length = entry.length.map_or("?".to_owned(), |length| length.to_string());
        format!("{:?}{bootable}@{}={length}", entry.platform, entry.offset / 2048)
    });
    entries.collect::<Vec<_>>().join(" ")
}

#[test]
fn hand_made_catalogs() {
    let default = || entry(0x88, 0, 4, 30);
    let extension = |goes_on| record(&[0x44, goes_on]);
    let broken = |at: usize| {
        let mut record = validation(0);
        record[at] ^= 1;
        record
    };
    let many: Vec<Vec<u8>> = (0..100).map(|_| entry(0x88, 0, 4, 30)).collect();
    let cases: Vec<(&str, Vec<Vec<u8>>, String, usize)> = vec![
        ("one entry", vec![validation(0), default()], "X86@30=3000".into(), 0),
        ("no file there", vec![validation(0), entry(0x88, 0, 4, 28)], "X86@28=2048".into(), 0),
        ("not bootable", vec![validation(2), entry(0, 0, 4, 28)], "Mac-@28=2048".into(), 0),
        ("EFI up to the end", vec![validation(0xEF), entry(0x88, 0, 0, 28)], "Efi@28=?".into(), 0),
        ("EFI up to the end, too", vec![validation(0xEF), entry(0x88, 0, 1, 28)], "Efi@28=?".into(), 0),
        ("a hard disk", vec![validation(0), entry(0x88, 4, 1, 28)], "X86@28=?".into(), 0),
        ("a floppy that leaves the image", vec![validation(0), entry(0x88, 2, 1, 28)], "X86@28=?".into(), 0),
        ("more than there is", vec![validation(0), entry(0x88, 0, 999, 28)], "X86@28=?".into(), 0),
        ("another platform", vec![validation(9), default()], "Other(9)@30=3000".into(), 0),
        ("an empty default entry", vec![validation(0), record(&[])], String::new(), 0),
        (
            "sections and extensions",
            vec![
                validation(0),
                default(),
                section(0x90, 1, 2),
                entry(0x88, 0x20, 4, 28),
                extension(0x20),
                extension(0),
                entry(0, 0, 1, 29),
                section(0x91, 0xEF, 1),
                entry(0x88, 0, 2, 28),
                section(0x91, 0xEF, 1),
                entry(0x88, 0, 2, 29),
            ],
            "X86@30=3000 PowerPc@28=2048 PowerPc-@29=512 Efi@28=1024".into(),
            0,
        ),
        ("outside", vec![validation(0), entry(0x88, 0, 4, 32)], String::new(), 1),
        ("neither bootable nor not", vec![validation(0), entry(0x77, 0, 4, 30)], String::new(), 1),
        ("a wrong checksum", vec![broken(9), default()], String::new(), 1),
        ("a wrong key", vec![broken(31), default()], String::new(), 1),
        ("a wrong kind", vec![broken(0), default()], String::new(), 1),
        ("zeros", vec![record(&[])], String::new(), 1),
        (
            "an entry that is none",
            vec![validation(0), default(), section(0x91, 0, 2), entry(0x88, 0, 4, 28), record(b"text")],
            "X86@30=3000 X86@28=2048".into(),
            1,
        ),
        (
            "too many",
            [vec![validation(0), default(), section(0x91, 0, 100)], many].concat(),
            vec!["X86@30=3000"; 64].join(" "),
            1,
        ),
    ];
    for (case, records, expected, warnings) in cases {
        let disc = boot_disc(&records);
        let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
        assert_eq!(entries(&tree), expected, "{case}: {:?}", tree.warnings());
        assert_eq!(tree.warnings().count(), warnings, "{case}: {:?}", tree.warnings());
        assert_eq!(tree.volume().boot_catalog(), Some(25));
    }
}

#[test]
fn catalogs_that_leave_the_image_or_never_end() {
    let mut outside = boot_disc(&[]);
    outside.put(17 * SECTOR + 71, &[0xFF; 4]);
    let mut cut = boot_disc(&[]);
    cut.put(17 * SECTOR + 71, &[40, 0, 0, 0]);
    cut.put(40 * SECTOR, &validation(0));
    let mut endless = boot_disc(&[validation(0), entry(0x88, 0, 4, 30)]);
    endless.put(17 * SECTOR + 71, &[40, 0, 0, 0]);
    let sections = vec![section(0x90, 0, 0); 10_000].concat();
    endless.put(40 * SECTOR, &[validation(0), entry(0x88, 0, 4, 30), sections].concat());
    let mut incomplete = endless.clone();
    incomplete.put(40 * SECTOR + 64, &[section(0x90, 0, 9), record(&[0x44]).repeat(10_000)].concat());
    for (case, disc, expected, warnings) in [
        ("outside", outside, "", 1),
        ("cut", cut, "", 1),
        ("endless", endless, "X86@30=3000", 0),
        ("incomplete", incomplete, "X86@30=3000", 1),
    ] {
        let tree = Tree::open(&disc.bytes, &Options::default()).unwrap();
        assert_eq!((entries(&tree).as_str(), tree.warnings().count()), (expected, warnings), "{case}");
    }
    let disc = boot_disc(&[validation(0), entry(0x88, 0, 4, 30), section(0x91, 0, 1), entry(0x88, 0, 4, 28)]);
    let limits = Limits { boot_entries: 1, ..Limits::default() };
    let tree = Tree::open(&disc.bytes, &Options { limits, ..Options::default() }).unwrap();
    assert_eq!((entries(&tree).as_str(), tree.warnings().count()), ("X86@30=3000", 1));
}
