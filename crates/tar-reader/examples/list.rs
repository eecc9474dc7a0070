//! Lists the members of a tar, and where their bytes lie: `list TAR`.

use std::error::Error;
use std::fs::File;

use tar_reader::{Kind, Members};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: list TAR")?;
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    for member in Members::new(&file, size) {
        let member = member?;
        let (path, target) = (member.path.escape_ascii(), member.target.escape_ascii());
        match member.kind {
            Kind::File => println!("{path}: {} bytes from byte {} on", member.size, member.offset),
            Kind::Link => println!("{path} -> {target}"),
            Kind::HardLink => println!("{path}: the same as {target}"),
            kind => println!("{path}: {kind:?}"),
        }
    }
    Ok(())
}
