//! Tables of earlier versions become tables of today, and those of later ones are refused.

use std::path::Path;

use records::feed::Feed;
use records::{Column, Database, Error, Query, Schema, Table, TableSpec, Upgrade, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Notes, SCHEMA, folder};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OldRecipe {
    title: String,
}

struct OldRecipes;

impl Table for OldRecipes {
    const NAME: &'static str = "ims.recipes";
    type Key = String;
    type Row = OldRecipe;
}

struct Scratch;

impl Table for Scratch {
    const NAME: &'static str = "ims.scratch";
    type Key = i64;
    type Row = i64;
}

const FIRST: Schema = Schema {
    component: "ims",
    tables: &[TableSpec::of::<OldRecipes>(), TableSpec::of::<Scratch>()],
    migrations: &[],
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Recipe {
    name: String,
    architecture: String,
}

struct Recipes;

impl Table for Recipes {
    const NAME: &'static str = "ims.recipes";
    type Key = String;
    type Row = Recipe;
    const COLUMNS: &'static [Column] = &[Column::text("name")];
    const INDEXES: &'static [&'static [&'static str]] = &[&["name"]];

    fn columns(row: &Recipe) -> Vec<Value> {
        vec![row.name.as_str().into()]
    }
}

fn rename_title(upgrade: &mut Upgrade<'_>) -> Result<(), Error> {
    upgrade.rewrite("ims.recipes", |row| row["name"] = row["title"].take())
}

fn add_architecture(upgrade: &mut Upgrade<'_>) -> Result<(), Error> {
    upgrade.rewrite("ims.recipes", |row| row["architecture"] = json!("x86_64"))?;
    upgrade.rewrite("ims.never_there", |_| ())?;
    upgrade.remove_table("ims.scratch")
}

const THIRD: Schema = Schema {
    component: "ims",
    tables: &[TableSpec::of::<Recipes>()],
    migrations: &[rename_title, add_architecture],
};

/// One that forgets a migration that its rows need.
const WRONG: Schema =
    Schema { component: "ims", tables: &[TableSpec::of::<Recipes>()], migrations: &[rename_title] };

async fn opened(path: &Path, schema: Schema) -> Database {
    let database = Database::at(path, Feed::default());
    database.declare(schema).await.unwrap_or_else(|error| panic!("{error}"));
    database
}

async fn by_name(database: &Database) -> Vec<(String, Recipe)> {
    let page = database.read(|reader| reader.page::<Recipes>(&Query::new().order_by("name"))).await;
    page.unwrap_or_else(|error| panic!("{error}")).rows
}

#[tokio::test]
async fn rows_columns_and_indexes_become_those_of_today() {
    let folder = folder();
    let path = folder.path().join("state.db");
    let old = opened(&path, FIRST).await;
    let fill = |change: &mut records::Transaction<'_>| {
        for number in 0..2_500 {
            let title = format!("recipe {:04}", 2_500 - number);
            change.put::<OldRecipes>(&number.to_string(), &OldRecipe { title })?;
        }
        change.put::<Scratch>(&1, &1)
    };
    old.commit(fill).await.expect("writes");
    old.close().await;

    let wrong = Database::at(&path, Feed::default());
    let error = wrong.declare(WRONG).await.expect_err("a migration is missing");
    assert!(matches!(error, Error::Decode { .. }), "{error:?}");
    wrong.close().await;

    for _ in 0..2 {
        let new = opened(&path, THIRD).await;
        let rows = by_name(&new).await;
        assert_eq!(rows.len(), 1_000);
        let first = Recipe { name: "recipe 0001".into(), architecture: "x86_64".into() };
        assert_eq!(rows[0], ("2499".to_owned(), first));
        let count = new.read(|reader| reader.count::<Recipes>(&Query::new())).await;
        assert_eq!(count.expect("reads"), 2_500);
        new.close().await;
    }

    for (schema, known) in [(FIRST, 1), (WRONG, 2)] {
        let old = Database::at(&path, Feed::default());
        let error = old.declare(schema).await.expect_err("it is newer");
        old.close().await;
        assert!(matches!(&error, Error::Newer { found: 3, .. }), "{error:?}");
        let message = error.to_string();
        for part in ["newer version", "ims has version 3", &format!("knows {known}"), "Nothing was changed"] {
            assert!(message.contains(part), "{message}");
        }
    }
    assert_eq!(by_name(&opened(&path, THIRD).await).await.len(), 1_000);
}

#[tokio::test]
async fn components_come_and_go() {
    let folder = folder();
    let path = folder.path().join("state.db");
    let both = opened(&path, THIRD).await;
    both.declare(SCHEMA).await.expect("a second component");
    let write = |change: &mut records::Transaction<'_>| {
        change.put::<Notes>(&"a".to_owned(), &"one".to_owned())?;
        change.put::<Recipes>(&"r".to_owned(), &Recipe { name: "n".into(), architecture: String::new() })
    };
    both.commit(write).await.expect("writes both");
    both.close().await;

    let one = opened(&path, SCHEMA).await;
    let read = one.read(|reader| reader.get::<Recipes>(&"r".to_owned())).await;
    assert!(matches!(read, Err(Error::Undeclared(_))), "its component is off");
    one.declare(THIRD).await.expect("its component is on again");
    assert_eq!(by_name(&one).await.len(), 1);
}

#[tokio::test]
async fn a_later_layout_of_the_file_is_refused() {
    let folder = folder();
    let path = folder.path().join("state.db");
    opened(&path, SCHEMA).await.close().await;
    let connection = rusqlite::Connection::open(&path).expect("opens");
    connection.execute_batch("PRAGMA user_version = 2").expect("writes");
    drop(connection);
    let error = Database::at(&path, Feed::default()).declare(SCHEMA).await.expect_err("it is newer");
    assert!(error.to_string().contains("the database itself has version 2"), "{error}");
}

struct NoColumn;

impl Table for NoColumn {
    const NAME: &'static str = "ims.no_column";
    type Key = i64;
    type Row = i64;
    const INDEXES: &'static [&'static [&'static str]] = &[&["missing"]];
}

#[tokio::test]
async fn a_wrong_declaration_is_refused() {
    let folder = folder();
    let path = folder.path().join("state.db");
    let database = Database::at(&path, Feed::default());
    const TABLES: [&[TableSpec]; 3] = [
        &[TableSpec::of::<NoColumn>()],
        &[TableSpec::of::<Notes>()],
        &[TableSpec::of::<Recipes>(), TableSpec::of::<OldRecipes>()],
    ];
    for tables in TABLES {
        let refused = database.declare(Schema { component: "ims", tables, migrations: &[] }).await;
        assert!(matches!(refused, Err(Error::Declaration { .. })), "{refused:?}");
    }
    for component in ["records", "", "I", "a.b"] {
        let refused = database.declare(Schema { component, tables: &[], migrations: &[] }).await;
        assert!(matches!(refused, Err(Error::Declaration { .. })), "{component}: {refused:?}");
    }
    assert!(!path.exists());
}
