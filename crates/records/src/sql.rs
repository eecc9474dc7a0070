//! The SQL of this crate, in words that SQLite and PostgreSQL both speak. Placeholders are `$1`, `$2`, … in
//! the order in which they appear, so SQLite may number them itself. A PostgreSQL database is made with
//! `LC_COLLATE 'C'`, which orders texts by their bytes as SQLite does.

use crate::table::{KEY, ROW};
use crate::{Query, TableSpec, Value, ValueType};

/// The versions of components, and the shapes of tables.
pub(crate) const CREATE_OWN_TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS "records.components" ("name" TEXT NOT NULL PRIMARY KEY, "version" BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS "records.tables" ("name" TEXT NOT NULL PRIMARY KEY, "shape" TEXT NOT NULL);
"#;

pub(crate) const VERSION: &str = r#"SELECT "version" FROM "records.components" WHERE "name" = $1"#;
pub(crate) const SET_VERSION: &str = r#"INSERT INTO "records.components" ("name", "version") VALUES ($1, $2)
ON CONFLICT ("name") DO UPDATE SET "version" = excluded."version""#;
pub(crate) const SHAPE: &str = r#"SELECT "shape" FROM "records.tables" WHERE "name" = $1"#;
pub(crate) const SET_SHAPE: &str = r#"INSERT INTO "records.tables" ("name", "shape") VALUES ($1, $2)
ON CONFLICT ("name") DO UPDATE SET "shape" = excluded."shape""#;
pub(crate) const FORGET_SHAPE: &str = r#"DELETE FROM "records.tables" WHERE "name" = $1"#;

/// A statement and what its placeholders stand for.
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) values: Vec<Value>,
}

/// A name of a table, a column or an index. Names are checked when they are declared, and hold no quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn type_name(holds: ValueType) -> &'static str {
    match holds {
        ValueType::Integer => "BIGINT",
        ValueType::Text => "TEXT",
    }
}

/// Makes a table of this shape with another name.
pub(crate) fn create_table(spec: &TableSpec, name: &str) -> String {
    let mut text =
        format!("CREATE TABLE {} (\"{KEY}\" {} NOT NULL PRIMARY KEY", quoted(name), type_name(spec.key));
    for column in spec.columns {
        text += &format!(", {} {} NOT NULL", quoted(column.name), type_name(column.holds));
    }
    text + &format!(", \"{ROW}\" TEXT NOT NULL)")
}

/// Each index ends with the key, which makes its order a total one.
pub(crate) fn create_indexes(spec: &TableSpec) -> Vec<String> {
    let create = |index: &&[&str]| {
        let columns: Vec<_> = index.iter().map(|column| quoted(column)).collect();
        let (name, table) = (quoted(&spec.index_name(index)), quoted(spec.name));
        format!("CREATE INDEX {name} ON {table} ({}, \"{KEY}\")", columns.join(", "))
    };
    spec.indexes.iter().map(create).collect()
}

pub(crate) fn drop_table(name: &str) -> String {
    format!("DROP TABLE IF EXISTS {}", quoted(name))
}

pub(crate) fn rename_table(from: &str, to: &str) -> String {
    format!("ALTER TABLE {} RENAME TO {}", quoted(from), quoted(to))
}

/// Rows of a table of any shape after a key, in the order of keys.
pub(crate) fn walk(name: &str, is_first: bool) -> String {
    let bound = if is_first { String::new() } else { format!(" WHERE \"{KEY}\" > $1") };
    format!("SELECT \"{KEY}\", \"{ROW}\" FROM {}{bound} ORDER BY \"{KEY}\" LIMIT 1000", quoted(name))
}

/// Replaces the JSON alone.
pub(crate) fn rewrite(name: &str) -> String {
    format!("UPDATE {} SET \"{ROW}\" = $1 WHERE \"{KEY}\" = $2", quoted(name))
}

pub(crate) fn get(name: &str) -> String {
    format!("SELECT \"{ROW}\" FROM {} WHERE \"{KEY}\" = $1", quoted(name))
}

pub(crate) fn remove(name: &str) -> String {
    format!("DELETE FROM {} WHERE \"{KEY}\" = $1", quoted(name))
}

/// Inserts a row, or replaces the one with its key. The values are the key, the columns and the JSON.
pub(crate) fn put(spec: &TableSpec, name: &str) -> String {
    let names = std::iter::once(KEY).chain(spec.columns.iter().map(|column| column.name)).chain([ROW]);
    let names: Vec<_> = names.map(quoted).collect();
    let values: Vec<_> = (1..=names.len()).map(|number| format!("${number}")).collect();
    let updates: Vec<_> = names[1..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (\"{KEY}\") DO UPDATE SET {}",
        quoted(name),
        names.join(", "),
        values.join(", "),
        updates.join(", ")
    )
}

/// One page, and one row more, if there is one.
pub(crate) fn page(spec: &TableSpec, query: &Query) -> Statement {
    let mut conditions = Conditions::of(query);
    if let Some(cursor) = &query.after {
        let sign = if query.descending { "<" } else { ">" };
        match &cursor.order {
            None => conditions.compare(KEY, sign, &cursor.key),
            Some(order) => {
                let (order, key) = (conditions.placeholder(order), conditions.placeholder(&cursor.key));
                let leading = quoted(query.leading());
                conditions.list.push(format!("({leading}, \"{KEY}\") {sign} ({order}, {key})"));
            }
        }
    }
    let direction = if query.descending { " DESC" } else { "" };
    let mut order = quoted(query.leading()) + direction;
    if query.order.is_some() {
        order += &format!(", \"{KEY}\"{direction}");
    }
    let limit = conditions.placeholder(&Value::Integer(i64::from(query.rows()) + 1));
    let mut text = format!(
        "SELECT \"{KEY}\", \"{ROW}\" FROM {}{} ORDER BY {order} LIMIT {limit}",
        quoted(spec.name),
        conditions.text()
    );
    if query.skip > 0 {
        text += &format!(" OFFSET {}", conditions.placeholder(&Value::Integer(query.skip.into())));
    }
    Statement { text, values: conditions.values }
}

/// How many rows there are, on all pages.
pub(crate) fn count(spec: &TableSpec, query: &Query) -> Statement {
    let conditions = Conditions::of(query);
    let text = format!("SELECT count(*) FROM {}{}", quoted(spec.name), conditions.text());
    Statement { text, values: conditions.values }
}

#[derive(Default)]
struct Conditions {
    list: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    fn of(query: &Query) -> Self {
        let mut conditions = Self::default();
        for (column, value) in &query.filters {
            conditions.compare(column, "=", value);
        }
        if let Some(from) = &query.from {
            conditions.compare(query.leading(), ">=", from);
        }
        if let Some(below) = &query.below {
            conditions.compare(query.leading(), "<", below);
        }
        conditions
    }

    fn placeholder(&mut self, value: &Value) -> String {
        self.values.push(value.clone());
        format!("${}", self.values.len())
    }

    fn compare(&mut self, column: &str, sign: &str, value: &Value) {
        let condition = format!("{} {sign} {}", quoted(column), self.placeholder(value));
        self.list.push(condition);
    }

    fn text(&self) -> String {
        if self.list.is_empty() { String::new() } else { format!(" WHERE {}", self.list.join(" AND ")) }
    }
}
