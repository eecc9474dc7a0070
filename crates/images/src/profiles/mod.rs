//! Which operating system an image holds, detected by a few small files that installers put on their media.
//!
//! The knowledge about each system is data (`table.rs`); the code only reads such files (`rules.rs`). The
//! maker of an image can write anything into them, so a result is shown to people and decides nothing. It is
//! short and printable, or it is left out.

mod contents;
mod profile;
mod rules;
mod table;
#[cfg(test)]
mod tests;

use model::system::System;

pub use contents::{Contents, MAX_BYTES};

/// The system in an image; `None` if it is unknown.
pub fn detect(contents: &impl Contents) -> Option<System> {
    table::TABLES.detect(contents)
}
