//! Inside an image, for people: one folder, or all names below it that contain a text. It is looked up in the
//! same tree and after the same checks as what machines fetch.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::error::CatalogError;
use crate::resolve::resolver::Resolver;
use crate::tasks::blocking;
use crate::trees::{Directory, Found, Matching, Search, Tree, sorted, text};
use component::{Entry, LookupError};
use model::client::ClientKey;
use model::fair_limit::{FairPermit, Share};
use model::image::{Image, ImageId, Status};
use records::inventory::Snapshot;

/// Entries that a search visits: as many as the largest tree of an ISO may have.
const SEARCH_ENTRIES: u64 = iso_reader::limits::ENTRIES as u64;

/// The time limit of a search, because a user waits for it.
const SEARCH_TIME: Duration = Duration::from_secs(2);

/// The part of an image that a client asks for.
#[derive(Debug, Clone)]
pub struct Browse {
    /// The names that lead to the folder, from the root of the image's tree.
    pub path: Vec<Vec<u8>>,
    /// The range of lines to return.
    pub lines: Range<u64>,
    /// A text that names must contain, in this folder and all folders below.
    pub search: Option<String>,
}

/// The lines that answer a [`Browse`].
#[derive(Debug)]
pub struct Browsed {
    /// The image.
    pub image: Image,
    /// The lines of the range.
    pub lines: Vec<Line>,
    /// The number of all lines.
    pub total: u64,
    /// Whether a search has visited everything; `None` if nothing was searched.
    pub complete: Option<bool>,
}

/// An entry and its path.
#[derive(Debug)]
pub struct Line {
    /// The path of its folder, from the one that was asked for.
    pub folder: Vec<Vec<u8>>,
    /// The entry.
    pub entry: Entry,
}

impl Resolver {
    /// Lists or searches a folder of an image that is served, for `client`.
    pub async fn browse(
        self: &Arc<Self>,
        client: Option<ClientKey>,
        id: ImageId,
        browse: Browse,
    ) -> Result<Browsed, CatalogError> {
        let snapshot = self.images.records.snapshot();
        let image = snapshot.image(&id).ok_or(CatalogError::NoSuchImage)?;
        // A client waits for its own searches before it takes one of the image's look-ups from machines.
        let share = if browse.search.is_some() { Some(self.search_share(client).await?) } else { None };
        // A disk that hangs must not take all threads, so these look-ups share the limit of the southbound.
        let path = [image.name.as_str().into(), image.version.as_str().into()];
        let lookup = self.lookups.enter(&path).await;
        let search = match share {
            Some(share) => Some(self.search_permit(share).await?),
            None => None,
        };
        let resolver = Arc::clone(self);
        let browsed = blocking(move || {
            let _permits = (lookup, search);
            let snapshot = resolver.images.records.snapshot();
            let image = snapshot.image(&id).ok_or(CatalogError::NoSuchImage)?;
            resolver.browse_image(&snapshot, image, &browse)
        });
        browsed.await?
    }

    /// A client waits no longer for its share, and then for a permit, than for an answer.
    async fn search_share(&self, client: Option<ClientKey>) -> Result<Share, CatalogError> {
        let share = timeout(SEARCH_TIME, self.searches.wait_for_share(client)).await;
        share.map_err(|_| CatalogError::ClientSearches)
    }

    async fn search_permit(&self, share: Share) -> Result<FairPermit, CatalogError> {
        timeout(SEARCH_TIME, self.searches.wait(share)).await.map_err(|_| CatalogError::Searching)
    }

    fn browse_image(
        &self,
        snapshot: &Snapshot,
        image: &Image,
        browse: &Browse,
    ) -> Result<Browsed, CatalogError> {
        let image = self.images.examined(snapshot, image);
        let refuse = |status| {
            let (name, version) = (image.name.clone(), image.version.clone());
            CatalogError::NotServed { name, version, status }
        };
        if image.status != Status::Ok {
            return Err(refuse(image.status.clone()));
        }
        let opened = self.images.registered_tree(snapshot, &image).map_err(|error| match error {
            LookupError::Unsettled => refuse(Status::Preparing),
            LookupError::NotFound | LookupError::Unreadable => {
                refuse(Status::Error("its tree cannot be read; the service's log says why".to_owned()))
            }
            LookupError::Io(_) => CatalogError::Lookup(error),
        })?;
        let (lines, total, complete) = lines_of(&opened.tree, browse).map_err(|error| match error {
            Refused::Nothing => CatalogError::NoSuchFolder(shown(&browse.path)),
            Refused::File => CatalogError::NotAFolder(shown(&browse.path)),
            Refused::Failed(error) => CatalogError::Lookup(error),
        })?;
        Ok(Browsed { image, lines, total, complete })
    }
}

/// Why a path cannot be listed.
enum Refused {
    /// There is nothing there.
    Nothing,
    /// A file is there.
    File,
    /// The disk failed.
    Failed(LookupError),
}

impl From<LookupError> for Refused {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::NotFound => Self::Nothing,
            // Only files have bytes that cannot be read.
            LookupError::Unreadable => Self::File,
            LookupError::Unsettled | LookupError::Io(_) => Self::Failed(error),
        }
    }
}

/// The lines, how many there are, and whether a search has visited everything.
fn lines_of(tree: &Tree, browse: &Browse) -> Result<(Vec<Line>, u64, Option<bool>), Refused> {
    let Found::Directory(directory) = tree.find(&browse.path, Matching::Lenient)? else {
        return Err(Refused::File);
    };
    let Some(text) = &browse.search else {
        let (page, total) = list(tree, &directory, &browse.lines)?;
        return Ok((page, total, None));
    };
    let deadline = Instant::now() + SEARCH_TIME;
    let matches =
        tree.search(&directory, Search::new(text, browse.lines.clone(), SEARCH_ENTRIES, deadline))?;
    let names = |folder: &[u8]| {
        let names = folder.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
        names.map(<[u8]>::to_vec).collect()
    };
    let lines =
        matches.kept.into_iter().map(|found| Line { folder: names(&found.folder), entry: found.entry });
    Ok((lines.collect(), matches.total, Some(!matches.is_cut)))
}

/// A page of a folder. Each page sorts all of it, which for 100,000 entries takes a twentieth of a second.
fn list(tree: &Tree, directory: &Directory, wanted: &Range<u64>) -> Result<(Vec<Line>, u64), LookupError> {
    let entries = tree.entries(directory)?;
    let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(entries.len());
    let page = position(wanted.start)..position(wanted.end.max(wanted.start));
    let sorted = sorted(&entries);
    let lines = sorted[page].iter().map(|entry| Line { folder: Vec::new(), entry: (*entry).clone() });
    Ok((lines.collect(), entries.len() as u64))
}

fn shown(path: &[Vec<u8>]) -> String {
    text(&path.join(&b'/')).into_owned()
}
