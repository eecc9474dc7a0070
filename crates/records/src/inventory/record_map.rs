//! Records by key, in order. A clone copies no records; a change copies the one chunk that it touches.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Records of a chunk. One that grows beyond is cut in two.
const CHUNK: usize = 256;

/// An ordered map whose clones share what did not change. It remembers which keys were touched.
#[derive(Debug, Clone)]
pub struct RecordMap<K, V> {
    /// Sorted, and none of them is empty.
    chunks: Arc<Vec<Arc<Chunk<K, V>>>>,
    len: usize,
    touched: BTreeSet<K>,
}

/// Sorted by key.
pub(super) type Chunk<K, V> = Vec<(K, Arc<V>)>;

/// Where a key is, or belongs: the index of its chunk, and its index in the chunk.
type Position = (usize, Result<usize, usize>);

impl<K: Ord + Clone, V: Clone> RecordMap<K, V> {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The record with this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let (chunk, index) = self.find(key);
        Some(&*self.chunks.get(chunk)?.get(index.ok()?)?.1)
    }

    /// Whether there is a record with this key.
    pub fn contains_key(&self, key: &K) -> bool {
        self.find(key).1.is_ok()
    }

    /// The record with this key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (chunk, index) = self.find(key);
        let index = index.ok()?;
        self.touched.insert(key.clone());
        let chunk = Arc::make_mut(Arc::make_mut(&mut self.chunks).get_mut(chunk)?);
        Some(Arc::make_mut(&mut chunk.get_mut(index)?.1))
    }

    /// Inserts a record; returns the one that had its key.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (chunk, index) = self.find(&key);
        self.touched.insert(key.clone());
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(shared) = chunks.get_mut(chunk) else {
            chunks.push(Arc::new(vec![(key, Arc::new(value))]));
            self.len += 1;
            return None;
        };
        let records = Arc::make_mut(shared);
        match index {
            Ok(index) => {
                let before = std::mem::replace(&mut records[index].1, Arc::new(value));
                Some(Arc::unwrap_or_clone(before))
            }
            Err(index) => {
                records.insert(index, (key, Arc::new(value)));
                if records.len() > CHUNK {
                    let second = records.split_off(CHUNK / 2);
                    chunks.insert(chunk + 1, Arc::new(second));
                }
                self.len += 1;
                None
            }
        }
    }

    /// Removes and returns a record.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (chunk, index) = self.find(key);
        let index = index.ok()?;
        self.touched.insert(key.clone());
        let chunks = Arc::make_mut(&mut self.chunks);
        let records = Arc::make_mut(&mut chunks[chunk]);
        let (_, value) = records.remove(index);
        if records.is_empty() {
            chunks.remove(chunk);
        }
        self.len -= 1;
        Some(Arc::unwrap_or_clone(value))
    }

    /// The record with this key, to be changed; a new one if there is none.
    pub fn get_or_insert_with(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        if !self.contains_key(&key) {
            self.insert(key.clone(), new());
        }
        self.get_mut(&key).expect("it was inserted")
    }

    /// The chunks, in the order of keys. A change of a record replaces its chunk.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &Arc<Chunk<K, V>>> {
        self.chunks.iter()
    }

    /// All records, in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, &**value))
    }

    /// All records, in the order of keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The keys that were inserted, changed or removed since the last call. A clone begins with those of its
    /// original.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<K> {
        std::mem::take(&mut self.touched)
    }

    fn find(&self, key: &K) -> Position {
        let behind =
            self.chunks.partition_point(|chunk| chunk.first().is_some_and(|(first, _)| first <= key));
        let chunk = behind.saturating_sub(1);
        let index = self
            .chunks
            .get(chunk)
            .map_or(Err(0), |chunk| chunk.binary_search_by(|(known, _)| known.cmp(key)));
        (chunk, index)
    }
}

impl<K, V> Default for RecordMap<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::default(), len: 0, touched: BTreeSet::new() }
    }
}

/// Equal if they hold the same records, whatever was touched.
impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for RecordMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Ord + Clone, V: Clone + Eq> Eq for RecordMap<K, V> {}

impl<K: Ord + Clone, V: Clone> Extend<(K, V)> for RecordMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, records: I) {
        for (key, value) in records {
            self.insert(key, value);
        }
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for RecordMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(records: I) -> Self {
        let mut map = Self::default();
        map.extend(records);
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u16, u32),
        Change(u16),
        Remove(u16),
        Clone,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let key = || 0_u16..900;
        let step = prop_oneof![
            6 => (key(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
            2 => key().prop_map(Step::Change),
            3 => key().prop_map(Step::Remove),
            1 => Just(Step::Clone),
        ];
        prop::collection::vec(step, 0..2_500)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 24,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn it_is_a_map_and_its_clones_stay_as_they_were(steps in steps()) {
            let (mut map, mut model) = (RecordMap::default(), BTreeMap::new());
            let mut clones = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                    }
                    Step::Remove(key) => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    Step::Change(key) => {
                        let (one, other) = (map.get_mut(&key), model.get_mut(&key));
                        prop_assert_eq!(one.is_some(), other.is_some());
                        if let (Some(one), Some(other)) = (one, other) {
                            (*one, *other) = (one.wrapping_add(1), other.wrapping_add(1));
                        }
                    }
                    Step::Clone => clones.push((map.clone(), model.clone())),
                }
                prop_assert_eq!(map.len(), model.len());
            }
            clones.push((map, model));
            for (map, model) in clones {
                prop_assert!(map.iter().eq(model.iter()));
                prop_assert!((0..900).all(|key| map.get(&key) == model.get(&key)));
                prop_assert!(map.chunks.iter().all(|chunk| (1..=CHUNK).contains(&chunk.len())));
            }
        }
    }

    #[test]
    fn it_knows_what_was_touched() {
        let mut map: RecordMap<u8, u8> = (0..9).map(|key| (key, 0)).collect();
        assert_eq!(map.take_touched().len(), 9);
        map.get(&1);
        map.get_mut(&2);
        map.get_mut(&100);
        map.remove(&3);
        map.remove(&101);
        *map.get_or_insert_with(50, || 1) += 1;
        assert_eq!(map.take_touched(), BTreeSet::from([2, 3, 50]));
        assert_eq!(map.get(&50), Some(&2));
        assert!(map.take_touched().is_empty());
    }
}
