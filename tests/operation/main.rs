//! The program in operation: settings, and the state that a stop, a crash and a start keep.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod config;
mod inventory_places;
mod logs;
mod reload;
mod restart;
mod restart_credentials;
mod restart_inventory;
mod restart_isos;
mod restart_many;
mod restart_version_before;
mod sandbox;
