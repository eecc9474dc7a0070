//! The pages, their fenced blocks, and what holds for all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// All pages that are kept by hand for people who use or operate the service.
pub(crate) const PAGES: [&str; 8] = [
    "README.md",
    "docs/STYLE.md",
    "docs/booting.md",
    "docs/configuration.md",
    "docs/images.md",
    "docs/operation.md",
    "docs/performance.md",
    "docs/uploads.md",
];

/// A fenced block. Its opening line is `` ```language name ``; GitHub ignores the name.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// How it is highlighted: `sh`, `console`, `json`, `nginx`, `text`.
    pub(crate) language: String,
    /// What tests call it; empty for blocks that are examples in full.
    pub(crate) name: String,
    /// The lines between the fences.
    pub(crate) text: String,
}

/// A path in the repository.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The text of a page.
#[track_caller]
pub(crate) fn read(page: &str) -> String {
    fs::read_to_string(path(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// All fenced blocks of a page.
#[track_caller]
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in read(page).lines() {
        if let Some(opening) = line.strip_prefix("```") {
            inside = !inside;
            if inside {
                let (language, name) = opening.split_once(' ').unwrap_or((opening, ""));
                let (language, name) = (language.to_owned(), name.to_owned());
                blocks.push(Block { language, name, text: String::new() });
            }
        } else if inside {
            let block = blocks.last_mut().unwrap();
            block.text += line;
            block.text.push('\n');
        }
    }
    assert!(!inside, "{page}: a block does not end");
    blocks
}

/// The text of the block with this name.
#[track_caller]
pub(crate) fn block(page: &str, name: &str) -> String {
    let found: Vec<Block> = blocks(page).into_iter().filter(|block| block.name == name).collect();
    let [block] = found.as_slice() else { panic!("{page} has {} blocks {name}", found.len()) };
    block.text.clone()
}

/// The text of a page outside its blocks.
fn prose(page: &str) -> Vec<String> {
    let mut inside = false;
    let keep = |line: &&str| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    };
    read(page).lines().filter(keep).map(str::to_owned).collect()
}

/// The files and folders that a text names in backticks: words with a slash inside, and the names of Rust
/// files and pages.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let is_path = |word: &&str| {
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "/.-_".contains(character);
        let is_file = word.contains('/') || word.ends_with(".rs") || word.ends_with(".md");
        is_file && !word.starts_with('/') && word.chars().all(is_plain)
    };
    text.split('`').skip(1).step_by(2).filter(is_path)
}

/// The targets of the links in a text.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The anchors that GitHub makes of a page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).into_iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: String| -> String {
        let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        text.chars().filter(|&character| character.is_alphanumeric() || character == '-').collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn the_readme_is_short_and_leads_to_every_page() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 100, "{} lines", readme.lines().count());
    let linked: BTreeSet<&str> = links(&readme).collect();
    for page in PAGES.iter().skip(1).chain(&["docs/ARCHITECTURE.md", "CHANGELOG.md"]) {
        assert!(linked.contains(page), "README.md does not link to {page}");
    }
    let pages = fs::read_dir(path("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    for name in pages.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".md")) {
        let page = format!("docs/{name}");
        assert!(PAGES.contains(&page.as_str()) || name == "ARCHITECTURE.md", "{page} is not tested");
    }
}

#[test]
fn links_lead_to_files_and_headings() {
    for page in PAGES.iter().chain(&["CHANGELOG.md", "static/README.md", "docs/ARCHITECTURE.md"]) {
        let folder = path(page).parent().unwrap().to_owned();
        for line in prose(page) {
            for link in links(&line).filter(|link| !link.contains("://")) {
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if file.is_empty() { path(page) } else { folder.join(file) };
                assert!(target.exists(), "{page} links to {link}, which does not exist");
                if !anchor.is_empty() {
                    let anchors = anchors(target.to_str().unwrap());
                    assert!(anchors.contains(anchor), "{page} links to {link}: there are {anchors:?}");
                }
            }
        }
    }
}

#[test]
fn the_map_is_short_and_all_its_paths_exist() {
    let map = read("docs/ARCHITECTURE.md");
    assert!(map.lines().count() <= 150, "docs/ARCHITECTURE.md has {} lines", map.lines().count());
    let named: BTreeSet<&str> = paths(&map).collect();
    assert!(named.len() > 50, "does this test still find the paths? {named:?}");
    let missing: Vec<&&str> = named.iter().filter(|named| !path(named).exists()).collect();
    assert_eq!(missing, [] as [&&str; 0], "docs/ARCHITECTURE.md names what is not there");
    for folder in fs::read_dir(path("crates")).unwrap().map(|entry| entry.unwrap().file_name()) {
        let folder = format!("crates/{}", folder.to_str().unwrap());
        assert!(named.contains(folder.as_str()), "docs/ARCHITECTURE.md leaves out {folder}");
    }
}

#[test]
fn pages_name_files_that_exist() {
    // Other words with a slash are paths of a machine or of a URL.
    let ours = ["benches", "crates", "docs", "packaging", "src", "static", "tests", "web-ui"];
    for page in PAGES.iter().chain(&["CHANGELOG.md"]) {
        for line in prose(page) {
            let is_ours = |named: &&str| ours.iter().any(|folder| named.split('/').next() == Some(folder));
            for named in paths(&line).filter(is_ours) {
                assert!(path(named).exists(), "{page} names {named}, which does not exist");
            }
        }
    }
}

#[test]
fn lines_are_short_outside_of_tables_and_blocks() {
    for page in PAGES.iter().chain(&["CHANGELOG.md", "static/README.md", "docs/ARCHITECTURE.md"]) {
        for line in prose(page).iter().filter(|line| !line.starts_with('|') && !line.starts_with('!')) {
            assert!(line.chars().count() <= 110, "{page}: {line}");
        }
    }
}

#[test]
fn the_code_has_the_words_of_the_style_page() {
    let style = read("docs/STYLE.md");
    let (_, table) = style.split_once("| say | for | not |").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let said = table.lines().filter_map(|row| row.split('|').nth(1));
    let words: BTreeSet<&str> = said.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(words.len() > 30, "does this test still find the words? {words:?}");
    let mut code = sources(&path("src"));
    for name in fs::read_dir(path("crates")).unwrap().map(|entry| entry.unwrap().path()) {
        code += &sources(&name.join("src"));
    }
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let used: BTreeSet<&str> = code.split(|character| !is_part(character)).collect();
    let unused: Vec<&&str> = words.iter().filter(|word| **word != "…" && !used.contains(*word)).collect();
    assert_eq!(unused, [] as [&&str; 0], "docs/STYLE.md asks for words that the code does not have");
}

/// The text of all Rust files below a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            text += &sources(&entry);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(entry).unwrap();
        }
    }
    text
}

#[test]
fn pages_use_the_words_of_the_style_page() {
    let avoided =
        ["whoever", "somebody", "nobody", "someone", "desk", "shelf", "shelves", "door", "doors", "lane"];
    for page in PAGES.iter().filter(|page| **page != "docs/STYLE.md") {
        for line in prose(page) {
            let words = line.split(|character: char| !character.is_alphanumeric());
            for word in words.map(str::to_lowercase) {
                assert!(!avoided.contains(&word.as_str()), "{page}: {word} in: {line}");
            }
        }
    }
    let style = read("docs/STYLE.md");
    let (_, pairs) = style.split_once("| before | after |").unwrap();
    assert_eq!(pairs.lines().filter(|line| line.starts_with("| ") && !line.contains("---")).count(), 10);
}
