use std::time::{Duration, Instant};

use super::*;
use crate::{Column, Schema, Table};

struct Requests;

impl Table for Requests {
    const NAME: &'static str = "builds.requests";
    type Key = i64;
    type Row = String;
    const COLUMNS: &'static [Column] =
        &[Column::text("user"), Column::text("state"), Column::integer("created")];
    const INDEXES: &'static [&'static [&'static str]] =
        &[&["created"], &["user", "created"], &["user", "state", "created"]];

    fn columns(row: &String) -> Vec<Value> {
        vec![row.as_str().into(), "new".into(), 0.into()]
    }
}

const SPEC: TableSpec = TableSpec::of::<Requests>();
const SCHEMA: Schema = Schema { component: "builds", tables: &[SPEC], migrations: &[] };

fn session(folder: &tempfile::TempDir) -> Session {
    let session = Session::writer(&folder.path().join("state.db")).expect("opens");
    session.declare(&SCHEMA).expect("declares");
    session
}

#[test]
fn an_index_serves_each_page_without_sorting() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = session(&folder);
    let cursor = |order: Option<i64>| Some(crate::Cursor { order: order.map(Value::from), key: 1.into() });
    let by_user = Query::new().with("user", "u").order_by("created");
    for (query, index) in [
        (Query::new(), "sqlite_autoindex_builds.requests_1"),
        (Query::new().descending().after(cursor(None)), "sqlite_autoindex_builds.requests_1 (key<?)"),
        (Query::new().order_by("created").after(cursor(Some(1))), "builds.requests:created"),
        (by_user.clone(), "builds.requests:user:created"),
        (by_user.clone().descending().after(cursor(Some(1))), "builds.requests:user:created"),
        (by_user.clone().at_least(1).below(5).skip(5), "builds.requests:user:created"),
        (
            by_user.with("state", "s").descending().after(cursor(Some(1))),
            "builds.requests:user:state:created",
        ),
    ] {
        let statement = sql::page(&SPEC, &query);
        let mut explain = session
            .connection
            .prepare(&format!("EXPLAIN QUERY PLAN {}", statement.text))
            .expect(&statement.text);
        let rows = explain.query_map(params_from_iter(&statement.values), |row| row.get::<_, String>(3));
        let plan: Vec<_> = rows.expect("a plan").map(|row| row.expect("a row")).collect();
        let plan = plan.join("; ");
        assert!(!plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
        assert!(plan.contains(index), "{query:?}: {plan}");
    }
}

#[test]
fn commits_are_synced() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = session(&folder);
    let ask =
        |question| session.connection.query_row(question, [], |row| row.get::<_, i64>(0)).expect(question);
    assert_eq!(ask("PRAGMA synchronous"), 2, "FULL");
    let mode: String =
        session.connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).expect("a mode");
    assert_eq!(mode, "wal");
}

#[test]
fn a_query_that_takes_too_long_is_stopped_and_changes_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let session = session(&folder);
    session.begin().expect("begins");
    let stored =
        || Stored { key: 1.into(), columns: vec!["u".into(), "s".into(), 0.into()], row: "\"u\"".into() };
    session.put(&SPEC, SPEC.name, stored()).expect("writes");
    let endless = "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c";
    let started = Instant::now();
    let stopped = session.timed(|connection| {
        // The clock stands at the end of the time for a query.
        session.deadline.store(1, Ordering::Relaxed);
        connection.query_row(endless, [], |row| row.get::<_, i64>(0))
    });
    assert!(matches!(stopped, Err(Error::TooSlow(_))), "{stopped:?}");
    assert!(started.elapsed() < Duration::from_secs(4));
    session.commit().expect("the change is unharmed");
    assert_eq!(session.get(&SPEC, &1.into()).expect("reads").as_deref(), Some("\"u\""));
}
