//! Decoded blocks of compressed images, those that were read last. A block is decoded once however many machines fetch the same file at
//! the same time, and once for all the pieces that are read out of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{OptionsBuilder, Weighter};

/// Memory for blocks of all images together. Blocks have 128 KiB as a rule and 1 MiB at most.
const BYTES: u64 = 64 << 20;

/// Which image, and where in it.
type Key = (u64, u64);

/// The blocks.
pub(super) struct Blocks {
    kept: Cache<Key, Arc<[u8]>, BySize>,
    images: AtomicU64,
}

#[derive(Clone)]
struct BySize;

impl Weighter<Key, Arc<[u8]>> for BySize {
    fn weight(&self, _key: &Key, block: &Arc<[u8]>) -> u64 {
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

    /// A number for an image that was opened. What another had is never found again, and makes room in time.
    pub(super) fn number(&self) -> u64 {
        self.images.fetch_add(1, Ordering::Relaxed)
    }

    /// The block of an image at `position`; whoever asks first decodes it.
    pub(super) fn get(
        &self,
        image: u64,
        position: u64,
        decode: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Arc<[u8]>> {
        self.kept.get_or_insert_with(&(image, position), || decode().map(Arc::from))
    }
}
