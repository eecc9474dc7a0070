//! File systems that take two spellings for one name: in another letter case (exFAT, SMB), or composed and
//! decomposed (ext4 with case folding, APFS).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use model::names::FileName;

/// A name composed (NFC) and decomposed (NFD).
const COMPOSED: &str = "\u{e9}";
const DECOMPOSED: &str = "e\u{301}";

/// Whether the file system of the folder `incoming` takes two spellings for one name. It is tried with the
/// folder's own name, and with a file that is removed again.
pub(super) fn folds_names(incoming: &Path) -> bool {
    let capital = incoming.with_file_name(FileName::INCOMING.to_uppercase());
    if fs::symlink_metadata(capital).is_ok() {
        return true;
    }
    let composed = incoming.join(COMPOSED);
    // Where no file can be made, no name can be taken twice either.
    let folds = File::create(&composed).is_ok() && fs::symlink_metadata(incoming.join(DECOMPOSED)).is_ok();
    // An unfinished start leaves the empty file, which the next one removes.
    let _ = fs::remove_file(composed);
    folds
}

/// The name of the file that the file system finds for `name`, if it is spelled otherwise.
///
/// File systems in user space may number one file differently under each spelling, so names decide first.
pub(super) fn other_spelling(folder: &Path, name: &FileName) -> io::Result<Option<FileName>> {
    let found = match fs::symlink_metadata(folder.join(name.as_str())) {
        Ok(found) => (found.dev(), found.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut other = None;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(spelled) = entry.file_name().into_string() else { continue };
        if spelled == name.as_str() {
            return Ok(None);
        }
        let is_same = spelled.to_lowercase() == name.as_str().to_lowercase()
            || entry.metadata().is_ok_and(|seen| (seen.dev(), seen.ino()) == found);
        if is_same {
            other = FileName::existing(spelled).ok();
        }
    }
    // The file is there and not under its name, so it has another, even if this loop did not recognise it.
    Ok(Some(other.unwrap_or_else(|| name.clone())))
}
