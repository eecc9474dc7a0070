//! A request looked up in one tree.

use crate::trees::{Directory, Found, Matching, Tree};
use component::{Listed, LookupError, LookupRequest, Resolved};

/// The file that replaces the listing of its folder.
const INDEX: &[u8] = b"index.html";

/// Looks the path up below its first `skip` components: before decoding, then decoded, then leniently.
/// Old clients request names in another case or without a version number.
pub(super) fn in_tree(tree: &Tree, request: &LookupRequest, skip: usize) -> Result<Resolved, LookupError> {
    let raw = request.raw.get(skip..).unwrap_or_default();
    let decoded = request.decoded.get(skip..).unwrap_or_default();
    let undecoded = if raw == decoded { Err(LookupError::NotFound) } else { tree.find(raw, Matching::Exact) };
    let (path, found) = match undecoded {
        Err(LookupError::NotFound) => (decoded, tree.find(decoded, Matching::Lenient)?),
        found => (raw, found?),
    };
    match found {
        Found::File(content) => Ok(Resolved::File(content, path.last().cloned().unwrap_or_default())),
        Found::Directory(directory) => in_directory(tree, path, &directory, request.listing),
    }
}

fn in_directory(
    tree: &Tree,
    path: &[Vec<u8>],
    directory: &Directory,
    listing: bool,
) -> Result<Resolved, LookupError> {
    let index = |name: &[u8]| -> Option<Resolved> {
        let index: Vec<Vec<u8>> = path.iter().cloned().chain([name.to_vec()]).collect();
        match tree.find(&index, Matching::Exact) {
            Ok(Found::File(content)) => Some(Resolved::File(content, INDEX.to_vec())),
            _ => None,
        }
    };
    if !listing && let Some(found) = index(INDEX) {
        return Ok(found);
    }
    let source = tree.source(directory);
    let entries = tree.entries(directory)?;
    // The only name that differs in case is accepted as well, as in every look-up.
    let mut similar = entries.iter().filter(|entry| !listing && entry.name.eq_ignore_ascii_case(INDEX));
    if let (Some(only), None) = (similar.next(), similar.next())
        && let Some(found) = index(&only.name)
    {
        return Ok(found);
    }
    Ok(Resolved::Directory(Listed { entries, source }))
}
