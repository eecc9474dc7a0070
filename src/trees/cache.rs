//! Open trees of images, kept by how much memory their indexes take. A look at the file for each use notices at once when it was replaced.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quick_cache::sync::Cache as QuickCache;
use quick_cache::{OptionsBuilder, Weighter};
use rustix::fs::{Access, access};

use super::blocks::Blocks;
use super::{ImageTree, Tree, TreeError, kind};
use crate::model::identity::Identity;
use crate::model::image::TreeSummary;

/// Each open tree holds a descriptor. Counting it as this much memory bounds their number too.
const DESCRIPTOR_WEIGHT: u64 = 64 << 10;

/// The cache; look-ups of one image at the same time open it once.
pub struct Cache {
    trees: QuickCache<PathBuf, Arc<ImageTree>, ByMemory>,
    blocks: Arc<Blocks>,
}

/// Weighs trees for a cache of so many bytes.
#[derive(Clone)]
struct ByMemory(u64);

impl Weighter<PathBuf, Arc<ImageTree>> for ByMemory {
    /// A tree larger than the whole cache would never be kept, but read anew for each request; it takes the place of all others instead.
    fn weight(&self, _path: &PathBuf, tree: &Arc<ImageTree>) -> u64 {
        let memory = match &tree.tree {
            Tree::Iso(tree) => tree.memory(),
            Tree::Indexed(tree) => tree.memory(),
            Tree::Folder(_) => 0,
        };
        (memory + DESCRIPTOR_WEIGHT).min(self.0 / 10 * 9)
    }
}

impl Cache {
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / DESCRIPTOR_WEIGHT).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        // One shard: each would only keep trees that fit into its share, and a look-up is too short to contend.
        let options =
            OptionsBuilder::new().estimated_items_capacity(items).weight_capacity(bytes).shards(1).build();
        // The builder fails only without the two capacities.
        let trees = match options {
            Ok(options) => {
                QuickCache::with_options(options, ByMemory(bytes), Default::default(), Default::default())
            }
            Err(_) => QuickCache::with_weighter(items, bytes, ByMemory(bytes)),
        };
        Self { trees, blocks: Arc::new(Blocks::new()) }
    }

    pub(super) fn open(&self, iso: &Path) -> Result<Arc<ImageTree>, TreeError> {
        if let Some(tree) = self.trees.get(iso) {
            let unchanged =
                std::fs::metadata(iso).is_ok_and(|metadata| Identity::of(&metadata) == tree.identity);
            // An open file can still be read after its permissions went, but to go on would be to ignore whoever took them.
            if unchanged && access(iso, Access::READ_OK).is_ok() {
                return Ok(tree);
            }
            self.forget(iso);
        }
        self.trees.get_or_insert_with(iso, || kind::open(iso, &self.blocks).map(Arc::new))
    }

    /// Reads a file and keeps nothing of it.
    pub(super) fn inspect(&self, iso: &Path) -> Result<TreeSummary, TreeError> {
        kind::open(iso, &self.blocks).map(|tree| tree.summary)
    }

    pub(super) fn forget(&self, iso: &Path) {
        self.trees.remove(iso);
    }

    pub(super) fn clear(&self) {
        self.trees.clear();
    }
}
