//! The files of both stores. `iso.rs` and `microkernel.rs` have the routes of each, and this folder those of
//! `/files`.

mod conditions;
pub(super) mod labels;
pub(super) mod list;
pub(super) mod one;
pub(super) mod put;
pub(super) mod remove;

/// The methods of the path of a store.
pub(super) const ALLOW: &str = "GET, HEAD, PUT, DELETE, OPTIONS";

/// By what a file is named.
pub(super) const FILTERS: [&str; 1] = ["name"];
