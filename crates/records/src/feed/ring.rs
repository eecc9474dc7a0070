//! The last change of each row, numbered in the order of the changes.

use std::collections::{BTreeMap, HashMap};

use super::Change;

/// Numbered changes. A row that changes again gives up its old number. So a row that changes often takes no
/// space from the others, and a subscriber that is behind gets each row once.
pub(super) struct Ring {
    capacity: usize,
    latest: u64,
    /// Of the changes up to this number, some were dropped.
    forgotten: u64,
    changes: BTreeMap<u64, Change>,
    numbers: HashMap<Change, u64>,
}

/// Changes that a subscriber asks for are no longer there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forgotten;

impl Ring {
    /// A ring of at most `capacity` rows.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, latest: 0, forgotten: 0, changes: BTreeMap::new(), numbers: HashMap::new() }
    }

    /// The number of the last change; 0 before the first.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    pub(super) fn add(&mut self, change: Change) {
        self.latest += 1;
        if let Some(before) = self.numbers.insert(change.clone(), self.latest) {
            self.changes.remove(&before);
        }
        self.changes.insert(self.latest, change);
        while self.changes.len() > self.capacity {
            let Some((number, change)) = self.changes.pop_first() else { return };
            self.numbers.remove(&change);
            self.forgotten = number;
        }
    }

    /// Whether all changes after `number` are known here. A number that was never given counts as forgotten.
    pub(super) fn reaches(&self, number: u64) -> bool {
        (self.forgotten..=self.latest).contains(&number)
    }

    /// The first change after `number`.
    pub(super) fn after(&self, number: u64) -> Result<Option<(u64, Change)>, Forgotten> {
        if !self.reaches(number) {
            return Err(Forgotten);
        }
        let next = self.changes.range(number.saturating_add(1)..).next();
        Ok(next.map(|(number, change)| (*number, change.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> Change {
        Change { table: "images", key: name.into() }
    }

    #[test]
    fn a_thing_is_found_once_at_its_last_change() {
        let mut ring = Ring::new(8);
        assert_eq!(ring.after(0), Ok(None));
        for name in ["a", "b", "a", "c", "a"] {
            ring.add(image(name));
        }
        assert_eq!(ring.after(0), Ok(Some((2, image("b")))));
        assert_eq!(ring.after(2), Ok(Some((4, image("c")))));
        assert_eq!(ring.after(4), Ok(Some((5, image("a")))));
        assert_eq!(ring.after(5), Ok(None));
        assert_eq!(ring.after(6), Err(Forgotten), "no change had this number");
    }

    #[test]
    fn it_holds_so_many_things_and_tells_who_is_too_far_behind() {
        let mut ring = Ring::new(2);
        for _ in 0..100 {
            ring.add(image("a"));
        }
        ring.add(image("b"));
        assert_eq!(ring.after(0), Ok(Some((100, image("a")))));
        ring.add(image("c"));
        assert_eq!((ring.after(99), ring.after(0)), (Err(Forgotten), Err(Forgotten)));
        assert_eq!(ring.after(100), Ok(Some((101, image("b")))));
        assert_eq!((ring.changes.len(), ring.numbers.len(), ring.latest()), (2, 2, 102));
    }
}
