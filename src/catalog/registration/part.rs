//! The part that names images: what it works with.

use std::sync::Arc;

use crate::catalog::intake::Intakes;
use crate::catalog::job_requests::JobRequests;
use crate::catalog::locks::{FileLocks, ImageLocks};
use crate::catalog::records::Writer;
use crate::catalog::registration::downloads::Downloads;
use crate::catalog::resolve::Images;
use crate::catalog::stores::Stores;
use crate::catalog::tasks::Tasks;
use crate::catalog::verify::Verifier;
use crate::trees::Trees;

/// Names images.
pub struct Registration {
    pub(in crate::catalog) records: Arc<Writer>,
    pub(in crate::catalog) stores: Arc<Stores>,
    pub(in crate::catalog) trees: Arc<Trees>,
    pub(in crate::catalog) images: Arc<Images>,
    pub(in crate::catalog) verifier: Arc<Verifier>,
    pub(in crate::catalog) intakes: Arc<Intakes>,
    pub(in crate::catalog) downloads: Arc<Downloads>,
    pub(in crate::catalog) tasks: Tasks,
    pub(in crate::catalog) requests: JobRequests,
    pub(in crate::catalog) image_locks: ImageLocks,
    pub(in crate::catalog) file_locks: FileLocks,
}
