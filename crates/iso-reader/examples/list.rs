//! Lists an image as `ls -lR` would: `cargo run -p iso-reader --example list -- IMAGE [TREE]`.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write, stdout};

use iso_reader::{Node, NodeId, NodeKind, Options, Tree};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or("usage: list IMAGE [rockridge|udf|joliet|enhanced|plain]")?;
    let tree = arguments.next().map(|kind| kind.to_string_lossy().parse()).transpose()?;
    let tree = Tree::open(&File::open(path)?, &Options { tree, ..Options::default() })?;

    let mut out = BufWriter::new(stdout().lock());
    let volume = tree.volume();
    writeln!(out, "{} ({} tree, {} entries)", volume.label(), volume.kind(), tree.len())?;
    // Every directory comes before its children, so one pass over all entries meets them in order.
    for directory in tree.nodes().filter(|id| tree.node(*id).kind() == NodeKind::Directory) {
        writeln!(out, "\n/{}:", tree.path(directory).escape_ascii())?;
        for child in tree.children(directory) {
            writeln!(out, "{}", line(&tree, child))?;
        }
    }
    out.flush()?;
    for warning in tree.warnings().iter() {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

/// Type and permissions, size, time and name of one entry.
fn line(tree: &Tree, id: NodeId) -> String {
    let node: Node<'_> = tree.node(id);
    let kind = match node.kind() {
        NodeKind::Directory => 'd',
        NodeKind::File => '-',
        NodeKind::Link => 'l',
    };
    let mut line = format!(
        "{kind}{:04o} {:>12} {:>10} {}",
        node.mode(),
        node.size(),
        node.modified(),
        node.name().escape_ascii()
    );
    if let Some(target) = node.link_target() {
        line.push_str(&format!(" -> {}", target.escape_ascii()));
    }
    if node.is_damaged() {
        line.push_str(" (damaged)");
    }
    line
}
