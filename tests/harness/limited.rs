//! The program with few descriptors to live on, from its start.

use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The running program. Dropping it kills the process and removes the folder.
pub struct Limited {
    folder: TempDir,
    process: Child,
    lines: Vec<String>,
}

impl Limited {
    /// Starts the program with at most `descriptors` open at once, a limit that it cannot raise. `files` lie in its root.
    #[track_caller]
    pub fn start(descriptors: u32, tweaks: &Value, files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::Builder::new().prefix("image-service-limited-").tempdir().unwrap();
        fs::create_dir(folder.path().join("static")).unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join("static").join(name), bytes).unwrap();
        }
        let mut config = json!({
            "httpEndpoints": [
                {"address": "127.0.0.1", "port": 0, "routers": "northbound"},
                {"address": "127.0.0.1", "port": 0, "routers": "southbound"},
            ],
            "reserveBytes": 0,
            "shutdownTimeout": 2000,
        });
        config.as_object_mut().unwrap().extend(tweaks.as_object().unwrap().clone());
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let mut process = Command::new("sh")
            .args(["-c", r#"ulimit -n "$1" && exec "$2" --config config.json"#, "sh"])
            .arg(descriptors.to_string())
            .arg(env!("CARGO_BIN_EXE_image-service"))
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

    /// What the program has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn url(&self, door: &str, path: &str) -> String {
        let url = self.lines.iter().find_map(|line| line.strip_prefix(door)).unwrap();
        format!("{}{path}", url.trim().trim_end_matches('/'))
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
