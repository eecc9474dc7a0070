//! Listings of the stores.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::CatalogError;
use crate::files::shared_bytes::SharedBytes;
use crate::job_requests::JobRequests;
use crate::locks::FileLocks;
use crate::records::Writer;
use crate::stores::Stores;
use crate::tasks::{Questions, Tasks};
use blobs::{StoreError, Usage};
use model::identity::Identity;
use model::image::Status;
use model::litter::{accompanies_isos, is_litter};
use model::names::FileName;
use model::settings::Live;
use model::stored_file::{Origin, StoreKind, StoredFile};
use records::feed::Feed;
use records::inventory::{Snapshot, users_by_iso, users_of};

/// The files of the stores.
pub struct Files {
    pub(crate) records: Arc<Writer>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) events: Feed,
    pub(crate) tasks: Tasks,
    pub(crate) questions: Questions,
    pub(crate) locks: FileLocks,
    pub(crate) requests: JobRequests,
    /// A file written to within this time may not be complete.
    pub(crate) settling: Live<Duration>,
}

/// A file and the images that need it.
#[derive(Debug, Clone)]
pub struct ListedFile {
    /// The file.
    pub file: StoredFile,
    /// The images made from it, as `name version`.
    pub used_by: Vec<String>,
    /// The other files that have the same bytes on disk.
    pub shared_with: Vec<(StoreKind, FileName)>,
}

impl Files {
    /// All files of a store, by name. For each whose digest is not known a job is requested.
    pub async fn list(self: &Arc<Self>, kind: StoreKind) -> Result<Vec<ListedFile>, CatalogError> {
        let files = Arc::clone(self);
        self.questions.ask(kind, move || files.listed(kind)).await?
    }

    /// One file of a store, as it is listed.
    pub async fn get(self: &Arc<Self>, kind: StoreKind, name: FileName) -> Result<ListedFile, CatalogError> {
        let files = Arc::clone(self);
        self.questions.ask(kind, move || files.find(kind, name)).await?
    }

    /// The space that each store takes and could take.
    pub async fn usage(&self) -> Result<Vec<(StoreKind, Usage)>, CatalogError> {
        let mut all = Vec::new();
        for kind in [StoreKind::Iso, StoreKind::Microkernel] {
            let stores = Arc::clone(&self.stores);
            all.push((kind, self.questions.ask(kind, move || stores.of(kind).usage()).await??));
        }
        Ok(all)
    }

    fn listed(&self, kind: StoreKind) -> Result<Vec<ListedFile>, CatalogError> {
        let snapshot = self.records.snapshot();
        let stored = self.stored(kind, &snapshot)?;
        let mut files: BTreeMap<FileName, Option<Identity>> =
            stored.into_iter().map(|(name, identity)| (name, Some(identity))).collect();
        for record in snapshot.files(kind) {
            if let Some(path) = &record.local {
                files.insert(record.name.clone(), identity_at(path));
            }
        }
        let shared = SharedBytes::of(&self.stores, &snapshot);
        let mut used =
            if kind == StoreKind::Iso { users_by_iso(snapshot.records()) } else { BTreeMap::new() };
        let listed = files.into_iter().filter_map(|(name, identity)| {
            let used_by = used.remove(&name).unwrap_or_default();
            let shared_with = shared.others(kind, &name);
            Some(ListedFile { file: self.described(&snapshot, kind, name, identity)?, used_by, shared_with })
        });
        Ok(listed.collect())
    }

    /// The files in the folder of a store that are listed.
    pub(super) fn stored(
        &self,
        kind: StoreKind,
        snapshot: &Snapshot,
    ) -> Result<Vec<(FileName, Identity)>, CatalogError> {
        let mut stored = self.stores.of(kind).list()?;
        stored.retain(|(name, _)| is_listed(snapshot, kind, name));
        Ok(stored)
    }

    fn find(&self, kind: StoreKind, name: FileName) -> Result<ListedFile, CatalogError> {
        let snapshot = self.records.snapshot();
        let local = snapshot.file(kind, &name).and_then(|record| record.local.as_ref());
        let identity = match local {
            Some(path) => identity_at(path),
            None => Some(self.stored_as(&snapshot, kind, &name)?),
        };
        let used_by =
            if kind == StoreKind::Iso { users_of(snapshot.records(), &name, None) } else { Vec::new() };
        let missing = || CatalogError::NoSuchFile { kind, name: name.clone() };
        let file = self.described(&snapshot, kind, name.clone(), identity).ok_or_else(missing)?;
        // Most files share nothing, and then a question about one looks at no other.
        let may_share = self.stores.of(kind).may_share(&name);
        let shared = may_share.then(|| SharedBytes::of(&self.stores, &snapshot).others(kind, &name));
        Ok(ListedFile { file, used_by, shared_with: shared.unwrap_or_default() })
    }

    /// The file with this very name in the folder of a store, if that is listed.
    fn stored_as(
        &self,
        snapshot: &Snapshot,
        kind: StoreKind,
        name: &FileName,
    ) -> Result<Identity, CatalogError> {
        use StoreError::{Link, NotAFile, NotFound, OtherSpelling};

        match self.stores.of(kind).stat(name) {
            Ok(identity) if is_listed(snapshot, kind, name) => Ok(identity),
            Ok(_) | Err(NotFound(_) | Link(_) | NotAFile(_) | OtherSpelling { .. }) => {
                Err(CatalogError::NoSuchFile { kind, name: name.clone() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What is known of a file that is now `identity`. If its digest or format is not known and the file is
    /// complete, a job is requested. A local ISO that is missing is described by its record.
    fn described(
        &self,
        snapshot: &Snapshot,
        kind: StoreKind,
        name: FileName,
        identity: Option<Identity>,
    ) -> Option<StoredFile> {
        let record = snapshot.file(kind, &name);
        let latest = identity.or_else(|| record.map(|record| record.identity))?;
        let mut file = StoredFile::new(name, latest, record);
        if identity.is_none() {
            file.status = Status::Error("it is missing".into());
        }
        if file.status == Status::Preparing && self.requests.is_forbidden(&(kind, file.name.clone()), &latest)
        {
            file.status = Status::Error("the user of the service has no permission to read it".into());
        }
        let is_complete = || {
            let settling = *self.settling.get();
            settling.is_zero() || latest.is_untouched_for(settling, SystemTime::now())
        };
        let lacks = file.status == Status::Preparing || (file.status == Status::Ok && file.format.is_none());
        if lacks && is_complete() {
            self.requests.digests.post((kind, file.name.clone()), latest.size);
        }
        Some(file)
    }
}

/// Whether a file in the folder of a store is listed. What other programs leave there is passed over, and so
/// is what accompanies ISOs in theirs, unless it came through this program or an image is made from it.
fn is_listed(snapshot: &Snapshot, kind: StoreKind, name: &FileName) -> bool {
    let is_iso = kind == StoreKind::Iso;
    let is_foreign = is_litter(name.as_str()) || (is_iso && accompanies_isos(name.as_str()));
    let origin = snapshot.file(kind, name).and_then(|record| record.origin.as_ref());
    !is_foreign
        || origin.is_some_and(|origin| *origin != Origin::Folder)
        || (is_iso && !users_of(snapshot.records(), name, None).is_empty())
}

/// The identity of a local ISO on disk. `None` if it is missing.
fn identity_at(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|metadata| Identity::of(&metadata))
}
