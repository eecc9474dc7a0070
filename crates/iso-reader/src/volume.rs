//! The volume descriptors of an image, as a caller sees them.

use crate::boot::BootEntry;
use crate::kind::TreeKind;

/// The image as its volume descriptors describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub(crate) kind: TreeKind,
    pub(crate) available: Vec<TreeKind>,
    pub(crate) label: String,
    pub(crate) system: String,
    pub(crate) publisher: String,
    pub(crate) application: String,
    pub(crate) created: Option<i64>,
    pub(crate) block_size: u32,
    pub(crate) declared_size: u64,
    pub(crate) image_size: u64,
    pub(crate) boot_catalog: Option<u32>,
    pub(crate) boot_entries: Vec<BootEntry>,
}

impl Volume {
    /// The tree that was read.
    #[must_use]
    pub fn kind(&self) -> TreeKind {
        self.kind
    }

    /// All trees of the image that this crate can read, best first.
    #[must_use]
    pub fn available(&self) -> &[TreeKind] {
        &self.available
    }

    /// The volume identifier of the primary descriptor (ECMA-119 8.4.7), without padding.
    ///
    /// Where there is nothing but UDF, the identifier of the logical volume (ECMA-167 3/10.6.4).
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The system identifier (ECMA-119 8.4.6), such as `LINUX`.
    #[must_use]
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The publisher identifier (ECMA-119 8.4.20).
    #[must_use]
    pub fn publisher(&self) -> &str {
        &self.publisher
    }

    /// The application identifier (ECMA-119 8.4.22): the program or the product that made the image.
    ///
    /// Where there is nothing but UDF, the application or implementation identifier (ECMA-167 3/10.1.11,
    /// 3/10.1.13).
    #[must_use]
    pub fn application(&self) -> &str {
        &self.application
    }

    /// When the volume was created (ECMA-119 8.4.26), in seconds since 1970.
    #[must_use]
    pub fn created(&self) -> Option<i64> {
        self.created
    }

    /// Bytes in a logical block: 512, 1024 or 2048, with UDF alone also 4096.
    #[must_use]
    pub fn block_size(&self) -> u32 {
        self.block_size
    }

    /// Bytes that the image should have by its primary descriptor (ECMA-119 8.4.8), with a UDF tree at least
    /// as many as its partitions need. Hybrid images and padded ones have more.
    #[must_use]
    pub fn declared_size(&self) -> u64 {
        self.declared_size
    }

    /// Bytes the image has.
    #[must_use]
    pub fn image_size(&self) -> u64 {
        self.image_size
    }

    /// The 2048-byte sector of the El Torito boot catalog, if the image has a boot record.
    #[must_use]
    pub fn boot_catalog(&self) -> Option<u32> {
        self.boot_catalog
    }

    /// The images that firmware may start, in the order of the boot catalog: first the default entry.
    #[must_use]
    pub fn boot_entries(&self) -> &[BootEntry] {
        &self.boot_entries
    }

    /// Bytes held on the heap.
    pub(crate) fn memory(&self) -> usize {
        let texts = [&self.label, &self.system, &self.publisher, &self.application];
        let texts = texts.iter().map(|text| text.capacity()).fold(0, usize::saturating_add);
        let texts = texts.saturating_add(self.boot_entries.capacity().saturating_mul(size_of::<BootEntry>()));
        texts.saturating_add(self.available.capacity().saturating_mul(size_of::<TreeKind>()))
    }
}
