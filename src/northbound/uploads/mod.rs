//! `/uploads`: uploads that can be resumed, by tus 1.0.0 and by plain clients such as curl.

pub(super) mod append;
pub(super) mod create;
pub(super) mod discard;
pub(super) mod fields;
pub(super) mod list;
pub(super) mod method_override;
pub(super) mod progress;
mod receive;
pub(super) mod response;
pub(super) mod running;
