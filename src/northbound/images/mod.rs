//! `/images`: the registered images.

mod conditions;
pub(super) mod description;
pub(super) mod list;
mod make;
pub(super) mod put;
pub(super) mod register;
pub(super) mod remove;
pub(super) mod tree;
mod upload;
mod web;
