//! Recipes of the fixture ISOs. Each is made once and cached; see `iso::kept`.

use super::iso::{Maker, SourceTree, kept};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// `length` bytes that do not repeat within a block and depend on `seed`.
pub fn pattern(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        // xorshift32: enough to tell any two offsets apart, the same on every run.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..length).map(|_| next()).collect()
}

/// A small Rock Ridge image that looks like an installer: kernel, initrd, `.treeinfo`, links, an EFI loader.
pub fn installer() -> PathBuf {
    kept("installer", |iso| Maker::Xorriso.make(&["-R", "-J"], &installer_tree(), iso))
}

/// The source of `installer`.
pub fn installer_tree() -> SourceTree {
    SourceTree::new()
        .file("images/pxeboot/vmlinuz", pattern(1, 300_000))
        .file("images/pxeboot/initrd.img", pattern(2, 1_200_001))
        .file(".treeinfo", "[release]\nname = Fixture Linux\nversion = 9\n")
        .file("EFI/BOOT/BOOTX64.EFI", pattern(3, 70_000))
        .file("Packages/gcc-c++-12.rpm", pattern(4, 5000))
        .file("README", "This is a fixture.\n")
        .file("empty", "")
        .link("ubuntu", ".")
        .link("kernel", "images/pxeboot/vmlinuz")
}

/// Names, modes and links that only Rock Ridge can hold.
pub fn rock_ridge(maker: Maker) -> PathBuf {
    let name = if maker == Maker::Xorriso { "rock-ridge-xorriso" } else { "rock-ridge-genisoimage" };
    kept(name, |iso| maker.make(&["-R"], &rock_ridge_tree(), iso))
}

/// The source of `rock_ridge`.
pub fn rock_ridge_tree() -> SourceTree {
    SourceTree::new()
        .file("MixedCase/File Name.TXT", "mixed\n")
        .file("mixedcase/other", "another folder, the same letters\n")
        .file(format!("long/{}", "n".repeat(240)), "a name that needs continuation areas\n")
        .file("dots/.hidden", "hidden\n")
        .file("dots/..also", "not the parent\n")
        .file("dots/trailing.", "a name with a final dot\n")
        .file("dots/archive.tar.gz", "two dots\n")
        .file("odd/semi;1", "not a version\n")
        .file("odd/100%.txt", "a per cent sign\n")
        .file("odd/a%20b", "three characters, not a space\n")
        .file("odd/a b", "a space\n")
        .file("odd/plus+plus", "plus\n")
        .file("odd/question?mark#hash&amp", "reserved in URLs\n")
        .file("odd/quote\"'<b>", "hostile in HTML\n")
        .file("odd/back\\slash", "a backslash\n")
        .file("unicode/Übergröße.txt", "German\n")
        .file("unicode/日本語/ファイル", "Japanese\n")
        .file("unicode/кириллица", "Russian\n")
        .file("unicode/😀", "beyond the basic plane\n")
        .file("empty", "")
        .file("sector-2047", pattern(11, 2047))
        .file("sector-2048", pattern(12, 2048))
        .file("sector-2049", pattern(13, 2049))
        .file("megabytes", pattern(14, 3_000_001))
        .folder("empty-folder")
        .link("links/dot", ".")
        .link("links/up", "../dots")
        .link("links/absolute", "/empty-folder")
        .link("links/long", &format!("../long/{}", "n".repeat(240)))
        .link("links/dangling", "nowhere")
}

/// A name that is not UTF-8, legal in Rock Ridge.
pub const LATIN_NAME: &[u8] = b"caf\xe9.txt";

/// Rock Ridge with a name that is not UTF-8; genisoimage is told to leave the bytes alone.
pub fn latin_names() -> PathBuf {
    kept("latin-names", |iso| {
        let tree = SourceTree::new().file(OsStr::from_bytes(LATIN_NAME), "coffee\n").file("plain", "plain\n");
        Maker::Genisoimage.make(
            &["-R", "-input-charset", "iso8859-1", "-output-charset", "iso8859-1"],
            &tree,
            iso,
        );
    })
}

/// Joliet without Rock Ridge.
pub fn joliet(maker: Maker) -> PathBuf {
    let (name, arguments): (_, &[&str]) = match maker {
        Maker::Xorriso => ("joliet-xorriso", &["--norock", "-J", "-joliet-long"]),
        Maker::Genisoimage => ("joliet-genisoimage", &["-J", "-joliet-long"]),
    };
    kept(name, |iso| {
        let tree = SourceTree::new()
            .file("Long File Name With Spaces.document", "long\n")
            .file("MixedCase.Txt", "mixed\n")
            .file("Übergröße/ключ.txt", "umlauts\n")
            .file("日本語.bin", pattern(21, 4097))
            .file("a/b/c/d/deep.txt", "deep\n")
            .file("no-extension", "none\n")
            .file("empty", "")
            .folder("empty-folder");
        maker.make(arguments, &tree, iso);
    })
}

/// ISO 9660 level 1 only: upper-case 8.3 names with versions, as ESXi media come.
pub fn bare(maker: Maker) -> PathBuf {
    let (name, arguments): (_, &[&str]) = match maker {
        Maker::Xorriso => ("bare-xorriso", &["--norock", "-iso-level", "1"]),
        Maker::Genisoimage => ("bare-genisoimage", &["-iso-level", "1"]),
    };
    kept(name, |iso| {
        let tree = SourceTree::new()
            .file("BOOT.CFG", "kernel=/b.b00\n")
            .file("B.B00", pattern(31, 10_000))
            .file("MBOOT.C32", pattern(32, 2048))
            .file("NODOT", "no extension\n")
            .file("EMPTY.TXT", "")
            .file("EFI/BOOT/BOOTX64.EFI", pattern(33, 33_333))
            .file("A/B/C/D/E/F/DEEP.TXT", "seven levels and a file\n");
        maker.make(arguments, &tree, iso);
    })
}

/// Rock Ridge with folders deeper than the eight levels of ECMA-119 §6.8.2.1, relocated or kept in place.
pub fn deep(relocated: bool) -> PathBuf {
    let (name, arguments): (_, &[&str]) =
        if relocated { ("deep-relocated", &["-R"]) } else { ("deep-in-place", &["-R", "-D"]) };
    kept(name, |iso| {
        let spine: Vec<String> = (1..=20).map(|level| format!("level-{level}")).collect();
        let tree = (1..=20).fold(SourceTree::new(), |tree, depth| {
            let folder = spine[..depth].join("/");
            tree.file(format!("{folder}/file-{depth}"), format!("depth {depth}\n"))
                .file(format!("{folder}/side/leaf"), format!("side of {depth}\n"))
        });
        Maker::Genisoimage.make(arguments, &tree, iso);
    })
}

/// Symbolic links of every kind; the table in `tests/trees/isos.rs` says what each must answer.
pub fn links() -> PathBuf {
    kept("links", |iso| {
        let chain = (1..=60).fold(SourceTree::new(), |tree, step| {
            tree.link(
                format!("chain/{step}"),
                &if step == 1 { "end".to_owned() } else { format!("{}", step - 1) },
            )
        });
        let tree = chain
            .file("chain/end", "the end of the chain\n")
            .file("dists/stable/Release", "Suite: stable\n")
            .file("pool/package.deb", pattern(41, 3000))
            .file("secret.txt", "inside the image\n")
            .link("ubuntu", ".")
            .link("absolute", "/dists/stable/Release")
            .link("absolute-folder", "/dists")
            .link("dists/unstable", "stable")
            .link("dists/up", "../pool")
            .link("above", "../../../../secret.txt")
            .link("leaves", "../../../../../../etc/passwd")
            .link("leaves-absolute", "/etc/passwd")
            .link("leaves-by-proc", "/proc/self/root/etc/passwd")
            .link("dangling", "nowhere/at/all")
            .link("loop-a", "loop-b")
            .link("loop-b", "loop-a")
            .link("self", "self")
            .link("through-file", "secret.txt/more")
            .link("dotted", "./dists/./../pool/package.deb")
            .link("trailing", "dists/");
        Maker::Xorriso.make(&["-R"], &tree, iso);
    })
}

/// How many files `many_files` holds.
pub const MANY: usize = 10_000;

/// 10,000 small files in a hundred folders, and one flat folder of 3,000 empty ones.
pub fn many_files() -> PathBuf {
    kept("many-files", |iso| {
        let tree = SourceTree::new();
        for number in 0..MANY {
            let folder = tree.root().join(format!("pool/{:02}", number % 100));
            if number < 100 {
                fs::create_dir_all(&folder).unwrap();
            }
            let seed = u32::try_from(number).unwrap();
            fs::write(folder.join(format!("package-{number:05}.rpm")), pattern(seed, number % 700)).unwrap();
        }
        fs::create_dir_all(tree.root().join("flat")).unwrap();
        for number in 0..3000 {
            fs::write(tree.root().join(format!("flat/entry-{number}")), "").unwrap();
        }
        Maker::Genisoimage.make(&["-R"], &tree, iso);
    })
}

/// The length of the file in `sparse`.
pub const SPARSE_LENGTH: u64 = 4_831_838_208 + 12_345;

/// Where `sparse` is not zero: its ends, and both sides of the 4 GiB border and of its extents' borders.
pub fn sparse_pieces() -> Vec<(u64, Vec<u8>)> {
    let border = 1 << 32;
    [0, 0x8000_0000 - 500, border - 2048 - 700, border - 700, border + 4096, SPARSE_LENGTH - 999]
        .into_iter()
        .zip(51..)
        .map(|(offset, seed)| (offset, pattern(seed, 999)))
        .collect()
}

/// An image with one file `big.bin` of more than 4.5 GiB in several extents. It is not cached. xorriso makes
/// it, since genisoimage cannot write several extents.
pub fn sparse(iso: &Path) {
    let pieces = sparse_pieces();
    let borrowed: Vec<(u64, &[u8])> =
        pieces.iter().map(|(offset, bytes)| (*offset, bytes.as_slice())).collect();
    let tree = SourceTree::new().sparse("big.bin", SPARSE_LENGTH, &borrowed).file("small.txt", "small\n");
    Maker::Xorriso.make(&["-R", "-iso-level", "3"], &tree, iso);
}

/// The content of `split.bin` in `fragmented`.
pub fn fragmented_content() -> Vec<u8> {
    pattern(61, 3 * 2048 + 5 * 2048 + 1234)
}

/// `hand_written` with the usual block size and without its damaged file, so that any reader accepts it.
pub fn fragmented() -> PathBuf {
    kept("fragmented", |iso| fs::write(iso, image_of_blocks(2048, false)).unwrap())
}

/// A hand-written ISO 9660 image with logical blocks of `block` bytes. Its `SPLIT.BIN` lies in three extents
/// out of order (ECMA-119 §9.1.6, the multi-extent bit), to test the borders of extents in a few kilobytes.
/// Its `BEYOND.BIN` claims more bytes than the image holds.
pub fn hand_written(block: u32) -> PathBuf {
    kept(&format!("hand-written-{block}"), |iso| fs::write(iso, image_of_blocks(block, true)).unwrap())
}

/// Sectors: 16 volume descriptor, 17 terminator, 18 root, 20 third extent, 22 second, 30 first, 38 the small
/// file.
fn image_of_blocks(block: u32, damaged: bool) -> Vec<u8> {
    let content = fragmented_content();
    let (first, rest) = content.split_at(3 * 2048);
    let (second, third) = rest.split_at(5 * 2048);
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let at = |sector: u32| sector * 2048 / block;
    let mut records = vec![
        record(b"\0", at(18), 2048, 0x02),
        record(b"\x01", at(18), 2048, 0x02),
        record(b"ONE.TXT;1", at(38), 4, 0),
        record(b"SPLIT.BIN;1", at(30), length(first), 0x80),
        record(b"SPLIT.BIN;1", at(22), length(second), 0x80),
        record(b"SPLIT.BIN;1", at(20), length(third), 0),
    ];
    if damaged {
        records.insert(2, record(b"BEYOND.BIN;1", at(39), 1_000_000, 0));
    }
    let mut image = vec![0; 40 * 2048];
    let mut place =
        |sector: usize, bytes: &[u8]| image[sector * 2048..][..bytes.len()].copy_from_slice(bytes);
    place(16, &primary_descriptor(block, at(40), &record(b"\0", at(18), 2048, 0x02)));
    place(17, b"\xffCD001\x01");
    place(18, &records.concat());
    place(20, third);
    place(22, second);
    place(30, first);
    place(38, b"one\n");
    image
}

/// A directory record, ECMA-119 §9.1.
fn record(name: &[u8], extent: u32, length: u32, flags: u8) -> Vec<u8> {
    let mut record = vec![0, 0];
    record.extend(both(extent));
    record.extend(both(length));
    record.extend([120, 2, 3, 4, 5, 6, 0, flags, 0, 0]);
    record.extend([1, 0, 0, 1, u8::try_from(name.len()).unwrap()]);
    record.extend(name);
    if record.len() % 2 == 1 {
        record.push(0);
    }
    record[0] = u8::try_from(record.len()).unwrap();
    record
}

/// A primary volume descriptor, ECMA-119 §8.4.
fn primary_descriptor(block: u32, blocks: u32, root: &[u8]) -> Vec<u8> {
    let mut sector = vec![b' '; 2048];
    let mut place = |offset: usize, bytes: &[u8]| sector[offset..][..bytes.len()].copy_from_slice(bytes);
    let size = u16::try_from(block).unwrap();
    place(0, b"\x01CD001\x01\0");
    place(40, b"FRAGMENTED");
    place(72, &[0; 8]);
    place(80, &both(blocks));
    place(88, &[0; 32]);
    place(120, &[1, 0, 0, 1, 1, 0, 0, 1]);
    place(128, &[size.to_le_bytes(), size.to_be_bytes()].concat());
    place(132, &[0; 24]);
    place(156, root);
    place(813, &[b'0'; 68]);
    place(881, &[1, 0]);
    sector
}

/// A number in both byte orders, ECMA-119 §7.3.3.
fn both(number: u32) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}
