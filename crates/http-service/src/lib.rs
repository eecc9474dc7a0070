//! What every HTTP API of the program needs, and what knows no image, store or job.
//!
//! An endpoint is an ordered list of [`HttpService`]s: each request goes to the first that owns its path.

mod service;
pub mod transfers;

pub use service::{Answer, HttpService, OnRuntime, answer};
