//! Digests and damage: what reading whole files tells about them.

mod expected;
mod verifier;

pub(crate) use expected::Checked;
pub use verifier::{Recorded, Verifier};
