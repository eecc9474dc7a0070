//! How records look from outside. The field names are fixed; scripts read them. Each view is a type, from which the API's document is made,
//! so neither can say what the other does not.

mod file;
mod image;
mod job;
mod time;
mod tree;

pub(super) use file::{FileReference, Store, StoredFile};
pub(super) use image::{Findings, Image, ImageInFull, TreeChoice};
pub(super) use job::{Job, JobInFull, JobKind, JobState};
pub(super) use time::Time;
pub(super) use tree::TreeListing;
