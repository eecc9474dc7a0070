//! Writes a file of an image to standard output: `cargo run -p iso-reader --example cat -- IMAGE PATH`.

use std::error::Error;
use std::fs::File;
use std::io::{Write, stdout};

use iso_reader::{Matching, Options, Tree};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(image), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: cat IMAGE PATH".into());
    };
    let image = File::open(image)?;
    let tree = Tree::open(&image, &Options::default())?;
    let file = tree.resolve_path(path.as_encoded_bytes(), Matching::Lenient)?;

    let mut out = stdout().lock();
    let mut buffer = vec![0; 256 << 10];
    let mut offset = 0;
    loop {
        let count = tree.read_at(&image, file, &mut buffer, offset)?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..count])?;
        offset += u64::try_from(count)?;
    }
}
