//! The program started by another command, which lowers a limit or drops rights first.

use super::wait::{eventually, expect_logged};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The running program. Dropping it kills the process and removes the folder.
pub struct Started {
    folder: TempDir,
    process: Child,
    lines: Vec<String>,
}

/// A folder with a configuration for both APIs on free ports, in which `tweaks` override keys.
pub fn folder(tweaks: &Value) -> TempDir {
    let folder = tempfile::Builder::new().prefix("image-service-started-").tempdir().unwrap();
    let mut config = json!({
        "httpEndpoints": [
            {"address": "127.0.0.1", "port": 0, "routers": "northbound"},
            {"address": "127.0.0.1", "port": 0, "routers": "southbound"},
        ],
        "reserveBytes": 0,
    });
    config.as_object_mut().unwrap().extend(tweaks.as_object().unwrap().clone());
    fs::write(config_of(folder.path()), config.to_string()).unwrap();
    folder
}

/// The path of the configuration in a folder.
pub fn config_of(folder: &Path) -> PathBuf {
    folder.join("config.json")
}

impl Started {
    /// Runs a command that becomes the program, in `folder`, and waits until it serves.
    #[track_caller]
    pub fn by(mut command: Command, folder: TempDir) -> Self {
        let mut process = command
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

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The program's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// As [`Service::expect_logged`](super::service::Service::expect_logged).
    #[track_caller]
    pub fn expect_logged(&self, words: &str) {
        expect_logged(words, || self.log());
    }

    /// Waits until `wanted` is true of the only image's status.
    #[track_caller]
    pub fn wait_for_status(&self, wanted: impl Fn(&str) -> bool) -> String {
        eventually(Duration::from_secs(5), "the wanted status", || {
            let images = super::http::get(&self.north("/images")).json();
            images[0]["status"].as_str().filter(|status| wanted(status)).map(str::to_owned)
        })
    }

    fn url(&self, api: &str, path: &str) -> String {
        let url = self.lines.iter().find_map(|line| line.strip_prefix(api)).unwrap();
        format!("{}{path}", url.trim().trim_end_matches('/'))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
