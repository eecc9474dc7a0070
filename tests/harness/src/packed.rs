//! Trees packed as squashfs and as tar: their content, and the tools that pack them.

use super::images;
use super::iso::SourceTree;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// An incompressible file of several blocks of any block size.
pub const BIG: &str = "boot/initrd.img";

/// A compressible file of many blocks.
pub const TEXT: &str = "docs/numbers.txt";

/// The content of [`BIG`].
pub fn big() -> Vec<u8> {
    images::pattern(81, (3 << 20) + 12_345)
}

/// The content of [`TEXT`].
pub fn text() -> Vec<u8> {
    (0..200_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect()
}

const SPARSE_LENGTH: usize = 5 << 20;

fn sparse_pieces() -> Vec<(u64, Vec<u8>)> {
    [0, 1 << 20, (1 << 22) + 777]
        .into_iter()
        .zip(91..)
        .map(|(at, seed)| (at, images::pattern(seed, 999)))
        .collect()
}

/// The content of `sparse.bin`.
pub fn sparse() -> Vec<u8> {
    let mut bytes = vec![0; SPARSE_LENGTH];
    for (at, piece) in sparse_pieces() {
        bytes[usize::try_from(at).unwrap()..][..piece.len()].copy_from_slice(&piece);
    }
    bytes
}

/// A tree with every kind of entry that both formats can hold.
pub fn tree() -> SourceTree {
    let pieces = sparse_pieces();
    let borrowed: Vec<(u64, &[u8])> = pieces.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
    let tree = images::rock_ridge_tree()
        .file(BIG, big())
        .file(TEXT, text())
        .sparse("sparse.bin", SPARSE_LENGTH as u64, &borrowed)
        .file(OsStr::from_bytes(images::LATIN_NAME), "coffee\n")
        .file("one-byte", "1")
        .file("block", images::pattern(82, 131_072))
        .file("block-and-one", images::pattern(83, 131_073))
        .file("zeros", vec![0; 300_000])
        .link("initrd", BIG);
    fs::create_dir(tree.root().join("many")).unwrap();
    for number in 0..1500 {
        let seed = u32::try_from(number).unwrap();
        fs::write(tree.root().join(format!("many/entry-{number}")), images::pattern(seed, number % 300))
            .unwrap();
    }
    fs::hard_link(tree.root().join(BIG), tree.root().join("same.img")).unwrap();
    tree.settle();
    tree
}

/// Makes a squashfs.
#[track_caller]
pub fn squash(tree: &SourceTree, arguments: &[&str], image: &Path) {
    tree.settle();
    let mut command = Command::new("mksquashfs");
    command.arg(tree.root()).arg(image).args(["-noappend", "-no-progress", "-quiet"]).args(arguments);
    run(command, "squashfs-tools");
}

/// Makes a tar of everything in the tree.
#[track_caller]
pub fn tar(tree: &SourceTree, arguments: &[&str], image: &Path) {
    tree.settle();
    let mut command = Command::new("tar");
    command.args(arguments).arg("-C").arg(tree.root()).arg("-cf").arg(image).arg(".");
    run(command, "tar");
}

#[track_caller]
fn run(mut command: Command, package: &str) {
    let output = command
        .stdin(Stdio::null())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}, package {package}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
