//! The links of one image: which is asked next, and which are set aside because another attempt would end in
//! the same way.

use std::collections::{BTreeMap, BTreeSet};

use crate::jobs::failure::Failure;

/// Fruitless attempts in a row after which the bytes of one link are given up for another link, which begins
/// anew.
const PATIENCE: u32 = 3;

/// What is known of the links, by their index in the order that the client gave.
#[derive(Debug, Default)]
pub(super) struct Sources {
    aside: BTreeMap<usize, Failure>,
    spoilers: BTreeSet<usize>,
    current: Option<usize>,
    fruitless: u32,
    /// The most bytes that the unfinished file ever had.
    best: u64,
}

impl Sources {
    /// The link to ask next in an attempt that has asked those in `asked`, of `count`.
    pub(super) fn next(&self, count: usize, may_mix: bool, asked: &[usize]) -> Option<usize> {
        self.order(count, may_mix).into_iter().find(|index| !asked.contains(index))
    }

    /// The links that may work. The one that the bytes came from is first. It is also the only one while it
    /// makes progress, unless bytes may be mixed: another link would begin anew.
    fn order(&self, count: usize, may_mix: bool) -> Vec<usize> {
        let current = self.current.filter(|current| !self.aside.contains_key(current));
        if let Some(current) = current
            && !may_mix
            && self.fruitless < PATIENCE
        {
            return vec![current];
        }
        let others = (0..count).filter(|index| Some(*index) != current && !self.aside.contains_key(index));
        current.into_iter().chain(others).collect()
    }

    /// The bytes of the unfinished file came from this link.
    pub(super) fn came_from(&mut self, index: usize) {
        self.current = Some(index);
    }

    /// This link sent bytes up to `reached`. Bytes that were there before are no progress.
    pub(super) fn brought(&mut self, index: usize, reached: u64) {
        if reached > self.best {
            (self.current, self.fruitless, self.best) = (Some(index), 0, reached);
        }
    }

    /// The link does not continue its bytes, so any other is as good.
    pub(super) fn did_not_continue(&mut self) {
        self.current = None;
    }

    /// The unfinished file was removed.
    pub(super) fn begin_anew(&mut self) {
        (self.current, self.fruitless, self.best) = (None, 0, 0);
    }

    /// The bytes of this link had to be removed. Returns whether that happened before: then it would happen
    /// for ever.
    pub(super) fn spoilt_again(&mut self, index: usize) -> bool {
        self.begin_anew();
        !self.spoilers.insert(index)
    }

    /// An attempt ended without progress.
    pub(super) fn was_fruitless(&mut self) {
        self.fruitless += 1;
    }

    /// This link is not asked again.
    pub(super) fn set_aside(&mut self, index: usize, failure: Failure) {
        self.aside.insert(index, failure);
        if self.current == Some(index) {
            self.begin_anew();
        }
    }

    /// Why none of `count` links is left, if so.
    pub(super) fn exhausted(&self, count: usize) -> Option<Failure> {
        if self.aside.len() < count {
            return None;
        }
        let first = self.aside.values().next()?.clone();
        if count == 1 {
            return Some(first);
        }
        let all: Vec<String> =
            self.aside.iter().map(|(index, failure)| format!("link {}: {failure}", index + 1)).collect();
        Some(first.told_as(format!("none of the {count} links works: {}", all.join("; "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(text: &str) -> Failure {
        Failure::Source(text.into())
    }

    #[test]
    fn links_are_asked_in_order_and_the_one_that_delivers_is_kept() {
        let mut sources = Sources::default();
        assert_eq!(sources.order(3, false), [0, 1, 2]);
        sources.brought(1, 100);
        assert_eq!((sources.order(3, false), sources.order(3, true)), (vec![1], vec![1, 0, 2]));
        (0..PATIENCE).for_each(|_| sources.was_fruitless());
        assert_eq!(sources.order(3, false), [1, 0, 2]);
        sources.brought(1, 100);
        assert_eq!(sources.order(3, false), [1, 0, 2], "it brought nothing new");
        sources.brought(1, 101);
        assert_eq!(sources.order(3, false), [1]);
        sources.set_aside(1, bad("404"));
        assert_eq!(sources.order(3, false), [0, 2]);
    }

    #[test]
    fn others_are_asked_at_once_where_nothing_is_continued() {
        let mut sources = Sources::default();
        sources.brought(0, 100);
        assert_eq!((sources.next(2, false, &[]), sources.next(2, false, &[0])), (Some(0), None));
        sources.did_not_continue();
        sources.brought(0, 100);
        assert_eq!((sources.next(2, false, &[0]), sources.next(2, false, &[0, 1])), (Some(1), None));
        sources.brought(1, 101);
        assert_eq!(sources.next(2, false, &[]), Some(1));
    }

    #[test]
    fn a_link_may_spoil_a_file_once() {
        let mut sources = Sources::default();
        sources.brought(1, 1);
        assert!(!sources.spoilt_again(1));
        assert_eq!(sources.next(2, false, &[]), Some(0));
        assert!(!sources.spoilt_again(0));
        assert!(sources.spoilt_again(1));
    }

    #[test]
    fn when_all_are_set_aside_each_reason_is_told() {
        let mut sources = Sources::default();
        sources.set_aside(0, bad("404"));
        assert_eq!(sources.exhausted(1).map(|failure| failure.to_string()), Some("404".into()));
        assert!(sources.exhausted(2).is_none());
        sources.set_aside(1, bad("gzip"));
        let told = sources.exhausted(2).map(|failure| failure.to_string());
        assert_eq!(told, Some("none of the 2 links works: link 1: 404; link 2: gzip".into()));
        assert!(sources.order(2, true).is_empty());
    }
}
