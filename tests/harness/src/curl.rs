//! curl itself, for tests of what curl does: its headers, its exit code, its reading of a truncated answer.

use std::process::{Command, Stdio};

/// The result of one run of curl.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; 0 is success, 18 a partial transfer.
    pub code: i32,
    /// What it printed, as text.
    pub stdout: String,
    /// Its error messages.
    pub stderr: String,
}

/// Runs `curl --silent --show-error --max-time 60` with `arguments`. Panics when curl is not installed.
#[track_caller]
pub fn run(arguments: &[&str]) -> Outcome {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot run curl, package curl: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or_else(|| panic!("curl was killed: {}", output.status));
    Outcome { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}
