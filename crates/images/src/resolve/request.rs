//! What a southbound path asks for, and what it leads to.

use std::collections::BTreeMap;

use crate::trees::{Entry, Source};
use model::content::Content;

/// A path as it was requested, in components, free of `.` and `..`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Request {
    /// The components before decoding.
    pub raw: Vec<Vec<u8>>,
    /// The components with `%XX` decoded once.
    pub decoded: Vec<Vec<u8>>,
    /// A listing is wanted even where an `index.html` stands.
    pub listing: bool,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Resolved {
    /// A file and the name it has there, from which its media type follows.
    File(Content, Vec<u8>),
    /// A directory.
    Directory(Listed),
}

/// The entries of a directory, unsorted.
#[derive(Debug)]
pub struct Listed {
    /// What is in it.
    pub entries: Vec<Entry>,
    /// The folder on disk or the ISO that holds the names; while it does not change, neither do they. `None`
    /// if only records hold them.
    pub source: Option<Source>,
}

impl Listed {
    /// Adds `others`; where a name is in both, theirs wins.
    pub(super) fn with(self, others: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries: BTreeMap<Vec<u8>, Entry> =
            self.entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        entries.extend(others.into_iter().map(|entry| (entry.name.clone(), entry)));
        Self { entries: entries.into_values().collect(), source: self.source }
    }
}
