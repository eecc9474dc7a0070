//! The files inside images. Paths are as they stand in URLs, names are text.

use images::trees::text;
use images::{Browsed, Line};
use model::segment::{encoded, push_encoded};
use serde::Serialize;
use utoipa::ToSchema;

use super::image::path as path_of;
use super::time::Time;

/// The entries of a folder inside an image, or what was found below it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::northbound) struct TreeListing {
    /// The path of the folder inside the image: percent-encoded, with a slash at its end; that of the root is
    /// empty.
    path: String,
    /// The path of the folder below the southbound's root.
    url: String,
    /// Entries in all, of which these are a part.
    total: u64,
    /// How many of them come before these.
    offset: u64,
    /// Directories first, then by name.
    entries: Vec<TreeEntry>,
    /// Whether all was searched. Only of searches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    complete: Option<bool>,
}

/// A file or a directory inside an image.
#[derive(Debug, Serialize, ToSchema)]
struct TreeEntry {
    /// The name as text; what of it is not UTF-8 is shown as in listings.
    name: String,
    /// Its path inside the image: percent-encoded; that of a directory has a slash at its end.
    path: String,
    /// Its path below the southbound's root.
    url: String,
    kind: EntryKind,
    /// Bytes of a file; null for a directory.
    #[schema(required)]
    size: Option<u64>,
    /// When it was last changed, where the image tells.
    #[schema(required)]
    modified: Option<Time>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum EntryKind {
    File,
    Directory,
}

impl TreeListing {
    /// What is inside an image at `path`, from the line of this number on.
    pub(in crate::northbound) fn new(
        browsed: &Browsed,
        path: &[Vec<u8>],
        offset: u64,
        api_root: &str,
    ) -> Self {
        let here = folder(path);
        let image = path_of(&browsed.image, api_root);
        Self {
            url: format!("{image}{here}"),
            total: browsed.total,
            offset,
            entries: browsed.lines.iter().map(|line| TreeEntry::new(&image, &here, line)).collect(),
            complete: browsed.complete,
            path: here,
        }
    }
}

impl TreeEntry {
    fn new(image: &str, here: &str, line: &Line) -> Self {
        let entry = &line.entry;
        let kind = if entry.size.is_some() { EntryKind::File } else { EntryKind::Directory };
        let slash = match kind {
            EntryKind::File => "",
            EntryKind::Directory => "/",
        };
        let path = format!("{here}{}{}{slash}", folder(&line.folder), encoded(&entry.name));
        Self {
            name: text(&entry.name).into_owned(),
            url: format!("{image}{path}"),
            path,
            kind,
            size: entry.size,
            modified: entry.modified.and_then(Time::of_system),
        }
    }
}

/// The path of a folder as it stands in URLs: it ends in a slash, that of the root is empty.
fn folder(path: &[Vec<u8>]) -> String {
    let mut folder = String::new();
    for name in path {
        push_encoded(&mut folder, name);
        folder.push('/');
    }
    folder
}
