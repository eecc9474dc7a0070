//! What the API's document is made of besides the views: parameters, problem answers, headers and examples.

pub(super) mod examples;
pub(super) mod pages;
pub(super) mod parameters;
pub(super) mod problems;
pub(super) mod upload_progress;
