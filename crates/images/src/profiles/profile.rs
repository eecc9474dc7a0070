//! How a profile detects a system, with the tables that are handed in.

use crate::profiles::contents::Contents;
use crate::profiles::rules::{Label, Rule, architecture};
use model::system::System;

/// Longer names and versions are left out.
pub(super) const MAX_CHARACTERS: usize = 64;

/// What is known of systems and their media.
pub(super) struct Tables {
    /// The first profile that fits counts.
    pub(super) profiles: &'static [Profile],
    pub(super) labels: &'static [Label],
    /// A family for a part of a name.
    pub(super) families: &'static [(&'static str, &'static str)],
    /// An architecture for a word.
    pub(super) architectures: &'static [(&'static str, &'static str)],
    /// An architecture for a path.
    pub(super) arch_paths: &'static [(&'static str, &'static str)],
}

/// A system, and how it is known.
pub(super) struct Profile {
    /// All of these paths must be there.
    pub(super) markers: &'static [&'static str],
    /// The first rule with a result counts. Without a name it is not this system.
    pub(super) name: &'static [Rule],
    pub(super) version: &'static [Rule],
    pub(super) arch: &'static [Rule],
}

impl Tables {
    pub(super) fn detect(&self, contents: &impl Contents) -> Option<System> {
        self.profiles.iter().find_map(|profile| self.system(profile, contents))
    }

    fn system(&self, profile: &Profile, contents: &impl Contents) -> Option<System> {
        if !profile.markers.iter().all(|marker| contents.has(marker)) {
            return None;
        }
        let apply = |rule: &Rule| rule.apply(contents, self.labels);
        let first = |rules: &[Rule]| rules.iter().find_map(|rule| printable(&apply(rule)?));
        let name = first(profile.name)?;
        let known = profile.arch.iter().find_map(|rule| self.architecture(&apply(rule)?));
        let by_path = || self.arch_paths.iter().find(|(path, _)| contents.has(path)).map(|(_, arch)| *arch);
        let arch = known.or_else(by_path).or_else(|| self.architecture(contents.label()));
        Some(System {
            family: self.family(&name),
            version: first(profile.version),
            arch: arch.map(str::to_owned),
            name: Some(name),
        })
    }

    fn architecture(&self, text: &str) -> Option<&'static str> {
        architecture(text, self.architectures)
    }

    pub(super) fn family(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        self.families.iter().find(|(part, _)| name.contains(part)).map(|(_, family)| (*family).to_owned())
    }
}

/// The text, if it is one line that can be shown as it is. Characters that change the direction of writing
/// are refused.
fn printable(text: &str) -> Option<String> {
    let text = text.trim();
    let is_plain = |letter: char| letter.is_alphanumeric() || " .-_+/()!:~&'".contains(letter);
    let is_shown = !text.is_empty() && text.chars().all(is_plain) && text.chars().count() <= MAX_CHARACTERS;
    is_shown.then(|| text.to_owned())
}
