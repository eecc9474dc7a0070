//! The floors of the house: a room may know only rooms on a lower floor. The table is the one of `docs/ARCHITECTURE.md`.
//! This test reads the source as text, needs no dependency, and names file, line and offender.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod rust_tokens;

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};

use rust_tokens::tokens;

/// Each room of `src/` and the floor it is on.
const FLOORS: [(&str, u8); 14] = [
    ("main", 5),
    ("app", 5),
    ("northbound", 4),
    ("southbound", 4),
    ("jobs", 3),
    ("catalog", 2),
    ("inventory", 1),
    ("store", 1),
    ("trees", 1),
    ("transfers", 1),
    ("events", 1),
    ("model", 0),
    ("config", 0),
    ("profiles", 0),
];

/// The only neighbours on one floor that may know each other: the first knows the second.
const NEIGHBOURS: [(&str, &str); 3] = [("main", "app"), ("config", "model"), ("profiles", "model")];

/// The application as other crates and `main.rs` spell it.
const APPLICATION: &str = "image_service";

/// The only crate that may not forbid unsafe code: it makes two ioctls.
const WITH_UNSAFE: &str = "loop-mount";

#[test]
fn rooms_know_only_lower_floors() {
    let files = sources(&root().join("src"));
    let known: usize = files.iter().map(|file| references(file).len()).sum();
    assert!(known > 0, "no room refers to another: does this test still read the source?");
    assert_none(files.iter().flat_map(offences).collect());
}

#[test]
fn crates_know_neither_the_application_nor_each_other() {
    let crates = crates();
    assert!(!crates.is_empty(), "no crate found");
    let names: BTreeSet<&str> =
        crates.iter().map(|(name, _)| name.as_str()).chain(["image-service"]).collect();
    let in_manifests = crates.iter().flat_map(|(name, manifest)| {
        let others = names.iter().copied().filter(move |other| other != name);
        others.flat_map(|other| dependencies_on(other, manifest)).collect::<Vec<_>>()
    });
    assert_none(in_manifests.collect());
}

#[test]
fn unsafe_code_is_forbidden_everywhere_but_in_one_crate() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("unsafe_code = \"forbid\""), "Cargo.toml no longer forbids unsafe code");
    for (name, manifest) in crates().into_iter().filter(|(name, _)| name != WITH_UNSAFE) {
        assert!(
            manifest.text.contains("[lints]\nworkspace = true"),
            "{name} does not take the lints of the workspace"
        );
    }
}

#[test]
fn a_planted_violation_is_found() {
    let cases: [(&str, &str, &[&str]); 14] = [
        (
            "src/catalog/remove.rs",
            "use crate::jobs::Queue;",
            &["src/catalog/remove.rs:1: catalog must not know jobs"],
        ),
        (
            "src/store/mod.rs",
            "\n\nuse crate::{model::{Name, image}, trees};",
            &["src/store/mod.rs:3: store must not know trees"],
        ),
        (
            "src/model/mod.rs",
            "fn f() { crate::catalog::resolve() }",
            &["src/model/mod.rs:1: model must not know catalog"],
        ),
        (
            "src/model/image.rs",
            "use super::super::config::Config;",
            &["src/model/image.rs:1: model must not know config"],
        ),
        (
            "src/model.rs",
            "mod tests { use super::super::jobs; }",
            &["src/model.rs:1: model must not know jobs"],
        ),
        (
            "src/northbound/images.rs",
            "pub(in crate::southbound) fn f() {}",
            &["src/northbound/images.rs:1: northbound must not know southbound"],
        ),
        ("src/config.rs", "use image_service::app;", &["src/config.rs:1: config must not know app"]),
        ("src/jobs/mod.rs", "use crate::*;", &["src/jobs/mod.rs:1: `*` is no room of the table"]),
        (
            "src/jobs/mod.rs",
            "use crate::helpers::join;",
            &["src/jobs/mod.rs:1: `helpers` is no room of the table"],
        ),
        ("src/helpers.rs", "fn f() {}", &["src/helpers.rs:1: `helpers` is no room of the table"]),
        (
            "src/lib.rs",
            "//! Map.\npub mod model;\npub use model::Image;",
            &["src/lib.rs:3: lib.rs is only the map: modules and comments"],
        ),
        (
            "src/lib.rs",
            "pub mod model;\nmod utilities;",
            &["src/lib.rs:2: `utilities` is no room of the table"],
        ),
        (
            "src/trees/cache.rs",
            "use crate::store;\nconst C: char = '\"'; use crate::app; fn f<'a>(_: &'a str) { crate::jobs::f('\\'') }",
            &[
                "src/trees/cache.rs:1: trees must not know store",
                "src/trees/cache.rs:2: trees must not know app",
                "src/trees/cache.rs:2: trees must not know jobs",
            ],
        ),
        (
            "src/inventory/mod.rs",
            "use crate::{\n    config::Config,\n    catalog::{\n  Snapshot}};",
            &["src/inventory/mod.rs:3: inventory must not know catalog"],
        ),
    ];
    for (path, text, expected) in cases {
        let file = Source { path: path.into(), text: text.to_owned() };
        let found: Vec<String> = offences(&file).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{text}");
    }
    let manifest = Source {
        path: "crates/iso-reader/Cargo.toml".into(),
        text: "[package]\nname = \"iso-reader\"\nrepository = \"image-service\"\n[dependencies]\nimage-service = { path = \"../..\" }\n\
               [dev-dependencies.image-service]\nx = { package = \"image-service\" }\n"
            .to_owned(),
    };
    let lines: Vec<usize> =
        dependencies_on("image-service", &manifest).iter().map(|offence| offence.line).collect();
    assert_eq!(lines, [5, 6, 7]);
}

#[test]
fn what_is_allowed_is_no_violation() {
    let cases = [
        ("src/main.rs", "use image_service::{app, config};"),
        ("src/app.rs", "use crate::{catalog, inventory, jobs, northbound, southbound, store, trees};"),
        (
            "src/catalog/mod.rs",
            "mod snapshot; pub(crate) use crate::catalog::snapshot::Snapshot; use super::store::Store;",
        ),
        ("src/config.rs", "use crate::model::Name;"),
        (
            "src/model/image.rs",
            "// use crate::jobs;\n/* crate::app /* nested */ crate::app */\n/// [`crate::catalog`]\nuse super::source;",
        ),
        (
            "src/model/image.rs",
            "const A: &str = \"crate::jobs \\\" crate::app\"; const B: &str = r#\"\" crate::jobs\"#; const C: &[u8] = b\"crate::app\";",
        ),
        (
            "src/model/image.rs",
            "mod tests { use super::super::source; fn f() { { super::super::config() } } }",
        ),
        (
            "src/lib.rs",
            "//! Map.\n#![warn(missing_docs)]\npub mod model;\npub(crate) mod config;\n#[doc(hidden)] pub mod app;",
        ),
        ("src/store/mod.rs", "macro_rules! m { () => { $crate::model::Name } }"),
    ];
    for (path, text) in cases {
        let file = Source { path: path.into(), text: text.to_owned() };
        let found: Vec<String> = offences(&file).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{path}: {text}: {found:?}");
    }
}

/// A file below the repository's root; `path` is relative to it.
struct Source {
    path: PathBuf,
    text: String,
}

/// Something that the table does not allow.
struct Offence {
    path: PathBuf,
    line: usize,
    what: String,
}

impl Display for Offence {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

fn assert_none(offences: Vec<Offence>) {
    let lines: Vec<String> = offences.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "the floors of the house are broken:\n{}", lines.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`, in a stable order.
fn sources(folder: &Path) -> Vec<Source> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(read(&path));
        }
    }
    found
}

fn read(path: &Path) -> Source {
    Source { path: path.strip_prefix(root()).unwrap().to_owned(), text: fs::read_to_string(path).unwrap() }
}

/// The crates of the workspace beside the application: folder name, which is the package's name, and manifest.
fn crates() -> Vec<(String, Source)> {
    let folders = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    folders
        .filter(|folder| folder.is_dir())
        .map(|folder| {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let manifest = read(&folder.join("Cargo.toml"));
            assert!(
                manifest.text.contains(&format!("name = \"{name}\"")),
                "crates/{name} holds another package"
            );
            (name, manifest)
        })
        .collect()
}

/// The lines of a manifest that name another package as a dependency, in any of the three spellings of Cargo.
fn dependencies_on(name: &str, manifest: &Source) -> Vec<Offence> {
    let depends = |line: &str| {
        let key = line.split(['=', '.', ' ']).next().unwrap_or_default();
        let header =
            line.starts_with('[') && line.trim_end_matches(']').ends_with(&format!("dependencies.{name}"));
        key == name || header || line.contains(&format!("package = \"{name}\""))
    };
    let lines = manifest.text.lines().enumerate().filter(|(_, line)| depends(line.trim()));
    lines
        .map(|(index, _)| Offence {
            path: manifest.path.clone(),
            line: index + 1,
            what: format!("a crate beside the application must not know {name}"),
        })
        .collect()
}

/// Everything in one file that the table does not allow.
fn offences(file: &Source) -> Vec<Offence> {
    let offence = |line: usize, what: String| Offence { path: file.path.clone(), line, what };
    let no_room = |name: &str| format!("`{name}` is no room of the table");
    if file.path == Path::new("src/lib.rs") {
        return match stray_in_map(&file.text) {
            Some(line) => vec![offence(line, "lib.rs is only the map: modules and comments".to_owned())],
            None => {
                let rooms = modules(&file.text).into_iter().filter(|(_, name)| floor(name).is_none());
                rooms.map(|(line, name)| offence(line, no_room(&name))).collect()
            }
        };
    }
    let room = module_path(&file.path).remove(0);
    let Some(own) = floor(&room) else {
        return vec![offence(1, no_room(&room))];
    };
    let mut found = Vec::new();
    for (line, other) in references(file) {
        match floor(&other) {
            None => found.push(offence(line, no_room(&other))),
            Some(_) if other == room || NEIGHBOURS.contains(&(&room, &other)) => {}
            Some(floor) if floor < own => {}
            Some(_) => found.push(offence(line, format!("{room} must not know {other}"))),
        }
    }
    found
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// The module that a file is: `src/model/image.rs` is `model`, `image`; `src/model.rs` and `src/model/mod.rs` are `model`.
fn module_path(path: &Path) -> Vec<String> {
    let below = path.strip_prefix("src").unwrap().with_extension("");
    let mut names: Vec<String> = below.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    names.pop_if(|name| name == "mod");
    names
}

/// The first names behind each `crate::`, `image_service::` and each chain of `super::` that leads to the crate's root.
fn references(file: &Source) -> Vec<(usize, String)> {
    let tokens = tokens(&file.text);
    let text = |index: usize| tokens.get(index).map_or("", |(_, text)| text.as_str());
    let file_depth = module_path(&file.path).len();
    // Braces that are open now; `true` for those of an inline module.
    let mut braces: Vec<bool> = Vec::new();
    let mut found = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let mut next = index + 1;
        match text(index) {
            "{" => braces.push(index >= 2 && text(index - 2) == "mod"),
            "}" => drop(braces.pop()),
            "crate" | APPLICATION if text(next) == "::" => found.extend(heads(&tokens, next + 1)),
            "super" if text(next) == "::" => {
                let depth = file_depth + braces.iter().filter(|is_module| **is_module).count();
                let mut supers = 1;
                while text(next) == "::" && text(next + 1) == "super" {
                    supers += 1;
                    next += 2;
                }
                if supers >= depth && text(next) == "::" {
                    found.extend(heads(&tokens, next + 1));
                }
            }
            _ => {}
        }
        index = next;
    }
    found
}

/// The names that a path continues with at `start`: one, or each first name of a `{…}` group.
fn heads(tokens: &[(usize, String)], start: usize) -> Vec<(usize, String)> {
    let Some((line, first)) = tokens.get(start) else { return Vec::new() };
    if first != "{" {
        return vec![(*line, first.clone())];
    }
    let mut found = Vec::new();
    let mut depth = 0;
    let mut at_head = false;
    for (line, text) in &tokens[start..] {
        match text.as_str() {
            "{" => {
                depth += 1;
                at_head = depth == 1;
            }
            "}" => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            "," => at_head = depth == 1,
            _ if at_head => {
                found.push((*line, text.clone()));
                at_head = false;
            }
            _ => {}
        }
    }
    found
}

/// The line of the first thing in `lib.rs` that is neither an attribute nor the declaration of a module in a file.
fn stray_in_map(text: &str) -> Option<usize> {
    let tokens = tokens(text);
    let text = |index: usize| tokens.get(index).map_or("", |(_, text)| text.as_str());
    let mut index = 0;
    while index < tokens.len() {
        let start = index;
        if text(index) == "#" {
            while index < tokens.len() && text(index) != "]" {
                index += 1;
            }
            index += 1;
            continue;
        }
        if text(index) == "pub" {
            index += 1;
            if text(index) == "(" {
                index += 3;
            }
        }
        if text(index) != "mod" || text(index + 2) != ";" {
            return Some(tokens[start].0);
        }
        index += 3;
    }
    None
}

/// The modules that a file declares.
fn modules(text: &str) -> Vec<(usize, String)> {
    tokens(text).windows(2).filter(|pair| pair[0].1 == "mod").map(|pair| pair[1].clone()).collect()
}
