//! Files inside uncompressed tars, byte for byte, in the formats of GNU tar and in hostile ones: a tree
//! equals the result of unpacking, and never holds more.

use harness::digest::{self, Entry};
use harness::http::{self, Connection, Request};
use harness::images::pattern;
use harness::iso::{SourceTree, sparse_file};
use harness::packed::{self, BIG};
use harness::problem::expect_problem;
use harness::served::compare_tree;
use harness::{Service, Setup};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

fn register(service: &Service, version: &str, image: &Path) -> Value {
    service.register("tar", version, "isolocal", image.to_str().unwrap());
    service.images(&[("version", version)]).remove(0)
}

#[test]
fn every_byte_of_every_format_is_served() {
    let tree = packed::tree();
    let truth = digest::walk(tree.root());
    let folder = tempfile::tempdir().unwrap();
    let mut service = Setup::new().start();
    let formats = ["gnu", "oldgnu", "posix"];
    for format in formats {
        let image = folder.path().join(format);
        packed::tar(&tree, &[&format!("--format={format}")], &image);
        let record = register(&service, format, &image);
        assert_eq!(record["tree"]["kind"], "tar");
        assert_eq!(record["tree"]["entries"], truth.len() + 1);
        assert_eq!((&record["tree"]["warnings"], &record["tree"]["damaged"]), (&0.into(), &0.into()));
        compare_tree(&service, &format!("/tar/{format}"), &truth);
    }
    service.restart();
    for format in formats {
        let url = service.south(&format!("/tar/{format}/same.img"));
        assert!(http::get(&url).expect_status(200).body == packed::big(), "{format}");
        let answer = http::get_with(&url, &[("Range", "bytes=1000-70000")]).expect_status(206);
        assert!(answer.body == packed::big()[1000..=70_000], "{format}");
        assert_eq!(answer.header("Last-Modified"), Some(harness::iso::MODIFIED_TEXT));
    }
}

/// POSIX without extensions splits paths of up to 255 bytes in two. Headers of older formats have no magic
/// number.
#[test]
fn old_formats_are_read() {
    let tree = SourceTree::new()
        .file(format!("{}/{}", "f".repeat(90), "n".repeat(90)), "a path in two parts\n")
        .file("file", pattern(1, 100_000))
        .link("link", "file");
    let folder = tempfile::tempdir().unwrap();
    let service = Setup::new().start();
    let image = folder.path().join("image");
    packed::tar(&tree, &["--format=ustar"], &image);
    register(&service, "ustar", &image);
    compare_tree(&service, "/tar/ustar", &digest::walk(tree.root()));
    let tree = SourceTree::new().file("folder/file", "x");
    packed::tar(&tree, &["--format=v7"], &image);
    register(&service, "v7", &image);
    compare_tree(&service, "/tar/v7", &digest::walk(tree.root()));
}

/// Findings of an image.
fn warnings(service: &Service, version: &str) -> Vec<String> {
    let record = service.images(&[("version", version)]).remove(0);
    let url = service.north(&format!("/images/{}", record["id"].as_str().unwrap()));
    let findings = http::get(&url).expect_status(200).json()["findings"].clone();
    serde_json::from_value(findings["warnings"].clone()).unwrap_or_default()
}

/// Each of these paths has a `/` where the old field for names ends, so only its extension tells the kind.
#[test]
fn long_paths_are_cut_nowhere() {
    let (first, second) = ("f".repeat(60), "s".repeat(38));
    let folder = format!("{first}/{second}");
    assert_eq!(folder.len(), 99);
    let tree = SourceTree::new()
        .file(format!("{folder}/vmlinuz"), pattern(1, 3000))
        .file(format!("{folder}/deeper/initrd"), pattern(2, 3000))
        .link(format!("{folder}/link"), "vmlinuz")
        .file("short", "a short name");
    let truth = digest::walk(tree.root());
    let images = tempfile::tempdir().unwrap();
    let service = Setup::new().start();
    for format in ["gnu", "oldgnu", "posix"] {
        let image = images.path().join(format);
        packed::tar(&tree, &[&format!("--format={format}")], &image);
        let record = register(&service, format, &image);
        compare_tree(&service, &format!("/tar/{format}"), &truth);
        assert_eq!(record["tree"]["warnings"], 0, "{record}");
    }
    // The reverse: what looks like a file is a folder by its whole name.
    let image = images.path().join("folder");
    let records = "15 path=inner/\n";
    let tar = Packed::default().entry("x", b'x', "", records.as_bytes()).file("placeholder", "");
    fs::write(&image, tar.file("inner/file", "inside").end()).unwrap();
    register(&service, "folder", &image);
    assert_eq!(http::get(&service.south("/tar/folder/inner/file")).expect_status(200).text(), "inside");
}

/// GNU tar labels a tar by a header without a magic number, or by a record of all members.
#[test]
fn labels_are_shown() {
    let tree = SourceTree::new().file("file", "text");
    let folder = tempfile::tempdir().unwrap();
    let service = Setup::new().start();
    for format in ["gnu", "oldgnu", "posix"] {
        let image = folder.path().join(format);
        packed::tar(&tree, &[&format!("--format={format}"), "--label=ROOTFS"], &image);
        let record = register(&service, format, &image);
        assert_eq!(record["tree"]["label"], "ROOTFS", "{record}");
        compare_tree(&service, &format!("/tar/{format}"), &digest::walk(tree.root()));
    }
}

/// Tars that hold `one` and `two`, by a name of their oddity, and the finding that tells of it.
fn odd_tars() -> [(&'static str, Vec<u8>, Option<&'static str>); 14] {
    let no_magic = |tar: Vec<u8>| {
        let mut tar = tar;
        let block: &mut [u8; 512] = (&mut tar[1024..1536]).try_into().unwrap();
        block[257..265].fill(0);
        seal(block);
        tar
    };
    let sized = |name: &str, kind: u8, target: &str| {
        let mut tar = Packed::default();
        tar.0.extend(header(name, kind, target, &octal(4096)));
        tar.file("one", "1").file("two", "2").end()
    };
    let two = || Packed::default().file("one", "1").file("two", "2");
    let twice = [two().end(), Packed::default().file("three", "3").end()].concat();
    let hole = [two().0, vec![0; 2 << 20]].concat();
    let promise = two().entry("x", b'x', "", b"12 path=abc\n").end();
    let malformed =
        Packed::default().entry("x", b'x', "", b"13 size=1\n").file("one", "1").file("two", "2").end();
    [
        ("sound", two().end(), None),
        ("no-magic", no_magic(two().end()), None),
        ("incremental", two().entry("odd/", b'D', "", b"\0").file("odd/file", "3").end(), None),
        (
            "lost",
            two().entry("odd", b'0', "", b"?").damaged().file("three", "3").end(),
            Some("the header at byte 2048 is damaged: its entry is lost, and 1024 bytes are skipped"),
        ),
        (
            "hard-link",
            two().entry("odd", b'1', "one", b"other").file("three", "3").end(),
            Some("\"odd\": it is a hard link, and has other bytes than what it links to"),
        ),
        ("no-end", two().0, Some("the tar has no end mark: it may have been cut between two entries")),
        ("twice", twice, Some("the tar ends at byte 2048, but its file goes on: what follows is left out")),
        ("hole", hole, Some("the tar ends at byte 2048, but its file goes on: what follows is left out")),
        (
            "promise",
            promise,
            Some("the entry that should follow its extended header at byte 3072 is missing"),
        ),
        (
            "malformed",
            malformed,
            Some("\"one\": a record of its extended header is malformed, and the rest is lost"),
        ),
        (
            "folder",
            sized("folder/", b'5', ""),
            Some("\"folder/\": its header tells a size, but it has no bytes"),
        ),
        ("link", sized("link", b'2', "one"), Some("\"link\": its header tells a size, but it has no bytes")),
        (
            "device",
            sized("device", b'3', ""),
            Some("\"device\": its header tells a size, but it has no bytes"),
        ),
        (
            "vendor",
            two().entry("odd", b'Q', "", b"?").end(),
            Some("\"odd\": it is of an unknown type, and read as a file"),
        ),
    ]
}

/// What GNU tar and bsdtar read is read, with a finding that says what is odd.
#[test]
fn odd_tars_are_read_with_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let service = Setup::new().start();
    for (version, bytes, finding) in odd_tars() {
        let image = folder.path().join(version);
        fs::write(&image, bytes).unwrap();
        let record = register(&service, version, &image);
        assert_eq!(record["status"], "OK", "{version}: {record}");
        for (name, text) in [("one", "1"), ("two", "2")] {
            let url = service.south(&format!("/tar/{version}/{name}"));
            assert_eq!(http::get(&url).expect_status(200).text(), text, "{version}");
        }
        assert_eq!(warnings(&service, version), Vec::from_iter(finding), "{version}");
        assert_eq!(record["tree"]["warnings"], u64::from(finding.is_some()), "{version}: {record}");
    }
    assert_eq!(http::get(&service.south("/tar/vendor/odd")).expect_status(200).text(), "?");
    assert_eq!(http::get(&service.south("/tar/twice/three")).status, 404);
    for path in ["incremental/odd/file", "lost/three", "hard-link/three"] {
        assert_eq!(http::get(&service.south(&format!("/tar/{path}"))).expect_status(200).text(), "3");
    }
    assert_eq!(http::get(&service.south("/tar/lost/odd")).status, 404);
}

/// The bytes of a file are not served where its size may be wrong: others follow that no header describes.
#[test]
fn a_file_of_the_wrong_size_answers_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let service = Setup::new().start();
    let image = folder.path().join("image");
    let mut tar = Packed::default().file("first", "1").file("odd", &"o".repeat(1000)).file("last", "2").end();
    let block: &mut [u8; 512] = (&mut tar[1024..1536]).try_into().unwrap();
    block[124..136].copy_from_slice(&octal(400));
    seal(block);
    fs::write(&image, tar).unwrap();
    let record = register(&service, "1", &image);
    assert_eq!((&record["tree"]["warnings"], &record["tree"]["damaged"]), (&1.into(), &1.into()));
    assert_eq!(
        warnings(&service, "1"),
        [
            "there is no header at byte 2048: 512 bytes are skipped, and the entry before them may have another \
          size"
        ]
    );
    for (name, status) in [("first", 200), ("odd", 500), ("last", 200)] {
        assert_eq!(http::get(&service.south(&format!("/tar/1/{name}"))).status, status, "{name}");
    }
}

/// A sparse file is stored as a map and its data: it is listed with its size and not served.
#[test]
fn sparse_files_are_listed_and_answer_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let pieces: Vec<(u64, Vec<u8>)> = (0..60).map(|number| (number << 18, pattern(7, 5000))).collect();
    let borrowed: Vec<(u64, &[u8])> = pieces.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
    let tree = SourceTree::new().sparse("holes", 20 << 20, &borrowed).file("after", "all right\n");
    let service = Setup::new().start();
    for (version, arguments) in [
        ("gnu", &["-S", "--format=gnu"][..]),
        ("0.0", &["-S", "--format=posix", "--sparse-version=0.0"]),
        ("0.1", &["-S", "--format=posix", "--sparse-version=0.1"]),
        ("1.0", &["-S", "--format=posix", "--sparse-version=1.0"]),
    ] {
        let image = folder.path().join(version);
        packed::tar(&tree, arguments, &image);
        assert!(fs::metadata(&image).unwrap().len() < 2 << 20, "{version}: tar found no holes");
        let record = register(&service, version, &image);
        assert_eq!(
            (&record["tree"]["damaged"], &record["tree"]["entries"]),
            (&1.into(), &3.into()),
            "{version}"
        );
        let url = service.north(&format!("/images/{}", record["id"].as_str().unwrap()));
        assert_eq!(http::get(&url).expect_status(200).json()["findings"]["damaged"], json!(["holes"]));
        let url = service.south(&format!("/tar/{version}"));
        let answer = http::get(&format!("{url}/holes"));
        assert!((500..600).contains(&answer.status), "{version}: {}", answer.head_text());
        assert_eq!(http::get(&format!("{url}/after")).expect_status(200).text(), "all right\n");
        let listing =
            http::get_with(&format!("{url}/"), &[("Accept", "text/html")]).expect_status(200).text();
        assert!(listing.contains("holes"), "{listing}");
    }
}

/// A tar, built entry by entry.
#[derive(Default)]
struct Packed(Vec<u8>);

impl Packed {
    fn entry(mut self, name: &str, kind: u8, target: &str, bytes: &[u8]) -> Self {
        self.0.extend(header(name, kind, target, &octal(bytes.len() as u64)));
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        self.entry(name, b'0', "", text.as_bytes())
    }

    /// Damages the header of the last entry, whose bytes fill one block.
    fn damaged(mut self) -> Self {
        let header = self.0.len() - 1024;
        self.0[header] ^= 1;
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

fn octal(size: u64) -> [u8; 12] {
    format!("{size:011o}\0").into_bytes().try_into().unwrap()
}

fn header(name: &str, kind: u8, target: &str, size: &[u8; 12]) -> [u8; 512] {
    let mut block = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..][..bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(124, size);
    put(136, b"00000000005\0");
    put(156, &[kind]);
    put(157, target.as_bytes());
    put(257, b"ustar\x0000");
    seal(&mut block);
    block
}

/// Gives a header its checksum.
fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Every entry whose effect depends on others, or on where it leads.
fn tricky() -> Vec<u8> {
    let records = "18 path=pax/named\n27 linkpath=elsewhere/more\n";
    Packed::default()
        .entry("./", b'5', "", b"")
        .file("./dotted/./name", "dotted")
        .file("//absolute", "absolute")
        .file("../climbs", "no")
        .file("dotted/../../climbs", "no")
        .file("twice", "first")
        .file("twice", "second")
        .entry("folder/", b'5', "", b"")
        .file("folder/file", "kept")
        .file("folder", "does not replace what holds something")
        .file("becomes", "a file")
        .file("becomes-folder", "a file")
        .entry("becomes-folder/", b'5', "", b"")
        .file("becomes-folder/inside", "inside")
        .file("file-on-the-way", "a file")
        .file("file-on-the-way/below", "nowhere")
        .entry("link", b'2', "dotted", b"")
        .file("link/below", "behind a link")
        .entry("hard-below", b'1', "link/below", b"")
        .entry("out", b'2', "../../etc/passwd", b"")
        .file("out/below", "nowhere")
        .entry("hard", b'1', "./twice", b"")
        .file("twice", "third")
        .entry("hard-link", b'1', "link", b"")
        .entry("hard-none", b'1', "none", b"")
        .entry("hard-out", b'1', "/etc/passwd", b"")
        .entry("device", b'3', "", b"")
        .file("becomes-device", "a file")
        .entry("becomes-device", b'3', "", b"")
        .entry("x", b'x', "", records.as_bytes())
        .file("pax-name-that-is-replaced", "pax")
        .entry("g", b'g', "", b"13 path=all\n")
        .file("after-global", "global")
        .entry("long", b'L', "", format!("long/{}\0", "n".repeat(200)).as_bytes())
        .file("short", "long")
        .entry("directory-of-old/", b'0', "", b"")
        .entry("odd-type", b'Q', "", b"what it is")
        .file("last", "last")
        .end()
}

/// The tree that unpacking `tricky` leaves.
fn unpacked() -> BTreeMap<Vec<u8>, Entry> {
    let file = |text: &str| Entry::File(text.len() as u64, digest::of_bytes(text.as_bytes()));
    let long = format!("long/{}", "n".repeat(200));
    [
        ("dotted", Entry::Folder),
        ("dotted/name", file("dotted")),
        ("dotted/below", file("behind a link")),
        ("hard-below", file("behind a link")),
        ("becomes-device", Entry::Link(Vec::new())),
        ("absolute", file("absolute")),
        ("twice", file("third")),
        ("folder", Entry::Folder),
        ("folder/file", file("kept")),
        ("becomes", file("a file")),
        ("becomes-folder", Entry::Folder),
        ("becomes-folder/inside", file("inside")),
        ("file-on-the-way", file("a file")),
        ("link", Entry::Link(b"dotted".to_vec())),
        ("out", Entry::Link(b"../../etc/passwd".to_vec())),
        ("hard", file("second")),
        ("hard-link", Entry::Link(b"dotted".to_vec())),
        ("pax", Entry::Folder),
        ("pax/named", file("pax")),
        ("after-global", file("global")),
        ("long", Entry::Folder),
        (long.as_str(), file("long")),
        ("directory-of-old", Entry::Folder),
        ("odd-type", file("what it is")),
        ("last", file("last")),
    ]
    .into_iter()
    .map(|(path, entry)| (path.as_bytes().to_vec(), entry))
    .collect()
}

#[test]
fn a_tree_is_what_unpacking_would_leave() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    fs::write(&image, tricky()).unwrap();
    let service = Setup::new().start();
    let record = register(&service, "1", &image);
    let truth = unpacked();
    compare_tree(&service, "/tar/1", &truth);
    assert_eq!(record["tree"]["entries"], truth.len() + 1, "{record}");
    assert_eq!(
        record["tree"]["warnings"], 10,
        "two that climb, one folder, two in the way, one behind a link, two links, one type, one malformed record"
    );
    let findings = warnings(&service, "1");
    assert_eq!(findings.len(), 10, "{findings:?}");
    assert_eq!(findings[0], "\"../climbs\": it climbs out of the tree");
    for (path, text) in [("link/name", "dotted"), ("hard-link/name", "dotted"), ("DOTTED/name;1", "dotted")] {
        assert_eq!(http::get(&service.south(&format!("/tar/1/{path}"))).expect_status(200).text(), text);
    }
    for path in
        ["out", "climbs", "device", "becomes-device", "out/below", "file-on-the-way/below", "%2e%2e/climbs"]
    {
        assert_eq!(http::get(&service.south(&format!("/tar/1/{path}"))).status, 404, "{path}");
    }
}

/// Sizes of 8 GiB and more exceed eleven octal digits.
#[test]
fn a_file_of_nine_gigabytes_is_sent_from_where_it_lies() {
    let size: u64 = 9 << 30;
    let mut binary = [0; 12];
    binary[4..].copy_from_slice(&size.to_be_bytes());
    binary[0] = 0x80;
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let end = 512 + size;
    sparse_file(&image, end, &[(0, &header("big", b'0', "", &binary)), (512 + (5 << 30), b"the middle")]);
    let mut file = fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.seek(SeekFrom::Start(end)).unwrap();
    file.write_all(&Packed::default().file("after", "after").end()).unwrap();
    let service = Setup::new().start();
    register(&service, "1", &image);
    let url = service.south("/tar/1/big");
    assert_eq!(http::head(&url).expect_status(200).content_length(), Some(size));
    let range = format!("bytes={}-{}", (5_u64 << 30) - 5, (5_u64 << 30) + 14);
    let answer = http::get_with(&url, &[("Range", &range)]).expect_status(206);
    assert_eq!(answer.body, b"\0\0\0\0\0the middle\0\0\0\0\0");
    assert_eq!(http::get(&service.south("/tar/1/after")).expect_status(200).text(), "after");
}

#[test]
fn what_is_cut_or_broken_is_refused_with_the_reason() {
    let service = Setup::new().start();
    let whole = Packed::default().file("one", &"1".repeat(5000)).file("two", "2").end();
    let second = 512 + 5000_usize.next_multiple_of(512);
    let with = |offset: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[offset..][..bytes.len()].copy_from_slice(bytes);
        changed
    };
    let huge = {
        let mut size = [0xff; 12];
        size[..5].copy_from_slice(&[0x80, 0, 0, 0, 0x7f]);
        header("huge", b'0', "", &size).to_vec()
    };
    let long = header("x", b'x', "", &octal(17 << 20)).to_vec();
    let cases = [
        ("in-a-file", whole[..3000].to_vec(), "the tar is cut short"),
        ("in-a-header", whole[..second + 100].to_vec(), "the tar is cut short"),
        ("bad-size", with(124, b"x"), "not an ISO image, a squashfs or a tar"),
        ("huge", [huge, vec![0; 2048]].concat(), "the tar is cut short"),
        (
            "long",
            [long, vec![0; 3 << 20]].concat(),
            "the tar is damaged: the extended header at byte 512 is too long",
        ),
        ("text", b"Nothing of the kind.\n".repeat(5000), "not an ISO image, a squashfs or a tar"),
    ];
    for (name, bytes, reason) in cases {
        service.write(&format!("elsewhere/{name}"), &bytes);
        let path = service.path(&format!("elsewhere/{name}"));
        let answer =
            service.put_image(&[("name", "n"), ("version", name), ("isolocal", path.to_str().unwrap())]);
        expect_problem(&service, &answer, 422, reason);
        let url = service.north(&format!("/images?name=n&version={name}&isoclient={name}.tar"));
        expect_problem(&service, &http::put(&url, bytes), 422, "");
    }
    assert!(service.images(&[]).is_empty());
}

#[test]
fn a_tar_comes_from_the_web_and_keeps_its_name() {
    use harness::web::{Behaviour, Origin};

    let tree = SourceTree::new().file(BIG, pattern(3, 200_000));
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    packed::tar(&tree, &[], &image);
    let origin = Origin::start();
    origin.on("/get/rootfs.tar", Behaviour::File(image));
    let service = Setup::new().start();
    service.register("web", "1", "isoweb", &origin.url("/get/rootfs.tar"));
    let record = service.images(&[("name", "web")]).remove(0);
    assert_eq!((&record["iso"], &record["tree"]["kind"]), (&"rootfs.tar".into(), &"tar".into()));
    let mut connection = Connection::open(&service.south("/"));
    let answer = connection.exchange(&Request::new("GET", &format!("/web/1/{BIG}"))).unwrap();
    assert!(answer.expect_status(200).body == pattern(3, 200_000));
}
