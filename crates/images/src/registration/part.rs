//! The part that names images: what it works with.

use std::sync::Arc;

use crate::intake::Intakes;
use crate::job_requests::JobRequests;
use crate::locks::{FileLocks, ImageLocks};
use crate::records::Writer;
use crate::registration::downloads::Downloads;
use crate::resolve::Images;
use crate::stores::Stores;
use crate::tasks::Tasks;
use crate::trees::Trees;
use crate::verify::Verifier;

/// Registers images.
pub struct Registration {
    pub(crate) records: Arc<Writer>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) trees: Arc<Trees>,
    pub(crate) images: Arc<Images>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) intakes: Arc<Intakes>,
    pub(crate) downloads: Arc<Downloads>,
    pub(crate) tasks: Tasks,
    pub(crate) requests: JobRequests,
    pub(crate) image_locks: ImageLocks,
    pub(crate) file_locks: FileLocks,
}
