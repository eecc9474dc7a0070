//! Independent programs that make images, and those that read them for comparison.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// A temporary directory that is removed on drop.
pub(crate) struct Workshop(PathBuf);

impl Workshop {
    /// `name` is unique among the tests of one program.
    pub(crate) fn new(name: &str) -> Workshop {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Workshop(path)
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a directory in it.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Files that cannot be removed are below the target directory and do no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program that ends within five minutes and uses UTF-8 whatever the environment.
pub(crate) fn tool(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "300", program]).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// Runs a [`tool`] to its end. If it is missing, the failure names the Debian package.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert_success(command, output.status, &String::from_utf8_lossy(&output.stderr));
}

/// Asserts that a [`tool`] succeeded.
pub(crate) fn assert_success(command: &Command, status: ExitStatus, complaint: &str) {
    match status.code() {
        // The exit codes of `timeout` for a program that it cannot start.
        Some(126 | 127) => panic!("{command:?} cannot be started: install the Debian package of that name"),
        Some(124) => panic!("{command:?} took too long"),
        _ => assert!(status.success(), "{command:?}: {complaint}"),
    }
}

/// Unpacks the tree of an image with xorriso. `options` choose the tree.
pub(crate) fn extract(image: &Path, options: &[&str], into: &Path) {
    run(tool("xorriso")
        .args(["-abort_on", "FAILURE", "-osirrox", "on"])
        .args(options)
        .arg("-indev")
        .arg(image)
        .args([OsStr::new("-extract"), OsStr::new("/"), into.as_os_str()]));
}
