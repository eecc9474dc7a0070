//! SHA-256 of bytes, readers and whole folders.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The SHA-256 of `bytes` in lower-case hexadecimal.
pub fn of_bytes(bytes: &[u8]) -> String {
    let mut sink = Sink::default();
    sink.write_all(bytes).unwrap();
    sink.finish()
}

/// The SHA-256 of everything `reader` yields.
pub fn of_reader(mut reader: impl Read) -> io::Result<String> {
    let mut sink = Sink::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(sink.finish()),
            read => sink.write_all(&buffer[..read])?,
        }
    }
}

/// The SHA-256 of a file on disk.
pub fn of_file(path: &Path) -> String {
    let file = File::open(path).unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
    of_reader(file).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// A writer that keeps only the SHA-256 and the number of the bytes written.
#[derive(Default)]
pub struct Sink {
    state: Sha256,
    /// Bytes written so far.
    pub length: u64,
}

impl Sink {
    /// The digest in lower-case hexadecimal.
    pub fn finish(self) -> String {
        self.state.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.state.update(bytes);
        self.length += u64::try_from(bytes.len()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder,
    /// A regular file with its length and SHA-256.
    File(u64, String),
    /// A symbolic link with its target.
    Link(Vec<u8>),
}

/// Everything below `root`, by path relative to it; links are not followed.
pub fn walk(root: &Path) -> BTreeMap<Vec<u8>, Entry> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).unwrap() {
            let path = item.unwrap().path();
            let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            let facts = fs::symlink_metadata(&path).unwrap();
            let entry = if facts.is_symlink() {
                Entry::Link(fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else if facts.is_dir() {
                folders.push(path);
                Entry::Folder
            } else {
                Entry::File(facts.len(), of_file(&path))
            };
            found.insert(name, entry);
        }
    }
    found
}
