//! A change in the feed.

/// A row that was inserted, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    /// The name of its table.
    pub table: &'static str,
    /// Its key as text.
    pub key: String,
}
