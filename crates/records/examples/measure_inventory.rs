//! Measures what a change of the inventory costs with 1,000, 10,000 and 100,000 files. `measure_inventory
//! <folder>` uses that folder.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use model::digest::Sha256;
use model::identity::Identity;
use model::names::FileName;
use model::stored_file::{FileRecord, Origin, StoreKind};
use records::feed::Feed;
use records::inventory::{CommitError, Inventory, InventoryWriter, JsonFile, Records};

fn file(number: u64) -> FileRecord {
    let name = FileName::new(format!("file-{number:06}.iso")).expect("a name");
    let identity = Identity { device: 1, inode: number, size: 4_096, seconds: 1_796_000_000, nanoseconds: 5 };
    let mut file = FileRecord::new(StoreKind::Iso, name, identity, Origin::Upload);
    file.verify(Sha256([7; 32]));
    file
}

fn put(number: u64) -> impl FnOnce(&mut Records) -> Result<(), CommitError> + Send + 'static {
    move |records| {
        let file = file(number);
        records.files.insert((file.kind, file.name.clone()), file);
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    for files in [1_000, 10_000, 100_000] {
        let folder = tempfile::tempdir_in(&folder).expect("a folder that can be written");
        measure(files, folder.path().join("inventory.json")).await;
    }
}

async fn measure(files: u64, path: PathBuf) {
    let inventory = Inventory::JsonFile(JsonFile::open(path.clone()).expect("opens"));
    let mut records = inventory.load().expect("loads");
    records.files = (0..files).map(file).map(|file| ((file.kind, file.name.clone()), file)).collect();
    // What each change cost before clones shared their records.
    let copied = once(|| {
        drop(records.files.iter().map(|(key, file)| (key.clone(), file.clone())).collect::<Vec<_>>());
    });
    let writer = InventoryWriter::<CommitError>::start(inventory, records, Feed::default()).expect("starts");
    let snapshot = writer.snapshot();
    let shared = once(|| drop(snapshot.records().clone()));
    drop(snapshot);

    let mut urgent = Vec::new();
    for number in 0..10 {
        let started = Instant::now();
        writer.commit(put(number)).await.expect("commits");
        urgent.push(started.elapsed());
    }
    urgent.sort();
    let size = fs::metadata(&path).expect("a file").len();
    println!("{files} files, {:.1} MB", size as f64 / 1e6);
    println!("  all records copied {copied:.1?}, shared {shared:.1?}");
    println!("  a durable change: median {:.1?}, longest {:.1?}", urgent[5], urgent[9]);

    let (started, before) = (Instant::now(), written());
    let mut soon = Vec::new();
    for number in 0..2_000 {
        let started = Instant::now();
        writer.commit_soon(put(files + number)).await.expect("is published");
        soon.push(started.elapsed());
    }
    let published = started.elapsed();
    writer.flush().await.expect("saves");
    soon.sort();
    println!(
        "  2,000 changes that no caller waits for: published in {published:.1?} (median {:.1?}), durable in {:.1?}, \
         {:.1} MB written",
        soon[1_000],
        started.elapsed(),
        (written() - before) as f64 / 1e6
    );
}

fn once(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

/// Bytes that this process has written.
fn written() -> u64 {
    let text = fs::read_to_string("/proc/self/io").expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("a number of bytes");
    line.parse().expect("a number")
}
