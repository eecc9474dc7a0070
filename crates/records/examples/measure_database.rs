//! Measures a database of 100,000 rows: one durable change after the other, 1,000 changes a second, and
//! pages. `measure_database <folder>` uses that folder; the disk is most of what is measured.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use records::feed::Feed;
use records::{Column, Database, Error, Query, Schema, Table, TableSpec, Value};
use serde::{Deserialize, Serialize};

struct Requests;

#[derive(Clone, Serialize, Deserialize)]
struct Request {
    user: String,
    state: String,
    created: i64,
    text: String,
}

impl Table for Requests {
    const NAME: &'static str = "builds.requests";
    type Key = i64;
    type Row = Request;
    const COLUMNS: &'static [Column] =
        &[Column::text("user"), Column::text("state"), Column::integer("created")];
    const INDEXES: &'static [&'static [&'static str]] =
        &[&["created"], &["user", "created"], &["user", "state", "created"]];

    fn columns(row: &Request) -> Vec<Value> {
        vec![row.user.as_str().into(), row.state.as_str().into(), row.created.into()]
    }
}

const SCHEMA: Schema =
    Schema { component: "builds", tables: &[TableSpec::of::<Requests>()], migrations: &[] };

const ROWS: i64 = 100_000;

fn request(key: i64) -> Request {
    let state = if key % 4 == 3 { "failed" } else { "done" };
    Request { user: format!("user {}", key % 50), state: state.into(), created: key, text: "x".repeat(600) }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = tempfile::tempdir_in(folder).expect("a folder that can be written");
    let database = Database::at(folder.path().join("state.db"), Feed::default());
    database.declare(SCHEMA).await?;

    let started = Instant::now();
    for first in (0..ROWS).step_by(1_000) {
        let fill = move |change: &mut records::Transaction<'_>| {
            (first..first + 1_000).try_for_each(|key| change.put::<Requests>(&key, &request(key)))
        };
        database.commit(fill).await?;
    }
    println!("{ROWS} rows, 1,000 a commit: {:.1?}", started.elapsed());

    let mut times = Vec::new();
    for key in ROWS..ROWS + 200 {
        let started = Instant::now();
        database.commit(move |change| change.put::<Requests>(&key, &request(key))).await?;
        times.push(started.elapsed());
    }
    show("one durable insert", times);

    thousand_a_second(&database).await?;

    let by_user =
        Query::new().with("user", "user 7").with("state", "failed").order_by("created").descending();
    for (name, query) in [
        ("the newest 50", Query::new().order_by("created").descending().limit(50)),
        ("the newest 50 of a user in a state", by_user.clone().limit(50)),
        ("page 1,000 of 50, by number", Query::new().order_by("created").skip(50_000).limit(50)),
        (
            "the newest 50 of a state without an index",
            Query::new().with("state", "gone").order_by("created").limit(50),
        ),
    ] {
        let mut times = Vec::new();
        for _ in 0..200 {
            let query = query.clone();
            let started = Instant::now();
            database.read(move |reader| reader.page::<Requests>(&query)).await?;
            times.push(started.elapsed());
        }
        show(name, times);
    }
    let mut times = Vec::new();
    for _ in 0..50 {
        let query = by_user.clone();
        let started = Instant::now();
        database.read(move |reader| reader.count::<Requests>(&query)).await?;
        times.push(started.elapsed());
    }
    show("the count of a user's rows in a state", times);
    database.close().await;
    Ok(())
}

/// Begins a change each millisecond for five seconds.
async fn thousand_a_second(database: &Database) -> Result<(), Error> {
    let mut clock = tokio::time::interval(Duration::from_millis(1));
    let mut tasks = Vec::new();
    let started = Instant::now();
    for key in 0..5_000 {
        clock.tick().await;
        let database = database.clone();
        tasks.push(tokio::spawn(async move {
            let started = Instant::now();
            database.commit(move |change| change.put::<Requests>(&key, &request(key + 1))).await?;
            Ok::<_, Error>(started.elapsed())
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.push(task.await.expect("it ends")?);
    }
    println!("5,000 changes, one a millisecond: {:.1?}", started.elapsed());
    show("a change among them", times);
    Ok(())
}

fn show(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    println!("{name}: median {:.1?}, 99 of 100 under {:.1?}, longest {:.1?}", at(50), at(99), at(100));
}
