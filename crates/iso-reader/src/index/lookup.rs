//! From a name to the entry of a directory: one hash table over all entries, made at the first look-up.
//!
//! A binary search reads an entry and a name at every step, and in a large tree each read waits for memory:
//! three microseconds for a path of two names among a million entries.

use std::hash::{BuildHasher, RandomState};

use crate::index::arrays::{Index, position};

/// Slots for each entry. Half of them stay empty, so that a search soon meets an empty one.
const SLOTS: usize = 2;

/// The table: numbers of entries, each in the slot that its parent and name hash to, or soon behind it.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// 0, the number of the root, stands for an empty slot: the root is in no directory.
    slots: Box<[u32]>,
    /// Keyed at random, so that no image can choose names that collide.
    hasher: RandomState,
}

impl Lookup {
    /// Bytes that the table takes for each entry.
    pub(crate) const ENTRY_BYTES: usize = SLOTS * size_of::<u32>();

    pub(crate) fn new(index: &Index) -> Lookup {
        let count = index.nodes.len().saturating_mul(SLOTS);
        let mut lookup = Lookup { slots: vec![0; count].into(), hasher: RandomState::new() };
        for (id, node) in (0_u32..).zip(&index.nodes).skip(1) {
            let start = lookup.start(node.parent, index.name(node));
            let (before, from) = lookup.slots.split_at_mut_checked(start).unwrap_or_default();
            if let Some(slot) = from.iter_mut().chain(before).find(|slot| **slot == 0) {
                *slot = id;
            }
        }
        lookup
    }

    /// The entry of a directory with this name.
    pub(crate) fn find(&self, index: &Index, directory: u32, name: &[u8]) -> Option<u32> {
        let start = self.start(directory, name);
        let (before, from) = self.slots.split_at_checked(start)?;
        let candidates = from.iter().chain(before).copied().take_while(|id| *id != 0);
        candidates.into_iter().find(|id| {
            let node = index.nodes.get(position(*id));
            node.is_some_and(|node| node.parent == directory && index.name(node) == name)
        })
    }

    /// The slot where the search for a name starts.
    fn start(&self, directory: u32, name: &[u8]) -> usize {
        let hash = self.hasher.hash_one((directory, name));
        // The upper half of the product spreads hashes evenly without a division.
        let count = u128::try_from(self.slots.len()).unwrap_or_default();
        usize::try_from(u128::from(hash).saturating_mul(count) >> 64).unwrap_or_default()
    }
}
