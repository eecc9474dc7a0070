//! The Rust files of the repository, and the crates that they belong to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A crate of the workspace that is part of the program: the program itself, and all of `crates/`.
pub(crate) struct Crate {
    pub(crate) name: String,
    /// The crates of the workspace that its manifest names under `[dependencies]`, in any spelling of Cargo.
    pub(crate) dependencies: BTreeSet<String>,
    pub(crate) manifest: String,
    pub(crate) sources: Vec<Source>,
}

/// A Rust file; `path` is relative to the repository.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Crate {
    pub(crate) fn all() -> Vec<Self> {
        let folders = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> = folders.filter(|folder| folder.join("Cargo.toml").exists()).collect();
        assert!(!folders.is_empty(), "no crate found");
        folders.push(root().to_owned());
        folders.sort();
        let names: Vec<String> = folders.iter().map(|folder| package(folder)).collect();
        folders.iter().map(|folder| Self::read(folder, &names)).collect()
    }

    fn read(folder: &Path, workspace: &[String]) -> Self {
        let name = package(folder);
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let dependencies =
            dependencies(&manifest).into_iter().filter(|other| workspace.contains(other) && *other != name);
        Self {
            dependencies: dependencies.collect(),
            name,
            manifest,
            sources: Source::below(&folder.join("src")),
        }
    }
}

impl Source {
    /// All Rust files of the repository that people write: sources, tests, examples, benches, fuzz targets.
    pub(crate) fn everywhere() -> Vec<Self> {
        let folders = ["src", "crates", "tests", "fuzz", "benches", "build.rs"].map(|name| root().join(name));
        folders.iter().filter(|folder| folder.exists()).flat_map(|folder| Self::below(folder)).collect()
    }

    /// The Rust files below a folder, in a stable order, without build folders.
    fn below(path: &Path) -> Vec<Self> {
        if path.is_file() {
            let is_rust = path.extension().is_some_and(|extension| extension == "rs");
            return if is_rust { vec![Self::read(path)] } else { Vec::new() };
        }
        let is_build_folder = path.file_name().is_some_and(|name| name == "target" || name == "node_modules");
        if is_build_folder || path.join("CACHEDIR.TAG").exists() {
            return Vec::new();
        }
        let mut paths: Vec<PathBuf> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().flat_map(|path| Self::below(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        Self { path: path.strip_prefix(root()).unwrap().to_owned(), text }
    }

    /// The text of any file of the repository.
    pub(crate) fn text_of(path: &str) -> String {
        fs::read_to_string(root().join(path)).unwrap()
    }

    pub(crate) fn parsed(&self) -> syn::File {
        syn::parse_file(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }
}

/// Whether an item or a module exists in tests alone.
pub(crate) fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        attribute.path().is_ident("test")
            || is_cfg && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn package(folder: &Path) -> String {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let line =
        manifest.lines().skip_while(|line| *line != "[package]").find(|line| line.starts_with("name = "));
    line.unwrap().trim_start_matches("name = ").trim_matches('"').to_owned()
}

/// The packages in the `[dependencies]` of a manifest: `x = …`, `x.workspace = true`, `[dependencies.x]`, and
/// `y = { package = "x" }`. Dependencies of tests and builds alone may come from any layer.
pub(crate) fn dependencies(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut section = String::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').to_owned();
            let table = section.rsplit_once("dependencies.").filter(|(kind, _)| !is_for_tests(kind));
            found.extend(table.map(|(_, name)| name.to_owned()));
            continue;
        }
        if is_for_tests(&section) || !section.contains("dependencies") || section.starts_with("workspace") {
            continue;
        }
        if let Some((_, renamed)) = line.split_once("package = \"") {
            found.extend(renamed.split('"').next().map(str::to_owned));
        } else if section.ends_with("dependencies") {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            found.extend((!name.is_empty() && !name.starts_with('#')).then(|| name.to_owned()));
        }
    }
    found
}

fn is_for_tests(section: &str) -> bool {
    section.contains("dev-") || section.contains("build-")
}
