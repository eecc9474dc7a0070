//! Open ISO trees, kept by how much memory their indexes take. An ISO that was replaced is noticed within a second.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache as QuickCache;

use super::{ImageTree, Tree, TreeError, iso};
use crate::model::identity::Identity;

/// How long a tree is trusted without looking whether its ISO is still the same.
const TRUST: Duration = Duration::from_secs(1);

/// Each open tree holds a descriptor. Counting it as this much memory bounds their number too.
const DESCRIPTOR_WEIGHT: u64 = 64 << 10;

struct Cached {
    tree: Arc<ImageTree>,
    memory: u64,
    /// Milliseconds after `Cache::started` at which the ISO was last looked at.
    checked: AtomicU64,
}

/// The cache; look-ups of one ISO at the same time open it once.
pub struct Cache {
    trees: QuickCache<PathBuf, Arc<Cached>, ByMemory>,
    started: Instant,
}

#[derive(Clone)]
struct ByMemory;

impl Weighter<PathBuf, Arc<Cached>> for ByMemory {
    fn weight(&self, _path: &PathBuf, cached: &Arc<Cached>) -> u64 {
        cached.memory + DESCRIPTOR_WEIGHT
    }
}

impl Cache {
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / DESCRIPTOR_WEIGHT).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self { trees: QuickCache::with_weighter(items, bytes, ByMemory), started: Instant::now() }
    }

    pub(super) fn open(&self, iso: &Path) -> Result<Arc<ImageTree>, TreeError> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(cached) = self.trees.get(iso) {
            let trusted_until = cached.checked.load(Ordering::Relaxed) + TRUST.as_secs() * 1000;
            if now < trusted_until {
                return Ok(Arc::clone(&cached.tree));
            }
            let unchanged =
                std::fs::metadata(iso).is_ok_and(|metadata| Identity::of(&metadata) == cached.tree.identity);
            if unchanged {
                cached.checked.store(now, Ordering::Relaxed);
                return Ok(Arc::clone(&cached.tree));
            }
            self.forget(iso);
        }
        let cached = self.trees.get_or_insert_with(iso, || {
            let tree = iso::open(iso)?;
            let memory = match &tree.tree {
                Tree::Iso(tree) => tree.memory(),
                Tree::Folder(_) => 0,
            };
            Ok::<_, TreeError>(Arc::new(Cached {
                tree: Arc::new(tree),
                memory,
                checked: AtomicU64::new(now),
            }))
        })?;
        Ok(Arc::clone(&cached.tree))
    }

    pub(super) fn forget(&self, iso: &Path) {
        self.trees.remove(iso);
    }

    pub(super) fn clear(&self) {
        self.trees.clear();
    }
}
