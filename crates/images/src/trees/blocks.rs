//! A cache of decoded blocks of compressed images. A block is decoded once for all machines that fetch a file
//! at the same time, and for all pieces of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};

/// Memory for blocks of all images together. Blocks have 128 KiB as a rule and 1 MiB at most.
const BYTES: u64 = 64 << 20;

/// An image, and a position in it.
type BlockKey = (u64, u64);

/// The blocks.
pub(super) struct Blocks {
    kept: Cache<BlockKey, Arc<[u8]>, BySize>,
    images: AtomicU64,
}

#[derive(Clone)]
struct BySize;

impl Weighter<BlockKey, Arc<[u8]>> for BySize {
    fn weight(&self, _key: &BlockKey, block: &Arc<[u8]>) -> u64 {
        block.len() as u64 + 64
    }
}

impl Blocks {
    pub(super) fn new() -> Self {
        let items = usize::try_from(BYTES >> 17).unwrap_or(usize::MAX);
        let options =
            OptionsBuilder::new().estimated_items_capacity(items).weight_capacity(BYTES).shards(1).build();
        let kept = match options {
            Ok(options) => Cache::with_options(options, BySize, Default::default(), Default::default()),
            // The builder fails only without the two capacities.
            Err(_) => Cache::with_weighter(items, BYTES, BySize),
        };
        Self { kept, images: AtomicU64::new(0) }
    }

    /// A number for an image that was opened. The blocks of its earlier opening are never found again, and
    /// are evicted in time.
    pub(super) fn number(&self) -> u64 {
        self.images.fetch_add(1, Ordering::Relaxed)
    }

    /// The block of an image at `position`. The first caller decodes it.
    pub(super) fn get(
        &self,
        image: u64,
        position: u64,
        decode: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Arc<[u8]>> {
        self.kept.get_or_insert_with(&(image, position), || decode().map(Arc::from))
    }
}
