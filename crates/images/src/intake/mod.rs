//! Files on their way in: received, kept when they are interrupted, shared with a duplicate, and published
//! under their names.

mod duplicates;
mod expiry;
mod finish;
mod intakes;
mod permits;
mod receive;
mod receiving;
mod unfinished;
mod worker;

pub use intakes::Intakes;
pub(crate) use permits::IntakePermits;
pub use receiving::Intake;
