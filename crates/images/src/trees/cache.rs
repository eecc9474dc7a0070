//! Open trees of images, within a bound of memory. Each use compares the file with the tree, so a replaced
//! file is noticed at once. Images of one ISO that serve different trees of it have an entry each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use iso_reader::TreeKind;
use quick_cache::sync::Cache as QuickCache;
use quick_cache::{OptionsBuilder, Weighter};
use rustix::fs::{Access, access};

use crate::trees::blocks::Blocks;
use crate::trees::error::TreeError;
use crate::trees::kind;
use crate::trees::tree::ImageTree;
use model::identity::Identity;
use model::image::TreeSummary;
use model::settings::Live;

/// Each open tree holds a descriptor. Counting it as this much memory bounds their number too.
const DESCRIPTOR_WEIGHT: u64 = 64 << 10;

/// An image file, and the tree that was asked for.
type TreeKey = (PathBuf, Option<TreeKind>);

/// The cache; look-ups of one tree at the same time open it once.
pub struct Cache {
    trees: Live<OpenTrees>,
    blocks: Arc<Blocks>,
}

type OpenTrees = QuickCache<TreeKey, Arc<ImageTree>, ByMemory>;

/// Weighs trees for a cache of so many bytes.
#[derive(Clone)]
struct ByMemory(u64);

impl Weighter<TreeKey, Arc<ImageTree>> for ByMemory {
    /// A tree larger than the cache keeps for new ones would be read anew for each request. So no tree weighs
    /// more than that.
    fn weight(&self, _key: &TreeKey, tree: &Arc<ImageTree>) -> u64 {
        (tree.tree.memory() + DESCRIPTOR_WEIGHT).min(self.0 / 2)
    }
}

impl Cache {
    /// A cache of so many bytes. When the number changes, the trees that are open leave it.
    pub(super) fn new(bytes: impl Into<Live<u64>>) -> Self {
        let bytes = bytes.into();
        let trees = Live::new(of_size(*bytes.get()));
        let changed = trees.clone();
        bytes.on_change(move |bytes| changed.set(of_size(**bytes)));
        Self { trees, blocks: Arc::new(Blocks::new()) }
    }

    pub(super) fn open(&self, iso: &Path, asked: Option<TreeKind>) -> Result<Arc<ImageTree>, TreeError> {
        let key = (iso.to_owned(), asked);
        let trees = self.trees.get();
        if let Some(tree) = trees.get(&key) {
            let unchanged =
                std::fs::metadata(iso).is_ok_and(|metadata| Identity::of(&metadata) == tree.identity);
            // An open file can be read even after its permissions were removed, which must be respected.
            if unchanged && access(iso, Access::READ_OK).is_ok() {
                return Ok(tree);
            }
            trees.remove(&key);
        }
        trees.get_or_insert_with(&key, || kind::open(iso, asked, &self.blocks).map(Arc::new))
    }

    /// Reads a file and keeps nothing of it.
    pub(super) fn inspect(&self, iso: &Path, asked: Option<TreeKind>) -> Result<TreeSummary, TreeError> {
        kind::open(iso, asked, &self.blocks).map(|tree| tree.summary)
    }

    /// Closes one tree of an ISO.
    pub(super) fn forget(&self, iso: &Path, asked: Option<TreeKind>) {
        self.trees.get().remove(&(iso.to_owned(), asked));
    }

    pub(super) fn clear(&self) {
        self.trees.get().clear();
    }
}

fn of_size(bytes: u64) -> OpenTrees {
    let items = usize::try_from(bytes / DESCRIPTOR_WEIGHT).unwrap_or(usize::MAX).clamp(16, 1 << 20);
    // One shard, because each keeps only trees that fit into its share, and a look-up is too short to
    // contend. Half of the cache is for trees that are used again and again. The other half keeps a new
    // one until its second use.
    let options = OptionsBuilder::new()
        .estimated_items_capacity(items)
        .weight_capacity(bytes)
        .hot_allocation(0.5)
        .shards(1)
        .build();
    // The builder fails only without the two capacities.
    match options {
        Ok(options) => {
            QuickCache::with_options(options, ByMemory(bytes), Default::default(), Default::default())
        }
        Err(_) => QuickCache::with_weighter(items, bytes, ByMemory(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Barrier;

    use super::*;

    const SECTOR: usize = 2048;

    /// A number in both byte orders (ECMA-119 §7.3.3).
    fn both(number: usize) -> Vec<u8> {
        let number = u32::try_from(number).expect("a small number");
        [number.to_le_bytes(), number.to_be_bytes()].concat()
    }

    /// A directory record (ECMA-119 §9.1) of 46 bytes, 44 to a sector.
    fn record(name: &[u8], sector: usize, length: usize, flags: u8) -> Vec<u8> {
        let mut record =
            [&[46, 0][..], &both(sector), &both(length), &[0; 7], &[flags, 0, 0, 1, 0, 0, 1]].concat();
        record.push(u8::try_from(name.len()).expect("a short name"));
        record.extend(name);
        record.resize(46, 0);
        record
    }

    /// A bare ISO whose root directory holds so many empty files.
    fn iso(files: usize) -> Vec<u8> {
        let sectors = (files + 2).div_ceil(44);
        let root = |name| record(name, 18, sectors * SECTOR, 2);
        let names = (0..files).map(|number| record(format!("{number:08}").as_bytes(), 18, 0, 0));
        let records: Vec<Vec<u8>> = [root(b"\0"), root(b"\x01")].into_iter().chain(names).collect();
        let mut image = vec![0; (18 + sectors) * SECTOR];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(16 * SECTOR, b"\x01CD001\x01");
        put(16 * SECTOR + 80, &both(18 + sectors));
        put(16 * SECTOR + 128, &[0, 8, 8, 0]);
        put(16 * SECTOR + 156, &root(b"\0")[..34]);
        put(17 * SECTOR, b"\xFFCD001\x01");
        for (sector, records) in records.chunks(44).enumerate() {
            put((18 + sector) * SECTOR, &records.concat());
        }
        image
    }

    fn folder_of(sizes: &[usize]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (number, files) in sizes.iter().enumerate() {
            fs::write(folder.path().join(number.to_string()), iso(*files)).expect("writes");
        }
        folder
    }

    #[test]
    fn who_comes_at_once_opens_once() {
        let folder = folder_of(&[20_000]);
        let (path, cache, start) = (folder.path().join("0"), Cache::new(64 << 20), Barrier::new(16));
        let open = || {
            start.wait();
            cache.open(&path, None).expect("opens")
        };
        let trees: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(trees[0].summary.entries, 20_001);
        assert!(trees.iter().all(|tree| Arc::ptr_eq(tree, &trees[0])), "it was read more than once");
    }

    #[test]
    fn trees_go_by_the_memory_that_they_take() {
        let folder = folder_of(&[vec![1; 60], vec![20_000, 12_000]].concat());
        let (cache, path) = (Cache::new(1 << 20), |number: usize| folder.path().join(number.to_string()));
        for _ in 0..2 {
            for number in 0..60 {
                cache.open(&path(number), None).expect("opens");
                assert!(cache.trees.get().weight() <= 1 << 20 && cache.trees.get().len() <= 16);
            }
        }
        assert!(cache.trees.get().len() > 8, "{} trees of a few bytes", cache.trees.get().len());
        // A new tree is kept from its first use on, however large it is and however often others were used.
        for number in [60, 61] {
            let large = cache.open(&path(number), None).expect("opens");
            assert!(Arc::ptr_eq(&large, &cache.open(&path(number), None).expect("opens")), "{number}");
            assert!(
                cache.trees.get().weight() <= 1 << 20 && cache.trees.get().len() <= 9,
                "{} trees",
                cache.trees.get().len()
            );
        }
    }

    #[test]
    fn trees_of_one_iso_are_told_apart() {
        let folder = folder_of(&[1]);
        let (cache, path) = (Cache::new(1 << 20), folder.path().join("0"));
        let open = |asked| cache.open(&path, asked).expect("opens");
        let (best, plain) = (open(None), open(Some(TreeKind::Plain)));
        assert!(!Arc::ptr_eq(&best, &plain));
        cache.forget(&path, None);
        assert!(Arc::ptr_eq(&plain, &open(Some(TreeKind::Plain))) && !Arc::ptr_eq(&best, &open(None)));
        let error = cache.open(&path, Some(TreeKind::Joliet)).expect_err("none").to_string();
        assert_eq!(error, "the ISO has no joliet tree; it has plain");
    }
}
