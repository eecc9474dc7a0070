//! What a profile may ask of an image.

/// Longer files than this are none of those that profiles read.
pub const MAX_BYTES: u64 = 64 << 10;

/// What is in an image.
pub trait Contents {
    /// The volume identifier; empty if there is none.
    fn label(&self) -> &str;

    /// Whether a file or folder is at this path.
    fn has(&self, path: &str) -> bool;

    /// The text of the file at this path, if it has at most [`MAX_BYTES`] and is UTF-8.
    fn read(&self, path: &str) -> Option<String>;
}
