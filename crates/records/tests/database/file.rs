//! What happens to the file of a database: it appears late, belongs to one process, and is never thrown away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use records::feed::Feed;
use records::{Database, Error, Query};

use super::{Notes, SCHEMA, folder, note, put_note};

fn at(path: &Path) -> Database {
    Database::at(path, Feed::default())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn there_is_no_file_before_a_component_declares_tables() {
    let folder = folder();
    let path = folder.path().join("state.db");
    let database = at(&path);
    assert!(matches!(put_note(&database, "a", "").await, Err(Error::Closed)));
    database.close().await;
    drop(database);
    assert_eq!(names(folder.path()), Vec::<String>::new());

    let database = at(&path);
    database.declare(SCHEMA).await.expect("declares");
    put_note(&database, "a", "one").await.expect("writes");
    let log = folder.path().join("state.db-wal");
    for file in [&path, &log, &folder.path().join("state.db.lock")] {
        let mode = fs::metadata(file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    database.close().await;
    assert_eq!(names(folder.path()), ["state.db", "state.db.lock"], "the log is tidied up");

    let database = at(&path);
    database.declare(SCHEMA).await.expect("opens again");
    assert_eq!(note(&database, "a").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_second_process_is_kept_out() {
    let folder = folder();
    let path = folder.path().join("state.db");
    let first = at(&path);
    first.declare(SCHEMA).await.expect("declares");
    let second = at(&path);
    for _ in 0..2 {
        let error = second.declare(SCHEMA).await.expect_err("it is in use");
        assert!(matches!(error, Error::InUse(_)), "{error}");
        assert!(error.to_string().contains("in use by another process"), "{error}");
    }
    put_note(&first, "a", "one").await.expect("writes");
    first.close().await;
    second.declare(SCHEMA).await.expect("free again");
    assert_eq!(note(&second, "a").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_file_that_is_no_database_of_ours_is_left_alone() {
    let folder = folder();
    let other = folder.path().join("other.db");
    let connection = rusqlite::Connection::open(&other).expect("opens");
    connection.execute_batch("CREATE TABLE theirs (x)").expect("creates");
    drop(connection);
    let theirs = fs::read(&other).expect("reads");
    for (name, content) in
        [("text.db", b"no database, but a text of some length".repeat(20)), ("other.db", theirs)]
    {
        let path = folder.path().join(name);
        fs::write(&path, &content).expect("writes");
        let error = at(&path).declare(SCHEMA).await.expect_err(name);
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        for word in [name, "Nothing was deleted", "move it away"] {
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(fs::read(&path).expect("reads"), content, "{name}");
    }
}

#[tokio::test]
async fn a_damaged_page_is_reported_and_nothing_is_deleted() {
    let folder = folder();
    let path = folder.path().join("state.db");
    let database = at(&path);
    database.declare(SCHEMA).await.expect("declares");
    for number in 0..50 {
        put_note(&database, &number.to_string(), &"x".repeat(1_000)).await.expect("writes");
    }
    database.close().await;
    let mut bytes = fs::read(&path).expect("reads");
    // All but the first page and those of the schema: 4,096 bytes each.
    bytes[8 * 4_096..].fill(0xa5);
    fs::write(&path, &bytes).expect("writes");
    let database = at(&path);
    database.declare(SCHEMA).await.expect("the beginning is whole");
    let read = database.read(|reader| reader.page::<Notes>(&Query::new())).await;
    let error = read.err().expect("it is damaged");
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    database.close().await;
    assert_eq!(fs::read(&path).expect("reads").len(), bytes.len());
}

/// A tmpfs of one megabyte, gone with this value. Only root can have one.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(folder: &'a Path) -> Self {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(folder).status();
        assert!(mounted.expect("mount runs").success(), "only root can mount");
        Self(folder)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_keeps_the_rest() {
    let folder = folder();
    let _disk = SmallDisk::mount(folder.path());
    let path = folder.path().join("state.db");
    let database = at(&path);
    database.declare(SCHEMA).await.expect("declares");
    let mut kept = 0;
    let refused = loop {
        match put_note(&database, &kept.to_string(), &"x".repeat(20_000)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1_000, "the disk is never full");
    };
    assert!(matches!(refused, Error::Disk { .. }), "{refused:?}");
    assert!(kept > 2, "{kept}");
    // Several at once fail together, and none of them is visible.
    let all = (0..8).map(|number| {
        let database = database.clone();
        tokio::spawn(
            async move { put_note(&database, &format!("late {number}"), &"x".repeat(900_000)).await },
        )
    });
    for task in all.collect::<Vec<_>>() {
        let refused = task.await.expect("it ends");
        assert!(matches!(refused, Err(Error::Disk { .. })), "{refused:?}");
    }
    let count = || database.read(|reader| reader.count::<Notes>(&Query::new()));
    assert_eq!(count().await.expect("reads"), kept);

    // With more space it goes on.
    let larger = Command::new("mount").args(["-o", "remount,size=8m"]).arg(folder.path()).status();
    assert!(larger.expect("mount runs").success());
    put_note(&database, "again", "there is space").await.expect("writes");
    assert_eq!(count().await.expect("reads"), kept + 1);
    database.close().await;
    let database = at(&path);
    database.declare(SCHEMA).await.expect("opens");
    assert_eq!(note(&database, "again").await.as_deref(), Some("there is space"));
    database.close().await;
}
