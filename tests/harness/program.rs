//! One run of the program to its end, for what it says when it does not serve.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit status; `None` when the run had to be killed because it did not end.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it logged.
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

/// The program with these arguments, its environment free of settings.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image-service"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("IMAGE_SERVICE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}
