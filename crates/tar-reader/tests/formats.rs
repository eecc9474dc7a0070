//! Tars made by GNU tar in each of its formats, read to the byte.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tar_reader::{BLOCK_BYTES, Kind, Member, Members};

/// What a member leaves when it is unpacked.
#[derive(Debug, PartialEq, Eq)]
enum Unpacked {
    Directory,
    File(Vec<u8>),
    Link(Vec<u8>),
}

type Tree = BTreeMap<Vec<u8>, (u32, u64, Unpacked)>;

/// Paths and targets of 100 bytes and more need an extension; so does, in POSIX, a time with fractions.
fn fill(root: &Path) {
    let deep = root.join("d".repeat(90)).join("e".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    for length in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 70_000] {
        fs::write(root.join(format!("file-{length}")), pattern(length)).unwrap();
    }
    fs::write(deep.join("below a long path"), "deep").unwrap();
    fs::write(root.join("n".repeat(100)), "a name that fills its field").unwrap();
    fs::write(root.join("grüße"), "not in ASCII").unwrap();
    symlink("file-1", root.join("link")).unwrap();
    symlink("t".repeat(200), root.join("long-link")).unwrap();
    fs::set_permissions(root.join("file-1"), fs::Permissions::from_mode(0o4751)).unwrap();
}

fn pattern(length: usize) -> Vec<u8> {
    (0..).flat_map(|number: u32| format!("{number:x} ").into_bytes()).take(length).collect()
}

fn walk(folder: &Path, path: &[u8], tree: &mut Tree) {
    let status = fs::symlink_metadata(folder).unwrap();
    let unpacked = if status.is_dir() {
        Unpacked::Directory
    } else if status.is_symlink() {
        Unpacked::Link(fs::read_link(folder).unwrap().into_os_string().into_encoded_bytes())
    } else {
        Unpacked::File(fs::read(folder).unwrap())
    };
    let modified = u64::try_from(status.mtime()).unwrap();
    tree.insert(path.to_vec(), (status.mode() & 0o7777, modified, unpacked));
    if status.is_dir() {
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name();
            walk(&folder.join(&name), &[path, b"/", name.as_encoded_bytes()].concat(), tree);
        }
    }
}

fn pack(root: &Path, arguments: &[&str]) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tar");
    let mut command = Command::new("tar");
    command.arg("-cf").arg(&path).args(arguments).arg("-C").arg(root).arg(".");
    let output = command.output().unwrap_or_else(|error| panic!("cannot run tar: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    File::open(path).unwrap()
}

fn members(file: &File) -> Vec<Member> {
    Members::new(file, file.metadata().unwrap().len()).map(Result::unwrap).collect()
}

#[test]
fn each_format_is_read_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let mut truth = Tree::new();
    walk(folder.path(), b".", &mut truth);
    for format in ["gnu", "oldgnu", "posix"] {
        let file = pack(folder.path(), &[&format!("--format={format}")]);
        let mut read = Tree::new();
        for member in members(&file) {
            let unpacked = match member.kind {
                Kind::Directory => Unpacked::Directory,
                Kind::Link => Unpacked::Link(member.target),
                Kind::File => {
                    assert_eq!(member.size, member.stored);
                    let mut bytes = vec![0; usize::try_from(member.size).unwrap()];
                    file.read_exact_at(&mut bytes, member.offset).unwrap();
                    Unpacked::File(bytes)
                }
                other => panic!("{format}: {other:?}"),
            };
            let path = member.path.strip_suffix(b"/").unwrap_or(&member.path).to_vec();
            assert!(read.insert(path, (member.mode, member.modified, unpacked)).is_none());
        }
        assert_eq!(read.keys().collect::<Vec<_>>(), truth.keys().collect::<Vec<_>>(), "{format}");
        assert!(read == truth, "{format}");
    }
}

/// ustar splits a path in two fields. A hard link stores no bytes, though POSIX may tell the file's size.
#[test]
fn kinds_are_told_in_each_format() {
    let folder = tempfile::tempdir().unwrap();
    let parent = folder.path().join("p".repeat(90));
    fs::create_dir(&parent).unwrap();
    fs::write(parent.join("q".repeat(90)), "two fields").unwrap();
    fs::write(folder.path().join("a"), "linked").unwrap();
    fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    for format in ["ustar", "gnu", "posix"] {
        let read = members(&pack(folder.path(), &["--sort=name", "--format", format]));
        let shown: Vec<String> = read
            .iter()
            .map(|member| {
                let (path, target) = (member.path.escape_ascii(), member.target.escape_ascii());
                format!("{:?} {path} {target} {}", member.kind, member.stored)
            })
            .collect();
        let (p, q) = ("p".repeat(90), "q".repeat(90));
        let expected = [
            "Directory ./  0".to_owned(),
            "File ./a  6".to_owned(),
            "HardLink ./b ./a 0".to_owned(),
            "Special ./pipe  0".to_owned(),
            format!("Directory ./{p}/  0"),
            format!("File ./{p}/{q}  10"),
        ];
        assert_eq!(shown, expected, "{format}");
    }
}

/// What lies behind a sparse file is found whatever the length of its map.
#[test]
fn a_sparse_file_is_told_with_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let holes = File::create(folder.path().join("holes")).unwrap();
    for piece in 0..60_u64 {
        holes.write_all_at(&pattern(5000), piece << 18).unwrap();
    }
    holes.set_len(20 << 20).unwrap();
    fs::write(folder.path().join("next"), "after").unwrap();
    for arguments in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let file = pack(folder.path(), &[&["-S", "--sort=name"], arguments].concat());
        let [_, holes, next] = members(&file).try_into().unwrap();
        assert_eq!(
            (holes.kind, holes.size, holes.path.as_slice()),
            (Kind::Sparse, 20 << 20, &b"./holes"[..])
        );
        assert!((60 * 5000..2 << 20).contains(&holes.stored), "{arguments:?}: {} stored", holes.stored);
        let mut bytes = [0; 5];
        file.read_exact_at(&mut bytes, next.offset).unwrap();
        assert_eq!((next.kind, &bytes), (Kind::File, b"after"), "{arguments:?}");
        if arguments == ["--format=gnu"] {
            let mut bytes = [0; 100];
            file.read_exact_at(&mut bytes, holes.offset).unwrap();
            assert_eq!(bytes, pattern(100)[..], "the bytes begin behind the map");
        }
    }
}
