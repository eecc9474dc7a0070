//! Jobs: downloads and their verification, scrubbing, and polling the folders of the stores.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod downloads;
mod downloads_liars;
mod downloads_reach;
mod downloads_resume;
mod downloads_servers;
mod fetching;
mod lifecycle;
mod queued;
mod scrub;
mod signatures;
mod watch;
