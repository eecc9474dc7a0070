//! A request looked up in one tree.

use crate::trees::{Directory, Found, Matching, Tree};
use component::{Listed, LookupError, LookupRequest, Resolved};

/// The file that replaces the listing of its folder.
const INDEX: &[u8] = b"index.html";

/// Looks the path up below its first `skip` components. A URL means the decoded name (RFC 3986 §2.4), so the
/// links of a listing lead to what it shows. Only then comes the name as the client wrote it, which mirrors
/// keep on disk (`1%3a2.deb`). Last comes the lenient look-up, for clients that request names in another case
/// or without a version number.
pub(super) fn in_tree(tree: &Tree, request: &LookupRequest, skip: usize) -> Result<Resolved, LookupError> {
    let raw = request.raw.get(skip..).unwrap_or_default();
    let decoded = request.decoded.get(skip..).unwrap_or_default();
    let (path, found) = if raw == decoded {
        (decoded, tree.find(decoded, Matching::Lenient)?)
    } else {
        find_encoded(tree, raw, decoded)?
    };
    match found {
        Found::File(content) => Ok(Resolved::File(content, path.last().cloned().unwrap_or_default())),
        Found::Directory(directory) => in_directory(tree, path, &directory, request.listing),
    }
}

/// Finds a path that has escapes, and tells which of its two readings exists.
fn find_encoded<'a>(
    tree: &Tree,
    raw: &'a [Vec<u8>],
    decoded: &'a [Vec<u8>],
) -> Result<(&'a [Vec<u8>], Found), LookupError> {
    for path in [decoded, raw] {
        match tree.find(path, Matching::Exact) {
            Err(LookupError::NotFound) => {}
            found => return Ok((path, found?)),
        }
    }
    Ok((decoded, tree.find(decoded, Matching::Lenient)?))
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
