//! The declaration of a table: its name, its key, its row, and the columns that queries filter and order by.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Bytes of a row as JSON. Larger data belongs into a store of blobs.
pub const MAX_ROW: usize = 1 << 20;

/// Bytes of a text in a key or a column. An entry of an index of PostgreSQL holds 2,704 bytes.
pub const MAX_TEXT: usize = 2_000;

/// Bytes of the name of a table or an index. PostgreSQL truncates longer names.
const MAX_NAME: usize = 63;

/// A table of a component. Rows are stored as JSON beside the columns that are taken from them.
pub trait Table: 'static {
    /// `<component>.<table>`, in lower-case ASCII letters, digits, `_` and `-`, such as `ims.recipes`.
    const NAME: &'static str;
    /// The type of keys.
    type Key: Key;
    /// The type of rows. Fields of a later version have a default (`serde(default)`), or a migration adds
    /// them.
    type Row: Serialize + DeserializeOwned + Clone + Send + 'static;
    /// The columns that queries filter and order by.
    const COLUMNS: &'static [Column] = &[];
    /// Names of columns, an index each. An index `[a, b]` serves "of one `a`, in the order of `b`".
    const INDEXES: &'static [&'static [&'static str]] = &[];

    /// The values of [`Table::COLUMNS`], in their order.
    fn columns(_row: &Self::Row) -> Vec<Value> {
        Vec::new()
    }
}

/// A value that finds a row: text or an integer. Its order is the order of the table.
pub trait Key: Clone + Ord + Send + 'static {
    /// The type of its stored value.
    const TYPE: ValueType;

    /// Its stored value.
    fn to_value(&self) -> Value;

    /// The key of a stored value. `None` for a value that is no such key.
    fn from_value(value: Value) -> Option<Self>;
}

impl Key for String {
    const TYPE: ValueType = ValueType::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            Value::Integer(_) => None,
        }
    }
}

impl Key for i64 {
    const TYPE: ValueType = ValueType::Integer;

    fn to_value(&self) -> Value {
        Value::Integer(*self)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(number),
            Value::Text(_) => None,
        }
    }
}

/// What a key or a column holds. There is no null: databases disagree about its order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number, or a time in a unit of the component's choice.
    Integer(i64),
    /// A text without NUL, ordered by its bytes.
    Text(String),
}

/// The type of a [`Value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// 64 bits with a sign.
    Integer,
    /// UTF-8.
    Text,
}

/// A value of each row that queries may filter and order by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Column {
    /// In lower-case ASCII letters, digits and `_`.
    pub name: &'static str,
    /// What it holds.
    pub holds: ValueType,
}

impl Column {
    /// A column of texts.
    pub const fn text(name: &'static str) -> Self {
        Self { name, holds: ValueType::Text }
    }

    /// A column of integers.
    pub const fn integer(name: &'static str) -> Self {
        Self { name, holds: ValueType::Integer }
    }
}

impl Value {
    /// Its type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Integer(_) => ValueType::Integer,
            Self::Text(_) => ValueType::Text,
        }
    }

    fn fits(&self, holds: ValueType) -> bool {
        match self {
            Self::Integer(_) => holds == ValueType::Integer,
            Self::Text(text) => holds == ValueType::Text && text.len() <= MAX_TEXT && !text.contains('\0'),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(formatter),
            Self::Text(text) => text.fmt(formatter),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Integer(flag.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A table without its Rust types, for backends.
#[derive(Clone, Copy)]
pub struct TableSpec {
    pub(crate) name: &'static str,
    pub(crate) key: ValueType,
    pub(crate) columns: &'static [Column],
    pub(crate) indexes: &'static [&'static [&'static str]],
    /// Takes the columns from a stored row.
    pub(crate) extract: fn(&Value, &str) -> Result<Vec<Value>, Error>,
}

impl TableSpec {
    /// The table `T`.
    pub const fn of<T: Table>() -> Self {
        Self {
            name: T::NAME,
            key: T::Key::TYPE,
            columns: T::COLUMNS,
            indexes: T::INDEXES,
            extract: extract::<T>,
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The column with this name; `key` is one as well.
    pub(crate) fn type_of(&self, column: &str) -> Option<ValueType> {
        if column == KEY {
            return Some(self.key);
        }
        self.columns.iter().find(|known| known.name == column).map(|known| known.holds)
    }

    pub(crate) fn check_key(&self, key: &Value) -> Result<(), Error> {
        self.check(KEY, self.key, key)
    }

    fn check(&self, column: &'static str, holds: ValueType, value: &Value) -> Result<(), Error> {
        if value.fits(holds) {
            return Ok(());
        }
        let mut shown = format!("{value:?}");
        if shown.len() > 80 {
            shown = shown.chars().take(77).chain("...".chars()).collect();
        }
        Err(Error::Value { table: self.name, column, value: shown })
    }

    /// Checks names and indexes.
    pub(crate) fn check_declaration(&self, component: &str) -> Result<(), Error> {
        let refuse = |problem: String| Err(Error::Declaration { name: self.name.to_owned(), problem });
        let Some((owner, own)) = self.name.split_once('.') else {
            return refuse("its name has no component".to_owned());
        };
        if owner != component || !is_word(own) || self.name.len() > MAX_NAME {
            return refuse(format!("its name must be '{component}.' and a word"));
        }
        for (index, column) in self.columns.iter().enumerate() {
            let is_twice = self.columns[..index].iter().any(|other| other.name == column.name);
            if !is_word(column.name) || is_twice || [KEY, ROW].contains(&column.name) {
                return refuse(format!("it cannot have a column '{}'", column.name));
            }
        }
        for index in self.indexes {
            let is_known = |name: &&str| self.columns.iter().any(|column| column.name == *name);
            if index.is_empty() || !index.iter().all(is_known) {
                return refuse(format!("its index {index:?} needs columns that it has"));
            }
            if self.index_name(index).len() > MAX_NAME {
                return refuse(format!("the name of its index {index:?} is too long"));
            }
        }
        Ok(())
    }

    pub(crate) fn index_name(&self, index: &[&str]) -> String {
        format!("{}:{}", self.name, index.join(":"))
    }

    /// Columns and indexes as text. When it differs, the table must be built anew from its rows.
    pub(crate) fn shape(&self) -> String {
        serde_json::json!({ "key": self.key, "columns": self.columns, "indexes": self.indexes }).to_string()
    }

    /// The index that serves the order `order` among rows whose columns `fixed` are known.
    pub(crate) fn serves(&self, fixed: &[&str], order: Option<&str>) -> bool {
        let serves = |index: &&[&str]| {
            let prefix = match order {
                None => Some(*index),
                Some(order) => index.split_last().filter(|(last, _)| **last == order).map(|(_, rest)| rest),
            };
            prefix.is_some_and(|prefix| prefix.iter().all(|column| fixed.contains(column)))
        };
        order.is_none() || self.indexes.iter().any(serves)
    }
}

/// The name of the column with the key.
pub(crate) const KEY: &str = "key";

/// The name of the column with the row as JSON.
pub(crate) const ROW: &str = "row";

/// A row as it is stored.
pub(crate) struct Stored {
    pub(crate) key: Value,
    pub(crate) columns: Vec<Value>,
    pub(crate) row: String,
}

impl Stored {
    pub(crate) fn of<T: Table>(key: &T::Key, row: &T::Row) -> Result<Self, Error> {
        let spec = TableSpec::of::<T>();
        let key = key.to_value();
        spec.check_key(&key)?;
        let columns = columns_of::<T>(row)?;
        let encode = |source| Error::Encode { table: T::NAME, source: std::sync::Arc::new(source) };
        let row = serde_json::to_string(row).map_err(encode)?;
        if row.len() > MAX_ROW {
            return Err(Error::RowTooLarge { table: T::NAME, bytes: row.len() });
        }
        Ok(Self { key, columns, row })
    }
}

fn columns_of<T: Table>(row: &T::Row) -> Result<Vec<Value>, Error> {
    let (spec, values) = (TableSpec::of::<T>(), T::columns(row));
    if values.len() != spec.columns.len() {
        let problem = format!("it has {} columns and {} values for them", spec.columns.len(), values.len());
        return Err(Error::Declaration { name: T::NAME.to_owned(), problem });
    }
    for (column, value) in spec.columns.iter().zip(&values) {
        spec.check(column.name, column.holds, value)?;
    }
    Ok(values)
}

/// Turns a stored row into its type.
pub(crate) fn decode<T: Table>(key: &Value, row: &str) -> Result<T::Row, Error> {
    serde_json::from_str(row).map_err(|source| Error::Decode {
        table: T::NAME.to_owned(),
        key: key.to_string(),
        source: std::sync::Arc::new(source),
    })
}

fn extract<T: Table>(key: &Value, row: &str) -> Result<Vec<Value>, Error> {
    columns_of::<T>(&decode::<T>(key, row)?)
}

/// Whether `name` can be a part of a name in every database.
pub(crate) fn is_word(name: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    !name.is_empty() && name.bytes().all(is_plain)
}
