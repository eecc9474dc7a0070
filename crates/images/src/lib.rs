#![doc = include_str!("../README.md")]

mod error;
mod file_names;
mod file_records;
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
pub use files::{Files, ListedFile, LockedFile, StoreScan};
pub use handle::{Catalog, OpenError, Storage};
pub use intake::{Intake, Intakes};
pub use job_requests::JobRequests;
pub use open::{OpenImages, OpenImagesError, open};
pub use registration::{AskedSource, Downloads, Registration, Reservation, Seen, WantedImage};
pub use resolve::{Browse, Browsed, Images, Line, Resolver};
pub use restore::Restored;
pub use settings::{ImageBackend, ImageSettings};
pub use verify::{Recorded, Verifier};
