//! Runs commands of the pages against a service at free ports.

use harness::service::{Service, Setup};
use harness::web::Origin;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A service, and a folder in which the commands of a page run one after the other.
pub(crate) struct Shell {
    /// The service that the commands speak to.
    pub(crate) service: Service,
    /// The web that their links lead to, as `mirror.example`.
    pub(crate) origin: Origin,
    folder: TempDir,
    replaced: Vec<(String, String)>,
}

impl Shell {
    /// Starts a service in the place of the one that the pages mean.
    pub(crate) fn new() -> Self {
        let (service, origin) = (Setup::new().start(), Origin::start());
        let folder = tempfile::tempdir().unwrap();
        // The pages' curl shows an error and goes on; here it fails.
        fs::write(folder.path().join(".curlrc"), "fail-with-body\nsilent\nshow-error\n").unwrap();
        let authority = |url: String| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let (north, south) = (authority(service.north("/")), authority(service.south("/")));
        let replaced = [
            ("localhost:7070", north),
            ("localhost:9090", south.clone()),
            ("192.0.2.1:9090", south),
            ("mirror.example", authority(origin.url("/"))),
        ];
        let replaced = replaced.map(|(from, to)| (from.to_owned(), to)).to_vec();
        Self { service, origin, folder, replaced }
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    #[must_use]
    pub(crate) fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    /// A text of a page with the addresses of this service.
    pub(crate) fn here(&self, text: &str) -> String {
        self.replaced.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// Runs a script; what it printed, if all of its commands succeeded.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> String {
        let ran = self.try_run(script);
        let printed = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success(), "{script}\n{printed}\n{}", String::from_utf8_lossy(&ran.stderr));
        printed
    }

    /// Runs a script to its end.
    pub(crate) fn try_run(&self, script: &str) -> Output {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &self.here(script)]);
        command.current_dir(self.folder.path()).env("CURL_HOME", self.folder.path()).output().unwrap()
    }
}
