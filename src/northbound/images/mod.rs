//! `/images`: the registered images.

pub(super) mod list;
pub(super) mod register;
pub(super) mod remove;
mod reserve;
pub(super) mod tree;
mod upload;
mod web;
