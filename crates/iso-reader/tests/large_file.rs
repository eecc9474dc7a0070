//! A file of 4.5 GiB, more than one section can hold. The image is sparse on disk, and the bytes that xorriso
//! unpacks are read from a pipe, so that the test needs little space.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::{Command, Stdio};

use iso_reader::{Options, Tree};
use support::compare::assert_content;
use support::tools::{Workshop, assert_success, tool};

const SIZE: u64 = (4 << 30) + (512 << 20) + 123;

/// Runs a program and passes its standard output to `consume`.
fn with_output(command: &mut Command, consume: impl FnOnce(&mut dyn Read)) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    consume(child.stdout.as_mut().unwrap());
    let status = child.wait().unwrap();
    assert_success(command, status, "");
}

/// Copies a stream into a file that has holes for its zeros.
fn copy_sparse(from: &mut dyn Read, path: &Path) {
    let mut file = File::create(path).unwrap();
    let zeros = vec![0; 64 << 10];
    let mut buffer = vec![0; 64 << 10];
    let mut length = 0;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match from.read(&mut buffer[filled..]).unwrap() {
                0 => break,
                count => filled += count,
            }
        }
        if buffer[..filled] == zeros[..filled] {
            file.seek(SeekFrom::Current(i64::try_from(filled).unwrap())).unwrap();
        } else {
            file.write_all(&buffer[..filled]).unwrap();
        }
        length += u64::try_from(filled).unwrap();
        if filled < buffer.len() {
            break;
        }
    }
    file.set_len(length).unwrap();
}

#[test]
fn every_byte_of_a_file_in_several_sections() {
    let workshop = Workshop::new("large");
    let source = workshop.folder("source");
    let large = File::create(source.join("large.img")).unwrap();
    large.set_len(SIZE).unwrap();
    for offset in [0, (4 << 30) - 4096, (4 << 30) - 2048, (4 << 30) - 3, 4 << 30, SIZE - 9] {
        large.write_all_at(format!("@{offset:08x}").as_bytes().get(..9).unwrap(), offset).unwrap();
    }
    std::fs::write(source.join("small"), "small").unwrap();

    // Not genisoimage: it records such a file with the lower half of its size.
    let image = workshop.path("image.iso");
    let mut maker = tool("xorriso");
    maker.args(["-as", "mkisofs", "-R", "-iso-level", "3", "-o", "-"]).arg(&source);
    with_output(&mut maker, |output| copy_sparse(output, &image));
    let file = File::open(&image).unwrap();
    assert!(file.metadata().unwrap().blocks() * 512 < 64 << 20, "the image should be sparse");
    let tree = Tree::open(&file, &Options::default()).unwrap();
    assert!(tree.warnings().is_empty(), "{:?}", tree.warnings());

    let node = tree.node(tree.child(tree.root(), b"large.img").unwrap());
    assert_eq!((node.size(), node.is_readable()), (SIZE, true));
    let total: u64 = tree.extents(node.id()).map(|extent| extent.length).sum();
    assert_eq!(total, SIZE);
    assert_content(&tree, &file, node, &mut File::open(source.join("large.img")).unwrap(), "large.img");
    let small = tree.node(tree.child(tree.root(), b"small").unwrap());
    assert_content(&tree, &file, small, &mut &b"small"[..], "small");

    let mut second_opinion = tool("xorriso");
    second_opinion.args(["-osirrox", "on", "-indev"]).arg(&image);
    second_opinion.args(["-concat", "overwrite", "-", "/large.img", "--"]);
    with_output(&mut second_opinion, |mut output| {
        assert_content(&tree, &file, node, &mut output, "large.img");
    });
}
