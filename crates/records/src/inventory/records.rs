//! All records of the inventory, and which of them a change touched.

use std::collections::BTreeSet;

use model::image::{Image, ImageId};
use model::job::{Job, JobId};
use model::names::FileName;
use model::stored_file::{FileRecord, StoreKind};

use super::RecordMap;

/// All records. A clone copies none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// Images by id.
    pub images: RecordMap<ImageId, Image>,
    /// Stored files by store and name.
    pub files: RecordMap<(StoreKind, FileName), FileRecord>,
    /// Jobs by id: those to be resumed after a restart, and the last that ended.
    pub jobs: RecordMap<JobId, Job>,
}

/// The records that a change touched. Jobs publish their changes themselves.
pub(super) struct Touched {
    pub(super) images: BTreeSet<ImageId>,
    pub(super) files: BTreeSet<(StoreKind, FileName)>,
}

impl Records {
    pub(super) fn take_touched(&mut self) -> Touched {
        self.jobs.take_touched();
        Touched { images: self.images.take_touched(), files: self.files.take_touched() }
    }
}
