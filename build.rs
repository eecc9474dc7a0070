//! Embeds `web-ui/`: each file for browsers as it is and compressed in two ways, and a version that changes
//! with any of them. Comments are left out: they are a fifth of the bytes.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use brotli::CompressorWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// The kinds of files for browsers. All others are for the developers of the web UI.
const KINDS: [&str; 4] = ["css", "html", "js", "svg"];

/// Libraries, which stay as their packages ship them.
const VENDORED: &str = "vendor/";

/// Read by the program as well.
const IMPORT_MAP: &str = "importmap.json";

fn main() {
    name_crates();
    embed_web_ui();
}

/// Tells the program the names of the workspace's crates, whose log lines it shows at the level that is set.
fn name_crates() {
    let folder = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("crates");
    // A new crate is in the lock file too, and not each change of a source is.
    println!("cargo:rerun-if-changed=Cargo.lock");
    let entries = fs::read_dir(&folder).expect("the workspace has crates");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.map(|name| name.replace('-', "_")).collect();
    names.sort();
    println!("cargo:rustc-env=CRATES={}", names.join(","));
}

fn embed_web_ui() {
    let folder = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("web-ui");
    let out = PathBuf::from(variable("OUT_DIR"));
    println!("cargo:rerun-if-changed=web-ui");
    let mut files = Vec::new();
    collect(&folder, &folder, &mut files);
    files.sort();

    let mut digest = Sha256::new();
    let mut table = String::from("static FILES: &[Embedded] = &[\n");
    for (number, (path, file)) in files.iter().enumerate() {
        let mut bytes =
            fs::read(file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        if (path.ends_with(".js") || path.ends_with(".css")) && !path.starts_with(VENDORED) {
            bytes = without_comments(std::str::from_utf8(&bytes).expect("sources are UTF-8")).into_bytes();
        }
        digest.update((path.len() as u64).to_le_bytes());
        digest.update(path);
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(&bytes);
        let written = |kind: &str, bytes: &[u8]| {
            let path = out.join(format!("web-ui-{number}.{kind}"));
            fs::write(&path, bytes).expect("the folder of the build can be written");
            path.display().to_string()
        };
        let line = format!(
            "Embedded {{ path: {path:?}, bytes: include_bytes!({:?}), gzip: include_bytes!({:?}), brotli: include_bytes!({:?}) }},\n",
            written("raw", &bytes),
            written("gz", &gzip(&bytes)),
            written("br", &brotli(&bytes)),
        );
        table.push_str(&line);
    }
    let hash = digest.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    table.push_str(&format!("];\nconst HASH: &str = {hash:?};\n"));
    fs::write(out.join("web_ui.rs"), table).expect("the folder of the build can be written");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

/// The files below `folder` with their paths from `root`, as URLs have them.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("an entry can be read");
        let (path, kind) = (entry.path(), entry.file_type().expect("an entry has a type"));
        if kind.is_dir() {
            collect(root, &path, files);
            continue;
        }
        let name =
            path.strip_prefix(root).expect("it lies below").to_str().expect("names are UTF-8").to_owned();
        let is_wanted = path.extension().is_some_and(|kind| KINDS.iter().any(|wanted| kind == *wanted));
        if kind.is_file() && (is_wanted || name == IMPORT_MAP) {
            files.push((name, path));
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written to")
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    // The best that there is (11), in the largest window that every browser has (2²²).
    let mut encoder = CompressorWriter::new(Vec::new(), 4096, 11, 22);
    encoder.write_all(bytes).expect("memory can be written to");
    encoder.into_inner()
}

/// A source without the lines that hold nothing but comments, without the types of expressions and without
/// indentation. Another comment that begins or ends amid code stays.
fn without_comments(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut is_comment = false;
    for line in source.lines().map(str::trim) {
        if is_comment {
            is_comment = !line.ends_with("*/");
            assert!(!is_comment || !line.contains("*/"), "code after a comment of several lines: {line}");
        } else if line.starts_with("/*") && !line.contains("*/") {
            is_comment = true;
        } else if !(line.is_empty()
            || line.starts_with("//")
            || line.starts_with("/*") && line.find("*/") == Some(line.len() - 2))
        {
            text.push_str(&without_types(line));
            text.push('\n');
        }
    }
    text
}

/// A line of code without comments for the type checker: `/** @type {Image} */ (found)`.
fn without_types(mut line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    while let Some((before, rest)) = line.split_once("/** @") {
        let (_, after) =
            rest.split_once("*/").unwrap_or_else(|| panic!("a type goes on after its line: {line}"));
        text.push_str(before);
        line = after.trim_start();
    }
    text + line
}
