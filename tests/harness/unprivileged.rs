//! The program as a user without any rights, for what root never sees: refused files and refused mounts.

use super::program::finish;
use super::wait::eventually;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The user and group `nobody`.
const NOBODY: u32 = 65534;

/// The running program. Dropping it kills the process and removes the folder.
pub struct Unprivileged {
    folder: TempDir,
    process: Child,
    lines: Vec<String>,
}

impl Unprivileged {
    /// Starts the program in a folder of nobody's that `prepare` has filled; what `prepare` makes belongs to nobody too, unless
    /// it is in `foreign`. Needs root to become somebody else.
    #[track_caller]
    pub fn start(tweaks: &Value, prepare: impl FnOnce(&Path), foreign: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("image-service-nobody-").tempdir().unwrap();
        let mut config = json!({
            "httpEndpoints": [
                {"address": "127.0.0.1", "port": 0, "routers": "northbound"},
                {"address": "127.0.0.1", "port": 0, "routers": "southbound"},
            ],
            "reserveBytes": 0,
        });
        config.as_object_mut().unwrap().extend(tweaks.as_object().unwrap().clone());
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        // Nobody may not be able to reach the program where it was built.
        let program = folder.path().join("image-service");
        fs::copy(env!("CARGO_BIN_EXE_image-service"), &program).unwrap();
        prepare(folder.path());
        let mut command = Command::new("chown");
        command.args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(folder.path());
        assert_eq!(finish(command).code, Some(0), "this test needs root");
        for file in foreign {
            chown(folder.path().join(file), Some(0), Some(0)).unwrap();
        }

        let mut process = Command::new("setpriv")
            .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"])
            .args(["--bounding-set=-all", "--no-new-privs"])
            .arg(&program)
            .arg("--config")
            .arg(folder.path().join("config.json"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut started = Self { folder, process, lines: Vec::new() };
        for line in stdout.lines().map_while(Result::ok) {
            started.lines.push(line);
            if started.lines.last().is_some_and(|line| line.starts_with("images")) {
                return started;
            }
        }
        panic!("no start: {:?}\n{}", started.lines, started.log());
    }

    /// The URL of a path on the northbound.
    pub fn north(&self, path: &str) -> String {
        self.url("northbound", path)
    }

    /// The URL of a path on the southbound.
    pub fn south(&self, path: &str) -> String {
        self.url("southbound", path)
    }

    /// A path below the program's folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// What the program has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Waits until the only image has a status that `wanted` takes.
    #[track_caller]
    pub fn wait_for_status(&self, wanted: impl Fn(&str) -> bool) -> String {
        eventually(Duration::from_secs(5), "the wanted status", || {
            let images = super::http::get(&self.north("/images")).json();
            images[0]["status"].as_str().filter(|status| wanted(status)).map(str::to_owned)
        })
    }

    fn url(&self, door: &str, path: &str) -> String {
        let url = self.lines.iter().find_map(|line| line.strip_prefix(door)).unwrap();
        format!("{}{path}", url.trim().trim_end_matches('/'))
    }
}

impl Drop for Unprivileged {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
