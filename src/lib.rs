//! The program around the crates of `crates/`: configuration, wiring, the management API and the file server.
//!
//! `docs/ARCHITECTURE.md` has the layers and the way of a request through them.

pub mod app;
pub mod cli;
pub mod components;
pub mod config;
pub mod log;
pub mod northbound;
pub mod reload;
pub mod southbound;
