//! Images made by xorriso and genisoimage, compared entry by entry and byte by byte with the source tree and
//! with the files that xorriso unpacks.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use iso_reader::ResolveError::{NotFound, TooManyLinks};
use iso_reader::{Matching, Options, Tree, TreeKind};
use support::Random;
use support::compare::{Attributes, assert_same};
use support::tools::{Workshop, extract, run, tool};

/// Writes a file of pseudo-random bytes, with permissions and a time by its `seed`.
fn write(path: &Path, size: usize, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let bytes: Vec<u8> =
        std::iter::repeat_with(|| random.next().to_le_bytes()).flatten().take(size).collect();
    fs::write(path, bytes).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + seed * 1001)).unwrap();
    let modes = [0o644, 0o600, 0o755, 0o444, 0o4755];
    file.set_permissions(Permissions::from_mode(modes[usize::try_from(seed).unwrap() % modes.len()]))
        .unwrap();
}

/// Writes files of sizes around those of blocks, with names that any tree can hold.
fn simple_source(folder: &Path) {
    for (at, size) in (0_u64..).zip([0, 1, 2047, 2048, 2049, 4096, 100_000, 3_000_000]) {
        write(&folder.join(format!("file{at}.bin")), size, at);
    }
    for (at, name) in (10_u64..).zip(["boot", "boot/grub", "images", "images/pxe", "empty"]) {
        fs::create_dir(folder.join(name)).unwrap();
        write(&folder.join("boot").join(format!("part{at}.cfg")), 700, at);
    }
    write(&folder.join("images/pxe/vmlinuz"), 50_000, 21);
    write(&folder.join("images/noext"), 1, 22);
}

/// Writes names that only Rock Ridge can hold, deep directories and links, one of them with a long target.
fn posix_source(folder: &Path, parts_of_link: usize) {
    simple_source(folder);
    let long = "n".repeat(251);
    let umlauts = "ü".repeat(120);
    let names: [&[u8]; 14] = [
        b".hidden",
        b"UPPER and lower.Mixed",
        b"case",
        b"Case",
        b"name;1",
        b"name;2",
        b"trailing.",
        b"a b$c'd\"e*f?g|h<i>j&k\\l",
        b"tab\there",
        b"caf\xE9 in Latin-1",
        "Grüße 漢字 🚀".as_bytes(),
        long.as_bytes(),
        umlauts.as_bytes(),
        b"-rf",
    ];
    for (at, name) in (30_u64..).zip(names) {
        write(&folder.join(OsStr::from_bytes(name)), 100, at);
    }
    let mut deep = folder.to_path_buf();
    for level in 0..14 {
        deep.push(format!("level-{level:02}-{}", "x".repeat(level * 3)));
        fs::create_dir(&deep).unwrap();
        write(&deep.join("here"), 10 + level, 50 + u64::try_from(level).unwrap());
        fs::create_dir(deep.join("beside")).unwrap();
        write(&deep.join("beside/file"), 3, 70);
    }
    let far = format!("{}/../", "component".repeat(6)).repeat(parts_of_link) + "end";
    let links = [
        ("ubuntu", "."),
        ("absolute", "/boot/grub"),
        ("dangling", "no/such/file"),
        ("loop", "pool"),
        ("pool", "loop"),
        ("root", "/"),
        ("up", "../../../file1.bin"),
        ("boot/back", "../images/pxe/vmlinuz"),
        ("far", &far),
    ];
    for (name, target) in links {
        symlink(target, folder.join(name)).unwrap();
    }
}

fn open(image: &Path, tree: Option<TreeKind>) -> (Tree, File) {
    let file = File::open(image).unwrap();
    let tree = Tree::open(&file, &Options { tree, ..Options::default() }).unwrap();
    assert!(tree.warnings().is_empty(), "{:?}", tree.warnings());
    assert_eq!((tree.damaged(), tree.is_truncated()), (0, false));
    (tree, file)
}

#[test]
fn rock_ridge() {
    let workshop = Workshop::new("rock-ridge");
    // genisoimage writes wrong targets if they are longer, or never ends.
    let [source, short_source] = [("source", 16), ("short", 3)].map(|(name, parts_of_link)| {
        let folder = workshop.folder(name);
        posix_source(&folder, parts_of_link);
        folder
    });
    let makers: [(&str, &[&str]); 5] = [
        ("xorriso", &["-as", "mkisofs", "-R"]),
        ("xorriso", &["-as", "mkisofs", "-R", "-J", "-D", "-iso-level", "3"]),
        (
            "xorriso",
            &["-compliance", "deep_paths_off:long_paths_off:clear", "-as", "mkisofs", "-r", "-hide-rr-moved"],
        ),
        ("genisoimage", &["-quiet", "-R", "-D", "-iso-level", "3"]),
        ("genisoimage", &["-quiet", "-R", "-iso-level", "1"]),
    ];
    for (at, (program, options)) in makers.iter().enumerate() {
        let image = workshop.path(format!("{at}.iso"));
        let source = if *program == "xorriso" { &source } else { &short_source };
        run(tool(program).args(*options).arg("-o").arg(&image).arg(source));
        let moves = [2, 4].contains(&at);
        let bytes = fs::read(&image).unwrap();
        assert_eq!(bytes.windows(4).any(|window| window == b"CL\x0C\x01"), moves, "are directories moved?");
        let (tree, file) = open(&image, None);
        assert_eq!(tree.volume().kind(), TreeKind::RockRidge);
        assert_eq!(tree.volume().available().contains(&TreeKind::Joliet), options.contains(&"-J"));
        // The directory for moved directories is not in the source, and its entries belong elsewhere.
        let moved = ["rr_moved", ".rr_moved"];
        let attributes = if options.contains(&"-r") { Attributes::None } else { Attributes::Posix };
        assert_same(&tree, &file, source, attributes, &moved);
        let unpacked = workshop.path(format!("{at}.unpacked"));
        extract(&image, &[], &unpacked);
        assert_same(&tree, &file, &unpacked, Attributes::Posix, &moved);
        check_links(&tree);
    }
}

fn check_links(tree: &Tree) {
    let path = |request: &str| {
        let id = tree.resolve_path(request, Matching::Lenient)?;
        Ok(String::from_utf8_lossy(&tree.path(id)).into_owned())
    };
    assert_eq!(path("ubuntu/ubuntu/images/pxe/vmlinuz").as_deref(), Ok("images/pxe/vmlinuz"));
    assert_eq!(path("absolute").as_deref(), Ok("boot/grub"));
    assert_eq!(path("root/boot/back").as_deref(), Ok("images/pxe/vmlinuz"));
    assert_eq!(path("up").as_deref(), Ok("file1.bin"));
    assert_eq!(path("dangling"), Err(NotFound));
    assert_eq!(path("loop"), Err(TooManyLinks));
    assert_eq!(
        path("level-00-/level-01-xxx/level-02-xxxxxx/HERE").as_deref(),
        Ok("level-00-/level-01-xxx/level-02-xxxxxx/here")
    );
}

#[test]
fn joliet_only() {
    let workshop = Workshop::new("joliet");
    let source = workshop.folder("source");
    simple_source(&source);
    for (at, name) in
        (80_u64..).zip(["Grüße.txt", "漢字 und Leerzeichen.cfg", "Mixed Case Name.Tar.Gz", "no extension"])
    {
        write(&source.join(name), 100, at);
    }
    let long = "漢".repeat(60);
    write(&source.join(&long), 5, 90);
    let makers: [(&str, &[&str]); 3] = [
        ("xorriso", &["-as", "mkisofs", "--norock", "-J", "-joliet-long"]),
        ("genisoimage", &["-quiet", "-J", "-input-charset", "utf-8"]),
        ("genisoimage", &["-quiet", "-J", "-joliet-long", "-input-charset", "utf-8", "-ucs-level", "1"]),
    ];
    for (at, (program, options)) in makers.iter().enumerate() {
        let image = workshop.path(format!("{at}.iso"));
        run(tool(program).args(*options).arg("-o").arg(&image).arg(&source));
        let (tree, file) = open(&image, None);
        assert_eq!(tree.volume().kind(), TreeKind::Joliet);
        assert_same(&tree, &file, &source, Attributes::None, &[]);
        let unpacked = workshop.path(format!("{at}.unpacked"));
        extract(&image, &["-read_fs", "norock"], &unpacked);
        assert_same(&tree, &file, &unpacked, Attributes::None, &[]);
    }
}

#[test]
fn joliet_beyond_ucs2() {
    let workshop = Workshop::new("joliet-utf16");
    let source = workshop.folder("source");
    write(&source.join("🚀 rocket.txt"), 100, 1);
    let image = workshop.path("image.iso");
    run(tool("xorriso")
        .args(["-as", "mkisofs", "--norock", "-J", "-joliet-utf16", "-o"])
        .arg(&image)
        .arg(&source));
    let (tree, file) = open(&image, None);
    assert_same(&tree, &file, &source, Attributes::None, &[]);
}

#[test]
fn bare_levels() {
    let workshop = Workshop::new("bare");
    let source = workshop.folder("source");
    simple_source(&source);
    let makers: [(&str, &[&str]); 4] = [
        ("xorriso", &["-as", "mkisofs", "--norock", "-iso-level", "1"]),
        ("xorriso", &["-as", "mkisofs", "--norock", "-iso-level", "3"]),
        ("genisoimage", &["-quiet", "-iso-level", "1"]),
        ("genisoimage", &["-quiet", "-iso-level", "2"]),
    ];
    for (at, (program, options)) in makers.iter().enumerate() {
        let image = workshop.path(format!("{at}.iso"));
        run(tool(program).args(*options).arg("-o").arg(&image).arg(&source));
        let (tree, file) = open(&image, None);
        assert_eq!(tree.volume().kind(), TreeKind::Plain);
        assert_same(&tree, &file, &source, Attributes::None, &[]);
        let unpacked = workshop.path(format!("{at}.unpacked"));
        extract(&image, &["-ecma119_map", "lowercase", "-read_fs", "ecma119"], &unpacked);
        assert_same(&tree, &file, &unpacked, Attributes::None, &[]);
    }
}

#[test]
fn level_four() {
    let workshop = Workshop::new("level-four");
    let source = workshop.folder("source");
    simple_source(&source);
    write(&source.join("A rather long Name with Capitals.and.dots"), 9, 9);
    let makers: [(&str, &[&str]); 2] = [
        ("xorriso", &["-as", "mkisofs", "--norock", "-iso-level", "4"]),
        ("genisoimage", &["-quiet", "-iso-level", "4"]),
    ];
    for (at, (program, options)) in makers.iter().enumerate() {
        let image = workshop.path(format!("{at}.iso"));
        run(tool(program).args(*options).arg("-o").arg(&image).arg(&source));
        let (tree, file) = open(&image, None);
        assert_eq!(tree.volume().kind(), TreeKind::Enhanced, "{program}");
        assert_same(&tree, &file, &source, Attributes::None, &[]);
    }
}

#[test]
fn the_plain_tree_of_a_rock_ridge_image() {
    let workshop = Workshop::new("both");
    let source = workshop.folder("source");
    simple_source(&source);
    let image = workshop.path("image.iso");
    run(tool("xorriso")
        .args(["-as", "mkisofs", "-R", "-J", "-iso-level", "3", "-o"])
        .arg(&image)
        .arg(&source));
    for kind in [TreeKind::RockRidge, TreeKind::Joliet, TreeKind::Plain] {
        let (tree, file) = open(&image, Some(kind));
        assert_eq!(tree.volume().kind(), kind);
        assert_eq!(tree.volume().available(), [TreeKind::RockRidge, TreeKind::Joliet, TreeKind::Plain]);
        assert_same(&tree, &file, &source, Attributes::None, &[]);
    }
}

#[test]
fn ten_thousand_small_files() {
    let workshop = Workshop::new("ten-thousand");
    let source = workshop.folder("source");
    for directory in 0..20 {
        let folder = source.join(format!("dir{directory:02}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..500 {
            let name = format!("package-{file:03}-{}.x86_64.rpm", directory * 7919 + file);
            fs::write(folder.join(&name), name.repeat(1 + file % 7)).unwrap();
        }
    }
    for (program, options) in
        [("xorriso", &["-as", "mkisofs", "-R"][..]), ("genisoimage", &["-quiet", "-R", "-J", "-joliet-long"])]
    {
        let image = workshop.path(format!("{program}.iso"));
        run(tool(program).args(options).arg("-o").arg(&image).arg(&source));
        let (tree, file) = open(&image, None);
        assert_eq!(tree.len(), 10_021);
        assert_same(&tree, &file, &source, Attributes::Posix, &[]);
        let unpacked = workshop.path(format!("{program}.unpacked"));
        extract(&image, &[], &unpacked);
        assert_same(&tree, &file, &unpacked, Attributes::Posix, &[]);
    }
}

#[test]
fn an_image_cut_off_is_told_from_a_whole_one() {
    let workshop = Workshop::new("cut");
    let source = workshop.folder("source");
    simple_source(&source);
    let image = workshop.path("image.iso");
    run(tool("xorriso").args(["-as", "mkisofs", "-R", "-o"]).arg(&image).arg(&source));
    let whole = fs::metadata(&image).unwrap().len();
    File::options().write(true).open(&image).unwrap().set_len(whole - (1 << 20)).unwrap();
    let file = File::open(&image).unwrap();
    let tree = Tree::open(&file, &Options::default()).unwrap();
    assert!(tree.is_truncated() && tree.damaged() > 0);
    assert_eq!(tree.warnings().count(), tree.damaged());
}

/// Runs xorriso with its native commands on an image. `device` is the option for a new or an old one.
fn xorriso(device: &str, image: &Path, commands: &[&str]) {
    run(tool("xorriso").args(["-abort_on", "FAILURE", device]).arg(image).args(commands).arg("-commit"));
}

#[test]
fn the_session_that_a_mount_would_show() {
    let workshop = Workshop::new("sessions");
    let (first, second) = (workshop.folder("first"), workshop.folder("second"));
    simple_source(&first);
    write(&second.join("late.bin"), 9000, 40);
    let paths = [&first, &second].map(|path| path.to_str().unwrap());

    // xorriso makes sector 16 lead to the newest session, whether or not it keeps a list of all.
    for emulation in ["-compliance=only_iso_version", "-compliance=no_emul_toc"] {
        let (command, rule) = emulation.split_once('=').unwrap();
        let image = workshop.path(format!("{rule}.iso"));
        xorriso("-outdev", &image, &[command, rule, "-map", paths[0], "/first"]);
        xorriso("-dev", &image, &["-map", paths[1], "/second", "-rm", "/first/file1.bin", "--"]);
        let bytes = fs::read(&image).unwrap();
        let descriptors = (16..bytes.len() / 2048).filter(|at| bytes[at * 2048..].starts_with(b"\x01CD001"));
        assert!(descriptors.count() > 1, "there are several sessions");
        let (tree, file) = open(&image, None);
        assert!(tree.resolve_path("second/late.bin", Matching::Exact).is_ok());
        assert_eq!(tree.resolve_path("first/file1.bin", Matching::Exact), Err(NotFound));
        let unpacked = workshop.path(format!("{rule}.unpacked"));
        extract(&image, &[], &unpacked);
        assert_same(&tree, &file, &unpacked, Attributes::Posix, &[]);
    }

    // genisoimage appends a session and leaves sector 16 unchanged: the tree is that of the first session.
    let image = workshop.path("appended.iso");
    run(tool("genisoimage").args(["-quiet", "-R", "-o"]).arg(&image).arg(&first));
    let padded = fs::metadata(&image).unwrap().len().next_multiple_of(32 * 2048);
    File::options().write(true).open(&image).unwrap().set_len(padded).unwrap();
    let part = workshop.path("part");
    let start = format!("0,{}", padded / 2048);
    run(tool("genisoimage")
        .args(["-quiet", "-R", "-C", &start, "-M"])
        .arg(&image)
        .arg("-o")
        .arg(&part)
        .arg(&second));
    let whole = [fs::read(&image).unwrap(), fs::read(&part).unwrap()].concat();
    fs::write(&image, whole).unwrap();
    let (tree, file) = open(&image, None);
    assert_same(&tree, &file, &first, Attributes::Posix, &[]);
}

#[test]
fn hybrids_of_disc_and_disk() {
    let workshop = Workshop::new("hybrids");
    let source = workshop.folder("source");
    simple_source(&source);
    let firmware = workshop.path("efi.img");
    write(&firmware, 300_000, 1);
    let firmware = firmware.to_str().unwrap();
    let gpt = [
        "-append_partition",
        "2",
        "0xef",
        firmware,
        "-appended_part_as_gpt",
        "-e",
        "--interval:appended_partition_2:all::",
        "-no-emul-boot",
    ];
    // Options, and the bytes that they add to the image at a position.
    let makers: [(&[&str], &[u8], usize); 2] = [
        (&gpt, b"EFI PART", 512),
        // The partition starts behind 16 sectors, and so does a second set of descriptors.
        (&["-partition_offset", "16"], b"\x01CD001", 32 * 2048),
    ];
    for (at, (options, signature, position)) in makers.iter().enumerate() {
        let image = workshop.path(format!("{at}.iso"));
        run(tool("xorriso").args(["-as", "mkisofs", "-R"]).args(*options).arg("-o").arg(&image).arg(&source));
        let bytes = fs::read(&image).unwrap();
        assert!(bytes[*position..].starts_with(signature), "{options:?} had no effect");
        let (tree, file) = open(&image, None);
        assert_same(&tree, &file, &source, Attributes::Posix, &["boot.catalog"]);
        for entry in tree.volume().boot_entries() {
            let start = usize::try_from(entry.offset).unwrap();
            assert!(bytes[start..].starts_with(&fs::read(firmware).unwrap()), "the appended partition");
        }
        assert_eq!(tree.volume().boot_entries().len(), usize::from(at == 0));
    }
}
