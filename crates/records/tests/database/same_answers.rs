//! SQL gives the same answers as plain maps do.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use records::{Cursor, Database, Error, Query};

use super::{Request, Requests, databases};

/// Cases of the comparison; each of them asks both databases thirty questions.
const CASES: u32 = 24;

fn rows() -> impl Strategy<Value = Vec<(i64, Request)>> {
    let row = ("[abAB]{0,2}", "[xyä]?", -3_i64..3);
    let row = row.prop_map(|(user, state, created)| Request { user, state, created });
    prop::collection::vec((-20_i64..20, row), 0..40)
}

fn query() -> impl Strategy<Value = Query> {
    let filter = prop_oneof![
        3 => Just(None),
        2 => "[abAB]{0,2}".prop_map(|user| Some(("user", user))),
        1 => "[xyä]?".prop_map(|state| Some(("state", state))),
    ];
    let numbers = (prop::option::of(-4_i64..4), prop::option::of(-4_i64..4), 0_u32..4, 0_u32..8);
    (filter, any::<bool>(), any::<bool>(), numbers, any::<bool>(), -20_i64..20).prop_map(
        |(filter, by_time, descending, (from, below, skip, limit), has_cursor, key)| {
            let mut query = Query::new().skip(skip).limit(limit);
            if let Some((column, value)) = filter {
                query = query.with(column, value);
            }
            if by_time {
                query = query.order_by("created");
            }
            if descending {
                query = query.descending();
            }
            if let Some(from) = from {
                query = query.at_least(from);
            }
            if let Some(below) = below {
                query = query.below(below);
            }
            let order = by_time.then(|| (key / 8).into());
            query.after(has_cursor.then(|| Cursor { order, key: key.into() }))
        },
    )
}

type Answer = (Vec<(i64, Request)>, Option<Cursor>, u64);

async fn answer(database: &Database, query: Query) -> Answer {
    let read = move |reader: &records::Reader<'_>| {
        let page = reader.page::<Requests>(&query)?;
        Ok::<_, Error>((page.rows, page.next, reader.count::<Requests>(&query)?))
    };
    database.read(read).await.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn all_backends_give_the_same_pages() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let cases = (rows(), prop::collection::vec(query(), 30));
    let result = runner.run(&cases, |(rows, queries)| {
        runtime.block_on(async {
            let all = databases().await;
            for (name, database, _) in &all {
                let rows = rows.clone();
                let fill = move |change: &mut records::Transaction<'_>| {
                    rows.iter().try_for_each(|(key, row)| change.put::<Requests>(key, row))
                };
                database.commit(fill).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            }
            for query in queries {
                let first = answer(&all[0].1, query.clone()).await;
                for (name, database, _) in &all[1..] {
                    assert_eq!(answer(database, query.clone()).await, first, "{name}: {query:?}");
                }
            }
        });
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
