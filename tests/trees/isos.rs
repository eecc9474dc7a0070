//! Every file of every tree, byte for byte: ISOs of other projects and generated ones, registered from the
//! store and from outside, fetched southbound and compared with the files that xorriso extracts.

use harness::digest::{self, Entry};
use harness::http::{self, Connection, Request};
use harness::iso::{self, Maker};
use harness::served::compare_tree;
use harness::{Setup, images};
use std::path::{Path, PathBuf};

/// Serves `iso` as `tree/local` by `isolocal` and as `tree/store` by `isostore`, and compares both with the
/// oracle.
fn compare(iso: &Path) {
    let service = Setup::new().start();
    service.register("tree", "local", "isolocal", iso.to_str().unwrap());
    let file = iso.file_name().unwrap().to_str().unwrap();
    service.upload_iso("uploaded.iso", iso);
    service.register("tree", "store", "isostore", "uploaded.iso");
    let folder = tempfile::tempdir().unwrap();
    let extracted = folder.path().join("extracted");
    iso::extract(iso, &extracted);
    let truth = digest::walk(&extracted);
    assert!(truth.values().any(|entry| matches!(entry, Entry::File(..))), "xorriso found no file in {file}");
    for base in ["/tree/local", "/tree/store"] {
        compare_tree(&service, base, &truth);
    }
}

#[test]
fn real_isos_are_served_as_xorriso_extracts_them() {
    for (path, _) in iso::REAL {
        let name = path.rsplit('/').next().unwrap();
        compare(&iso::real(name));
    }
}

#[test]
fn rock_ridge_trees_keep_every_name() {
    compare(&images::rock_ridge(Maker::Xorriso));
    compare(&images::rock_ridge(Maker::Genisoimage));
    compare(&images::installer());
    compare(&images::latin_names());
}

#[test]
fn joliet_trees_keep_long_and_foreign_names() {
    compare(&images::joliet(Maker::Xorriso));
    compare(&images::joliet(Maker::Genisoimage));
}

#[test]
fn bare_trees_are_in_lower_case() {
    compare(&images::bare(Maker::Xorriso));
    compare(&images::bare(Maker::Genisoimage));
}

#[test]
fn folders_deeper_than_eight_levels_are_in_their_place() {
    compare(&images::deep(true));
    compare(&images::deep(false));
}

#[test]
fn a_file_in_several_extents_is_one_file() {
    compare(&images::fragmented());
}

/// No tool makes blocks below 2048 bytes any more, and xorriso does not read them; ECMA-119 §6.2.2 allows
/// them.
#[test]
fn logical_blocks_of_every_size_are_read() {
    let service = Setup::new().start();
    for block in [512, 1024, 2048] {
        let version = block.to_string();
        service.register("blocks", &version, "isolocal", images::hand_written(block).to_str().unwrap());
        let url = service.south(&format!("/blocks/{version}"));
        let answer = http::get(&format!("{url}/split.bin")).expect_status(200);
        assert!(answer.body == images::fragmented_content(), "blocks of {block} bytes");
        assert_eq!(http::get(&format!("{url}/one.txt")).expect_status(200).text(), "one\n");
    }
}

/// Bytes beyond the end of the image never become a short success.
#[test]
fn a_file_beyond_the_end_of_its_image_is_an_error() {
    let service = Setup::new().start();
    service.register("blocks", "1", "isolocal", images::hand_written(2048).to_str().unwrap());
    for method in ["GET", "HEAD"] {
        let answer = http::request(method, &service.south("/blocks/1/beyond.bin"), &[], Vec::new());
        assert!((500..600).contains(&answer.status), "{method}\n{}", answer.head_text());
        assert!(answer.body.len() < 200, "{}", answer.text());
    }
    let url = service.south("/blocks/1/beyond.bin");
    let part = http::get_with(&url, &[("Range", "bytes=0-9")]);
    assert!((500..600).contains(&part.status), "{}", part.head_text());
    let names = http::get_with(&service.south("/blocks/1/"), &[("Accept", "application/json")]).json();
    assert!(names.as_array().unwrap().contains(&"beyond.bin".into()), "it is listed all the same: {names}");
}

#[test]
fn ten_thousand_small_files() {
    let image = images::many_files();
    compare(&image);
    let service = Setup::new().start();
    service.register("many", "1", "isolocal", image.to_str().unwrap());
    let mut connection = Connection::open(&service.south("/"));
    for number in [0, 699, 700, 9_999] {
        let answer = connection.get(&format!("/many/1/pool/{:02}/package-{number:05}.rpm", number % 100));
        assert_eq!(
            answer.expect_status(200).body,
            images::pattern(u32::try_from(number).unwrap(), number % 700)
        );
    }
}

#[test]
fn links_resolve_inside_the_image_only() {
    let service = Setup::new().start();
    service.register("links", "1", "isolocal", images::links().to_str().unwrap());
    let mut connection = Connection::open(&service.south("/"));
    let release = "Suite: stable\n";
    let package = images::pattern(41, 3000);
    let package = String::from_utf8_lossy(&package).into_owned();
    let cases: &[(&str, Option<&str>)] = &[
        ("ubuntu/dists/stable/Release", Some(release)),
        ("ubuntu/ubuntu/ubuntu/secret.txt", Some("inside the image\n")),
        ("absolute", Some(release)),
        ("absolute-folder/stable/Release", Some(release)),
        ("dists/unstable/Release", Some(release)),
        ("dists/up/package.deb", Some(&package)),
        ("dotted", Some(&package)),
        ("trailing/stable/Release", Some(release)),
        ("chain/1", Some("the end of the chain\n")),
        ("chain/40", Some("the end of the chain\n")),
        ("chain/41", None),
        ("chain/60", None),
        // `..` stops at the root of the image, as it does at `/`.
        ("above", Some("inside the image\n")),
        ("leaves", None),
        ("leaves-absolute", None),
        ("leaves-by-proc", None),
        ("dangling", None),
        ("loop-a", None),
        ("loop-b", None),
        ("self", None),
        ("self/more", None),
        ("through-file", None),
        ("secret.txt/more", None),
    ];
    for (path, expected) in cases {
        let target = format!("/links/1/{path}");
        let answer = connection.get(&target);
        match expected {
            Some(text) => assert_eq!(answer.expect_status(200).text(), *text, "{target}"),
            None => {
                let answer = answer.expect_status(404);
                assert!(answer.header("Content-Type").unwrap().starts_with("text/plain"), "{target}");
                assert!(!answer.text().contains("root:"), "{target}");
            }
        }
    }
    let listing = |connection: &mut Connection, target: &str| {
        let request = Request::new("GET", target).header("Accept", "text/plain");
        connection.exchange(&request).unwrap().expect_status(200).text()
    };
    let root = listing(&mut connection, "/links/1/");
    for folder in ["/links/1/ubuntu/", "/links/1/ubuntu", "/links/1/ubuntu/ubuntu"] {
        assert_eq!(listing(&mut connection, folder), root, "{folder}");
    }
    assert!(root.lines().any(|line| line.trim_end_matches('/') == "ubuntu"), "{root}");
}

/// Ranges at the ends, on both sides of 2 and 4 GiB and across the borders of extents, and the whole file by
/// its digest.
#[test]
fn a_sparse_file_of_four_and_a_half_gigabytes() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("sparse.iso");
    images::sparse(&image);
    let service = Setup::new().start();
    service.register("sparse", "1", "isolocal", image.to_str().unwrap());
    let length = images::SPARSE_LENGTH;
    let url = service.south("/sparse/1/big.bin");
    assert_eq!(http::head(&url).expect_status(200).content_length(), Some(length));
    let mut connection = Connection::open(&url);
    for (offset, bytes) in images::sparse_pieces() {
        let (start, end) = (offset.saturating_sub(100), (offset + 1099).min(length));
        let mut expected = vec![0; usize::try_from(end - start).unwrap()];
        expected[usize::try_from(offset - start).unwrap()..][..bytes.len()].copy_from_slice(&bytes);
        let request =
            Request::new("GET", "/sparse/1/big.bin").header("Range", &format!("bytes={start}-{}", end - 1));
        let answer = connection.exchange(&request).unwrap().expect_status(206);
        let range = format!("bytes {start}-{}/{length}", end - 1);
        assert_eq!(answer.header("Content-Range"), Some(range.as_str()));
        assert!(answer.body == expected, "the bytes from {start} on differ");
    }
    let request = Request::new("GET", "/sparse/1/big.bin").header("Range", "bytes=-10");
    let tail = connection.exchange(&request).unwrap().expect_status(206).body;
    assert_eq!(tail, images::sparse_pieces().pop().unwrap().1[989..]);

    connection.send(&Request::new("GET", "/sparse/1/big.bin")).unwrap();
    let mut sink = digest::Sink::default();
    let answer = connection.receive_into("GET", &mut sink).unwrap();
    assert_eq!((answer.status, sink.length), (200, length));
    assert_eq!(sink.finish(), sparse_digest(folder.path().join("big.bin")));
}

/// The expected digest of the big file, from an equal sparse file.
fn sparse_digest(path: PathBuf) -> String {
    let pieces = images::sparse_pieces();
    let borrowed: Vec<(u64, &[u8])> =
        pieces.iter().map(|(offset, bytes)| (*offset, bytes.as_slice())).collect();
    iso::sparse_file(&path, images::SPARSE_LENGTH, &borrowed);
    digest::of_file(&path)
}
