//! The README and the pages of `docs/`: their commands run as they stand, and their settings exist.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod booting;
mod commands;
mod configuration;
mod examples;
mod pages;
mod proxy;
mod shell;
mod static_folder;
