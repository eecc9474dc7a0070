//! Prints all fields of every entry of an image, one line each, for programs that compare:
//! `cargo run -p iso-reader --example manifest -- IMAGE [TREE]`.
//!
//! A line holds kind (`d`, `f`, `l`), permissions, time, size, SHA-256 of the content, path and the target of
//! a link, between tabs. A field that an entry does not have is `-`. Instead of a digest, a file that cannot
//! be read has the reason. Bytes beyond printable ASCII are escaped.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write, stdout};

use iso_reader::{NodeId, NodeKind, Options, Tree};
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or("usage: manifest IMAGE [rockridge|udf|joliet|enhanced|plain]")?;
    let tree = arguments.next().map(|kind| kind.to_string_lossy().parse()).transpose()?;
    let image = File::open(path)?;
    let tree = Tree::open(&image, &Options { tree, ..Options::default() })?;

    let mut out = BufWriter::new(stdout().lock());
    for id in tree.nodes() {
        let node = tree.node(id);
        let (kind, size, digest) = match node.kind() {
            NodeKind::Directory => ('d', "-".to_owned(), "-".to_owned()),
            NodeKind::Link => ('l', "-".to_owned(), "-".to_owned()),
            NodeKind::File => ('f', node.size().to_string(), digest(&tree, &image, id)),
        };
        let path = tree.path(id);
        let target = node.link_target().map(|target| format!("\t{}", target.escape_ascii()));
        writeln!(
            out,
            "{kind}\t{:04o}\t{}\t{size}\t{digest}\t/{}{}",
            node.mode(),
            node.modified(),
            path.escape_ascii(),
            target.unwrap_or_default()
        )?;
    }
    out.flush()?;
    for warning in tree.warnings().iter() {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

/// The SHA-256 of a file, or the reason why it cannot be read.
fn digest(tree: &Tree, image: &File, file: NodeId) -> String {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        match tree.read_at(image, file, &mut buffer, offset) {
            Ok(0) => return hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            Ok(count) => {
                hash.update(&buffer[..count]);
                offset += count as u64;
            }
            Err(error) => return error.to_string(),
        }
    }
}
