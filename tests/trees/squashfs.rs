//! Files inside squashfs images, byte for byte: every compression, all cuts into blocks and fragments,
//! complete files and ranges, compared with the image's source folder.

use harness::http::{self, Connection, Request, Response};
use harness::images::{self, pattern};
use harness::iso::SourceTree;
use harness::packed::{self, BIG, TEXT};
use harness::problem::expect_problem;
use harness::served::compare_tree;
use harness::{Service, Setup, digest};
use std::fs;
use std::path::Path;

/// The ways to make an image, as options of `mksquashfs`.
const WAYS: [(&str, &[&str]); 12] = [
    ("gzip", &["-comp", "gzip"]),
    ("xz", &["-comp", "xz", "-b", "1M", "-Xbcj", "x86"]),
    ("zstd", &["-comp", "zstd", "-b", "256K", "-Xcompression-level", "3"]),
    ("lz4", &["-comp", "lz4", "-Xhc"]),
    ("lzo", &["-comp", "lzo", "-b", "1M"]),
    ("lzo-fast", &["-comp", "lzo", "-Xalgorithm", "lzo1x_1"]),
    ("lzma", &["-comp", "lzma", "-b", "256K"]),
    ("small-blocks", &["-comp", "gzip", "-b", "4096"]),
    ("no-fragments", &["-comp", "gzip", "-no-fragments"]),
    ("all-fragments", &["-comp", "zstd", "-always-use-fragments"]),
    ("not-compressed", &["-comp", "gzip", "-noI", "-noD", "-noF"]),
    ("not-exported", &["-comp", "lz4", "-no-exports", "-no-xattrs", "-no-duplicates"]),
];

fn register(service: &Service, version: &str, image: &Path) {
    service.register("squash", version, "isolocal", image.to_str().unwrap());
}

#[test]
fn every_byte_of_every_kind_of_image_is_served() {
    let tree = packed::tree();
    let truth = digest::walk(tree.root());
    let folder = tempfile::tempdir().unwrap();
    let mut service = Setup::new().start();
    for (version, arguments) in WAYS {
        let image = folder.path().join(version);
        packed::squash(&tree, arguments, &image);
        register(&service, version, &image);
        let base = format!("/squash/{version}");
        compare_tree(&service, &base, &truth);
        for (name, bytes) in [(BIG, packed::big()), (TEXT, packed::text()), ("sparse.bin", packed::sparse())]
        {
            ask_for_parts(&service, &format!("{base}/{name}"), &bytes);
        }
        let record = &service.images(&[("version", version)])[0];
        assert_eq!(record["tree"]["kind"], "squashfs");
        let entries = record["tree"]["entries"].as_u64().unwrap();
        assert_eq!(entries, truth.len() as u64 + 1, "{record}");
        assert_eq!((&record["tree"]["warnings"], &record["tree"]["damaged"]), (&0.into(), &0.into()));
    }
    service.restart();
    for (version, _) in WAYS {
        expect_kernel(&service, version);
    }
}

fn expect_kernel(service: &Service, version: &str) {
    let url = service.south(&format!("/squash/{version}/{BIG}"));
    assert!(http::get(&url).expect_status(200).body == packed::big(), "{version}");
}

/// Requests a part in every way, and with conditions that lead to a part, the whole or nothing.
fn ask_for_parts(service: &Service, target: &str, bytes: &[u8]) {
    let mut connection = Connection::open(&service.south("/"));
    let mut ask = |method: &str, fields: &[(&str, &str)]| -> Response {
        connection.exchange(&Request::new(method, target).headers(fields)).unwrap()
    };
    let size = bytes.len();
    let whole = ask("HEAD", &[]).expect_status(200);
    assert_eq!(whole.content_length(), Some(size as u64), "{target}");
    let tag = whole.header("ETag").unwrap().to_owned();
    let date = whole.header("Last-Modified").unwrap().to_owned();
    assert_eq!(date, harness::iso::MODIFIED_TEXT);
    let border = 131_072;
    for (start, end) in [
        (0, 0),
        (0, size - 1),
        (1, 4096),
        (border - 1, border),
        (border, 2 * border - 1),
        (border + 77, 3 * border + 5),
        (4095, 4096),
        (size - 1, size - 1),
        (size - 70_000, size - 1),
    ] {
        let range = format!("bytes={start}-{end}");
        let answer = ask("GET", &[("Range", &range), ("If-Range", &tag)]).expect_status(206);
        assert_eq!(answer.header("Content-Range").unwrap(), format!("bytes {start}-{end}/{size}"));
        assert!(answer.body == bytes[start..=end], "{target} {range}");
    }
    let several = ask("GET", &[("Range", "bytes=5-9,200000-300000,-100")]).expect_status(206);
    for part in [&bytes[5..10], &bytes[200_000..=300_000], &bytes[size - 100..]] {
        assert!(several.body.windows(part.len()).any(|window| window == part), "{target}");
    }
    assert_eq!(ask("GET", &[("If-None-Match", &tag)]).status, 304);
    assert_eq!(ask("GET", &[("If-Match", "\"other\"")]).status, 412);
    assert_eq!(ask("GET", &[("Range", &format!("bytes={size}-"))]).status, 416);
    let changed = ask("GET", &[("Range", "bytes=0-9"), ("If-Range", "\"other\"")]).expect_status(200);
    assert!(changed.body == bytes, "{target}");
}

#[test]
fn names_and_links_follow_the_rules_of_isos() {
    let tree = SourceTree::new()
        .file("EFI/BOOT/BOOTX64.EFI", "loader")
        .file("two", "two")
        .file("TWO", "TWO")
        .file("index.d/Index.HTML", "page")
        .file("target", "inside")
        .link("rooted", "/EFI/BOOT/BOOTX64.EFI")
        .link("above", "../../../target")
        .link("passwd", "/etc/passwd")
        .link("loop", "loop")
        .link("folder", "EFI");
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("names");
    packed::squash(&tree, &[], &image);
    let service = Setup::new().start();
    register(&service, "1", &image);
    for (path, expected) in [
        ("efi/boot/bootx64.efi", Some("loader")),
        ("EFI/BOOT/BOOTX64.EFI;1", Some("loader")),
        ("two", Some("two")),
        ("TWO", Some("TWO")),
        ("Two", None),
        ("rooted", Some("loader")),
        ("folder/boot/bootx64.efi", Some("loader")),
        ("above", Some("inside")),
        ("passwd", None),
        ("loop", None),
        ("target/x", None),
        ("index.d/", Some("page")),
    ] {
        let answer = http::get(&service.south(&format!("/squash/1/{path}")));
        match expected {
            Some(text) => assert_eq!(answer.expect_status(200).text(), text, "{path}"),
            None => assert_eq!(answer.status, 404, "{path}"),
        }
    }
}

#[test]
fn what_is_cut_or_broken_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    packed::squash(&images::installer_tree(), &["-comp", "gzip"], &image);
    let whole = fs::read(&image).unwrap();
    let size = usize::try_from(u64::from_le_bytes(whole[40..48].try_into().unwrap())).unwrap();
    let with = |offset: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[offset..][..bytes.len()].copy_from_slice(bytes);
        changed
    };
    let inodes = usize::try_from(u64::from_le_bytes(whole[64..72].try_into().unwrap())).unwrap();
    let service = Setup::new().start();
    let cases = [
        ("cut", whole[..size - 1].to_vec(), "the squashfs is cut short"),
        ("half", whole[..size / 2].to_vec(), "the squashfs is cut short"),
        ("head", whole[..96].to_vec(), "the squashfs is cut short"),
        ("less", whole[..50].to_vec(), "not a squashfs"),
        ("method", with(20, &[7, 0]), "it is compressed with method 7, which does not exist"),
        ("version", with(28, &[3, 0]), "squashfs of version 3.0 is not supported"),
        ("block", with(12, &[1, 0, 0, 0]), "the squashfs is damaged: its block size makes no sense"),
        ("tables", with(64, &[0xff; 8]), "the squashfs is damaged: its tables lie outside of it"),
        ("inodes", with(inodes + 2, &[0; 20]), "the squashfs is damaged: a block cannot be decompressed"),
        ("root", with(32, &[0xff; 8]), "the squashfs is damaged"),
        ("text", b"Nothing of the kind.\n".repeat(5000), "not an ISO image, a squashfs or a tar"),
    ];
    for (name, bytes, reason) in cases {
        service.write(&format!("elsewhere/{name}"), &bytes);
        let path = service.path(&format!("elsewhere/{name}"));
        let answer =
            service.put_image(&[("name", "n"), ("version", name), ("isolocal", path.to_str().unwrap())]);
        expect_problem(&service, &answer, 422, reason);
        let url = service.north(&format!("/images?name=n&version={name}&isoclient={name}.img"));
        let answer = http::put(&url, bytes);
        assert!(matches!(answer.status, 400 | 422), "{name}: {}", answer.head_text());
    }
    assert!(service.images(&[]).is_empty());
}

/// Some writers leave three bytes out of the size of each directory. Linux reads all of its entries.
#[test]
fn a_directory_whose_size_is_wrong_keeps_its_entries() {
    let tree = (0..40).fold(SourceTree::new(), |tree, number| {
        tree.file(format!("file-{number:02}"), format!("text {number}"))
    });
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    packed::squash(&tree, &["-noI", "-noId"], &image);
    let whole = fs::read(&image).unwrap();
    let number =
        |at: usize| usize::try_from(u64::from_le_bytes(whole[at..at + 8].try_into().unwrap())).unwrap();
    // The inode of the root, in a block that is not compressed. That of a small directory has its size at
    // byte 24.
    let (root, inodes) = (number(32), number(64));
    let at = inodes + 2 + (root >> 16) + (root & 0xFFFF) + 24;
    let size = u16::from_le_bytes([whole[at], whole[at + 1]]);
    let service = Setup::new().start();
    for (version, size, warnings) in [("right", size, 0), ("shorter", size - 3, 1), ("longer", size + 5, 1)] {
        let mut changed = whole.clone();
        changed[at..at + 2].copy_from_slice(&size.to_le_bytes());
        fs::write(&image, changed).unwrap();
        register(&service, version, &image);
        compare_tree(&service, &format!("/squash/{version}"), &digest::walk(tree.root()));
        let record = &service.images(&[("version", version)])[0];
        assert_eq!(record["tree"]["warnings"], warnings, "{record}");
    }
}

/// The head is sent before the block is known to be damaged: then only a broken connection tells.
#[test]
fn a_block_that_is_broken_cuts_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let tree = SourceTree::new().file("text", packed::text()).file("small", "good\n");
    packed::squash(&tree, &["-comp", "gzip", "-no-fragments"], &image);
    let mut bytes = fs::read(&image).unwrap();
    // Within the third or fourth of its blocks.
    let inodes = usize::try_from(u64::from_le_bytes(bytes[64..72].try_into().unwrap())).unwrap();
    let middle = 96 + (inodes - 96) / 2;
    bytes[middle..middle + 50].fill(0x55);
    fs::write(&image, bytes).unwrap();
    let service = Setup::new().start();
    register(&service, "1", &image);
    let mut connection = Connection::open(&service.south("/"));
    connection.send(&Request::new("GET", "/squash/1/text")).unwrap();
    let head = connection.receive_head().unwrap();
    let text = packed::text();
    assert_eq!((head.status, head.content_length()), (200, Some(text.len() as u64)));
    let body = connection.read_to_end().unwrap_or_default();
    assert!(body.len() < text.len() && text.starts_with(&body), "{} bytes came", body.len());
    assert_eq!(http::get(&service.south("/squash/1/small")).expect_status(200).text(), "good\n");
    service.expect_logged("a block cannot be decompressed");
}

#[test]
fn an_image_can_be_uploaded_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let service = Setup::new().start();
    packed::squash(&SourceTree::new().file("file", pattern(5, 500_000)), &[], &image);
    let url = service.north("/images?name=squash&version=up&isoclient=live.squashfs");
    http::put(&url, fs::read(&image).unwrap()).expect_status(200);
    let file = service.south("/squash/up/file");
    let first = http::get(&file).expect_status(200);
    assert!(first.body == pattern(5, 500_000));
    // The whole image is served too, by its file name.
    assert!(
        http::get(&service.south("/iso/live.squashfs")).expect_status(200).body == fs::read(&image).unwrap()
    );
    http::delete(&service.north("/images?name=squash&version=up")).expect_status(200);
    assert_eq!(http::get(&file).status, 404);
}

#[test]
fn only_of_an_iso_a_tree_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    packed::squash(&SourceTree::new().file("file", "x"), &[], &image);
    let service = Setup::new().start();
    let answer = service.put_image(&[
        ("name", "n"),
        ("version", "1"),
        ("tree", "joliet"),
        ("isolocal", image.to_str().unwrap()),
    ]);
    expect_problem(&service, &answer, 422, "can be chosen of an ISO; a squashfs has one");
}

/// Overwritten in place it is another image: decoded blocks of the old one must not be mixed with the new.
#[test]
fn an_image_that_is_written_to_cuts_its_transfers() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    packed::squash(&SourceTree::new().file("file", pattern(6, 60 << 20)), &["-noD"], &image);
    let service = Setup::new().start();
    register(&service, "1", &image);
    let mut connection = Connection::open(&service.south("/"));
    connection.send(&Request::new("GET", "/squash/1/file")).unwrap();
    let length = connection.receive_head().unwrap().content_length().unwrap();
    let mut body = connection.read_some(1 << 20).unwrap();
    fs::OpenOptions::new().append(true).open(&image).unwrap().set_len(100 << 20).unwrap();
    body.extend(connection.read_to_end().unwrap_or_default());
    assert!((body.len() as u64) < length, "all {length} bytes came");
    assert!(body == pattern(6, 60 << 20)[..body.len()]);
}
