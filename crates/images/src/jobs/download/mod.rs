//! Fetches an ISO from the web into the store, checks it while it arrives, and serves it when it is complete.
//! The bytes are kept when the connection, the server or this program breaks off, and the next attempt
//! continues.

mod partial;
mod promised;
mod resume_data;
mod sources;
mod transfer;
mod work;

pub use work::{Download, job_for};
