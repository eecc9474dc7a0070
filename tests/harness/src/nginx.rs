//! nginx in front of the service, with its defaults, at a path of its own.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::http;
use crate::wait::eventually;

/// The path at which nginx publishes the service.
pub const PREFIX: &str = "/image-service";

/// The running proxy. It ends with the test.
pub struct Nginx {
    process: Child,
    /// Its configuration and temporary files.
    _folder: TempDir,
    url: String,
}

impl Nginx {
    /// Starts in front of `upstream`, a URL without a path. `more` is added to its location.
    #[track_caller]
    pub fn before(upstream: &str, more: &str) -> Self {
        Self::with_location(&format!("location {PREFIX}/ {{ proxy_pass {upstream}/; {more} }}"))
    }

    /// Starts with this location, which is one of [`PREFIX`].
    #[track_caller]
    pub fn with_location(location: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("nginx-").tempdir().unwrap();
        let at = folder.path().display();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {at}/{what};\n"))
            .concat();
        let config = format!(
            "pid {at}/pid; worker_processes 1; daemon off; events {{}}\n\
             http {{ access_log off;\n{temporary}\
             server {{ listen 127.0.0.1:{port}; {location} }} }}\n"
        );
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let process = Command::new("nginx")
            .args(["-p".as_ref(), folder.path(), "-e".as_ref(), "error.log".as_ref(), "-c".as_ref()])
            .arg("nginx.conf")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run nginx, package nginx: {error}"));
        let nginx = Self { process, _folder: folder, url: format!("http://127.0.0.1:{port}") };
        eventually(Duration::from_secs(10), "nginx listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        nginx
    }

    /// The URL of a path of the service.
    pub fn url(&self, path: &str) -> String {
        format!("{}{PREFIX}{path}", self.url)
    }

    /// Its own origin.
    pub fn origin(&self) -> &str {
        &self.url
    }

    /// The URL that a link leads to which stands in the answer to a request for `path`.
    #[track_caller]
    pub fn follow(&self, path: &str, link: &str) -> String {
        url::Url::parse(&self.url(path)).unwrap().join(link).unwrap().into()
    }

    /// The answer to a GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> http::Response {
        http::get(&self.url(path))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers after SIGTERM; it may have ended already.
        let id = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.process.wait();
    }
}
