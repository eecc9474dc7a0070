//! What every backend does.

use records::feed::{Change, Event, Feed};
use records::{Cursor, Database, Error, MAX_ROW, MAX_TEXT, Memory, Query, Table, Value};

use super::{Notes, Requests, SCHEMA, databases, note, put_note, put_request, request};

#[tokio::test]
async fn rows_are_inserted_replaced_and_removed() {
    for (name, database, _folder) in databases().await {
        assert_eq!(note(&database, "a").await, None, "{name}");
        put_note(&database, "a", "one").await.expect(name);
        put_note(&database, "a", "two").await.expect(name);
        put_note(&database, "ä'\"$1", "odd").await.expect(name);
        assert_eq!(note(&database, "a").await.as_deref(), Some("two"), "{name}");
        assert_eq!(note(&database, "ä'\"$1").await.as_deref(), Some("odd"), "{name}");
        let remove = || database.commit(|change| change.remove::<Notes>(&"a".to_owned()));
        assert!(remove().await.expect(name), "{name}");
        assert!(!remove().await.expect(name), "{name}");
        assert_eq!(note(&database, "a").await, None, "{name}");
    }
}

#[tokio::test]
async fn a_change_sees_itself_and_touches_tables_together() {
    for (name, database, _folder) in databases().await {
        let seen = database
            .commit(|change| {
                change.put::<Requests>(&1, &request("u", "new", 5))?;
                change.put::<Notes>(&"1".to_owned(), &"made".to_owned())?;
                let row = change.get::<Requests>(&1)?;
                Ok::<_, Error>((row, change.count::<Notes>(&Query::new())?))
            })
            .await;
        assert_eq!(seen.expect(name), (Some(request("u", "new", 5)), 1), "{name}");
        assert_eq!(note(&database, "1").await.as_deref(), Some("made"), "{name}");
    }
}

#[derive(Debug, PartialEq)]
enum Refused {
    ByCaller,
    ByDatabase,
}

impl From<Error> for Refused {
    fn from(_: Error) -> Self {
        Self::ByDatabase
    }
}

#[tokio::test]
async fn what_fails_changes_nothing_and_harms_no_other() {
    for (name, database, _folder) in databases().await {
        let mut waiting = Vec::new();
        for number in 0..60_i64 {
            let database = database.clone();
            waiting.push(tokio::spawn(async move {
                let result: Result<i64, Refused> = database
                    .commit(move |change| {
                        change.put::<Requests>(&number, &request("u", "new", number))?;
                        match number % 3 {
                            0 => Ok(number),
                            1 => Err(Refused::ByCaller),
                            _ => panic!("a change that panics"),
                        }
                    })
                    .await;
                let expected = match number % 3 {
                    0 => Ok(number),
                    1 => Err(Refused::ByCaller),
                    _ => Err(Refused::ByDatabase),
                };
                assert_eq!(result, expected);
            }));
        }
        for task in waiting {
            task.await.expect(name);
        }
        let page = database.read(|reader| reader.page::<Requests>(&Query::new())).await;
        let keys: Vec<_> = page.expect(name).rows.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, (0..60).step_by(3).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn a_read_panics_alone() {
    for (name, database, _folder) in databases().await {
        for _ in 0..8 {
            let read = database.read(|_| -> Result<(), Error> { panic!("a read that panics") });
            assert!(matches!(read.await, Err(Error::Panicked)), "{name}");
        }
        assert_eq!(note(&database, "a").await, None, "{name}");
    }
}

#[tokio::test]
async fn pages_follow_an_index_and_each_other() {
    for (name, database, _folder) in databases().await {
        for key in 1..=30 {
            let (user, state) =
                (if key % 2 == 0 { "ann" } else { "bob" }, if key < 16 { "new" } else { "done" });
            // Three at a time are equal in the order.
            put_request(&database, key, request(user, state, key / 6)).await.expect(name);
        }
        let newest = |cursor| {
            let query =
                Query::new().with("user", "ann").with("state", "done").order_by("created").descending();
            let query = query.after(cursor).limit(3);
            database.read(move |reader| reader.page::<Requests>(&query))
        };
        let (mut keys, mut cursor) = (Vec::new(), None);
        for _ in 0..3 {
            let page = newest(cursor).await.expect(name);
            assert!(page.rows.iter().all(|(_, row)| row.user == "ann" && row.state == "done"));
            keys.push(page.rows.iter().map(|(key, _)| *key).collect::<Vec<_>>());
            cursor = page.next;
            // A cursor survives being shown to a client.
            let text = serde_json::to_string(&cursor).expect(name);
            cursor = serde_json::from_str::<Option<Cursor>>(&text).expect(name);
        }
        assert_eq!(keys, [vec![30, 28, 26], vec![24, 22, 20], vec![18, 16]], "{name}");
        assert_eq!(cursor, None, "{name}");

        let keys_of = |query: Query| {
            let database = database.clone();
            async move {
                let page = database.read(move |reader| {
                    Ok::<_, Error>((reader.page::<Requests>(&query)?, reader.count::<Requests>(&query)?))
                });
                let (page, count) = page.await.expect(name);
                (page.rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), count)
            }
        };
        let by_key = Query::new().at_least(5).below(20).limit(4);
        assert_eq!(keys_of(by_key.clone()).await, (vec![5, 6, 7, 8], 15), "{name}");
        assert_eq!(keys_of(by_key.clone().skip(10)).await, (vec![15, 16, 17, 18], 15), "{name}");
        assert_eq!(keys_of(by_key.descending()).await, (vec![19, 18, 17, 16], 15), "{name}");
        let by_time = Query::new().order_by("created").at_least(1).below(2);
        assert_eq!(keys_of(by_time).await, ((6..12).collect(), 6), "{name}");
        assert_eq!(keys_of(Query::new().with("state", "lost")).await, (vec![], 0), "{name}");
        assert_eq!(keys_of(Query::new().limit(0)).await, (vec![], 30), "{name}");
    }
}

#[tokio::test]
async fn a_question_that_does_not_fit_is_refused() {
    let cursor = |order: Option<i64>, key: Value| Cursor { order: order.map(Value::from), key };
    for (name, database, _folder) in databases().await {
        for query in [
            Query::new().order_by("user"),
            Query::new().order_by("nothing"),
            Query::new().with("nothing", 1),
            Query::new().with("user", 1),
            Query::new().with("state", "new").order_by("user"),
            Query::new().at_least("text"),
            Query::new().order_by("created").below("text"),
            Query::new().after(Some(cursor(None, "text".into()))),
            Query::new().after(Some(cursor(Some(1), 1.into()))),
            Query::new().order_by("created").after(Some(cursor(None, 1.into()))),
        ] {
            let shown = format!("{name}: {query:?}");
            let answer = database.read(move |reader| reader.page::<Requests>(&query)).await;
            assert!(matches!(answer.err(), Some(Error::Query { .. })), "{shown}");
        }
    }
}

#[tokio::test]
async fn keys_columns_and_rows_have_limits() {
    for (name, database, _folder) in databases().await {
        put_note(&database, &"x".repeat(MAX_TEXT), "long").await.expect(name);
        for key in ["x".repeat(MAX_TEXT + 1), "a\0b".to_owned()] {
            let refused = put_note(&database, &key, "").await;
            assert!(matches!(refused, Err(Error::Value { column: "key", .. })), "{name}: {refused:?}");
            let read = database.read(move |reader| reader.get::<Notes>(&key)).await;
            assert!(matches!(read, Err(Error::Value { .. })), "{name}");
        }
        let refused = put_request(&database, 1, request(&"x".repeat(MAX_TEXT + 1), "", 0)).await;
        assert!(matches!(refused, Err(Error::Value { column: "user", .. })), "{name}");
        put_note(&database, "large", &"x".repeat(MAX_ROW - 2)).await.expect(name);
        for number in 0..20 {
            put_note(&database, &format!("large {number:02}"), &"x".repeat(MAX_ROW - 2)).await.expect(name);
        }
        let (mut cursor, mut pages) = (None, Vec::new());
        loop {
            let query = Query::new().at_least("large ").below("large!").after(cursor);
            let page = database.read(move |reader| reader.page::<Notes>(&query)).await.expect(name);
            pages.push(page.rows.len());
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(pages, [9, 9, 2], "{name}: pages of large rows are short");
        let refused = put_note(&database, "large", &"x".repeat(MAX_ROW - 1)).await;
        assert!(matches!(refused, Err(Error::RowTooLarge { .. })), "{name}");
    }
}

struct Strange;

impl Table for Strange {
    const NAME: &'static str = "other.things";
    type Key = i64;
    type Row = i64;
}

#[tokio::test]
async fn a_table_that_is_not_declared_is_a_typed_error() {
    for (name, database, _folder) in databases().await {
        let write = database.commit(|change| change.put::<Strange>(&1, &1)).await;
        assert!(matches!(write, Err(Error::Undeclared("other.things"))), "{name}");
        let read = database.read(|reader| reader.get::<Strange>(&1)).await;
        assert!(matches!(read, Err(Error::Undeclared("other.things"))), "{name}");
    }
}

#[tokio::test]
async fn changes_are_published_when_they_are_visible() {
    for (name, database, _folder) in databases().await {
        let feed = Feed::default();
        let memory = Memory::default();
        let folder = super::folder();
        let database_of_feed = match name {
            "memory" => Database::in_memory(memory, feed.clone()),
            _ => Database::at(folder.path().join("state.db"), feed.clone()),
        };
        drop(database);
        database_of_feed.declare(SCHEMA).await.expect(name);
        let mut subscription = feed.subscribe(None, None).expect(name);
        assert_eq!(subscription.next().await, Some(Event::Hello));
        let refused: Result<(), Refused> = database_of_feed
            .commit(|change| {
                change.put::<Requests>(&7, &request("u", "new", 0))?;
                Err(Refused::ByCaller)
            })
            .await;
        assert_eq!(refused, Err(Refused::ByCaller));
        put_request(&database_of_feed, 8, request("u", "new", 0)).await.expect(name);
        put_note(&database_of_feed, "n", "").await.expect(name);
        let removed = database_of_feed.commit(|change| change.remove::<Notes>(&"none".to_owned())).await;
        assert!(!removed.expect(name));
        for (table, key) in [("builds.requests", "8"), ("builds.notes", "n")] {
            let change = Change { table, key: key.to_owned() };
            assert_eq!(subscription.next().await, Some(Event::Changed(change)), "{name}");
        }
        let end = subscription.id();
        database_of_feed.close().await;
        assert_eq!(feed.subscribe(None, None).expect(name).id(), end, "{name}: no other change is published");
    }
}

#[tokio::test]
async fn a_reader_keeps_its_state() {
    for (name, database, _folder) in databases().await {
        put_note(&database, "a", "before").await.expect(name);
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let reader = {
            let database = database.clone();
            tokio::spawn(async move {
                let read = database.read(move |reader| {
                    let first = reader.get::<Notes>(&"a".to_owned())?;
                    let _ = begun.send(());
                    let _ = may_go_on.recv();
                    Ok::<_, Error>((first, reader.get::<Notes>(&"a".to_owned())?))
                });
                read.await
            })
        };
        tokio::task::spawn_blocking(move || has_begun.recv()).await.expect(name).expect(name);
        put_note(&database, "a", "after").await.expect(name);
        assert_eq!(note(&database, "a").await.as_deref(), Some("after"), "{name}");
        go_on.send(()).expect(name);
        let seen = reader.await.expect(name).expect(name);
        assert_eq!(seen, (Some("before".to_owned()), Some("before".to_owned())), "{name}");
    }
}

#[tokio::test]
async fn a_closed_database_says_so() {
    for (name, database, _folder) in databases().await {
        put_note(&database, "a", "one").await.expect(name);
        database.close().await;
        database.close().await;
        assert!(matches!(put_note(&database, "a", "two").await, Err(Error::Closed)), "{name}");
        let read = database.read(|reader| reader.get::<Notes>(&"a".to_owned())).await;
        assert!(matches!(read, Err(Error::Closed)), "{name}");
        assert!(matches!(database.declare(SCHEMA).await, Err(Error::Closed)), "{name}");
    }
}

#[tokio::test]
async fn a_broken_database_keeps_its_state() {
    let memory = Memory::default();
    let database = Database::in_memory(memory.clone(), Feed::default());
    database.declare(SCHEMA).await.expect("declares");
    put_note(&database, "a", "one").await.expect("writes");
    memory.set_broken(true);
    let all = (0..20).map(|number| {
        let database = database.clone();
        tokio::spawn(async move { put_note(&database, &number.to_string(), "").await })
    });
    for task in all.collect::<Vec<_>>() {
        let refused = task.await.expect("it ends");
        assert!(matches!(refused, Err(Error::Disk { full: true, .. })), "{refused:?}");
    }
    let count = database.read(|reader| reader.count::<Notes>(&Query::new())).await;
    assert_eq!(count.expect("reads"), 1);
    memory.set_broken(false);
    put_note(&database, "a", "two").await.expect("writes");
}
