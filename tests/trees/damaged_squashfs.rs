//! Damage to a squashfs costs what it hits, as in Linux, and is told: entries, the rest of a directory, files
//! whose blocks cannot be found. mksquashfs makes the images, the tests damage them.

use harness::http;
use harness::images::pattern;
use harness::iso::SourceTree;
use harness::packed;
use harness::problem::expect_problem;
use harness::{Service, Setup};
use serde_json::{Value, json};
use std::fs;

/// A squashfs whose inodes and directories are not compressed, each in one block of metadata.
#[derive(Clone)]
struct Squashfs(Vec<u8>);

impl Squashfs {
    fn make() -> Self {
        let tree = ["a", "b", "c"].into_iter().fold(SourceTree::new(), |tree, name| {
            tree.file(format!("docs/document-{name}"), format!("text {name}\n"))
        });
        let tree = tree.file("boot/kernel", pattern(1, 300_000)).file("boot/initrd", "small\n");
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        packed::squash(&tree, &["-noI", "-noId", "-no-xattrs"], &image);
        Self(fs::read(image).unwrap())
    }

    /// A number of the superblock.
    fn number(&self, at: usize) -> usize {
        usize::try_from(u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())).unwrap()
    }

    /// Where the entry of this name is in its directory: a head of 8 bytes and the name.
    #[track_caller]
    fn entry(&self, name: &str) -> usize {
        let directories = self.number(72);
        let length = u16::try_from(name.len() - 1).unwrap().to_le_bytes();
        let wanted = [&length, name.as_bytes()].concat();
        let found = self.0[directories..].windows(wanted.len()).position(|bytes| bytes == wanted);
        directories + found.unwrap() - 6
    }

    fn inode(&self, name: &str) -> usize {
        let entry = self.entry(name);
        self.number(64) + 2 + usize::from(u16::from_le_bytes([self.0[entry], self.0[entry + 1]]))
    }

    fn with(&self, at: usize, bytes: &[u8]) -> Self {
        let mut changed = self.clone();
        changed.0[at..][..bytes.len()].copy_from_slice(bytes);
        changed
    }
}

const PATHS: [&str; 5] =
    ["boot/initrd", "boot/kernel", "docs/document-a", "docs/document-b", "docs/document-c"];

/// Registers an image; returns it as the API shows it.
fn register(service: &Service, version: &str, image: &Squashfs) -> Value {
    service.write(&format!("elsewhere/{version}"), &image.0);
    let path = service.path(&format!("elsewhere/{version}"));
    service.register("squash", version, "isolocal", path.to_str().unwrap());
    let id = service.images(&[("version", version)])[0]["id"].as_str().unwrap().to_owned();
    http::get(&service.north(&format!("/images/{id}"))).expect_status(200).json()
}

/// Compares all files but these, which must be errors.
fn expect_lost(service: &Service, version: &str, lost: &[&str]) {
    for path in PATHS {
        let answer = http::get(&service.south(&format!("/squash/{version}/{path}")));
        if lost.contains(&path) {
            assert_eq!(answer.status, 500, "{version} {path}");
            continue;
        }
        let expected = match path {
            "boot/kernel" => pattern(1, 300_000),
            "boot/initrd" => b"small\n".to_vec(),
            document => format!("text {}\n", &document[14..]).into_bytes(),
        };
        assert!(answer.expect_status(200).body == expected, "{version} {path}");
    }
    http::get(&service.south(&format!("/squash/{version}/boot/none"))).expect_status(404);
}

/// A name, an image, the files that are lost, what the API names, and a text among the findings.
type Case<'a> = (&'a str, Squashfs, &'a [&'a str], &'a [&'a str], &'a str);

#[test]
fn damage_costs_what_it_hits_and_is_told() {
    let sound = Squashfs::make();
    let (documents, small) = (&PATHS[2..], [PATHS[0], PATHS[2], PATHS[3], PATHS[4]]);
    let first = sound.entry("document-a");
    let kernel = sound.inode("kernel");
    let cases: [Case<'_>; 8] = [
        ("type", sound.with(kernel, &[15]), &PATHS[1..2], &PATHS[1..2], "\"kernel\": an inode is of no"),
        (
            "inode",
            sound.with(sound.entry("kernel"), &[0xff, 0xff]),
            &PATHS[1..2],
            &PATHS[1..2],
            "\"kernel\": ",
        ),
        (
            "blocks",
            sound.with(kernel + 32, &[0xff; 3]),
            &PATHS[1..2],
            &PATHS[1..2],
            "\"kernel\": a block is longer",
        ),
        (
            "name",
            sound.with(sound.entry("document-b") + 6, &[0, 1]),
            &PATHS[3..],
            &["docs"],
            "a name is too long",
        ),
        (
            "run",
            sound.with(first - 12, &[0xff; 4]),
            documents,
            &["docs"],
            "\"docs\": entries of the directory",
        ),
        ("listing", sound.with(sound.inode("docs") + 16, &[0xff; 3]), documents, &["docs"], "\"docs\": "),
        // Linux goes on in the listing of the root.
        (
            "size",
            sound.with(sound.inode("docs") + 24, &[0xff; 2]),
            &[],
            &["docs"],
            "\"docs\": entries of the",
        ),
        ("fragments", sound.with(80, &[0x60]), &small, &small, "\"initrd\": "),
    ];
    let mut service = Setup::new().start();
    for (version, image, lost, damaged, reason) in &cases {
        let record = register(&service, version, image);
        assert_eq!(record["status"], "OK", "{record}");
        let mut named = record["findings"]["damaged"].as_array().unwrap().clone();
        named.sort_unstable_by_key(Value::to_string);
        assert_eq!(json!(named), json!(damaged), "{version}");
        assert_eq!(record["tree"]["damaged"], damaged.len(), "{version}");
        let warnings = record["findings"]["warnings"].to_string().replace('\\', "");
        assert!(warnings.contains(reason), "{version}: {warnings}");
        expect_lost(&service, version, lost);
    }
    // No entry of the directory is left, which must not look empty. Of this one some are.
    for version in ["run", "listing"] {
        assert_eq!(http::get(&service.south(&format!("/squash/{version}/docs/"))).status, 500, "{version}");
    }
    http::get(&service.south("/squash/name/docs/")).expect_status(200);
    service.restart();
    for (version, _, lost, ..) in &cases {
        expect_lost(&service, version, lost);
    }
}

/// Owners, attributes and the table for NFS are for systems that mount the image.
#[test]
fn tables_that_are_not_needed_may_be_damaged() {
    let sound = Squashfs::make();
    let service = Setup::new().start();
    for (version, at, bytes) in [
        ("ids", 48, &[0xee; 8][..]),
        ("no-ids", 26, &[0; 2]),
        ("attributes", 56, &[0xee; 8]),
        ("export", 88, &[0xee; 8]),
        ("flags", 24, &[0xff; 2]),
        ("time", 8, &[0xff; 4]),
        ("inodes", 4, &[0xff; 4]),
    ] {
        let record = register(&service, version, &sound.with(at, bytes));
        assert_eq!(record["findings"], json!({"warnings": [], "damaged": []}), "{version}");
        expect_lost(&service, version, &[]);
    }
}

#[test]
fn a_root_without_an_entry_is_refused() {
    let sound = Squashfs::make();
    let service = Setup::new().start();
    let first = sound.entry("boot");
    service.write("elsewhere/root", &sound.with(first - 12, &[0xff; 4]).0);
    let path = service.path("elsewhere/root");
    let answer = service.put_image(&[("name", "n"), ("version", "1"), ("isolocal", path.to_str().unwrap())]);
    expect_problem(&service, &answer, 422, "a directory has too many entries in a run");
}
