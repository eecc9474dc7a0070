//! Whether folders can be used, and whether one path lies below another.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether `path` is in `folder`, as written or after links are followed. Neither needs to exist.
pub(super) fn lies_below(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| {
        let found = path.ancestors().find_map(|above| Some((fs::canonicalize(above).ok()?, above)));
        found.map_or_else(
            || path.to_owned(),
            |(real, above)| real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        )
    };
    path.starts_with(folder) || real(path).starts_with(real(folder))
}

/// Checks that files can be created in `folder`, or `folder` in the nearest existing folder above it.
pub(super) fn check_folder(folder: &Path) -> Result<(), String> {
    use rustix::fs::{Access, access};

    let existing = folder.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    if !existing.is_dir() {
        return Err(format!("{} is not a folder", existing.display()));
    }
    access(existing, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let hint = if is_under_systemd() { SANDBOX } else { "" };
        if existing == folder {
            format!("the folder is not writable ({error}){hint}")
        } else {
            format!("the folder cannot be created: {} is not writable ({error}){hint}", existing.display())
        }
    })
}

/// What may forbid an installed service to write.
const SANDBOX: &str = "; its unit may write only below /var/lib/image-service: name the folder in \
    `ReadWritePaths=` by `systemctl edit image-service`, and let the service's user own it";

/// systemd gives each start of a unit an id (systemd.exec(5)).
fn is_under_systemd() -> bool {
    std::env::var_os("INVOCATION_ID").is_some()
}

/// Checks that lines can be added to the file `path`, which may be missing, and that it is none of `taken`:
/// files of ours, each with what it is.
pub(super) fn check_log(path: &Path, taken: &[(&Path, &str)]) -> Result<(), String> {
    use rustix::fs::{Access, access};

    if let Some((_, what)) = taken.iter().find(|(file, _)| is_same_file(path, file)) {
        return Err(format!("is {what}; name a file of its own"));
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err("is a folder, not a file".into()),
        Ok(_) => {
            access(path, Access::WRITE_OK).map_err(|error| format!("the file is not writable ({error})"))
        }
        Err(_) => {
            let folder = path.parent().unwrap_or(Path::new("/"));
            if folder.is_dir() {
                check_folder(folder)
            } else {
                Err(format!("there is no folder {}", folder.display()))
            }
        }
    }
}

/// Whether `path` is `file`, over links and by any name, or one that the program keeps beside it: these have
/// its name with a word behind it.
fn is_same_file(path: &Path, file: &Path) -> bool {
    let found = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    if path == file || found(path).is_some_and(|path| Some(path) == found(file)) {
        return true;
    }
    let place = |path: &Path| Some((found(path.parent()?)?, path.file_name()?.as_bytes().to_vec()));
    let (path, file) = (fs::canonicalize(path).unwrap_or_else(|_| path.into()), file);
    let (Some((folder, name)), Some((own_folder, own_name))) = (place(&path), place(file)) else {
        return false;
    };
    let rest = name.strip_prefix(own_name.as_slice());
    folder == own_folder && rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'.' | b'-')))
}
