//! The most that an image may ask of the reader. Each limit is a named constant with its reason, and a field
//! of [`Limits`], so that a caller can lower or raise it.

/// Bytes of one directory that are read: more than 200,000 entries with long names in one folder.
pub const DIRECTORY_BYTES: u64 = 64 << 20;
/// Entries in a tree: forty times the largest installer disc, and 128 MiB of nodes.
pub const ENTRIES: usize = 4 << 20;
/// Directories inside each other: Linux paths end at 4096 bytes, so deeper ones could not be named.
pub const DEPTH: usize = 1024;
/// Bytes of a name that is served: `NAME_MAX` of the systems that make images.
pub const NAME_BYTES: usize = 255;
/// Bytes of a name collected from Rock Ridge `NM` entries before the entry is left out.
pub const STORED_NAME_BYTES: usize = 1024;
/// Bytes of a link's target: twice `PATH_MAX`.
pub const LINK_BYTES: usize = 8 << 10;
/// Continuation areas followed for one directory record; a loop of areas ends here.
pub const CONTINUATIONS: usize = 64;
/// Bytes of one continuation area; writers use at most one 2048-byte sector.
pub const CONTINUATION_BYTES: u64 = 32 << 10;
/// Extents of one file: 256 TiB in sections of 4 GiB.
pub const EXTENTS_PER_FILE: usize = 65_535;
/// Volume descriptors read, from sector 16 on; real discs have three to five.
pub const DESCRIPTORS: usize = 64;
/// Entries of the boot catalog; real discs have one to four.
pub const BOOT_ENTRIES: usize = 64;
/// Bytes of directories, continuation areas and UDF descriptors read and interpreted for one tree.
///
/// A million files of UDF take half of it, with a block of 2 KiB each. It bounds the time spent on structures
/// that overlap, as only hostile images have them.
pub const METADATA_BYTES: u64 = 4 << 30;
/// How often every byte of an image may be read or interpreted on average.
///
/// Honest images need each byte of a directory once, and a little more around its continuation areas.
pub const METADATA_RATIO: u64 = 4;
/// Bytes that may be read and interpreted however small the image is, for they take no time that matters.
pub const METADATA_FLOOR: u64 = 16 << 20;
/// Sectors of one UDF volume descriptor sequence, pointers followed. A loop of pointers ends here.
///
/// Real sequences have six descriptors in 16 sectors.
pub const UDF_VOLUME_SECTORS: usize = 512;
/// Partitions and partition maps of a UDF volume, which has one or two of each (UDF 2.2.4.6).
pub const UDF_PARTITIONS: usize = 8;
/// Blocks of allocation descriptors chained to one UDF file. A loop of blocks ends here.
///
/// In the smallest blocks that is a quarter of a million extents.
pub const UDF_ALLOCATION_BLOCKS: usize = 4096;
/// Extents of all UDF files and directories that have several, damaged ones included: 256 MiB.
///
/// A small image can have many: names may share a file, files may share a chain of descriptors, and one
/// descriptor has many extents in a metadata partition that is scattered.
pub const UDF_EXTENTS: usize = 16 << 20;
/// Bytes of all names and link targets of a tree.
pub const TEXT_BYTES: usize = 512 << 20;
/// Links followed while one path is resolved, as `MAXSYMLINKS` of Linux.
pub const LINK_HOPS: usize = 40;
/// Names that the links of one path lead through: a quarter of the bytes of the longest path in Linux.
///
/// It bounds the cost of listing links, each of which may lead to the next.
pub const LINK_NAMES: usize = 1024;
/// Warnings kept as text; the rest are only counted.
pub const WARNINGS: usize = 32;

/// The limits of one [`Tree::open`](crate::Tree::open).
///
/// Write `Limits { entries: 1000, ..Limits::default() }`: later versions add fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`DIRECTORY_BYTES`]. A larger directory is cut there and marked as damaged.
    pub directory_bytes: u64,
    /// See [`ENTRIES`]. An image with more is refused.
    pub entries: usize,
    /// See [`DEPTH`]. Deeper directories are listed, marked as damaged and not entered.
    pub depth: usize,
    /// See [`NAME_BYTES`]. Counted in bytes, for Joliet and UDF in UTF-16 units. Entries with longer names
    /// are left out, and so is any name of more than 1023 bytes.
    pub name_bytes: usize,
    /// See [`STORED_NAME_BYTES`]. Entries with longer names are left out.
    pub stored_name_bytes: usize,
    /// See [`LINK_BYTES`]. Links with longer targets are left out.
    pub link_bytes: usize,
    /// See [`CONTINUATIONS`]. Areas beyond are not read.
    pub continuations: usize,
    /// See [`CONTINUATION_BYTES`]. Longer areas are not read.
    pub continuation_bytes: u64,
    /// See [`EXTENTS_PER_FILE`]. Files with more are listed and marked as damaged.
    pub extents_per_file: usize,
    /// See [`DESCRIPTORS`]. Descriptors beyond are not read.
    pub descriptors: usize,
    /// See [`BOOT_ENTRIES`]. Entries beyond are not read.
    pub boot_entries: usize,
    /// See [`METADATA_BYTES`]. An image that needs more is refused, and so is one that needs more than
    /// [`METADATA_FLOOR`] and [`METADATA_RATIO`] times its size.
    pub metadata_bytes: u64,
    /// See [`UDF_VOLUME_SECTORS`]. Sectors beyond are not read.
    pub udf_volume_sectors: usize,
    /// See [`UDF_PARTITIONS`]. A UDF volume with more maps is refused, descriptors beyond are not read.
    pub udf_partitions: usize,
    /// See [`UDF_ALLOCATION_BLOCKS`]. Files with more are listed and marked as damaged.
    pub udf_allocation_blocks: usize,
    /// See [`UDF_EXTENTS`]. An image with more is refused.
    pub udf_extents: usize,
    /// See [`TEXT_BYTES`]. An image with more is refused.
    pub text_bytes: usize,
    /// See [`LINK_HOPS`]. Paths that need more end in
    /// [`ResolveError::TooManyLinks`](crate::ResolveError::TooManyLinks).
    pub link_hops: usize,
    /// See [`LINK_NAMES`]. Paths that need more end in
    /// [`ResolveError::TooManyLinks`](crate::ResolveError::TooManyLinks).
    pub link_names: usize,
    /// See [`WARNINGS`].
    pub warnings: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            directory_bytes: DIRECTORY_BYTES,
            entries: ENTRIES,
            depth: DEPTH,
            name_bytes: NAME_BYTES,
            stored_name_bytes: STORED_NAME_BYTES,
            link_bytes: LINK_BYTES,
            continuations: CONTINUATIONS,
            continuation_bytes: CONTINUATION_BYTES,
            extents_per_file: EXTENTS_PER_FILE,
            descriptors: DESCRIPTORS,
            boot_entries: BOOT_ENTRIES,
            metadata_bytes: METADATA_BYTES,
            udf_volume_sectors: UDF_VOLUME_SECTORS,
            udf_partitions: UDF_PARTITIONS,
            udf_allocation_blocks: UDF_ALLOCATION_BLOCKS,
            udf_extents: UDF_EXTENTS,
            text_bytes: TEXT_BYTES,
            link_hops: LINK_HOPS,
            link_names: LINK_NAMES,
            warnings: WARNINGS,
        }
    }
}
