//! GnuPG with a home of its own, for keys and signatures that are independent of our code.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A home with keys. Its agent ends with the test.
pub struct Gpg {
    home: TempDir,
}

impl Gpg {
    /// An empty home.
    pub fn empty() -> Self {
        // It holds sockets, whose paths are limited to about 100 bytes.
        let home = tempfile::Builder::new().prefix("gpg-").tempdir_in("/tmp").unwrap();
        Self { home }
    }

    /// Runs gpg with its clock at `date` (such as `20200131T000000`) and returns its output.
    #[track_caller]
    pub fn at(&self, date: &str, arguments: &[&str], input: impl AsRef<[u8]>) -> Vec<u8> {
        let mut process = Command::new("gpg")
            .args(["--batch", "--no-tty", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""])
            .args(["--trust-model", "always", "--faked-system-time", &format!("{date}!")])
            .args(arguments)
            .env("GNUPGHOME", self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run gpg, package gpg: {error}"));
        process.stdin.take().unwrap().write_all(input.as_ref()).unwrap();
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes a key of this algorithm, use and lifetime; returns its fingerprint.
    #[track_caller]
    pub fn key(&self, date: &str, user: &str, algorithm: &str, usage: &str, lifetime: &str) -> String {
        self.at(date, &["--quick-generate-key", user, algorithm, usage, lifetime], "");
        self.fingerprints(date, user).remove(0)
    }

    /// Adds a subkey and returns its fingerprint.
    #[track_caller]
    pub fn subkey(&self, date: &str, primary: &str, algorithm: &str, usage: &str) -> String {
        self.at(date, &["--quick-add-key", primary, algorithm, usage, "0"], "");
        self.fingerprints(date, primary).pop().unwrap()
    }

    /// The public key.
    #[track_caller]
    pub fn public(&self, key: &str, armored: bool) -> Vec<u8> {
        let armor: &[&str] = if armored { &["--armor"] } else { &[] };
        self.at("20200101T000000", &[armor, &["--export", key]].concat(), "")
    }

    /// Revokes the key without a reason, by the certificate that gpg makes for each key.
    pub fn revoke(&self, key: &str) {
        let file = self.home.path().join(format!("openpgp-revocs.d/{key}.rev"));
        // gpg puts a colon in front, against use by mistake.
        let text = fs::read_to_string(file).unwrap().replace(":-----BEGIN", "-----BEGIN");
        self.at("20300101T000000", &["--import"], text);
    }

    fn fingerprints(&self, date: &str, key: &str) -> Vec<String> {
        let listed = self.at(date, &["--with-colons", "--with-subkey-fingerprint", "--list-keys", key], "");
        let listed = String::from_utf8(listed).unwrap();
        let lines = listed.lines().filter_map(|line| line.strip_prefix("fpr:"));
        lines.map(|line| line.trim_matches(':').to_owned()).collect()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        // Only this home's agent, which would otherwise outlive the test for a while.
        let _ = Command::new("gpgconf")
            .args(["--kill", "gpg-agent"])
            .env("GNUPGHOME", self.home.path())
            .stdin(Stdio::null())
            .output();
    }
}
