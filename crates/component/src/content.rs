//! Files that a component publishes southbound. The file server does the rest: ranges, listings, limits, transfers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use file_transport::OpenFile;
use model::content::Content;
use model::identity::Identity;

/// Publishes files southbound.
pub trait ContentSource: Send + Sync + 'static {
    /// The first component of the paths that this source answers, such as `boot`. The source with an empty prefix takes
    /// all paths that no other source answers.
    fn prefix(&self) -> &str;

    /// Counts the changes of what is published. A path that was found at another count may lead elsewhere now.
    fn generation(&self) -> u64;

    /// Calls `listener` after each change, before its sender is answered. The file server closes the files that it keeps
    /// open then, because they may just have been removed.
    fn on_change(&self, listener: Box<dyn Fn() + Send + Sync>);

    /// Leads a path, from which the prefix is taken off, to its content. Called where it may block on the disk.
    ///
    /// # Errors
    ///
    /// There is nothing at this path, or it cannot be served now.
    fn find(&self, request: &LookupRequest) -> Result<Resolved, LookupError>;
}

/// A path as it was requested, in components, free of `.` and `..`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LookupRequest {
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
    /// The folder on disk or the ISO that holds the names; while it does not change, neither do they. `None` if only
    /// records hold them.
    pub source: Option<ListingSource>,
}

/// A line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as bytes: file systems promise no encoding.
    pub name: Vec<u8>,
    /// The size of a file; `None` for a directory.
    pub size: Option<u64>,
    /// Last modification, where known.
    pub modified: Option<SystemTime>,
}

/// The open file that holds the names of a directory, and its identity when they were read.
pub type ListingSource = (Arc<OpenFile>, Identity);

/// A path leads nowhere, or to bytes that are not all there. Texts end in their cause, so this error has no `source`.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Nothing of that name, or nothing that may be served.
    #[error("no such file")]
    NotFound,
    /// The image has changed, and it is not yet known whether it is still the one that was registered.
    #[error("the image's ISO has changed and is being looked at")]
    Unsettled,
    /// The image names the file, but its bytes are not (all) in it or are stored in a way that is not read.
    #[error("the image is damaged here: the file cannot be read whole")]
    Unreadable,
    /// The disk failed.
    #[error("cannot look up a file: {0}")]
    Io(io::Error),
}

impl From<io::Error> for LookupError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl LookupRequest {
    /// The request for what lies below the first component.
    #[must_use]
    pub fn below_first(&self) -> Self {
        let below = |components: &[Vec<u8>]| components.get(1..).unwrap_or_default().to_vec();
        Self { raw: below(&self.raw), decoded: below(&self.decoded), listing: self.listing }
    }
}

impl Listed {
    /// Adds `others`; where a name is in both, theirs wins.
    #[must_use]
    pub fn with(self, others: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries: BTreeMap<Vec<u8>, Entry> =
            self.entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        entries.extend(others.into_iter().map(|entry| (entry.name.clone(), entry)));
        Self { entries: entries.into_values().collect(), source: self.source }
    }
}
