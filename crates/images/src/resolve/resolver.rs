//! From a southbound path to content: image trees, the stores, and what lies on disk below the root.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::resolve::images::Images;
use crate::resolve::in_tree::in_tree;
use crate::trees::{Tree, open_regular};
use component::{ContentSource, Entry, Listed, LookupError, LookupLimit, LookupRequest, Resolved};
use model::content::Content;
use model::fair_limit::FairLimit;
use model::image::{Image, Status};
use model::names::{FileName, ImageName, ImageVersion};
use model::stored_file::{FileRecord, StoreKind};
use records::inventory::Snapshot;

/// Searches at once; more wait. Each may keep a processor busy for its whole time limit, while machines boot.
const MAX_SEARCHES: usize = 2;

/// Finds the content at a path. It changes no record.
pub struct Resolver {
    pub(super) images: Arc<Images>,
    folders: Folders,
    pub(crate) lookups: LookupLimit,
    pub(crate) searches: FairLimit,
}

/// The folders on disk that are served.
pub(crate) struct Folders {
    /// The southbound root.
    pub(crate) root: Tree,
    /// The ISO store.
    pub(crate) isos: Tree,
    /// The microkernel store.
    pub(crate) microkernels: Tree,
}

impl Resolver {
    pub(crate) fn new(images: Arc<Images>, folders: Folders, lookups: LookupLimit) -> Self {
        let searches = FairLimit::new(MAX_SEARCHES);
        Self { images, folders, lookups, searches }
    }

    fn find_in(&self, snapshot: &Snapshot, request: &LookupRequest) -> Result<Resolved, LookupError> {
        match request.decoded.as_slice() {
            [] => self.listing_of_root(snapshot, request),
            [first, ..] if first == b"iso" => self.in_iso_store(snapshot, request),
            [first, ..] if first == b"common" => {
                let found = in_tree(&self.folders.microkernels, request, 1)?;
                stored(snapshot, StoreKind::Microkernel, request, found)
            }
            [name, rest @ ..] => {
                let Some(name) = text(name).and_then(|name| ImageName::existing(name).ok()) else {
                    return self.in_root(snapshot, request);
                };
                let Some(version) = rest.first() else {
                    return self.listing_of_versions(snapshot, &name, request);
                };
                match text(version).and_then(|version| ImageVersion::existing(version).ok()) {
                    Some(version) => self.in_version(snapshot, &name, &version, request),
                    None => self.in_root(snapshot, request),
                }
            }
        }
    }

    /// Finds an image of exactly this name, else a file on disk, else the only image whose name differs in
    /// case.
    fn in_version(
        &self,
        snapshot: &Snapshot,
        name: &ImageName,
        version: &ImageVersion,
        request: &LookupRequest,
    ) -> Result<Resolved, LookupError> {
        if let Some(image) = snapshot.image_at(name, version) {
            return self.in_image(snapshot, image, request);
        }
        match (self.in_root(snapshot, request), snapshot.image_like(name, version)) {
            (Err(LookupError::NotFound), Some(image)) => self.in_image(snapshot, image, request),
            (on_disk, _) => on_disk,
        }
    }

    /// Finds a file or folder on disk below the southbound root. Links may lead from there into the stores.
    fn in_root(&self, snapshot: &Snapshot, request: &LookupRequest) -> Result<Resolved, LookupError> {
        undamaged(snapshot, in_tree(&self.folders.root, request, 0)?)
    }

    fn in_image(
        &self,
        snapshot: &Snapshot,
        image: &Image,
        request: &LookupRequest,
    ) -> Result<Resolved, LookupError> {
        if image.status != Status::Ok {
            return Err(LookupError::NotFound);
        }
        in_tree(&self.images.registered_tree(snapshot, image)?.tree, request, 2)
    }

    fn in_iso_store(&self, snapshot: &Snapshot, request: &LookupRequest) -> Result<Resolved, LookupError> {
        let name = match request.decoded.as_slice() {
            [_, name] => text(name).and_then(|name| FileName::existing(name).ok()),
            _ => None,
        };
        if let Some(file) = name.as_ref().and_then(|name| snapshot.file(StoreKind::Iso, name))
            && let Some(path) = &file.local
        {
            return local_file(file, path);
        }
        let found = match in_tree(&self.folders.isos, request, 1) {
            Err(LookupError::NotFound) => match name.and_then(|name| snapshot.local_like(&name)) {
                Some((file, path)) => return local_file(file, path),
                None => return Err(LookupError::NotFound),
            },
            found => found?,
        };
        match stored(snapshot, StoreKind::Iso, request, found)? {
            Resolved::Directory(listed) if request.decoded.len() == 1 => {
                Ok(Resolved::Directory(listed.with(local_isos(snapshot))))
            }
            found => Ok(found),
        }
    }

    /// Lists the root: its entries on disk, the two stores, and a folder for each image name.
    fn listing_of_root(&self, snapshot: &Snapshot, request: &LookupRequest) -> Result<Resolved, LookupError> {
        let found = self.in_root(snapshot, request)?;
        let Resolved::Directory(listed) = found else { return Ok(found) };
        let served = snapshot.names().filter_map(|name| {
            let modified =
                snapshot.versions(name).filter(|image| image.status == Status::Ok).map(time_of).max()?;
            Some(folder(name.as_str(), Some(modified)))
        });
        let stores = self.images.stores.all().map(|store| {
            let modified = fs::metadata(store.folder()).and_then(|metadata| metadata.modified()).ok();
            folder(if store.kind() == StoreKind::Iso { "iso" } else { "common" }, modified)
        });
        Ok(Resolved::Directory(listed.with(stores.into_iter().chain(served))))
    }

    /// Lists `/<name>`: the served versions, and the entries on disk.
    fn listing_of_versions(
        &self,
        snapshot: &Snapshot,
        name: &ImageName,
        request: &LookupRequest,
    ) -> Result<Resolved, LookupError> {
        let mut served = snapshot.versions(name).filter(|image| image.status == Status::Ok).peekable();
        let on_disk = self.in_root(snapshot, request);
        if served.peek().is_none() {
            return on_disk;
        }
        let listed = match on_disk {
            Ok(Resolved::Directory(listed)) => listed,
            Ok(Resolved::File(..)) | Err(LookupError::NotFound) => {
                Listed { entries: Vec::new(), source: None }
            }
            Err(error) => return Err(error),
        };
        let served = served.map(|image| folder(image.version.as_str(), Some(time_of(image))));
        Ok(Resolved::Directory(listed.with(served)))
    }
}

impl ContentSource for Resolver {
    fn prefix(&self) -> &str {
        ""
    }

    fn on_change(&self, listener: Box<dyn Fn() + Send + Sync>) {
        self.images.records.listen(listener);
    }

    fn find(&self, request: &LookupRequest) -> Result<Resolved, LookupError> {
        self.find_in(&self.images.records.snapshot(), request)
    }
}

fn local_file(record: &FileRecord, path: &Path) -> Result<Resolved, LookupError> {
    let (file, identity) = open_regular(path).map_err(|_| LookupError::NotFound)?;
    if record.damage_of(&identity).is_some() {
        return Err(LookupError::NotFound);
    }
    let mut content = Content::whole(Arc::new(file.into()), &identity);
    content.sha256 = record.sha256_of(&identity);
    Ok(Resolved::File(content, record.name.as_str().into()))
}

/// The local ISOs that are there, as entries of the ISO store.
fn local_isos(snapshot: &Snapshot) -> impl Iterator<Item = Entry> {
    snapshot.files(StoreKind::Iso).filter_map(|file| {
        let metadata = fs::metadata(file.local.as_ref()?).ok()?;
        let name = file.name.as_str().into();
        Some(Entry { name, size: Some(metadata.len()), modified: metadata.modified().ok() })
    })
}

/// The result of a look-up in a store. A damaged file is refused. A file gets its digest if the request
/// spells its name exactly.
fn stored(
    snapshot: &Snapshot,
    kind: StoreKind,
    request: &LookupRequest,
    found: Resolved,
) -> Result<Resolved, LookupError> {
    let Resolved::File(mut content, name) = found else { return Ok(found) };
    let is_exact = matches!(request.decoded.as_slice(), [_, wanted] if *wanted == name);
    let record = text(&name).filter(|_| is_exact).and_then(|name| FileName::existing(name).ok());
    let record = record.and_then(|name| snapshot.file(kind, &name));
    if record.is_some_and(|record| record.damage_of(&content.identity).is_some()) {
        return Err(LookupError::NotFound);
    }
    content.sha256 = record.and_then(|record| record.sha256_of(&content.identity));
    undamaged(snapshot, Resolved::File(content, name))
}

/// The result of a look-up. A damaged file is refused, by any path that leads to it.
fn undamaged(snapshot: &Snapshot, found: Resolved) -> Result<Resolved, LookupError> {
    match found {
        Resolved::File(content, _) if snapshot.is_damaged(&content.identity) => Err(LookupError::NotFound),
        found => Ok(found),
    }
}

fn folder(name: &str, modified: Option<SystemTime>) -> Entry {
    Entry { name: name.into(), size: None, modified }
}

fn time_of(image: &Image) -> SystemTime {
    SystemTime::from(image.updated)
}

fn text(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok()
}
