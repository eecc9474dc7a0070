//! Whether folders can be used, and whether one path lies below another.

use std::fs;
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

/// Checks that lines can be added to the file `path`, which may be missing, and that it is not another one of
/// ours.
pub(super) fn check_log(path: &Path, inventory: &Path) -> Result<(), String> {
    use rustix::fs::{Access, access};

    if path == inventory {
        return Err("is the file of `inventoryFile`".into());
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
