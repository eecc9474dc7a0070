//! What booting machines are served: files, trees, listings and ranges, to good and bad clients, over HTTP
//! and HTTPS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_clients;
mod changing_files;
mod changing_isos;
mod confinement;
mod digests;
mod exhaustion;
mod headers;
mod https;
mod limits;
mod listing;
mod lookup;
mod media_types;
mod preconditions;
mod ranges;
mod transfers;
