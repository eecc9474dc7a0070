//! The process is killed in the middle of commits: all that was acknowledged is there, and nothing is half
//! done.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use records::feed::Feed;
use records::{Database, Error, Query};

use super::{Notes, Requests, SCHEMA, folder, request};

/// How often the process is killed. Each life lasts a few hundred milliseconds.
const LIVES: u32 = 6;

/// Tells the child where to write, and from which number on.
const PATH: &str = "RECORDS_CRASH_PATH";
const FIRST: &str = "RECORDS_CRASH_FIRST";

/// Commits until it is killed, with many commits at once. Each one writes two tables, and is told to the
/// parent when it is durable.
#[tokio::test]
async fn child_that_commits_until_it_is_killed() {
    let Ok(path) = std::env::var(PATH) else { return };
    let first: i64 = std::env::var(FIRST).expect("a number").parse().expect("a number");
    let database = Database::at(path, Feed::default());
    database.declare(SCHEMA).await.expect("declares");
    let until = Instant::now() + Duration::from_secs(20);
    let tasks = (0..8).map(|lane| {
        let database = database.clone();
        tokio::spawn(async move {
            let mut key = first + lane;
            while Instant::now() < until {
                let commit = database.commit(move |change| {
                    change.put::<Requests>(&key, &request("u", "new", key))?;
                    change.put::<Notes>(&key.to_string(), &"x".repeat(2_000))
                });
                commit.await.expect("commits");
                println!("acknowledged {key}");
                key += 8;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("it ends");
    }
}

/// Lets a child live for a moment; returns the keys that it acknowledged.
fn one_life(path: &Path, first: i64, lifetime: Duration) -> Vec<i64> {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "crash::child_that_commits_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(PATH, path)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let key = |line: String| line.strip_prefix("acknowledged ")?.parse().ok();
    let mut keys: Vec<i64> = lines.by_ref().find_map(key).into_iter().collect();
    let reader = std::thread::spawn(move || lines.filter_map(key).collect::<Vec<_>>());
    std::thread::sleep(lifetime);
    child.kill().expect("kills");
    child.wait().expect("it ends");
    keys.extend(reader.join().expect("it ends"));
    keys
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_nothing_is_half_done() {
    let folder = folder();
    let path = folder.path().join("state.db");
    let mut acknowledged = Vec::new();
    for life in 0..LIVES {
        let lifetime = Duration::from_millis(30 + 70 * u64::from(life));
        acknowledged.extend(one_life(&path, i64::from(life) * 1_000_000, lifetime));
        let database = Database::at(&path, Feed::default());
        database.declare(SCHEMA).await.expect("opens after a kill");
        let wanted = acknowledged.clone();
        let missing = database.read(move |reader| {
            let mut missing = Vec::new();
            for key in wanted {
                if reader.get::<Requests>(&key)?.is_none() || reader.get::<Notes>(&key.to_string())?.is_none()
                {
                    missing.push(key);
                }
            }
            Ok::<_, Error>(missing)
        });
        assert_eq!(missing.await.expect("reads"), Vec::<i64>::new());
        let counts = database.read(|reader| {
            let all = Query::new();
            Ok::<_, Error>((reader.count::<Requests>(&all)?, reader.count::<Notes>(&all)?))
        });
        let (requests, notes) = counts.await.expect("reads");
        assert_eq!(requests, notes, "both rows of a commit, or none");
        assert!(requests >= acknowledged.len() as u64);
        database.close().await;
    }
    assert!(acknowledged.len() > LIVES as usize, "{} commits", acknowledged.len());
}
