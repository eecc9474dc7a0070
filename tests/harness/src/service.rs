//! The program under test: one process in a fresh folder, stopped and removed with the test.

use super::http::{self, Response};
use super::program::binary;
use super::wait::{eventually, expect_logged};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The time limit until the program has printed its last start line.
pub const START: Duration = Duration::from_secs(20);

/// The time limit for a stop after SIGTERM.
pub const STOP: Duration = Duration::from_secs(20);

/// A folder with a configuration, before the program runs in it.
pub struct Setup {
    folder: TempDir,
    config: Value,
    environment: Vec<(String, String)>,
    /// The program to start; `None` is the one that is released.
    program: Option<PathBuf>,
}

impl Setup {
    /// Both APIs on free loopback ports, no reserved free space, defaults otherwise.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("image-service-test-").tempdir().unwrap();
        for store in ["static/iso", "static/common"] {
            fs::create_dir_all(folder.path().join(store)).unwrap();
        }
        let config = json!({
            "httpEndpoints": [
                { "address": "127.0.0.1", "port": 0, "routers": "northbound" },
                { "address": "127.0.0.1", "port": 0, "routers": "southbound" },
            ],
            "reserveBytes": 0,
            "shutdownTimeout": 2000,
        });
        Self { folder, config, environment: Vec::new(), program: None }
    }

    /// Sets one key of the configuration; `null` removes it.
    #[must_use]
    pub fn set(mut self, key: &str, value: Value) -> Self {
        self.change(key, value);
        self
    }

    /// Sets a variable in the program's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts another program than the one that is released.
    #[must_use]
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = Some(path.into());
        self
    }

    /// Writes a file below the folder, folders above it included.
    #[must_use]
    pub fn file(self, relative: &str, bytes: impl AsRef<[u8]>) -> Self {
        write_file(&self.path(relative), bytes.as_ref());
        self
    }

    /// A path below the folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Starts the program and waits until it serves. Panics with its log when it does not.
    #[track_caller]
    pub fn start(self) -> Service {
        match self.try_start() {
            Ok(service) => service,
            Err(failure) => panic!("the program did not start: {failure:?}"),
        }
    }

    /// Starts the program; an early end is returned with its exit status and both outputs.
    #[track_caller]
    pub fn try_start(self) -> Result<Service, Failure> {
        let mut service = self.stopped();
        service.try_spawn().map(|()| service)
    }

    /// The service in this folder, not started, for a test that inspects the folder after a failed start.
    pub fn stopped(self) -> Service {
        Service { setup: self, process: None, lines: Vec::new() }
    }

    fn change(&mut self, key: &str, value: Value) {
        let keys = self.config.as_object_mut().unwrap();
        if value.is_null() {
            keys.remove(key);
        } else {
            keys.insert(key.to_owned(), value);
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

/// A program that ended before it served.
#[derive(Debug)]
pub struct Failure {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its log.
    pub stderr: String,
}

/// The running program. Dropping it kills the process by its id and removes the folder.
pub struct Service {
    setup: Setup,
    process: Option<Child>,
    lines: Vec<String>,
}

impl Service {
    /// Starts the program with these keys set in the configuration of `Setup::new`.
    #[track_caller]
    pub fn start(tweaks: &Value) -> Self {
        let tweaks = tweaks.as_object().expect("tweaks are an object").clone();
        tweaks.into_iter().fold(Setup::new(), |setup, (key, value)| setup.set(&key, value)).start()
    }

    /// The URL of a path on the first northbound endpoint; the path is not encoded.
    pub fn north(&self, path: &str) -> String {
        self.url("northbound", path)
    }

    /// The URL of a path on the first southbound endpoint; the path is not encoded.
    pub fn south(&self, path: &str) -> String {
        self.url("southbound", path)
    }

    /// All start lines, as `(label, rest)`.
    pub fn start_lines(&self) -> Vec<(&str, &str)> {
        let parts = |line: &'_ str| line.split_once(' ').map_or(line.len(), |(label, _)| label.len());
        self.lines.iter().map(|line| line.split_at(parts(line))).map(|(a, b)| (a, b.trim())).collect()
    }

    /// A path below the program's folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.setup.path(relative)
    }

    /// Writes a file below the program's folder, folders above it included.
    pub fn write(&self, relative: &str, bytes: impl AsRef<[u8]>) {
        write_file(&self.path(relative), bytes.as_ref());
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the program runs").id()
    }

    /// Everything the program has logged, over all its starts in this folder.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("stderr.log")).unwrap_or_default()).into_owned()
    }

    /// Waits until the log has these words: a thread of the program writes it, so an answer can be first.
    #[track_caller]
    pub fn expect_logged(&self, words: &str) {
        expect_logged(words, || self.log());
    }

    /// Changes the configuration for the next start; `null` removes the key.
    pub fn reconfigure(&mut self, key: &str, value: Value) {
        self.setup.change(key, value);
    }

    /// Writes the configuration with its changes, for a program that reads it again while it runs.
    pub fn write_config(&self) -> PathBuf {
        let config = self.path("config.json");
        fs::write(&config, serde_json::to_vec_pretty(&self.setup.config).unwrap()).unwrap();
        config
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().unwrap().is_none())
    }

    /// Stops the program by SIGTERM and starts it in the same folder. The ports change.
    #[track_caller]
    pub fn restart(&mut self) {
        let status = self.sigterm();
        assert!(status.success(), "after SIGTERM: {status}\n{}", self.log());
        self.spawn();
    }

    /// Starts the program again after it has ended.
    #[track_caller]
    pub fn spawn(&mut self) {
        if let Err(failure) = self.try_spawn() {
            panic!("the program did not start: {failure:?}");
        }
    }

    /// As `spawn`, but an early end is returned.
    #[track_caller]
    pub fn try_spawn(&mut self) -> Result<(), Failure> {
        assert!(self.process.is_none(), "the program runs already");
        let config = self.write_config();
        let log = OpenOptions::new().create(true).append(true).open(self.path("stderr.log")).unwrap();
        let mut command = Command::new(self.setup.program.clone().unwrap_or_else(binary));
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_influence(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        let mut process = command
            .arg("--config")
            .arg(&config)
            .envs(self.setup.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.setup.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        self.process = Some(process);
        let started;
        (self.lines, started) = start_lines(stdout, START);
        if started {
            return Ok(());
        }
        let alive = self.is_alive() && !self.ends_within(Duration::from_secs(1));
        assert!(!alive, "no start within {START:?}; printed: {:?}\n{}", self.lines, self.log());
        let status = self.process.take().unwrap().wait().unwrap();
        Err(Failure { status, stdout: self.lines.join("\n"), stderr: self.log() })
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    pub fn sigterm(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        assert!(self.ends_within(STOP), "still running {STOP:?} after SIGTERM\n{}", self.log());
        self.process.take().unwrap().wait().unwrap()
    }

    /// Sends a signal without waiting for anything.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.pid()).unwrap();
        let process = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(process, signal).unwrap();
    }

    /// Kills the process at once, as a crash would.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            // The process may have ended already.
            let _ = process.kill();
            process.wait().unwrap();
        }
    }

    /// Whether the process ends by itself within `limit`.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// `PUT /images` with these parameters, values encoded here.
    #[track_caller]
    pub fn put_image(&self, parameters: &[(&str, &str)]) -> Response {
        http::put(&self.north(&format!("/images?{}", query(parameters))), Vec::new())
    }

    /// Registers an image and waits until it is `OK`. `source` is `isolocal`, `isostore` or `isoweb`.
    #[track_caller]
    pub fn register(&self, name: &str, version: &str, source: &str, value: &str) {
        self.put_image(&[("name", name), ("version", version), (source, value)]).expect_status(200);
        self.wait_for_status(name, version, |status| status == "OK");
    }

    /// Puts a file into the ISO store through the API.
    #[track_caller]
    pub fn upload_iso(&self, name: &str, file: &Path) {
        let body = fs::read(file).unwrap();
        let url = self.north(&format!("/iso?name={}", http::encode(name)));
        let answer = http::put(&url, body).expect_status(200);
        assert!(answer.text().contains("Upload finished!"), "{}", answer.text());
    }

    /// The records of `GET /images` that fit the parameters.
    #[track_caller]
    pub fn images(&self, parameters: &[(&str, &str)]) -> Vec<Value> {
        let url = self.north(&format!("/images?{}", query(parameters)));
        http::get(&url).expect_status(200).json().as_array().expect("an array").clone()
    }

    /// Waits up to 30 s for an image's status word to satisfy `wanted`; returns the record.
    #[track_caller]
    pub fn wait_for_status(&self, name: &str, version: &str, wanted: impl Fn(&str) -> bool) -> Value {
        let mut last = String::new();
        eventually(Duration::from_secs(30), "the wanted image status", || {
            let images = self.images(&[("name", name), ("version", version)]);
            let status = images.first().map(|image| image["status"].as_str().expect("status").to_owned());
            if status.as_deref().is_some_and(&wanted) {
                return images.into_iter().next();
            }
            let status = status.unwrap_or_else(|| "no record".to_owned());
            if status != last {
                eprintln!("{name} {version}: {status}");
                last = status;
            }
            None
        })
    }

    /// The URL of a path on the first endpoint with this router; the path is not encoded.
    pub fn url(&self, api: &str, path: &str) -> String {
        let lines = self.start_lines();
        let found = lines.iter().find(|(label, _)| *label == api);
        let (_, url) = found.unwrap_or_else(|| panic!("no {api} in {:?}", self.lines));
        format!("{}{path}", url.trim_end_matches('/'))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(8000);
            let from = (from..log.len()).find(|&index| log.is_char_boundary(index)).unwrap_or(log.len());
            eprintln!("---- the program's log ----\n{}", &log[from..]);
        }
    }
}

/// Encodes parameters for a query.
pub fn query(parameters: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", http::encode(value));
    parameters.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Collects the lines up to the one labelled `images`; `false` when the output ends or `limit` passes first.
fn start_lines(stdout: ChildStdout, limit: Duration) -> (Vec<String>, bool) {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // The thread reads as long as the process lives, so that the pipe never fills.
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let deadline = Instant::now() + limit;
    let mut lines: Vec<String> = Vec::new();
    loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => lines.push(line),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return (lines, false),
        }
        if lines.last().is_some_and(|line| line.split(' ').next() == Some("images")) {
            return (lines, true);
        }
    }
}

/// Whether a variable of the caller's environment would change what the program does.
fn is_influence(name: &str) -> bool {
    name.starts_with("IMAGE_SERVICE_") || name.to_ascii_lowercase().ends_with("_proxy")
}

fn write_file(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = File::create(path).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}
