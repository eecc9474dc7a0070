//! Measures the index of an image: `cargo run --release -p iso-reader --example index_cost -- IMAGE`.
//!
//! Prints one line: milliseconds to build it, entries, bytes an entry, the peak memory of the process in KiB
//! before and after (0 where it is not known), and nanoseconds to find an entry by its whole path.

use std::error::Error;
use std::fs::{self, File};
use std::time::Instant;

use iso_reader::{Matching, Options, Tree};

/// Look-ups to time, of entries all over the tree.
const LOOKUPS: usize = 100_000;
/// Look-ups timed together. Other processes hardly change the median of many batches.
const BATCH: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: index_cost IMAGE")?;
    let before = peak_memory();
    let start = Instant::now();
    let tree = Tree::open(&File::open(path)?, &Options::default())?;
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    let after = peak_memory();
    let per_entry = tree.memory() as f64 / tree.len() as f64;
    let lookup = lookup_nanoseconds(&tree)?;
    println!("{milliseconds:.1} {} {per_entry:.1} {before} {after} {lookup:.0}", tree.len());
    Ok(())
}

/// The time of an exact look-up from the root, over entries in no order.
fn lookup_nanoseconds(tree: &Tree) -> Result<f64, Box<dyn Error>> {
    let nodes: Vec<_> = tree.nodes().collect();
    // A multiplicative generator (Lehmer) has no pattern that a processor's cache could use.
    let numbers = std::iter::successors(Some(1_usize), |number| Some(number * 48_271 % 0x7FFF_FFFF));
    let wanted: Vec<_> = numbers.take(LOOKUPS).map(|number| nodes[number % nodes.len()]).collect();
    let paths: Vec<Vec<u8>> = wanted.iter().map(|id| tree.path(*id)).collect();
    let mut times = Vec::new();
    for (paths, wanted) in paths.chunks(BATCH).zip(wanted.chunks(BATCH)) {
        let start = Instant::now();
        for (path, id) in paths.iter().zip(wanted) {
            let found = tree.resolve_path(path, Matching::Exact);
            if found != Ok(*id) && tree.node(*id).link_target().is_none() {
                return Err("an entry is not found by its own path".into());
            }
        }
        times.push(start.elapsed().as_nanos() as f64 / paths.len() as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// The peak memory of this process in KiB, 0 where it is not known.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
