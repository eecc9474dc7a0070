//! The files that pages refer to: those embedded in the program, or a folder for the developers of the web
//! UI.

use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

/// A file of `web-ui/` as `build.rs` found it.
struct Embedded {
    path: &'static str,
    bytes: &'static [u8],
    gzip: &'static [u8],
    brotli: &'static [u8],
}

// The table `FILES`, and `HASH`, which names its content.
include!(concat!(env!("OUT_DIR"), "/web_ui.rs"));

/// The version of files that change while the program runs.
const CHANGING: &str = "dev";

/// A file for browsers.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) media_type: &'static str,
    pub(super) bytes: Bytes,
    /// The same, compressed; empty for a file of a folder.
    pub(super) gzip: Bytes,
    pub(super) brotli: Bytes,
}

/// Where files come from.
pub(super) enum Files {
    /// The program.
    Embedded,
    /// A folder, read at each request.
    Folder(PathBuf),
}

impl Files {
    /// The version of all files, which is a segment of their URLs.
    pub(super) fn version(&self) -> &'static str {
        match self {
            Self::Embedded => HASH,
            Self::Folder(_) => CHANGING,
        }
    }

    /// The file at a path from the root of `web-ui/`, if browsers may have it.
    pub(super) fn read(&self, path: &str) -> Option<File> {
        let media_type = media_type(path)?;
        match self {
            Self::Embedded => {
                let found = FILES.iter().find(|file| file.path == path)?;
                Some(File {
                    media_type,
                    bytes: Bytes::from_static(found.bytes),
                    gzip: Bytes::from_static(found.gzip),
                    brotli: Bytes::from_static(found.brotli),
                })
            }
            Self::Folder(folder) => {
                if Path::new(path).components().any(|part| !matches!(part, Component::Normal(_))) {
                    return None;
                }
                let bytes = std::fs::read(folder.join(path)).ok()?.into();
                Some(File { media_type, bytes, ..File::default() })
            }
        }
    }
}

fn media_type(path: &str) -> Option<&'static str> {
    Some(match path.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}
