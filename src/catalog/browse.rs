//! What is inside an image, for people who look into it: one folder, or all names below it that contain a text. Looked up in the same tree
//! and after the same checks as what machines fetch.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::{Catalog, CatalogError, Inner};
use crate::inventory::Snapshot;
use crate::model::image::{Image, ImageId, Status};
use crate::trees::{Directory, Entry, Found, LookupError, Matching, Search, Tree, sorted, text};

/// Searches at once; more wait. Each may keep a processor busy for as long as it may take, and machines want to boot meanwhile.
pub(super) const MAX_SEARCHES: usize = 2;

/// Entries that a search looks at: as many as the largest tree of an ISO may have.
const SEARCH_ENTRIES: u64 = iso_reader::limits::ENTRIES as u64;

/// The longest that a search may take; who types waits for it.
const SEARCH_TIME: Duration = Duration::from_secs(2);

/// Where somebody looks, and for what.
#[derive(Debug, Clone)]
pub struct Browse {
    /// The names that lead to the folder, from the root of the image's tree.
    pub path: Vec<Vec<u8>>,
    /// Which of the lines are wanted.
    pub lines: Range<u64>,
    /// What names must contain, here and in all folders below.
    pub search: Option<String>,
}

/// What somebody sees there.
#[derive(Debug)]
pub struct Browsed {
    /// The image.
    pub image: Image,
    /// The lines that were wanted.
    pub lines: Vec<Line>,
    /// How many there are.
    pub total: u64,
    /// Whether a search has seen everything; `None` if nothing was searched.
    pub complete: Option<bool>,
}

/// A line of what somebody sees.
#[derive(Debug)]
pub struct Line {
    /// The path of its folder, from the one that was looked into.
    pub folder: Vec<Vec<u8>>,
    /// The entry.
    pub entry: Entry,
}

impl Catalog {
    /// Looks into an image that is served.
    pub async fn browse(&self, id: ImageId, browse: Browse) -> Result<Browsed, CatalogError> {
        let snapshot = self.snapshot();
        let image = snapshot.image(&id).ok_or(CatalogError::NoSuchImage)?;
        // A disk that hangs must not take all threads, whichever door the requests come by.
        let image = [image.name.as_str().into(), image.version.as_str().into()];
        let place = self.0.lookups.enter(&image).await;
        let search = match browse.search {
            // The semaphore is never closed. Who waits for a place has waited as long as for an answer.
            Some(_) => {
                let place = self.0.searches.clone().acquire_owned();
                Some(tokio::time::timeout(SEARCH_TIME, place).await.map_err(|_| CatalogError::Searching)?)
            }
            None => None,
        };
        let browsed = self.blocking(move |inner| {
            let _places = (place, search);
            let snapshot = inner.writer.snapshot();
            let image = snapshot.image(&id).ok_or(CatalogError::NoSuchImage)?;
            inner.browse(&snapshot, image, &browse)
        });
        browsed.await?
    }
}

impl Inner {
    fn browse(&self, snapshot: &Snapshot, image: &Image, browse: &Browse) -> Result<Browsed, CatalogError> {
        let image = self.examined(snapshot, image);
        let refuse = |status| {
            let (name, version) = (image.name.clone(), image.version.clone());
            CatalogError::NotServed { name, version, status }
        };
        if image.status != Status::Ok {
            return Err(refuse(image.status.clone()));
        }
        let opened = self.registered_tree(snapshot, &image).map_err(|error| match error {
            LookupError::Unsettled => refuse(Status::Preparing),
            LookupError::NotFound | LookupError::Unreadable => {
                refuse(Status::Error("its tree cannot be read; the service's log says why".to_owned()))
            }
            LookupError::Io(_) => CatalogError::Lookup(error),
        })?;
        let (lines, total, complete) = look_into(&opened.tree, browse).map_err(|error| match error {
            Refused::Nothing => CatalogError::NoSuchFolder(shown(&browse.path)),
            Refused::File => CatalogError::NotAFolder(shown(&browse.path)),
            Refused::Failed(error) => CatalogError::Lookup(error),
        })?;
        Ok(Browsed { image, lines, total, complete })
    }
}

/// A path cannot be looked into.
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

fn look_into(tree: &Tree, browse: &Browse) -> Result<(Vec<Line>, u64, Option<bool>), Refused> {
    let Found::Directory(directory) = tree.find(&browse.path, Matching::Lenient)? else {
        return Err(Refused::File);
    };
    let Some(text) = &browse.search else {
        let (lines, total) = list(tree, &directory, &browse.lines)?;
        return Ok((lines, total, None));
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

/// A page of a folder. All of it is put in order for each page, which for 100,000 entries takes a twentieth of a second.
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
