//! The binary under test, and one run of it to its end.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit status; `None` when the run did not end and was killed.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its log.
    pub stderr: String,
}

/// Runs `command` to its end, at most ten seconds.
#[track_caller]
pub fn finish(mut command: Command) -> Finished {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = child.try_wait().unwrap().is_some();
    if !ended {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Finished {
        code: output.status.code().filter(|_| ended),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// The program with these arguments and without settings from this process's environment.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("IMAGE_SERVICE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// The binary under test. Cargo names it since 1.94; an older one, and a test program that is started by
/// hand, leave it in the folder above the test programs.
#[track_caller]
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("CARGO_BIN_EXE_image-service") {
        return path.into();
    }
    let tests = env::current_exe().unwrap();
    let path = tests.ancestors().nth(2).unwrap().join("image-service");
    assert!(path.is_file(), "{} is missing: build it with `cargo build`", path.display());
    path
}

/// A folder that outlives the test, for what is slow to make; it goes with `cargo clean`.
pub fn kept_folder() -> PathBuf {
    // Where cargo has it too, as `CARGO_TARGET_TMPDIR`, which is told to test programs alone.
    env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tmp")
}
