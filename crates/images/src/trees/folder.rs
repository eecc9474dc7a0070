//! A folder on disk as a tree. The kernel resolves paths (`openat2`), so no name and no link leads out of it.

use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxFlags, StatxTimestamp};
use rustix::io::Errno;

use crate::trees::found::{Directory, Found};
use crate::trees::matching::{Matching, bare, without_version};
use crate::trees::search::{Matches, Search, below};
use component::{Entry, LookupError};
use model::content::Content;
use model::identity::Identity;
use model::names::FileName;

/// Bytes of directory entries that the kernel is asked for at a time, as many as the C library asks for.
const NAMES_AT_ONCE: usize = 32 * 1024;

/// How links are followed that have an absolute target or lead above the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// They lead nowhere, unless their target lies in the folder after all.
    Beneath,
    /// They start from the folder, as they would if it were the root: right for the tree of an image.
    InRoot,
}

/// A folder that is served.
#[derive(Debug)]
pub struct Folder {
    root: File,
    path: PathBuf,
    links: Links,
}

impl Folder {
    /// Opens the folder at `path`.
    pub fn open(path: &Path, links: Links) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { root: File::from(root), path: fs::canonicalize(path)?, links })
    }

    pub(super) fn find(&self, path: &[Vec<u8>], matching: Matching) -> Result<Found, LookupError> {
        if path.iter().any(|name| !self.is_served(name)) {
            return Err(LookupError::NotFound);
        }
        let exact: PathBuf = path.iter().map(|name| OsStr::from_bytes(name)).collect();
        match self.open_beneath(&exact) {
            Ok(file) => found(file, exact),
            Err(LookupError::NotFound) if matching == Matching::Lenient => {
                let actual = self.actual_path(path)?;
                found(self.open_beneath(&actual)?, actual)
            }
            Err(error) => Err(error),
        }
    }

    /// The entries in the order of their names' bytes.
    pub(super) fn entries(&self, folder: &File, path: &Path) -> Result<Vec<Entry>, LookupError> {
        let mut entries = Vec::new();
        each_name(folder, |name| entries.extend(self.entry(folder, path, name)))?;
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        // A name that is moved while the folder is read may come twice.
        entries.dedup_by(|one, other| one.name == other.name);
        Ok(entries)
    }

    /// Searches everything below the folder at `top`. A folder that was removed meanwhile, or cannot be
    /// opened, is passed over.
    pub(super) fn search(&self, top: &Path, search: Search) -> Result<Matches, LookupError> {
        let length = top.as_os_str().len();
        // An image that the kernel mounted may hold a path that is longer than the system opens.
        let open = |path: &Path| match self.open_as(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(LookupError::NotFound) => Ok(None),
            opened => opened.map(Some),
        };
        search.run(
            top.to_owned(),
            |path| below(path.as_os_str().as_bytes(), length),
            |path, search, waiting| {
                let Some(folder) = open(path)? else { return Ok(()) };
                each_name(&folder, |name| {
                    let bytes = name.to_bytes();
                    if !search.visit(bytes, || self.entry(&folder, path, name)) {
                        return;
                    }
                    let seen = metadata(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
                    if self.is_served(bytes) && seen.is_ok_and(|seen| kind(&seen) == FileType::Directory) {
                        waiting.push_back(path.join(OsStr::from_bytes(bytes)));
                    }
                })
            },
        )
    }

    /// Only entries that a request would get are listed. A file is examined where it stands, in the open
    /// folder; a link is followed as a request would follow it.
    fn entry(&self, folder: &File, path: &Path, name: &CStr) -> Option<Entry> {
        let bytes = Some(name.to_bytes()).filter(|name| self.is_served(name))?;
        let mut seen = metadata(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if kind(&seen) == FileType::Symlink {
            let target = self.open_as(&path.join(OsStr::from_bytes(bytes)), OFlags::PATH).ok()?;
            seen = metadata(&target, c"", AtFlags::EMPTY_PATH).ok()?;
        }
        let size = match kind(&seen) {
            FileType::Directory => None,
            FileType::RegularFile => Some(seen.stx_size),
            _ => return None,
        };
        Some(Entry { name: bytes.to_vec(), size, modified: time(seen.stx_mtime) })
    }

    /// One plain segment, and not the folder of unfinished files.
    fn is_served(&self, name: &[u8]) -> bool {
        let plain =
            !name.is_empty() && !name.contains(&b'/') && !name.contains(&0) && name != b"." && name != b"..";
        plain && (self.links == Links::InRoot || name != FileName::INCOMING.as_bytes())
    }

    fn open_beneath(&self, path: &Path) -> Result<File, LookupError> {
        // Without NONBLOCK, opening a FIFO would wait for its writer. For regular files the flag has no
        // effect.
        self.open_as(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
    }

    fn open_as(&self, path: &Path, flags: OFlags) -> Result<File, LookupError> {
        let flags = flags | OFlags::CLOEXEC;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = match self.links {
            Links::Beneath => ResolveFlags::BENEATH,
            Links::InRoot => ResolveFlags::IN_ROOT,
        };
        let opened = rustix::fs::openat2(
            &self.root,
            path,
            flags,
            Mode::empty(),
            resolve | ResolveFlags::NO_MAGICLINKS,
        );
        match opened {
            Ok(file) => Ok(File::from(file)),
            Err(Errno::XDEV) if self.links == Links::Beneath => self.open_absolute_link(path, flags),
            Err(errno) => Err(classify(errno)),
        }
    }

    /// A link may be written as an absolute path and still stay inside. Its target is opened without
    /// following links again, so what is opened is inside even if the link changes meanwhile.
    fn open_absolute_link(&self, path: &Path, flags: OFlags) -> Result<File, LookupError> {
        let target = fs::canonicalize(self.path.join(path)).map_err(|_| LookupError::NotFound)?;
        let inside = target.strip_prefix(&self.path).map_err(|_| LookupError::NotFound)?;
        if inside.components().any(|component| !self.is_served(component.as_os_str().as_bytes())) {
            return Err(LookupError::NotFound);
        }
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        rustix::fs::openat2(&self.root, inside, flags, Mode::empty(), resolve)
            .map(File::from)
            .map_err(classify)
    }

    /// The path as it is spelled on disk.
    fn actual_path(&self, path: &[Vec<u8>]) -> Result<PathBuf, LookupError> {
        let mut actual = PathBuf::new();
        for wanted in path {
            let exact = actual.join(OsStr::from_bytes(wanted));
            if self.open_as(&exact, OFlags::PATH).is_ok() {
                actual = exact;
                continue;
            }
            let parent = self.open_as(&actual, OFlags::RDONLY | OFlags::DIRECTORY)?;
            let (unversioned, bare) = (without_version(wanted), bare(wanted));
            let mut similar = BTreeSet::new();
            each_name(&parent, |name| {
                let name = name.to_bytes();
                // A name that is not served may not be reached by a similar one either.
                if [wanted, unversioned, bare].iter().any(|wanted| name.eq_ignore_ascii_case(wanted))
                    && self.is_served(name)
                {
                    similar.insert(name.to_vec());
                }
            })?;
            let name = folded(&similar, wanted).or_else(|| {
                let mut shorter =
                    [unversioned, bare].into_iter().filter(|shorter| shorter.len() < wanted.len());
                shorter
                    .find_map(|name| similar.get(name).map(Vec::as_slice).or_else(|| folded(&similar, name)))
            });
            actual.push(OsStr::from_bytes(name.ok_or(LookupError::NotFound)?));
        }
        Ok(actual)
    }
}

/// The only name that equals `wanted` but for ASCII case.
fn folded<'a>(names: &'a BTreeSet<Vec<u8>>, wanted: &[u8]) -> Option<&'a [u8]> {
    let mut matches = names.iter().filter(|name| name.eq_ignore_ascii_case(wanted));
    match (matches.next(), matches.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Visits all names in a folder, `.` and `..` too, in the order of the kernel.
fn each_name(folder: &File, mut visit: impl FnMut(&CStr)) -> Result<(), LookupError> {
    // A new descriptor begins at the first name, however far this one has been read.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(folder, ".", flags, Mode::empty()).map_err(classify)?;
    let mut buffer = Vec::with_capacity(NAMES_AT_ONCE);
    let mut names = RawDir::new(folder, buffer.spare_capacity_mut());
    while let Some(name) = names.next() {
        match name {
            Err(Errno::INTR) => {}
            name => visit(name.map_err(classify)?.file_name()),
        }
    }
    Ok(())
}

/// Reads the metadata of an entry for a listing. The kind in the directory entry is not used: some file
/// systems leave it out.
fn metadata(folder: &File, name: &CStr, flags: AtFlags) -> rustix::io::Result<Statx> {
    let wanted = StatxFlags::TYPE | StatxFlags::SIZE | StatxFlags::MTIME;
    rustix::fs::statx(folder, name, flags | AtFlags::NO_AUTOMOUNT, wanted)
}

fn kind(seen: &Statx) -> FileType {
    FileType::from_raw_mode(seen.stx_mode.into())
}

fn time(at: StatxTimestamp) -> Option<SystemTime> {
    let seconds = Duration::from_secs(at.tv_sec.unsigned_abs());
    let second = match at.tv_sec {
        ..0 => SystemTime::UNIX_EPOCH.checked_sub(seconds),
        0.. => SystemTime::UNIX_EPOCH.checked_add(seconds),
    };
    second?.checked_add(Duration::from_nanos(at.tv_nsec.into()))
}

fn found(file: File, path: PathBuf) -> Result<Found, LookupError> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        Ok(Found::Directory(Directory::Open { folder: Arc::new(file.into()), path }))
    } else if metadata.is_file() {
        Ok(Found::File(Content::whole(Arc::new(file.into()), &Identity::of(&metadata))))
    } else {
        Err(LookupError::NotFound)
    }
}

fn classify(errno: Errno) -> LookupError {
    match errno {
        // A socket cannot be opened (ENXIO), a name can be too long, a link can loop or lead out: there is
        // nothing to serve.
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::LOOP
        | Errno::XDEV
        | Errno::NAMETOOLONG
        | Errno::NXIO
        | Errno::INVAL
        | Errno::ACCESS => LookupError::NotFound,
        other => LookupError::Io(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(text: &str) -> Vec<Vec<u8>> {
        text.split('/').filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_vec()).collect()
    }

    fn size(folder: &Folder, text: &str, matching: Matching) -> Option<u64> {
        match folder.find(&path(text), matching) {
            Ok(Found::File(content)) => Some(content.size),
            Ok(Found::Directory(_)) => Some(0),
            Err(LookupError::NotFound) => None,
            Err(error) => panic!("{text}: {error}"),
        }
    }

    #[test]
    fn links_never_lead_out() {
        let base = tempfile::tempdir().expect("a folder");
        fs::write(base.path().join("secret"), "secret").expect("writes");
        let root = base.path().join("root");
        fs::create_dir_all(root.join("sub")).expect("folders");
        fs::write(root.join("sub/file"), "1234").expect("writes");
        for (name, target) in [
            ("out", "../secret"),
            ("passwd", "/etc/passwd"),
            ("inside", "sub/file"),
            ("loop", "loop"),
            ("absolute", root.join("sub/file").to_str().expect("text")),
        ] {
            symlink(target, root.join(name)).expect("a link");
        }
        let beneath = Folder::open(&root, Links::Beneath).expect("opens");
        for (name, expected) in [
            ("out", None),
            ("passwd", None),
            ("loop", None),
            ("inside", Some(4)),
            ("absolute", Some(4)),
            ("", Some(0)),
            ("..", None),
        ] {
            assert_eq!(size(&beneath, name, Matching::Lenient), expected, "{name}");
        }
        let Ok(Found::Directory(Directory::Open { folder, path })) = beneath.find(&[], Matching::Exact)
        else {
            panic!("no root")
        };
        let listed: Vec<_> =
            beneath.entries(&folder, &path).expect("lists").into_iter().map(|entry| entry.name).collect();
        assert_eq!(listed, [b"absolute".to_vec(), b"inside".to_vec(), b"sub".to_vec()]);

        symlink("/sub/file", root.join("rooted")).expect("a link");
        let in_root = Folder::open(&root, Links::InRoot).expect("opens");
        assert_eq!(size(&in_root, "rooted", Matching::Exact), Some(4));
        assert_eq!(size(&in_root, "out", Matching::Exact), None);
    }

    #[test]
    fn lenient_names_match_when_only_one_can_be_meant() {
        let base = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(base.path().join("EFI/Boot")).expect("folders");
        fs::write(base.path().join("EFI/Boot/BOOTX64.EFI"), "1").expect("writes");
        fs::write(base.path().join("two"), "12").expect("writes");
        fs::write(base.path().join("TWO"), "123").expect("writes");
        let folder = Folder::open(base.path(), Links::Beneath).expect("opens");
        for (name, expected) in [
            ("efi/boot/bootx64.efi", Some(1)),
            ("efi/boot/bootx64.efi;1", Some(1)),
            ("efi/boot/bootx64.efi.", Some(1)),
            ("two", Some(2)),
            ("TWO", Some(3)),
            ("Two", None),
            ("two;12", Some(2)),
            ("two.;1", Some(2)),
            ("two..", None),
            ("efi/boot/none", None),
            ("two/x", None),
        ] {
            assert_eq!(size(&folder, name, Matching::Lenient), expected, "{name}");
        }
        assert_eq!(size(&folder, "efi/boot/bootx64.efi", Matching::Exact), None);
    }

    #[test]
    fn files_that_are_still_arriving_cannot_be_reached_by_any_spelling() {
        let base = tempfile::tempdir().expect("a folder");
        fs::create_dir(base.path().join(FileName::INCOMING)).expect("a folder");
        fs::write(base.path().join(FileName::INCOMING).join("x.part"), "half").expect("writes");
        let folder = Folder::open(base.path(), Links::Beneath).expect("opens");
        for spelling in [".incoming", ".INCOMING", ".incoming;1", ".incoming.", ".Incoming.;1"] {
            assert_eq!(size(&folder, spelling, Matching::Lenient), None, "{spelling}");
            assert_eq!(size(&folder, &format!("{spelling}/x.part"), Matching::Lenient), None, "{spelling}");
        }
    }

    #[test]
    fn a_listing_shows_what_requests_get() {
        let base = tempfile::tempdir().expect("a folder");
        let root = base.path().join("root");
        fs::create_dir_all(root.join("sub/below")).expect("folders");
        fs::create_dir(root.join(FileName::INCOMING)).expect("a folder");
        fs::write(base.path().join("secret"), "secret").expect("writes");
        fs::write(root.join("plain"), "1234").expect("writes");
        fs::write(root.join("sub/ancient"), "12").expect("writes");
        let ancient = SystemTime::UNIX_EPOCH - Duration::from_millis(86_400_500);
        let file = File::options().append(true).open(root.join("sub/ancient")).expect("opens");
        file.set_modified(ancient).expect("sets");
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("sub/fifo"), Mode::RUSR).expect("a FIFO");
        for (name, target) in [
            ("out", "../../secret"),
            ("dangling", "none"),
            ("loop", "loop"),
            ("passwd", "/etc/passwd"),
            ("file", "../plain"),
            ("folder", "below"),
            ("rooted", "/plain"),
            ("absolute", root.join("plain").to_str().expect("text")),
            ("hidden", root.join(FileName::INCOMING).to_str().expect("text")),
        ] {
            symlink(target, root.join("sub").join(name)).expect("a link");
        }
        for (links, leads) in [(Links::Beneath, "absolute"), (Links::InRoot, "rooted")] {
            let tree = Folder::open(&root, links).expect("opens");
            let list = |path: &[Vec<u8>]| match tree.find(path, Matching::Exact) {
                Ok(Found::Directory(Directory::Open { folder, path })) => {
                    let listed = tree.entries(&folder, &path).expect("lists");
                    assert_eq!(tree.entries(&folder, &path).expect("lists again"), listed);
                    listed
                }
                other => panic!("no folder: {other:?}"),
            };
            let tell = |real: &str| fs::metadata(root.join(real)).expect("metadata").modified().ok();
            let entry = |name: &str, size, real| Entry { name: name.into(), size, modified: tell(real) };
            let mut expected = [
                entry("ancient", Some(2), "sub/ancient"),
                entry("below", None, "sub/below"),
                entry("file", Some(4), "plain"),
                entry("folder", None, "sub/below"),
                entry(leads, Some(4), "plain"),
            ];
            assert_eq!(expected[0].modified, Some(ancient));
            expected.sort_by(|one, other| one.name.cmp(&other.name));
            assert_eq!(list(&path("sub")), expected, "{links:?}");
            // A name that is not listed cannot be fetched, and a listed one can.
            for name in fs::read_dir(root.join("sub")).expect("reads") {
                let name = name.expect("a name").file_name();
                let listed = expected.iter().any(|entry| entry.name == name.as_bytes());
                let found = tree.find(&[b"sub".to_vec(), name.as_bytes().to_vec()], Matching::Exact);
                assert_eq!(found.is_ok(), listed, "{links:?} {}", name.display());
            }
            let incoming = list(&[]).iter().any(|entry| entry.name == FileName::INCOMING.as_bytes());
            assert_eq!(incoming, links == Links::InRoot);
        }
    }

    #[test]
    fn a_search_enters_each_folder_where_it_stands() {
        let base = tempfile::tempdir().expect("a folder");
        let root = base.path().join("root");
        fs::create_dir_all(root.join("sub/below/bottom")).expect("folders");
        fs::create_dir(base.path().join("outside-x")).expect("a folder");
        for name in ["x1", "sub/X2", "sub/below/bottom/x3", "sub/y", "../outside-x/x4"] {
            fs::write(root.join(name), "1").expect("writes");
        }
        for (name, target) in
            [("here-x", "."), ("sub/up-x", ".."), ("out-x", "../outside-x"), ("lost-x", "none")]
        {
            symlink(target, root.join(name)).expect("a link");
        }
        let tree = Folder::open(&root, Links::InRoot).expect("opens");
        let soon = std::time::Instant::now() + Duration::from_secs(3600);
        let find = |top: &str, entries| {
            let matches =
                tree.search(Path::new(top), Search::new("x", 0..100, entries, soon)).expect("searches");
            let path = |found: &crate::trees::Match| [&found.folder, &found.entry.name[..]].join(&b'/');
            let paths: BTreeSet<String> =
                matches.kept.iter().map(|found| String::from_utf8(path(found)).expect("text")).collect();
            (paths.into_iter().collect::<Vec<_>>().join(" "), matches.is_cut)
        };
        let all = "/here-x /x1 sub/X2 sub/below/bottom/x3 sub/up-x";
        assert_eq!(find("", 1000), (all.to_owned(), false));
        assert_eq!(find("sub", 1000), ("/X2 /up-x below/bottom/x3".to_owned(), false));
        assert_eq!(find("sub/below", 1000), ("bottom/x3".to_owned(), false));
        assert_eq!(find("gone", 1000), (String::new(), false));
        let (some, is_cut) = find("", 9);
        assert!(is_cut && some.len() < all.len(), "{some}");
    }

    #[test]
    fn a_folder_of_any_size_is_listed_in_order() {
        let base = tempfile::tempdir().expect("a folder");
        let mut names: Vec<String> =
            (0..700).map(|number| format!("{number:03}{}", "x".repeat(200))).collect();
        for name in &names {
            fs::write(base.path().join(name), "").expect("writes");
        }
        names.sort();
        let tree = Folder::open(base.path(), Links::Beneath).expect("opens");
        let Ok(Found::Directory(Directory::Open { folder, path })) = tree.find(&[], Matching::Exact) else {
            panic!("no root")
        };
        let listed = tree.entries(&folder, &path).expect("lists").into_iter().map(|entry| entry.name);
        assert!(listed.eq(names.into_iter().map(String::into_bytes)));
    }
}
