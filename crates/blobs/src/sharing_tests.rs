use super::*;
use model::digest::Expected;
use model::labels::Labels;
use model::names::FileName;
use model::stored_file::StoreKind;
use model::unfinished_file::Owner;
use model::unfinished_file::Plan;
use model::unfinished_file::UnfinishedFileId;
use std::fs;
use std::path::Path;

const LIMITS: Limits = Limits { max_file_size: 1 << 20, reserve: 0, quota: 0 };

fn name(text: &str) -> FileName {
    FileName::new(text).expect("a name")
}

fn id() -> UnfinishedFileId {
    UnfinishedFileId::new("one").expect("an id")
}

fn open(folder: &Path) -> Store {
    Store::open(StoreKind::Iso, folder.join("iso"), LIMITS, &Disks::default()).expect("opens")
}

fn put(store: &Store, called: &str, text: &str) {
    let mut upload = store.receive(None, name(called), None, Expected::default()).expect("begins");
    upload.write(store, text.as_bytes()).expect("writes");
    upload.finish(store).expect("finishes").1.keep();
}

fn duplicate(store: &Store, called: &str) -> Duplicate {
    let identity = store.stat(&name(called)).expect("is there");
    Duplicate { path: store.path(&name(called)), identity }
}

/// An unfinished file `b` with the bytes of `a`, about to be published.
fn part(store: &Store) -> Upload {
    let plan = Plan {
        name: name("b"),
        size: None,
        expected: Expected::default(),
        owner: Owner::Job,
        client: None,
        labels: Labels::default(),
        resume_data: serde_json::Value::Null,
    };
    let mut upload = store.begin_unfinished(&id(), plan).expect("begins");
    upload.write(store, b"bytes").expect("writes");
    assert!(upload.share(store, &duplicate(store, "a")));
    upload
}

fn text(store: &Store, called: &str) -> String {
    fs::read_to_string(store.path(&name(called))).expect("reads")
}

fn left(store: &Store) -> usize {
    fs::read_dir(store.incoming()).expect("a folder").count()
}

#[test]
fn sharing_is_undone_with_the_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    put(&store, "a", "bytes");
    put(&store, "b", "old");
    // Written again, so that the link is not older than the file that it replaces.
    put(&store, "a", "bytes");
    let mut upload = store.receive(None, name("b"), None, Expected::default()).expect("begins");
    upload.write(&store, b"bytes").expect("writes");
    assert!(upload.share(&store, &duplicate(&store, "a")));
    let (received, named) = upload.finish(&store).expect("finishes");
    assert!(received.shared);
    assert_eq!(text(&store, "b"), "bytes");
    drop(named);
    assert_eq!((text(&store, "a").as_str(), text(&store, "b").as_str(), left(&store)), ("bytes", "old", 0));

    drop(part(&store).finish(&store).expect("finishes"));
    assert_eq!((text(&store, "a").as_str(), text(&store, "b").as_str(), left(&store)), ("bytes", "old", 2));
    // The unfinished file still has its own bytes.
    let Resumed::Unfinished(mut again) = store.resume_unfinished(&id()).expect("resumes") else {
        panic!("named")
    };
    again.restart(&store, None).expect("begins again");
    assert_eq!(text(&store, "a"), "bytes");
}

#[test]
fn a_crash_while_sharing_leaves_both_files_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    put(&store, "a", "bytes");
    std::mem::forget(part(&store).finish(&store).expect("finishes"));
    drop(store);
    let store = open(folder.path());
    let Resumed::Published(received) = store.resume_unfinished(&id()).expect("resumes") else {
        panic!("not named")
    };
    assert!(received.shared);
    store.published_earlier(&id(), &received.name).keep();
    assert_eq!((text(&store, "b").as_str(), left(&store)), ("bytes", 0));
    store.remove(&name("a")).expect("removes");
    assert_eq!(text(&store, "b"), "bytes");
}

#[test]
fn a_part_is_not_written_to_under_a_name_that_somebody_gave_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    put(&store, "a", "bytes");
    part(&store).suspend(&store).expect("suspends");
    let seen = folder.path().join("seen");
    fs::hard_link(store.incoming().join("one.part"), &seen).expect("links");
    let Resumed::Unfinished(mut upload) = store.resume_unfinished(&id()).expect("resumes") else {
        panic!("named")
    };
    assert_eq!(upload.size(), 0);
    upload.write(&store, b"other").expect("writes");
    assert_eq!(fs::read_to_string(seen).expect("reads"), "bytes");
}

#[test]
fn a_twin_that_changed_is_not_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    put(&store, "a", "bytes");
    let known = duplicate(&store, "a");
    for (called, change) in [("changed", "other"), ("gone", "")] {
        match change {
            "" => store.remove(&name("a")).expect("removes"),
            other => fs::write(&known.path, other).expect("writes"),
        }
        let mut upload = store.receive(None, name(called), None, Expected::default()).expect("begins");
        upload.write(&store, b"bytes").expect("writes");
        assert!(!upload.share(&store, &known));
        upload.finish(&store).expect("finishes").1.keep();
        assert_eq!((text(&store, called).as_str(), left(&store)), ("bytes", 0));
    }
}

#[test]
fn a_shared_file_is_never_older_than_the_one_that_it_replaces() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    put(&store, "a", "bytes");
    std::thread::sleep(std::time::Duration::from_millis(20));
    put(&store, "b", "old");
    let before = store.stat(&name("b")).expect("is there").modified();
    let mut upload = store.receive(None, name("b"), None, Expected::default()).expect("begins");
    upload.write(&store, b"bytes").expect("writes");
    // A clone has a time of its own; a link would have that of the older file.
    upload.share(&store, &duplicate(&store, "a"));
    let (received, published) = upload.finish(&store).expect("finishes");
    published.keep();
    assert!(received.identity.modified() >= before, "a client that compares times would miss the change");
}
