//! What the black-box tests share: the real binary in a folder of its own, an HTTP client that hides nothing
//! of the wire, curl, generated ISOs, and scripted web and FTP origins.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod answering;
pub mod chance;
pub mod clock;
pub mod crowd;
pub mod curl;
pub mod curl_answer;
pub mod digest;
pub mod disk;
pub mod failing_disk;
pub mod figures;
pub mod ftp;
pub mod gpg;
pub mod http;
pub mod images;
pub mod iso;

pub mod large;
pub mod limited;
pub mod nginx;
pub mod paced;
pub mod packed;
pub mod parallel;
pub mod problem;
pub mod program;
pub mod proxy;
pub mod remains;
pub mod samples;
pub mod schema;
pub mod served;
pub mod served_digest;
pub mod service;
pub mod source;
pub mod sse;
pub mod started;
pub mod trace;
pub mod unprivileged;
pub mod wait;
pub mod web;
pub mod work;

pub use service::{Service, Setup};
