//! Lists the files of a squashfs with their sizes: `list IMAGE`.

use std::collections::HashSet;
use std::error::Error;
use std::fs::File;

use squashfs_reader::{Image, Kind};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: list IMAGE")?;
    let file = File::open(path)?;
    let image = Image::open(&file)?;
    let mut reader = image.reader(&file);
    let mut waiting = vec![(String::new(), image.root())];
    // A hostile image may list a directory in itself.
    let mut entered = HashSet::new();
    while let Some((path, inode)) = waiting.pop() {
        match reader.inode(inode)?.kind {
            Kind::Directory(listing) if entered.insert(inode) => {
                reader.entries(&listing, |name, inode| {
                    waiting.push((format!("{path}/{}", name.escape_ascii()), inode));
                })?;
            }
            Kind::Directory(_) => println!("{path}: listed twice"),
            Kind::File(file) => println!("{path}: {} bytes", file.size()),
            Kind::Link(target) => println!("{path} -> {}", target.escape_ascii()),
            Kind::Special => println!("{path}: a device, a pipe or a socket"),
        }
    }
    Ok(())
}
