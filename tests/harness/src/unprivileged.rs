//! The program as a user without rights, for faults that root never meets: refused files and refused mounts.

use super::program::{binary, finish};
use super::started::{Started, config_of, folder};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

/// The user and group `nobody`.
const NOBODY: u32 = 65534;

/// Starts the program as the user `nobody`, in a folder that `prepare` has filled. The files belong to that
/// user, except those in `foreign`, which belong to root. Needs root.
#[track_caller]
pub fn start(tweaks: &Value, prepare: impl FnOnce(&Path), foreign: &[&str]) -> Started {
    let folder = folder(tweaks);
    // The user `nobody` may have no access to the folder where the program was built.
    let program = folder.path().join("image-service");
    fs::copy(binary(), &program).unwrap();
    prepare(folder.path());
    let mut command = Command::new("chown");
    command.args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(folder.path());
    assert_eq!(finish(command).code, Some(0), "this test needs root");
    for file in foreign {
        chown(folder.path().join(file), Some(0), Some(0)).unwrap();
    }
    let mut command = Command::new("setpriv");
    command
        .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"])
        .args(["--bounding-set=-all", "--no-new-privs"])
        .arg(&program)
        .arg("--config")
        .arg(config_of(folder.path()));
    Started::by(command, folder)
}
