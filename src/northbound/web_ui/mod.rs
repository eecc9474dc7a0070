//! The web UI: pages, and the files that they refer to, embedded in the program.

pub(super) mod content;
mod files;
mod page;
pub(super) mod pages;
