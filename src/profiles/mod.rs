//! Which operating system an image holds, told by a few small files that installers know their media by.
//!
//! What is known of each system is data (`table.rs`); the code only knows how to read such files (`rules.rs`). All of it is in the hands of
//! whoever made the image: what is found is shown to people and decides nothing. It is short and printable, or it is left out.

mod rules;
mod table;
#[cfg(test)]
mod tests;

use crate::model::system::System;
use rules::Rule;
use table::{ARCH_PATHS, FAMILIES, PROFILES};

/// Longer files than this are none of those that are looked for.
pub const MAX_BYTES: u64 = 64 << 10;

/// Longer names and versions are none.
const MAX_CHARACTERS: usize = 64;

/// What is in an image.
pub trait Contents {
    /// The volume identifier; empty if there is none.
    fn label(&self) -> &str;

    /// Whether a file or folder is at this path.
    fn has(&self, path: &str) -> bool;

    /// The text of the file at this path, if it has at most [`MAX_BYTES`] and is UTF-8.
    fn read(&self, path: &str) -> Option<String>;
}

/// A system, and how it is known.
struct Profile {
    /// All of these paths must be there.
    markers: &'static [&'static str],
    /// Rules of which the first that finds something counts. Without a name it is not this system.
    name: &'static [Rule],
    version: &'static [Rule],
    arch: &'static [Rule],
}

/// The system that the contents are; `None` if they look like none that is known.
pub fn detect(contents: &impl Contents) -> Option<System> {
    PROFILES.iter().find_map(|profile| profile.system(contents))
}

impl Profile {
    fn system(&self, contents: &impl Contents) -> Option<System> {
        if !self.markers.iter().all(|marker| contents.has(marker)) {
            return None;
        }
        let first = |rules: &[Rule]| rules.iter().find_map(|rule| printable(&rule.apply(contents)?));
        let name = first(self.name)?;
        let known = self.arch.iter().find_map(|rule| rules::architecture(&rule.apply(contents)?));
        let by_path = || ARCH_PATHS.iter().find(|(path, _)| contents.has(path)).map(|(_, arch)| *arch);
        let arch = known.or_else(by_path).or_else(|| rules::architecture(contents.label()));
        Some(System {
            family: family(&name),
            version: first(self.version),
            arch: arch.map(str::to_owned),
            name: Some(name),
        })
    }
}

fn family(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    FAMILIES.iter().find(|(part, _)| name.contains(part)).map(|(_, family)| (*family).to_owned())
}

/// The text, if it is one line that can be shown as it is. Letters that change the direction of writing are no letters here.
fn printable(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = |letter: char| letter.is_alphanumeric() || " .-_+/()!:~&'".contains(letter);
    let is_shown = !text.is_empty() && text.chars().all(is_plain) && text.chars().count() <= MAX_CHARACTERS;
    is_shown.then(|| text.to_owned())
}
