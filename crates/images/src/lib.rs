//! The catalog: the only writer of state. The API, the file service and jobs ask its parts, which keep
//! records and files in step.
//!
//! [`Catalog`] is the handle. Each part has only the fields that it needs:
//!
//! | part | work |
//! | --- | --- |
//! | [`Resolver`] | leads a path to content, and looks into images |
//! | [`Images`] | tells the status that images have at this moment |
//! | [`Files`] | lists and removes the files of the stores |
//! | [`Intakes`] | takes files in |
//! | [`Registration`], [`Downloads`] | name images, from an ISO that is there or is being fetched |
//! | [`Verifier`] | knows digests and damage |
//!
//! Readers use immutable snapshots of the records. Work that blocks on the disk runs on the blocking pool.

mod error;
mod file_names;
mod files;
mod handle;
mod intake;
mod job_requests;
pub mod jobs;
mod locks;
mod open;
mod previous_service;
pub mod profiles;
mod records;
mod registration;
mod resolve;
mod restore;
mod settings;
mod stores;
mod tasks;
#[cfg(test)]
mod tests;
pub mod trees;
mod verify;

pub use ::records::inventory::Snapshot;
pub use error::CatalogError;
pub use files::{Files, ListedFile, StoreScan};
pub use handle::{Catalog, OpenError, Storage};
pub use intake::{Intake, Intakes};
pub use job_requests::JobRequest;
pub use open::{OpenImages, OpenImagesError, open};
pub use registration::{Downloads, Registration, Reservation};
pub use resolve::{Browse, Browsed, Images, Line, Resolver};
pub use restore::Restored;
pub use settings::{ImageBackend, ImageSettings};
pub use verify::{Recorded, Verifier};
