//! Links with credentials, sealed. The inventory has links without credentials, and beside them the links in
//! full, encrypted. The key is in a file of its own. So the inventory alone, such as a backup, reveals no
//! credentials and allows no forgery.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Serialize, Serializer};
use url::Url;

use super::RecordMap;
use super::key::SealKey;
use model::image::{Image, ImageId, Source, WebSource};
use model::link::Link;

/// The seals of one inventory.
pub(super) struct Seals {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    key: KeyState,
    entries: Entries,
}

/// The key, if it was read already.
#[derive(Default)]
enum KeyState {
    #[default]
    Unread,
    Found(SealKey),
    /// The file holds no key. It is left alone, and nothing is sealed.
    Unusable,
}

/// Sealed links by image.
pub(super) type Entries = BTreeMap<ImageId, Entry>;

/// The links of one image. While they do not change, neither does their sealed text. So a text that cannot be
/// opened is not lost.
#[derive(Clone)]
pub(super) struct Entry {
    links: Arc<[Link]>,
    sealed: Arc<str>,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.sealed)
    }
}

impl Seals {
    /// Seals with the key in the file `path`, which is created when there is something to seal.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, state: Mutex::default() }
    }

    /// Puts the links in full into `images`. A link that cannot be opened stays as it is shown.
    pub(super) fn open(&self, images: &mut RecordMap<ImageId, Image>, sealed: BTreeMap<ImageId, String>) {
        let mut state = self.lock();
        state.entries.clear();
        if sealed.is_empty() {
            return;
        }
        let problem = match SealKey::read(&self.path) {
            Ok(Some(key)) => {
                state.key = KeyState::Found(key);
                "it is not the key under which they were sealed"
            }
            Ok(None) => "it is missing",
            Err(_) => "it cannot be used",
        };
        let mut lost = 0;
        for (id, sealed) in sealed {
            let Some(Source::Web(web)) = images.get_mut(&id).map(|image| &mut image.source) else { continue };
            let opened = match &state.key {
                KeyState::Found(key) => unseal(key, &id, &sealed),
                KeyState::Unread | KeyState::Unusable => None,
            };
            lost += usize::from(opened.is_none());
            let is_current = opened.is_none_or(|full| restore_links(web, full));
            if is_current {
                let links = web.all_links().into_iter().cloned().collect();
                state.entries.insert(id, Entry { links, sealed: sealed.into() });
            }
        }
        if lost > 0 {
            let key = self.path.display();
            tracing::warn!(images = lost, %key, problem, "links are used without their credentials");
        }
    }

    /// Seals the links of `images` that have credentials. Links that did not change keep their sealed text.
    pub(super) fn seal(&self, images: &RecordMap<ImageId, Image>) -> io::Result<Entries> {
        let mut state = self.lock();
        let mut entries = Entries::new();
        for image in images.values() {
            let Source::Web(web) = &image.source else { continue };
            let links = web.all_links();
            let known =
                state.entries.get(&image.id).filter(|entry| entry.links.iter().eq(links.iter().copied()));
            if let Some(entry) = known {
                entries.insert(image.id.clone(), entry.clone());
            } else if links.iter().any(|link| link.hides_something())
                && let Some(key) = self.key(&mut state)?
            {
                let sealed = seal(key, &image.id, &links)?;
                let links = links.into_iter().cloned().collect();
                entries.insert(image.id.clone(), Entry { links, sealed });
            }
        }
        Ok(entries)
    }

    /// Remembers the entries that the inventory has now.
    pub(super) fn keep(&self, entries: Entries) {
        self.lock().entries = entries;
    }

    /// The key, or a new one if there is none. `None` if the file cannot be used.
    fn key<'a>(&self, state: &'a mut State) -> io::Result<Option<&'a SealKey>> {
        if matches!(state.key, KeyState::Unread) {
            state.key = match SealKey::read(&self.path) {
                Ok(Some(key)) => KeyState::Found(key),
                Ok(None) => KeyState::Found(SealKey::make(&self.path)?),
                Err(error) => {
                    let key = self.path.display();
                    tracing::warn!(
                        %key,
                        %error,
                        "the key cannot be used, so links will not keep their credentials over a restart"
                    );
                    KeyState::Unusable
                }
            };
        }
        Ok(match &state.key {
            KeyState::Found(key) => Some(key),
            KeyState::Unread | KeyState::Unusable => None,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the links in full into `web`. `false` if some of its links are others by now: a person may have
/// written another link into the inventory, which must not get the credentials of the first.
fn restore_links(web: &mut WebSource, full: Vec<Url>) -> bool {
    let mut links = web.all_links_mut();
    let mut are_the_same = links.len() == full.len();
    for (link, full) in links.iter_mut().zip(full.into_iter().map(Link::from)) {
        if link.shown() == full.shown() {
            **link = full;
        } else {
            are_the_same = false;
        }
    }
    are_the_same
}

/// The links in full, sealed for this image.
fn seal(key: &SealKey, image: &ImageId, links: &[&Link]) -> io::Result<Arc<str>> {
    let links: Vec<&str> = links.iter().map(|link| link.secret_url().as_str()).collect();
    Ok(key.seal(&image.0, serde_json::to_vec(&links)?)?.into())
}

fn unseal(key: &SealKey, image: &ImageId, sealed: &str) -> Option<Vec<Url>> {
    serde_json::from_slice(&key.open(&image.0, sealed)?).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::*;
    use model::digest::Expected;
    use model::image::Status;
    use model::labels::Labels;
    use model::names::{FileName, ImageName, ImageVersion};

    type Images = RecordMap<ImageId, Image>;

    fn link(text: &str) -> Link {
        text.parse::<Url>().expect("a link").into()
    }

    fn image(id: &str, url: &str) -> Image {
        let (checksum, signature) = (link("https://u:secret@h/SUMS"), link("https://h/SUMS.gpg?secret"));
        let mirrors = vec![link("http://h/a.iso"), link("http://u:secret@h/a.iso")];
        let web = WebSource { url: link(url), mirrors, checksum: Some(checksum), signature: Some(signature) };
        Image {
            id: ImageId(id.into()),
            name: ImageName::new(id).expect("a name"),
            version: ImageVersion::new("1").expect("a version"),
            iso: FileName::new("a.iso").expect("a name"),
            status: Status::Downloading,
            source: Source::Web(Box::new(web)),
            created: Timestamp::UNIX_EPOCH,
            updated: Timestamp::UNIX_EPOCH,
            identity: None,
            sha256: None,
            tree: None,
            asked_tree: None,
            labels: Labels::default(),
            expected: Expected::default(),
        }
    }

    fn images(list: &[Image]) -> Images {
        list.iter().map(|image| (image.id.clone(), image.clone())).collect()
    }

    /// As they come out of a file that shows no secret.
    fn stored(images: &Images) -> Images {
        let text = serde_json::to_string(&images.values().collect::<Vec<_>>()).expect("JSON");
        assert!(!text.contains("secret"), "{text}");
        self::images(&serde_json::from_str::<Vec<Image>>(&text).expect("images"))
    }

    fn texts(entries: &Entries) -> BTreeMap<ImageId, String> {
        entries.iter().map(|(id, entry)| (id.clone(), entry.sealed.to_string())).collect()
    }

    fn opened(seals: &Seals, images: &Images, sealed: BTreeMap<ImageId, String>) -> Images {
        let mut images = stored(images);
        seals.open(&mut images, sealed);
        images
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn seals(folder: &tempfile::TempDir) -> Seals {
        Seals::new(folder.path().join("key"))
    }

    #[test]
    fn all_links_come_back_in_full() {
        let folder = folder();
        let all = images(&[image("1", "http://h/a.iso?secret"), image("2", "ftp://u:secret@h/b.iso#x")]);
        let sealed = seals(&folder).seal(&all).expect("seals");
        assert_eq!(sealed.len(), 2);
        assert_eq!(opened(&seals(&folder), &all, texts(&sealed)), all);
    }

    #[test]
    fn what_hides_nothing_needs_no_seal_and_no_key() {
        let folder = folder();
        let mut open = image("1", "http://h/a.iso");
        open.source = Source::Web(Box::new(WebSource {
            url: link("http://h/a.iso"),
            mirrors: vec![link("ftp://h/a.iso")],
            checksum: None,
            signature: None,
        }));
        let mut local = image("2", "http://h/a.iso");
        local.source = Source::Local;
        let all = images(&[open, local]);
        assert!(seals(&folder).seal(&all).expect("nothing to do").is_empty());
        assert_eq!(opened(&seals(&folder), &all, BTreeMap::new()), all);
        assert!(!folder.path().join("key").exists());
    }

    #[test]
    fn a_secret_serves_only_the_link_and_the_image_that_it_was_given_for() {
        let folder = folder();
        let all = images(&[image("1", "http://u:secret@h/a.iso"), image("2", "http://u:secret@h/b.iso")]);
        let sealed = texts(&seals(&folder).seal(&all).expect("seals"));
        let url = |images: &Images, id: &str| match &images.get(&ImageId(id.into())).expect("an image").source
        {
            Source::Web(web) => web.url.secret_url().to_string(),
            _ => String::new(),
        };
        // An editor turned the one link elsewhere.
        let turned = images(&[image("1", "http://evil/a.iso"), image("2", "http://u:secret@h/b.iso")]);
        let found = opened(&seals(&folder), &turned, sealed.clone());
        assert_eq!(url(&found, "1"), "http://evil/a.iso");
        assert_eq!(url(&found, "2"), "http://u:secret@h/b.iso");
        // The one has the text of the other, a changed digit, or nonsense.
        let [one, two] = ["1", "2"].map(|id| sealed[&ImageId(id.into())].clone());
        let last = if one.ends_with('0') { "1" } else { "0" };
        let changed = format!("{}{last}", &one[..one.len() - 1]);
        for wrong in [two, changed, one[1..].to_owned(), one[..20].to_owned(), "+1".into(), String::new()] {
            let mut sealed = sealed.clone();
            sealed.insert(ImageId("1".into()), wrong.clone());
            let found = opened(&seals(&folder), &all, sealed);
            assert_eq!(url(&found, "1"), "http://h/a.iso", "{wrong}");
            assert_eq!(url(&found, "2"), "http://u:secret@h/b.iso");
        }
    }

    #[test]
    fn what_does_not_change_is_written_as_it_was_and_what_goes_is_forgotten() {
        let folder = folder();
        let seals = seals(&folder);
        let (one, two) = (image("1", "http://u:secret@h/a.iso"), image("2", "http://u:secret@h/b.iso"));
        let first = seals.seal(&images(&[one.clone(), two.clone()])).expect("seals");
        seals.keep(first.clone());
        let changed = image("2", "http://u:other@h/b.iso");
        let second = seals.seal(&images(&[one.clone(), changed])).expect("seals");
        let ids = ["1", "2"].map(|id| ImageId(id.into()));
        assert_eq!(second[&ids[0]].sealed, first[&ids[0]].sealed);
        assert_ne!(second[&ids[1]].sealed, first[&ids[1]].sealed);
        // That was not saved, so the first is what there is.
        let third = seals.seal(&images(&[one.clone(), two])).expect("seals");
        assert_eq!(texts(&third), texts(&first));
        assert_eq!(seals.seal(&images(&[one])).expect("seals").len(), 1);
    }

    #[test]
    fn what_cannot_be_opened_is_kept_and_what_is_no_key_is_left_alone() {
        let folder = folder();
        let path = folder.path().join("key");
        let all = images(&[image("1", "http://u:secret@h/a.iso")]);
        let sealed = texts(&seals(&folder).seal(&all).expect("seals"));
        let key = fs::read(&path).expect("a key");
        for other in [None, Some(vec![1; 32]), Some(vec![1; 33]), Some(Vec::new())] {
            match &other {
                None => fs::remove_file(&path).expect("removes"),
                Some(bytes) => fs::write(&path, bytes).expect("writes"),
            }
            let later = seals(&folder);
            let found = opened(&later, &all, sealed.clone());
            assert_eq!(found, stored(&all), "{other:?}");
            assert_eq!(texts(&later.seal(&found).expect("seals")), sealed, "{other:?}");
            assert_eq!(fs::read(&path).ok(), other);
            // Another secret is sealed if there is a key, and does not keep anything from being saved if not.
            let mut more = found.clone();
            let second = image("2", "http://u:secret@h/b.iso");
            more.insert(second.id.clone(), second);
            let usable = other.as_ref().is_none_or(|bytes| bytes.len() == 32);
            assert_eq!(later.seal(&more).expect("seals").len(), 1 + usize::from(usable), "{other:?}");
        }
        fs::write(&path, key).expect("writes");
        assert_eq!(opened(&seals(&folder), &all, sealed), all);
    }

    #[test]
    fn a_key_that_cannot_be_made_is_an_error() {
        let folder = folder();
        fs::create_dir(folder.path().join("key.new")).expect("a folder");
        let all = images(&[image("1", "http://u:secret@h/a.iso")]);
        assert!(seals(&folder).seal(&all).is_err());
        assert!(!folder.path().join("key").exists());
    }
}
