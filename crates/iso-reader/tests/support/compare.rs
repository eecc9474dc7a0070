//! A tree against a directory on disk: names, kinds, sizes, every byte, and attributes that both have.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use iso_reader::{Encoding, Node, NodeKind, Tree};

/// The attributes to compare beside names, kinds, sizes and bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attributes {
    /// None.
    None,
    /// Permissions and times of files.
    Posix,
}

/// Asserts that `tree`, read from `image`, has exactly the entries of `folder`, except for the paths in
/// `ignored` and those below them.
pub(crate) fn assert_same(
    tree: &Tree,
    image: &File,
    folder: &Path,
    attributes: Attributes,
    ignored: &[&str],
) {
    let is_ignored = |path: &[u8]| {
        ignored.iter().any(|ignored| {
            path.strip_prefix(ignored.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        })
    };
    let mut expected = BTreeMap::new();
    collect(folder, Path::new(""), &mut expected);
    expected.retain(|path, _| !is_ignored(path));
    for id in tree.nodes().skip(1) {
        let path = tree.path(id);
        if is_ignored(&path) {
            continue;
        }
        let shown = path.escape_ascii();
        let Some(on_disk) = expected.remove(&path) else { panic!("{shown} is in the tree only") };
        let node = tree.node(id);
        assert!(!node.is_damaged(), "{shown} is damaged");
        compare_entry(tree, image, node, &on_disk, attributes);
    }
    let missing: Vec<String> = expected.keys().map(|path| path.escape_ascii().to_string()).collect();
    assert!(missing.is_empty(), "not in the tree: {missing:?}");
}

fn collect(folder: &Path, inside: &Path, found: &mut BTreeMap<Vec<u8>, PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = inside.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &path, found);
        }
        found.insert(path.as_os_str().as_bytes().to_vec(), entry.path());
    }
}

fn compare_entry(tree: &Tree, image: &File, node: Node<'_>, on_disk: &Path, attributes: Attributes) {
    let shown = on_disk.display();
    let metadata = fs::symlink_metadata(on_disk).unwrap();
    let kind = if metadata.is_dir() {
        NodeKind::Directory
    } else if metadata.is_symlink() {
        NodeKind::Link
    } else {
        NodeKind::File
    };
    assert_eq!(node.kind(), kind, "{shown}");
    match kind {
        NodeKind::Directory => {}
        NodeKind::Link => {
            let target = fs::read_link(on_disk).unwrap();
            assert_eq!(node.link_target(), Some(target.as_os_str().as_bytes()), "{shown}");
        }
        NodeKind::File => {
            assert_eq!(node.size(), metadata.len(), "{shown}");
            let mut file = File::open(on_disk).unwrap();
            assert_content(tree, image, node, &mut file, &shown.to_string());
            let total: u64 = tree.extents(node.id()).map(|extent| extent.length).sum();
            assert!(total == node.size() || node.encoding() == Encoding::Zisofs, "{shown}");
        }
    }
    if attributes == Attributes::Posix && kind != NodeKind::Link {
        assert_eq!(u32::from(node.mode()), metadata.mode() & 0o7777, "mode of {shown}");
    }
    if attributes == Attributes::Posix && kind == NodeKind::File {
        assert_eq!(node.modified(), metadata.mtime(), "time of {shown}");
    }
}

/// Asserts that a file holds exactly the bytes of `expected`.
pub(crate) fn assert_content(
    tree: &Tree,
    image: &File,
    node: Node<'_>,
    expected: &mut impl Read,
    shown: &str,
) {
    let mut ours = vec![0; 1 << 20];
    let mut theirs = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        let count = tree.read_at(image, node.id(), &mut ours, offset).unwrap();
        if count == 0 {
            break;
        }
        expected.read_exact(&mut theirs[..count]).unwrap();
        assert!(ours[..count] == theirs[..count], "{shown} differs behind byte {offset}");
        offset += u64::try_from(count).unwrap();
    }
    assert_eq!(offset, node.size(), "{shown}");
    assert_eq!(expected.read(&mut theirs).unwrap(), 0, "{shown} is longer elsewhere");
}
