use model::digest::Expected;
use model::names::FileName;
use model::stored_file::StoreKind;
use std::fs;
use std::os::unix::fs::symlink;

use super::*;

const LIMITS: Limits = Limits { max_file_size: 1000, reserve: 0, quota: 0 };

fn name(text: &str) -> FileName {
    FileName::new(text).expect("a name")
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a folder");
    let store =
        Store::open(StoreKind::Iso, folder.path().join("iso"), LIMITS, &Disks::default()).expect("opens");
    (folder, store)
}

fn leftovers(store: &Store) -> usize {
    fs::read_dir(store.incoming()).expect("a folder").count()
}

#[test]
fn a_file_is_visible_only_when_it_is_whole() {
    let (_folder, store) = store();
    let mut upload = store.receive(None, name("a.iso"), Some(6), Expected::default()).expect("begins");
    upload.write(&store, b"abc").expect("writes");
    assert!(store.list().expect("lists").is_empty());
    assert!(matches!(store.stat(&name("a.iso")), Err(StoreError::NotFound(_))));
    upload.write(&store, b"def").expect("writes");
    let (received, named) = upload.finish(&store).expect("finishes");
    named.keep();
    assert_eq!(
        received.sha256.to_string(),
        "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721"
    );
    assert_eq!(store.list().expect("lists"), [(name("a.iso"), received.identity)]);
    assert_eq!(leftovers(&store), 0);
}

#[test]
fn an_upload_let_go_leaves_the_old_file_and_nothing_else() {
    let (_folder, store) = store();
    store
        .receive(None, name("a"), None, Expected::default())
        .expect("begins")
        .finish(&store)
        .expect("finishes")
        .1
        .keep();
    let before = store.stat(&name("a")).expect("is there");
    let mut upload = store.receive(None, name("a"), None, Expected::default()).expect("begins");
    upload.write(&store, b"half").expect("writes");
    drop(upload);
    assert_eq!(store.stat(&name("a")).expect("is there"), before);
    assert_eq!(leftovers(&store), 0);
}

#[test]
fn a_file_that_is_not_kept_gives_way_to_what_was_there_before() {
    let (_folder, store) = store();
    let put = |text: &[u8]| {
        let mut upload = store.receive(None, name("a"), None, Expected::default()).expect("begins");
        upload.write(&store, text).expect("writes");
        upload.finish(&store).expect("finishes").1
    };
    drop(put(b"first"));
    assert!(store.list().expect("lists").is_empty());
    put(b"first").keep();
    let refused = put(b"second");
    assert_eq!(fs::read(store.path(&name("a"))).expect("reads"), b"second");
    drop(refused);
    assert_eq!(fs::read(store.path(&name("a"))).expect("reads"), b"first");
    put(b"third").keep();
    assert_eq!(fs::read(store.path(&name("a"))).expect("reads"), b"third");
    assert_eq!(leftovers(&store), 0);
}

#[test]
fn a_file_that_is_not_what_was_expected_is_not_kept() {
    let (_folder, store) = store();
    // Of "abc", from FIPS 180-4's examples.
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let sha512 = concat!(
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a",
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    );
    let expected = |sha256: &str, sha512: &str| Expected {
        sha256: Some(sha256.to_owned().try_into().expect("a digest")),
        sha512: Some(sha512.to_owned().try_into().expect("a digest")),
    };
    let put = |expected: Expected| {
        let mut upload = store.receive(None, name("a"), Some(3), expected).expect("begins");
        upload.write(&store, b"abc").expect("writes");
        upload.finish(&store)
    };
    for wrong in [expected(&"0".repeat(64), sha512), expected(sha256, &"0".repeat(128))] {
        assert!(matches!(put(wrong), Err(StoreError::Mismatch(_))));
        assert!(store.list().expect("lists").is_empty());
        assert_eq!(leftovers(&store), 0);
    }
    put(expected(sha256, sha512)).expect("as expected").1.keep();
    assert_eq!(store.list().expect("lists").len(), 1);
}

#[test]
fn what_a_killed_process_left_is_cleared_at_the_next_start() {
    let (folder, store) = store();
    std::mem::forget(store.receive(None, name("a"), None, Expected::default()).expect("begins"));
    assert_eq!(leftovers(&store), 1);
    assert!(matches!(
        Store::open(StoreKind::Iso, folder.path().join("iso"), LIMITS, &Disks::default()),
        Err(StoreError::InUse(_))
    ));
    drop(store);
    let store =
        Store::open(StoreKind::Iso, folder.path().join("iso"), LIMITS, &Disks::default()).expect("opens");
    assert_eq!(leftovers(&store), 0);
}

#[test]
fn limits_hold_before_and_while_bytes_come() {
    let (_folder, store) = store();
    assert!(matches!(
        store.receive(None, name("a"), Some(1001), Expected::default()),
        Err(StoreError::TooLarge { limit: 1000 })
    ));
    let mut upload = store.receive(None, name("a"), None, Expected::default()).expect("begins");
    upload.write(&store, &[0; 1000]).expect("fits");
    assert!(matches!(upload.write(&store, b"x"), Err(StoreError::TooLarge { .. })));
    drop(upload);
    let folder = store.folder.clone();
    drop(store);
    let limits = Limits { max_file_size: u64::MAX, reserve: 0, quota: 0 };
    let full = Store::open(StoreKind::Iso, folder, limits, &Disks::default()).expect("opens");
    assert!(matches!(
        full.receive(None, name("a"), Some(1 << 60), Expected::default()),
        Err(StoreError::Full { needed: Some(_), .. })
    ));
}

#[test]
fn only_regular_files_are_files() {
    let (_folder, store) = store();
    fs::create_dir(store.path(&name("folder"))).expect("a folder");
    symlink("/etc/hostname", store.path(&name("link"))).expect("a link");
    assert!(store.list().expect("lists").is_empty());
    for odd in ["folder", "missing"] {
        assert!(matches!(store.open_file(&name(odd)), Err(StoreError::NotFound(_))), "{odd}");
        assert!(matches!(store.remove(&name(odd)), Err(StoreError::NotFound(_))), "{odd}");
    }
    // What to do instead is told.
    assert!(matches!(store.open_file(&name("link")), Err(StoreError::Link(_))));
    assert!(matches!(store.remove(&name("link")), Err(StoreError::Link(_))));
    for odd in ["folder", "link"] {
        assert!(
            matches!(store.receive(None, name(odd), None, Expected::default()), Err(StoreError::NotAFile(_))),
            "{odd}"
        );
    }
}

#[test]
fn another_folder_in_the_same_place_is_noticed() {
    let (folder, store) = store();
    store.expect_in_place().expect("the same folder");
    fs::rename(store.folder(), folder.path().join("away")).expect("renames");
    assert!(store.expect_in_place().is_err(), "no folder");
    fs::create_dir_all(store.incoming()).expect("a folder");
    assert!(store.expect_in_place().is_err(), "an empty folder");
}

#[test]
fn a_replaced_file_comes_back_unless_the_new_one_has_a_record() {
    for is_recorded in [false, true] {
        let (folder, store) = store();
        let put = |text: &[u8]| {
            let mut upload = store.receive(None, name("a"), None, Expected::default()).expect("begins");
            upload.need_record();
            upload.write(&store, text).expect("writes");
            upload.finish(&store).expect("finishes")
        };
        let (old, published) = put(b"old");
        published.keep();
        let (new, published) = put(b"newer");
        std::mem::forget(published);
        drop(store);
        let store =
            Store::open(StoreKind::Iso, folder.path().join("iso"), LIMITS, &Disks::default()).expect("opens");
        let identity = if is_recorded { new.identity } else { old.identity };
        store.recover_replaced([(&name("a"), &identity)].into_iter());
        let text = fs::read(store.path(&name("a"))).expect("reads");
        assert_eq!(text, if is_recorded { &b"newer"[..] } else { b"old" });
        assert_eq!(leftovers(&store), 0);
    }
}

#[test]
fn a_quota_counts_stored_and_expected_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits { quota: 10, ..LIMITS };
    let store = Store::open(StoreKind::Iso, folder.path().join("iso"), limits, &Disks::default());
    let store = store.expect("opens");
    let mut upload = store.receive(None, name("a"), Some(4), Expected::default()).expect("fits");
    upload.write(&store, b"abcd").expect("writes");
    upload.finish(&store).expect("finishes").1.keep();
    let waiting = store.receive(None, name("b"), Some(5), Expected::default()).expect("fits");
    let refused = store.receive(None, name("c"), Some(2), Expected::default());
    let bound = Bound::Quota { key: "isoQuota", bytes: 10 };
    let is_quota = matches!(&refused, Err(StoreError::Full { available: 1, bound: it, .. }) if *it == bound);
    assert!(is_quota, "{refused:?}");
    drop(waiting);
    let usage = store.usage().expect("usage");
    assert_eq!((usage.files, usage.bytes, usage.available, usage.promised), (1, 4, 6, 0));
}
