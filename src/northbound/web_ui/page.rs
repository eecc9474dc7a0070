//! A page as it is sent: its text with links to the files of this version, and its security headers.

use std::io::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::files::{File, Files};

/// The line of a page that the links to its files replace.
const HEAD: &str = "<!-- head -->";

/// The file that maps bare names in imports to files.
const IMPORT_MAP: &str = "importmap.json";

/// Bytes of a digest in a page's version.
const VERSION_LENGTH: usize = 9;

/// The URL of a page, which decides how the page refers to its files.
#[derive(Debug, Clone, Copy)]
pub(super) enum PageUrl {
    Root,
    Gui,
    Docs,
}

impl PageUrl {
    pub(super) const ALL: [Self; 3] = [Self::Root, Self::Gui, Self::Docs];

    /// Its HTML, and the module that it starts.
    fn files(self) -> (&'static str, &'static str) {
        match self {
            Self::Root | Self::Gui => ("index.html", "app.js"),
            Self::Docs => ("docs.html", "docs.js"),
        }
    }

    /// The relative URL of the folder `/gui/`.
    fn to_gui(self) -> &'static str {
        match self {
            Self::Gui => "",
            Self::Root | Self::Docs => "gui/",
        }
    }
}

/// A page, ready to be sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Page {
    pub(super) file: File,
    /// Names the text of the page. The program makes some of it, so the version of the files is not enough.
    pub(super) version: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Page {
    /// Makes the page of a URL; `None` if one of its files is missing.
    pub(super) fn render(files: &Files, place: PageUrl) -> Option<Self> {
        let (text, entry) = place.files();
        let html = files.read(text)?;
        let names: Map<String, Value> = serde_json::from_slice(&files.read(IMPORT_MAP)?.bytes).ok()?;
        // Relative, so that a proxy may put the service below a path of its own.
        let base = format!("{}{}/", place.to_gui(), files.version());
        let imports: Map<String, Value> = names
            .iter()
            .filter_map(|(name, path)| Some((name.clone(), format!("./{base}{}", path.as_str()?).into())))
            .collect();
        let map = json!({ "imports": imports }).to_string();
        let head = head(&base, &map, entry, &modules(files, &names, entry));
        let text = String::from_utf8_lossy(&html.bytes).replacen(HEAD, &head, 1);
        let gzip = match files {
            Files::Embedded => gzip(text.as_bytes())?,
            Files::Folder(_) => Bytes::new(),
        };
        let version = BASE64_STANDARD.encode(&Sha256::digest(&text)[..VERSION_LENGTH]);
        let file = File { bytes: text.into(), gzip, media_type: html.media_type, ..File::default() };
        Some(Self { file, version, headers: headers(&map)? })
    }
}

fn head(base: &str, map: &str, entry: &str, modules: &[String]) -> String {
    let mut head = format!(
        "<script type=\"importmap\">{map}</script>\n<link rel=\"stylesheet\" href=\"{base}style.css\">\n\
         <link rel=\"icon\" href=\"{base}icon.svg\" type=\"image/svg+xml\">\n"
    );
    for module in modules {
        head.push_str(&format!("<link rel=\"modulepreload\" href=\"{base}{module}\">\n"));
    }
    head.push_str(&format!("<script type=\"module\" src=\"{base}{entry}\"></script>"));
    head
}

/// The security headers of a page: it loads nothing from elsewhere, has no inline script but the import map,
/// and stays out of frames.
fn headers(map: &str) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let digest = BASE64_STANDARD.encode(Sha256::digest(map));
    let policy = format!(
        "default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Some(vec![
        (CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).ok()?),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ])
}

/// The modules that `entry` imports, directly or not, so that a browser fetches all of them at once. Modules
/// that are loaded later, by `import()`, are not among them.
fn modules(files: &Files, names: &Map<String, Value>, entry: &str) -> Vec<String> {
    let mut found = vec![entry.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        let Some(file) = files.read(&path) else { continue };
        let source = String::from_utf8_lossy(&file.bytes);
        for name in imported(&source) {
            let target = match names.get(name).and_then(Value::as_str) {
                Some(target) => target.to_owned(),
                None => beside(&path, name),
            };
            if !found.contains(&target) && target.ends_with(".js") && files.read(&target).is_some() {
                found.push(target);
            }
        }
    }
    found
}

/// The names after a `from`, or after an `import` at the beginning of a line. Comments, which import types,
/// are skipped. Text may match as well, but names no file.
fn imported(source: &str) -> impl Iterator<Item = &str> {
    let lines = source.lines().map(str::trim_start).filter(|line| !line.starts_with(['*', '/']));
    lines
        .flat_map(|line| line.strip_prefix("import").into_iter().chain(line.split("from").skip(1)))
        .filter_map(|rest| {
            let rest = rest.trim_start();
            let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''))?;
            rest[1..].split(quote).next()
        })
}

/// A relative name as it is meant in the file at `path`.
fn beside(path: &str, name: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn gzip(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    Some(encoder.finish().ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_however_they_are_written() {
        let source = "import { a } from './a.js';\nimport x from \"x\";\nimport{b}from\"../b.js\";export{c}from'./c.js';const d = await import('./d.js');\nimport './e.js';\n/** @import {T} from 't' */\n // from 'x'\n";
        assert_eq!(imported(source).collect::<Vec<_>>(), ["./a.js", "x", "../b.js", "./c.js", "./e.js"]);
        assert_eq!(beside("views/deep/a.js", "../../lib/b.js"), "lib/b.js");
        assert_eq!(beside("app.js", "./lib/b.js"), "lib/b.js");
    }

    #[test]
    fn every_page_can_be_made() {
        for place in PageUrl::ALL {
            let page = Page::render(&Files::Embedded, place).expect("a page");
            let text = String::from_utf8(page.file.bytes.to_vec()).expect("text");
            assert!(!text.contains(HEAD), "{text}");
            let early: Vec<&str> = text.lines().filter(|line| line.contains("modulepreload")).collect();
            assert!(early.len() > 1, "{text}");
            // Modules that few views need are loaded by these.
            assert!(!early.iter().any(|line| line.contains("vendor/tus.js")), "{text}");
        }
    }
}
