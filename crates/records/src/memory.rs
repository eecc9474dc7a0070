//! Tables in memory, for tests. Queries have the same results as in SQL. A switch makes commits fail like a
//! full disk.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::query::Found;
use crate::table::{KEY, Stored};
use crate::{Error, Query, TableSpec, Value};

/// A database that forgets. Clones are the same one.
#[derive(Clone, Default)]
pub struct Memory {
    durable: Arc<Mutex<Tables>>,
    broken: Arc<AtomicBool>,
}

/// A state of all tables. A clone costs no copy of rows.
#[derive(Clone, Default)]
pub(crate) struct Tables(BTreeMap<&'static str, Arc<BTreeMap<Value, Arc<Row>>>>);

struct Row {
    columns: Vec<Value>,
    text: String,
}

/// Changes that are not committed yet.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) tables: Tables,
    savepoint: Tables,
}

impl Memory {
    /// From now on every commit fails, or works again.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Tables {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn commit(&self, pending: &Pending) -> Result<(), Error> {
        if self.broken.load(Ordering::Relaxed) {
            let source = Arc::new(io::Error::from(io::ErrorKind::StorageFull));
            return Err(Error::Disk { path: "in memory".into(), action: "write", full: true, source });
        }
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner) = pending.tables.clone();
        Ok(())
    }
}

impl Pending {
    pub(crate) fn set_savepoint(&mut self) {
        self.savepoint = self.tables.clone();
    }

    pub(crate) fn back_to_savepoint(&mut self) {
        self.tables = self.savepoint.clone();
    }

    pub(crate) fn put(&mut self, spec: &TableSpec, stored: Stored) {
        let row = Row { columns: stored.columns, text: stored.row };
        let table = self.tables.0.entry(spec.name).or_default();
        Arc::make_mut(table).insert(stored.key, Arc::new(row));
    }

    pub(crate) fn remove(&mut self, spec: &TableSpec, key: &Value) -> bool {
        let Some(table) = self.tables.0.get_mut(spec.name) else { return false };
        Arc::make_mut(table).remove(key).is_some()
    }
}

impl Tables {
    pub(crate) fn get(&self, spec: &TableSpec, key: &Value) -> Option<String> {
        Some(self.0.get(spec.name)?.get(key)?.text.clone())
    }

    pub(crate) fn count(&self, spec: &TableSpec, query: &Query) -> u64 {
        u64::try_from(self.matching(spec, query).count()).unwrap_or(u64::MAX)
    }

    pub(crate) fn page(&self, spec: &TableSpec, query: &Query) -> Found {
        let mut found: Vec<_> = self
            .matching(spec, query)
            .map(|(key, row)| (query.order.map(|order| value_of(spec, order, key, row)), key, row))
            .collect();
        found.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        if query.descending {
            found.reverse();
        }
        let is_behind = |order: &Option<&Value>, key: &Value| {
            let Some(cursor) = &query.after else { return true };
            let (place, end) = ((*order, key), (cursor.order.as_ref(), &cursor.key));
            if query.descending { place < end } else { place > end }
        };
        let rows = found.into_iter().filter(|(order, key, _)| is_behind(order, key));
        let rows = rows.skip(query.skip as usize).map(|(_, key, row)| (key.clone(), row.text.clone()));
        match Found::take(query, rows.map(Ok::<_, Infallible>)) {
            Ok(found) => found,
        }
    }

    fn matching<'a>(
        &'a self,
        spec: &'a TableSpec,
        query: &'a Query,
    ) -> impl Iterator<Item = (&'a Value, &'a Row)> {
        let rows = self.0.get(spec.name).into_iter().flat_map(|table| table.iter());
        let bounds = (
            query.from.as_ref().map_or(Bound::Unbounded, Bound::Included),
            query.below.as_ref().map_or(Bound::Unbounded, Bound::Excluded),
        );
        rows.map(|(key, row)| (key, &**row)).filter(move |(key, row)| {
            let value = |column| value_of(spec, column, key, row);
            let is_in = |value: &Value| std::ops::RangeBounds::<Value>::contains(&bounds, value);
            is_in(value(query.leading()))
                && query.filters.iter().all(|(column, wanted)| value(column) == wanted)
        })
    }
}

fn value_of<'a>(spec: &TableSpec, column: &str, key: &'a Value, row: &'a Row) -> &'a Value {
    let position = spec.columns.iter().position(|known| known.name == column);
    debug_assert!(position.is_some() || column == KEY, "the query was checked");
    position.and_then(|position| row.columns.get(position)).unwrap_or(key)
}
