//! Queries: filters, order and limit of the rows that a caller gets.

use serde::{Deserialize, Serialize};

use crate::table::KEY;
use crate::{Error, Table, TableSpec, Value};

/// Rows of one page. A caller that wants more asks again with [`Page::next`].
pub const MAX_PAGE: u32 = 1_000;

/// Bytes of the rows of one page, give or take a row. A page of large rows is shorter than its limit.
pub const MAX_PAGE_BYTES: usize = 8 << 20;

/// Rows that a numbered page may lie behind the first. Each of them costs a step of the index.
pub const MAX_SKIP: u32 = 10_000_000;

/// A query of one table. Without an order, rows come in the order of their keys; with an order, so do rows
/// that are equal in it.
///
/// An order needs an index that begins with columns of the filters, if any, and ends with the column of the
/// order. Filters that have no part in an index are checked row by row.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pub(crate) filters: Vec<(&'static str, Value)>,
    pub(crate) order: Option<&'static str>,
    pub(crate) descending: bool,
    pub(crate) from: Option<Value>,
    pub(crate) below: Option<Value>,
    pub(crate) after: Option<Cursor>,
    pub(crate) skip: u32,
    pub(crate) limit: Option<u32>,
}

/// The end of a page, from which the next one goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The value of the column of the order, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Value>,
    /// The key.
    pub key: Value,
}

/// Some rows, in the order of the query.
pub struct Page<T: Table> {
    /// Keys and rows.
    pub rows: Vec<(T::Key, T::Row)>,
    /// Where the next page begins; `None` after the last row.
    pub next: Option<Cursor>,
}

/// Stored rows of one page.
pub(crate) struct Found {
    pub(crate) rows: Vec<(Value, String)>,
    /// Whether there are rows behind them.
    pub(crate) has_more: bool,
}

impl Found {
    /// Takes a page from `rows`, which must have one row more than the page.
    pub(crate) fn take<E>(
        query: &Query,
        rows: impl Iterator<Item = Result<(Value, String), E>>,
    ) -> Result<Self, E> {
        let limit = query.rows() as usize;
        let (mut found, mut bytes) = (Self { rows: Vec::new(), has_more: false }, 0);
        for row in rows {
            if found.rows.len() == limit || bytes > MAX_PAGE_BYTES {
                found.has_more = true;
                break;
            }
            let row = row?;
            bytes += row.1.len();
            found.rows.push(row);
        }
        Ok(found)
    }
}

impl Query {
    /// All rows by key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only rows with this value in this column.
    pub fn with(mut self, column: &'static str, value: impl Into<Value>) -> Self {
        self.filters.push((column, value.into()));
        self
    }

    /// In the order of this column, and of keys where it is equal.
    pub fn order_by(mut self, column: &'static str) -> Self {
        self.order = Some(column);
        self
    }

    /// The greatest first.
    pub fn descending(mut self) -> Self {
        self.descending = true;
        self
    }

    /// Only rows where the column of the order, or the key, is at least `value`.
    pub fn at_least(mut self, value: impl Into<Value>) -> Self {
        self.from = Some(value.into());
        self
    }

    /// Only rows where the column of the order, or the key, is less than `value`.
    pub fn below(mut self, value: impl Into<Value>) -> Self {
        self.below = Some(value.into());
        self
    }

    /// Goes on where a page ended.
    pub fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.after = cursor;
        self
    }

    /// Leaves out the first rows: for numbered pages. At most [`MAX_SKIP`]; a cursor costs less.
    pub fn skip(mut self, rows: u32) -> Self {
        self.skip = rows.min(MAX_SKIP);
        self
    }

    /// At most this many rows, and at most [`MAX_PAGE`] or [`MAX_PAGE_BYTES`].
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = Some(rows);
        self
    }

    pub(crate) fn rows(&self) -> u32 {
        self.limit.unwrap_or(MAX_PAGE).min(MAX_PAGE)
    }

    /// The column that rows are ordered by first.
    pub(crate) fn leading(&self) -> &'static str {
        self.order.unwrap_or(KEY)
    }

    /// Checks that types fit and that an index serves the order.
    pub(crate) fn check(&self, spec: &TableSpec) -> Result<(), Error> {
        let refuse = |problem: String| Err(Error::Query { table: spec.name, problem });
        let leading = self.leading();
        let bounds = [&self.from, &self.below].into_iter().flatten().map(|value| (leading, value));
        let cursor = self.after.iter().flat_map(|cursor| {
            [Some((KEY, &cursor.key)), cursor.order.as_ref().map(|value| (leading, value))]
                .into_iter()
                .flatten()
        });
        for (column, value) in
            self.filters.iter().map(|(column, value)| (*column, value)).chain(bounds).chain(cursor)
        {
            match spec.type_of(column) {
                None => return refuse(format!("it has no column {column}")),
                Some(holds) if holds != value.value_type() => {
                    return refuse(format!("its column {column} holds no {value:?}"));
                }
                Some(_) => {}
            }
        }
        if self.after.as_ref().is_some_and(|cursor| cursor.order.is_some() != self.order.is_some()) {
            return refuse("the cursor belongs to another order".to_owned());
        }
        let fixed: Vec<_> = self.filters.iter().map(|(column, _)| *column).collect();
        if !spec.serves(&fixed, self.order) {
            return refuse(format!("no index serves the order of {leading} among rows of known {fixed:?}"));
        }
        Ok(())
    }
}
