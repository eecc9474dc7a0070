//! Files that a component publishes southbound. The file server does the rest: ranges, listings, limits,
//! transfers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use file_transport::OpenFile;
use model::content::Content;
use model::identity::Identity;

/// Publishes files southbound.
pub trait ContentSource: Send + Sync + 'static {
    /// The first component of the paths that this source answers, such as `boot`. The source with an empty
    /// prefix takes all paths that no other source answers.
    fn prefix(&self) -> &str;

    /// Calls `listener` after each change, before the client that made it is answered. The file server then
    /// closes its cached files, because they may have been removed.
    fn on_change(&self, listener: Box<dyn Fn() + Send + Sync>);

    /// Finds the content of a path without the prefix. May block on the disk.
    ///
    /// # Errors
    ///
    /// The path leads to no file, or it cannot be served now.
    fn find(&self, request: &LookupRequest) -> Result<Resolved, LookupError>;
}

/// A requested path, as components without `.` and `..`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct LookupRequest {
    /// The components before decoding.
    pub raw: Vec<Vec<u8>>,
    /// The components with `%XX` decoded once.
    pub decoded: Vec<Vec<u8>>,
    /// Whether the client asks for a listing even if there is an `index.html`.
    pub listing: bool,
}

/// The file or directory of a path.
#[derive(Debug)]
pub enum Resolved {
    /// A file, and its name, which determines its media type.
    File(Content, Vec<u8>),
    /// A directory.
    Directory(Listed),
}

/// The entries of a directory, unsorted.
#[derive(Debug)]
pub struct Listed {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The folder on disk or the ISO with the names, which change only with it. `None` if the names are in
    /// records.
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

/// The open file with the names of a directory, and its identity when they were read.
pub type ListingSource = (Arc<OpenFile>, Identity);

/// Why a path has no content. Texts end with their cause, so this error has no `source`.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// There is no such file, or none that may be served.
    #[error("no such file")]
    NotFound,
    /// The ISO has changed since the registration and is not verified yet.
    #[error("the image's ISO has changed and is being looked at")]
    Unsettled,
    /// The image lists the file, but lacks some of its bytes or stores them in an unsupported way.
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
    /// The request without the first component.
    #[must_use]
    pub fn below_first(&self) -> Self {
        let below = |components: &[Vec<u8>]| components.get(1..).unwrap_or_default().to_vec();
        Self { raw: below(&self.raw), decoded: below(&self.decoded), listing: self.listing }
    }
}

impl Listed {
    /// Adds `others`, which replace entries of the same name.
    #[must_use]
    pub fn with(self, others: impl IntoIterator<Item = Entry>) -> Self {
        let mut entries: BTreeMap<Vec<u8>, Entry> =
            self.entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        entries.extend(others.into_iter().map(|entry| (entry.name.clone(), entry)));
        Self { entries: entries.into_values().collect(), source: self.source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_below_a_prefix_keeps_all_but_the_first_component() {
        let path = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
        let request =
            LookupRequest { raw: path(&["a", "b%20c"]), decoded: path(&["a", "b c"]), listing: true };
        let below = LookupRequest { raw: path(&["b%20c"]), decoded: path(&["b c"]), listing: true };
        assert_eq!(request.below_first(), below);
        assert_eq!(LookupRequest::default().below_first(), LookupRequest::default());
    }

    #[test]
    fn added_entries_replace_those_of_the_same_name() {
        let entry = |name: &str, size| Entry { name: name.into(), size: Some(size), modified: None };
        let listed = Listed { entries: vec![entry("a", 1), entry("b", 1)], source: None };
        let entries = listed.with([entry("c", 2), entry("b", 2)]).entries;
        assert_eq!(entries, [entry("a", 1), entry("b", 2), entry("c", 2)]);
    }
}
