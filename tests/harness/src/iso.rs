//! The tools that make and unpack ISOs. A missing tool fails the test with the name of its package.

use super::digest;
use super::program::kept_folder;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// The modification time of every generated file: 2020-02-03 04:05:06 UTC.
pub const MODIFIED: Duration = Duration::from_secs(1_580_702_706);

/// `MODIFIED` as Last-Modified spells it.
pub const MODIFIED_TEXT: &str = "Mon, 03 Feb 2020 04:05:06 GMT";

/// ISOs made by other projects, with the packages that hold them.
pub const REAL: [(&str, &str); 4] = [
    ("/usr/lib/grub-rescue/grub-rescue-cdrom.iso", "grub-rescue-pc"),
    ("/usr/lib/memtest86+/memtest86+x64.iso", "memtest86+"),
    ("/usr/lib/memtest86+/memtest86+ia32.iso", "memtest86+"),
    ("/usr/lib/ipxe/ipxe.iso", "ipxe"),
];

/// The path of a real ISO whose file name contains `part`.
#[track_caller]
pub fn real(part: &str) -> PathBuf {
    let found = REAL.iter().find(|(path, _)| path.rsplit('/').next().is_some_and(|name| name.contains(part)));
    let (path, package) = found.unwrap_or_else(|| panic!("no real ISO is called {part}"));
    assert!(Path::new(path).is_file(), "{path} is missing: install the package {package}");
    PathBuf::from(path)
}

/// A folder of files to be made into an ISO.
pub struct SourceTree {
    root: tempfile::TempDir,
}

impl SourceTree {
    /// An empty folder.
    pub fn new() -> Self {
        Self { root: tempfile::Builder::new().prefix("source-tree-").tempdir().unwrap() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Adds a file and the folders above it.
    #[must_use]
    pub fn file(self, path: impl AsRef<OsStr>, bytes: impl AsRef<[u8]>) -> Self {
        fs::write(self.place(path.as_ref()), bytes).unwrap();
        self
    }

    /// Adds a folder.
    #[must_use]
    pub fn folder(self, path: impl AsRef<OsStr>) -> Self {
        fs::create_dir_all(self.place(path.as_ref())).unwrap();
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: impl AsRef<OsStr>, target: &str) -> Self {
        symlink(target, self.place(path.as_ref())).unwrap();
        self
    }

    /// Adds a sparse file of `length` bytes that is zero except for the given pieces.
    #[must_use]
    pub fn sparse(self, path: impl AsRef<OsStr>, length: u64, pieces: &[(u64, &[u8])]) -> Self {
        sparse_file(&self.place(path.as_ref()), length, pieces);
        self
    }

    fn place(&self, path: &OsStr) -> PathBuf {
        let place = self.root().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        place
    }

    /// Gives every file and folder the same time, so that two runs make the same tree.
    pub fn settle(&self) {
        let mut folders = vec![self.root().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for item in fs::read_dir(&folder).unwrap().map(|item| item.unwrap()) {
                let kind = item.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(item.path());
                } else if kind.is_file() {
                    set_modified(&item.path());
                }
            }
            set_modified(&folder);
        }
    }
}

impl Default for SourceTree {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes a sparse file of `length` bytes that is zero except for the given pieces.
pub fn sparse_file(path: &Path, length: u64, pieces: &[(u64, &[u8])]) {
    let mut file = File::create(path).unwrap();
    for (offset, bytes) in pieces {
        file.seek(SeekFrom::Start(*offset)).unwrap();
        file.write_all(bytes).unwrap();
    }
    file.set_len(length).unwrap();
}

/// Sets the modification time to `MODIFIED`.
pub fn set_modified(path: &Path) {
    File::open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH + MODIFIED).unwrap();
}

/// The programs that make ISOs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// `genisoimage`.
    Genisoimage,
    /// `xorriso -as mkisofs`.
    Xorriso,
}

impl Maker {
    /// Makes an ISO of `tree` at `iso`; holes stay holes.
    #[track_caller]
    pub fn make(self, arguments: &[&str], tree: &SourceTree, iso: &Path) {
        tree.settle();
        let (mut command, package) = match self {
            Self::Genisoimage => (Command::new("genisoimage"), "genisoimage"),
            Self::Xorriso => (Command::new("xorriso"), "xorriso"),
        };
        if self == Self::Xorriso {
            command.args(["-as", "mkisofs"]);
        }
        command.args(["-quiet", "-input-charset", "utf-8", "-V", "FIXTURE"]).args(arguments).arg(tree.root());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {package}, package {package}: {error}"));
        let mut complaints = child.stderr.take().unwrap();
        let listener = std::thread::spawn(move || {
            let mut text = String::new();
            // The tool's output matters only when it fails.
            let _ = complaints.read_to_string(&mut text);
            text
        });
        copy_sparsely(child.stdout.take().unwrap(), iso).unwrap();
        let status = child.wait().unwrap();
        let text = listener.join().unwrap();
        assert!(status.success(), "{package} {arguments:?}: {status}\n{text}");
    }
}

/// An ISO that is made once and cached between runs; `make` writes it to the given path. The name of the
/// cached file holds a digest of the recipes, so a changed recipe makes a new file. Two threads or processes
/// may make it at once.
pub fn kept(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let recipes = [include_str!("iso.rs"), include_str!("images.rs")].concat();
    let folder = kept_folder().join("isos");
    let path = folder.join(format!("{name}-{}.iso", &digest::of_bytes(recipes.as_bytes())[..12]));
    if !path.exists() {
        fs::create_dir_all(&folder).unwrap();
        let partial = tempfile::Builder::new().prefix("making-").tempdir_in(&folder).unwrap();
        let made = partial.path().join("made.iso");
        make(&made);
        set_modified(&made);
        // A hard link never replaces a file: an ISO that another test has registered must stay the same
        // inode.
        match fs::hard_link(made, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                panic!("{}: {error}", path.display())
            }
            _ => {}
        }
    }
    path
}

/// Unpacks an ISO with xorriso, the oracle: Rock Ridge, else Joliet, else lower-case plain names.
#[track_caller]
pub fn extract(iso: &Path, folder: &Path) {
    let output = Command::new("xorriso")
        .args(["-abort_on", "FATAL", "-ecma119_map", "lowercase", "-osirrox", "on", "-indev"])
        .arg(iso)
        .args(["-extract", "/"])
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot run xorriso, package xorriso: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    make_removable(folder);
}

/// Makes folders writable: read-only ones, which media often hold, could not be removed after the test.
fn make_removable(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    for item in fs::read_dir(folder).unwrap().map(|item| item.unwrap()) {
        if item.file_type().unwrap().is_dir() {
            make_removable(&item.path());
        }
    }
}

/// Copies; every megabyte of zeros becomes a hole.
fn copy_sparsely(mut from: impl Read, to: &Path) -> io::Result<()> {
    let mut file = File::create(to)?;
    let zeros = vec![0; 1 << 20];
    let mut length = 0;
    let mut block = Vec::new();
    loop {
        block.clear();
        let read = from.by_ref().take(1 << 20).read_to_end(&mut block)?;
        if read == 0 {
            return file.set_len(length);
        }
        if block != zeros[..read] {
            file.seek(SeekFrom::Start(length))?;
            file.write_all(&block)?;
        }
        length += u64::try_from(read).unwrap();
    }
}
