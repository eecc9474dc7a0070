//! A search below a directory: how names are compared, which matches are kept, and when the search ends. Each
//! kind of tree walks its own entries.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::trees::order::{folded, sorted};
use component::{Entry, LookupError};

/// Longer paths cannot be requested (`PATH_MAX` of Linux). Without a limit a few deep directories could make
/// an answer of gigabytes.
const MAX_PATH: usize = 4096;

/// Entries between two readings of the clock.
const BETWEEN_LOOKS: u64 = 256;

/// A search under way.
#[derive(Debug)]
pub struct Search {
    /// The text that names must contain, in lower case.
    text: Box<[u8]>,
    /// Which of the matches are kept, counted in the order in which they are found.
    kept: Range<u64>,
    /// Entries that may still be visited.
    left: u64,
    deadline: Instant,
    /// The matches in the present directory.
    here: Vec<Entry>,
    matches: Matches,
}

/// What a search has found.
#[derive(Debug, Default)]
pub struct Matches {
    /// The matches to be kept: directory by directory, those nearer to the top first; within a directory in
    /// the order of listings.
    pub kept: Vec<Match>,
    /// How many there are.
    pub total: u64,
    /// Whether the search ended at a bound, so that there may be more.
    pub is_cut: bool,
}

/// An entry whose name contains the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The path from the directory that was searched to the one that the entry is in; empty if it is the
    /// same.
    pub folder: Arc<[u8]>,
    /// The entry.
    pub entry: Entry,
}

impl Search {
    /// A search for names that contain `text`, whatever the case, which keeps the matches in `kept`. It ends
    /// at `deadline`, and after so many `entries`.
    pub fn new(text: &str, kept: Range<u64>, entries: u64, deadline: Instant) -> Self {
        let text = folded(text.as_bytes()).into();
        Self { text, kept, left: entries, deadline, here: Vec::new(), matches: Matches::default() }
    }

    /// Walks breadth first from `top`. `walk` passes the entries of a directory to [`Search::visit`] and
    /// queues the directories among them. `path` returns the path of a directory, from `top`.
    pub(super) fn run<D>(
        mut self,
        top: D,
        path: impl Fn(&D) -> Vec<u8>,
        walk: impl Fn(&D, &mut Self, &mut VecDeque<D>) -> Result<(), LookupError>,
    ) -> Result<Matches, LookupError> {
        let mut waiting = VecDeque::from([top]);
        while !self.matches.is_cut
            && let Some(directory) = waiting.pop_front()
        {
            walk(&directory, &mut self, &mut waiting)?;
            self.leave(|| path(&directory));
        }
        Ok(self.matches)
    }

    /// Compares an entry of the present directory. `entry` makes a line of it, or nothing if it could not be
    /// fetched. `false` ends the search.
    pub(super) fn visit(&mut self, name: &[u8], entry: impl FnOnce() -> Option<Entry>) -> bool {
        let is_late = self.left.is_multiple_of(BETWEEN_LOOKS) && Instant::now() >= self.deadline;
        if self.left == 0 || is_late {
            self.matches.is_cut = true;
            return false;
        }
        self.left -= 1;
        if contains(&folded(name), &self.text) {
            self.here.extend(entry());
        }
        true
    }

    /// Ends a directory, whose path `path` returns.
    fn leave(&mut self, path: impl FnOnce() -> Vec<u8>) {
        if self.here.is_empty() {
            return;
        }
        let folder: Arc<[u8]> = path().into();
        let mut found = std::mem::take(&mut self.here);
        found.retain(|entry| folder.len() + 1 + entry.name.len() <= MAX_PATH);
        let first = self.matches.total;
        self.matches.total += found.len() as u64;
        if self.kept.start >= self.matches.total || self.kept.end <= first {
            return;
        }
        let kept = (first..).zip(sorted(&found)).filter(|(number, _)| self.kept.contains(number));
        let matches = kept.map(|(_, entry)| Match { folder: Arc::clone(&folder), entry: entry.clone() });
        self.matches.kept.extend(matches);
    }
}

/// The rest of a path below the directory whose path takes its first `length` bytes.
pub(super) fn below(path: &[u8], length: usize) -> Vec<u8> {
    let rest = path.get(length..).unwrap_or_default();
    rest.strip_prefix(b"/").unwrap_or(rest).to_vec()
}

/// Whether `text` stands anywhere in `name`.
fn contains(name: &[u8], text: &[u8]) -> bool {
    text.is_empty() || name.windows(text.len()).any(|part| part == text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use component::Entry;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    /// Searches folders that each hold the next one, and files of these names.
    fn run(search: Search, folders: &[(&str, &[&str])]) -> (Matches, Vec<String>) {
        let path = |folder: &usize| folders[*folder].0.as_bytes().to_vec();
        let walk = |folder: &usize, search: &mut Search, waiting: &mut VecDeque<usize>| {
            let entry = |name: &str| Some(Entry { name: name.into(), size: Some(1), modified: None });
            let is_whole =
                folders[*folder].1.iter().all(|name| search.visit(name.as_bytes(), || entry(name)));
            waiting.extend(Some(folder + 1).filter(|next| is_whole && *next < folders.len()));
            Ok(())
        };
        let matches = search.run(0, path, walk).expect("nothing fails");
        let path = |found: &Match| [&found.folder, &found.entry.name[..]].join(&b'/');
        let paths = matches.kept.iter().map(|found| String::from_utf8(path(found)).expect("text")).collect();
        (matches, paths)
    }

    #[test]
    fn names_match_whatever_their_case() {
        for (text, name, is_found) in [
            ("KERN", "vmlinuz-kernel", true),
            ("kern", "KERNEL", true),
            ("kernel", "kern", false),
            ("", "anything", true),
            ("ÜBER", "über.txt", true),
            ("ключ", "КЛЮЧ", true),
            ("😀", "a😀b", true),
            ("%20", "a%20b", true),
            ("%20", "a b", false),
            ("a.b", "axb", false),
        ] {
            let (matches, _) = run(Search::new(text, 0..10, 10, soon()), &[("", &[name])]);
            assert_eq!(matches.total == 1, is_found, "{text:?} {name:?}");
        }
    }

    #[test]
    fn matches_are_kept_as_asked_and_all_are_counted() {
        let folders: &[(&str, &[&str])] =
            &[("x", &["ab", "Aa", "b"]), ("x/y", &["c"]), ("x/y/z", &["a2", "a1"])];
        let all = ["x/Aa", "x/ab", "x/y/z/a1", "x/y/z/a2"];
        for kept in [0_u64..10, 0..4, 1..3, 3..4, 2..2, 4..9, 9..10] {
            let (matches, paths) = run(Search::new("a", kept.clone(), 100, soon()), folders);
            assert_eq!((matches.total, matches.is_cut), (4, false), "{kept:?}");
            let position = |at: u64| usize::try_from(at.min(4)).expect("small");
            assert_eq!(paths, all[position(kept.start)..position(kept.end)], "{kept:?}");
        }
    }

    #[test]
    fn a_search_is_given_up_at_its_bounds_and_tells() {
        let folders: &[(&str, &[&str])] = &[("x", &["a", "b", "a2"]), ("x/y", &["a3"])];
        for (entries, expected) in [(0, vec![]), (2, vec!["x/a"]), (3, vec!["x/a", "x/a2"])] {
            let (matches, paths) = run(Search::new("a", 0..10, entries, soon()), folders);
            assert!(matches.is_cut && paths == expected, "{entries}: {paths:?}");
        }
        assert!(!run(Search::new("a", 0..10, 4, soon()), folders).0.is_cut);

        let many = ["a"; 1000];
        let (matches, _) = run(Search::new("a", 0..10, u64::MAX, Instant::now()), &[("", &many)]);
        assert!(matches.is_cut && matches.total <= BETWEEN_LOOKS, "{}", matches.total);
    }

    #[test]
    fn paths_that_cannot_be_asked_for_are_left_out() {
        for (length, total) in [(MAX_PATH - 2, 1), (MAX_PATH - 1, 0)] {
            let (matches, paths) = run(Search::new("a", 0..10, 10, soon()), &[(&"x".repeat(length), &["a"])]);
            assert_eq!((matches.total, paths.len()), (total, usize::from(total == 1)), "{length}");
        }
    }
}
