//! What the index of an image costs: `cargo run --release -p iso-reader --example index_cost -- IMAGE`.
//!
//! Prints one line: milliseconds to build it, entries, bytes an entry, and on Linux the peak memory of
//! the process in KiB before and after.

use std::error::Error;
use std::fs::{self, File};
use std::time::Instant;

use iso_reader::{Options, Tree};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: index_cost IMAGE")?;
    let before = peak_memory();
    let start = Instant::now();
    let tree = Tree::open(&File::open(path)?, &Options::default())?;
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    let per_entry = tree.memory() as f64 / tree.len() as f64;
    println!("{milliseconds:.1} {} {per_entry:.1} {before} {}", tree.len(), peak_memory());
    Ok(())
}

/// The most memory this process ever had, in KiB; 0 where it is not known.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
