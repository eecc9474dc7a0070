//! Files that zisofs has compressed inside an ISO are served decompressed, complete and in ranges.

use harness::http::{self, Connection, Request};
use harness::images::pattern;
use harness::iso::{SourceTree, set_modified};
use harness::packed;
use harness::served::compare_tree;
use harness::{Setup, digest};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes an ISO in which xorriso has compressed every file that becomes smaller.
fn compress(tree: &SourceTree, iso: &Path) {
    tree.settle();
    let output = Command::new("xorriso")
        .args(["-abort_on", "FATAL", "-compliance", "untranslated_names", "-outdev"])
        .arg(iso)
        .args(["-map"])
        .arg(tree.root())
        .args(["/", "-set_filter_r", "--zisofs", "/", "--", "-commit"])
        .output()
        .unwrap_or_else(|error| panic!("cannot run xorriso, package xorriso: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    set_modified(iso);
}

#[test]
fn compressed_files_are_served_as_they_were() {
    let tree = SourceTree::new()
        .file("numbers.txt", packed::text())
        .file("zeros", vec![0; 1_000_000])
        .file("random", pattern(4, 200_000))
        .file("short.txt", "a".repeat(5000))
        .file("tiny", "1")
        .file("empty", "");
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("zisofs.iso");
    compress(&tree, &iso);
    let stored = fs::metadata(&iso).unwrap().len();
    assert!(stored < packed::text().len() as u64, "nothing was compressed: {stored} bytes");
    let mut service = Setup::new().start();
    service.register("zisofs", "1", "isolocal", iso.to_str().unwrap());
    compare_tree(&service, "/zisofs/1", &digest::walk(tree.root()));
    assert_eq!(service.images(&[])[0]["tree"]["damaged"], 0);

    let text = packed::text();
    let mut connection = Connection::open(&service.south("/"));
    for (start, end) in [(0, 0), (32_767, 32_768), (100_000, 500_000), (text.len() - 5, text.len() - 1)] {
        let range = format!("bytes={start}-{end}");
        let request = Request::new("GET", "/zisofs/1/numbers.txt").header("Range", &range);
        let answer = connection.exchange(&request).unwrap().expect_status(206);
        assert!(answer.body == text[start..=end], "{range}");
    }
    let whole = http::head(&service.south("/zisofs/1/numbers.txt")).expect_status(200);
    let tag = whole.header("ETag").unwrap();
    assert_eq!(whole.content_length(), Some(text.len() as u64));
    service.restart();
    let url = service.south("/zisofs/1/numbers.txt");
    assert_eq!(http::get_with(&url, &[("If-None-Match", tag)]).status, 304, "a restart keeps tags");
}
