//! What the black-box tests share: the real binary in a folder of its own, an HTTP client that hides
//! nothing of the wire, curl, ISOs made on the spot, and scripted web and FTP origins.
//!
//! Every test file compiles its own copy with `mod harness;` and uses a part of it.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part of the harness"
)]

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
pub mod lanes;
pub mod large;
pub mod limited;
pub mod paced;
pub mod packed;
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
pub mod unprivileged;
pub mod wait;
pub mod web;
pub mod work;

pub use service::{Service, Setup};
