//! The work on images and their files that takes longer than a request, and the tasks that ask for it. The
//! engine in the crate `jobs` runs the work; the catalog makes every change.

mod component;
mod digest;
mod download;
mod environment;
mod failure;
mod folder_scan;
mod requests;
mod scrub;
mod web_name;

pub use ::fetch;
pub use ::fetch::{checksums, signature};
pub use ::jobs::{Begun, JobError, Paused, Progress, Shown, Work};
pub use component::Jobs;
pub use digest::Digest;
pub use download::{Download, job_for as download_job};
pub use environment::{Environment, JobSettings};
pub use failure::Failure;
pub use scrub::Scrub;
pub use web_name::provisional_name;
