use model::client::ClientKey;
use model::digest::Expected;
use model::fair_limit::share_of;
use model::labels::Labels;
use model::names::FileName;
use model::stored_file::StoreKind;
use model::unfinished_file::Plan;
use model::unfinished_file::UnfinishedFileId;
use serde_json::{Value, json};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;

use super::error::MAX_UNFINISHED_FILES;
use super::*;
use model::unfinished_file::Owner;

const LIMITS: Limits = Limits { max_file_size: 1 << 20, reserve: 0, quota: 0 };

/// A store in a folder that outlives it.
struct Bench {
    folder: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store =
            Store::open(StoreKind::Iso, folder.path().join("iso"), LIMITS, &Disks::default()).expect("opens");
        Self { folder, store }
    }

    /// The store as another process finds it.
    fn reopened(self) -> Self {
        let Self { folder, store } = self;
        drop(store);
        let store =
            Store::open(StoreKind::Iso, folder.path().join("iso"), LIMITS, &Disks::default()).expect("opens");
        Self { folder, store }
    }

    fn resumed(&self) -> Upload {
        match self.store.resume_unfinished(&id()).expect("resumes") {
            Resumed::Unfinished(upload) => *upload,
            Resumed::Published(received) => panic!("named already: {received:?}"),
        }
    }

    fn left(&self) -> usize {
        fs::read_dir(self.store.incoming()).expect("a folder").count()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.store.path(&name())).expect("reads")
    }
}

fn id() -> UnfinishedFileId {
    UnfinishedFileId::new("one").expect("an id")
}

fn name() -> FileName {
    FileName::new("a.iso").expect("a name")
}

fn plan(owner: Owner) -> Plan {
    // Of "abcdef".
    let sha256 = "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721";
    let sha512 = concat!(
        "e32ef19623e8ed9d267f657a81944b3d07adbb768518068e88435745564e8d41",
        "50a0a703be2a7d88b61e3d390c2bb97e2d4c311fdc69d6b1267f05f59aa920e7"
    );
    let expected = Expected {
        sha256: Some(sha256.to_owned().try_into().expect("a digest")),
        sha512: Some(sha512.to_owned().try_into().expect("a digest")),
    };
    Plan {
        name: name(),
        size: Some(6),
        expected,
        owner,
        client: None,
        labels: Labels::default(),
        resume_data: json!({"tag": 1}),
    }
}

#[test]
fn a_part_is_gone_on_with_after_a_crash_where_it_was_noted() {
    let bench = Bench::new();
    let mut upload = bench.store.begin_unfinished(&id(), plan(Owner::Job)).expect("begins");
    upload.write(&bench.store, b"abc").expect("writes");
    upload.checkpoint(&bench.store, Some(json!({"tag": 2}))).expect("notes");
    upload.write(&bench.store, b"dxx").expect("writes");
    // The last bytes are after the checkpoint.
    drop(upload);
    fs::write(bench.store.incoming().join("stray.part"), "").expect("writes");
    fs::write(bench.store.incoming().join("stray.new"), "").expect("writes");
    let bench = bench.reopened();
    assert_eq!(bench.left(), 2);
    let part = bench.store.unfinished_files().pop().expect("is there");
    assert_eq!((part.offset, part.plan.size, part.whole), (3, Some(6), false));
    assert_eq!(part.plan.resume_data, json!({"tag": 2}));
    let mut upload = bench.resumed();
    assert_eq!(upload.size(), 3);
    upload.write(&bench.store, b"def").expect("writes");
    upload.finish(&bench.store).expect("finishes").1.keep();
    assert_eq!((bench.text().as_str(), bench.left()), ("abcdef", 0));
    assert!(matches!(bench.store.resume_unfinished(&id()), Err(StoreError::NoSuchUnfinishedFile)));
}

#[test]
fn a_crash_between_the_name_and_the_record_loses_nothing() {
    let bench = Bench::new();
    let mut upload = bench.store.begin_unfinished(&id(), plan(Owner::Job)).expect("begins");
    upload.write(&bench.store, b"abcdef").expect("writes");
    let (received, named) = upload.finish(&bench.store).expect("finishes");
    std::mem::forget(named);
    let bench = bench.reopened();
    let Resumed::Published(again) = bench.store.resume_unfinished(&id()).expect("resumes") else {
        panic!("it has its name")
    };
    assert_eq!((again.identity, again.sha256), (received.identity, received.sha256));
    // Without a record it is an unfinished file again.
    drop(bench.store.published_earlier(&id(), &name()));
    assert!(bench.store.list().expect("lists").is_empty());
    let upload = bench.resumed();
    assert_eq!(upload.size(), 6);
    upload.finish(&bench.store).expect("finishes").1.keep();
    assert_eq!((bench.text().as_str(), bench.left()), ("abcdef", 0));
}

#[test]
fn a_named_part_that_was_replaced_since_is_forgotten() {
    let bench = Bench::new();
    let mut upload = bench.store.begin_unfinished(&id(), plan(Owner::Job)).expect("begins");
    upload.write(&bench.store, b"abcdef").expect("writes");
    std::mem::forget(upload.finish(&bench.store).expect("finishes"));
    fs::write(bench.store.path(&name()), "other").expect("writes");
    assert!(matches!(bench.store.resume_unfinished(&id()), Err(StoreError::NoSuchUnfinishedFile)));
    assert_eq!((bench.text().as_str(), bench.left()), ("other", 0));
}

#[test]
fn an_undone_part_brings_the_older_file_back() {
    let bench = Bench::new();
    let mut old = bench.store.receive(None, name(), None, Expected::default()).expect("begins");
    old.write(&bench.store, b"old").expect("writes");
    old.finish(&bench.store).expect("finishes").1.keep();
    let mut upload = bench.store.begin_unfinished(&id(), plan(Owner::Job)).expect("begins");
    upload.write(&bench.store, b"abcdef").expect("writes");
    drop(upload.finish(&bench.store).expect("finishes"));
    assert_eq!((bench.text().as_str(), bench.left()), ("old", 2));
    bench.resumed().finish(&bench.store).expect("finishes").1.keep();
    assert_eq!((bench.text().as_str(), bench.left()), ("abcdef", 0));
}

#[test]
fn of_an_upload_it_stays_known_that_it_is_whole() {
    let bench = Bench::new();
    let mut upload = bench.store.begin_unfinished(&id(), plan(Owner::Upload)).expect("begins");
    upload.write(&bench.store, b"abcdef").expect("writes");
    upload.finish(&bench.store).expect("finishes").1.keep();
    let bench = bench.reopened();
    let part = bench.store.unfinished_files().pop().expect("is known");
    assert_eq!((part.offset, part.whole, bench.left()), (6, true, 1));
    assert!(matches!(bench.store.resume_unfinished(&id()), Err(StoreError::NoSuchUnfinishedFile)));
    bench.store.discard_unfinished(&id()).expect("is forgotten");
    assert_eq!((bench.text().as_str(), bench.left()), ("abcdef", 0));
}

#[test]
fn a_part_that_is_not_what_was_expected_goes() {
    let bench = Bench::new();
    let mut upload = bench.store.begin_unfinished(&id(), plan(Owner::Job)).expect("begins");
    upload.write(&bench.store, b"abcdeX").expect("writes");
    assert!(matches!(upload.finish(&bench.store), Err(StoreError::Mismatch(_))));
    assert_eq!(bench.left(), 0);
    assert!(bench.store.unfinished_files().is_empty());
}

#[test]
fn a_part_begins_again_and_takes_bytes_back() {
    let bench = Bench::new();
    let store = &bench.store;
    let mut upload = store.begin_unfinished(&id(), plan(Owner::Upload)).expect("begins");
    upload.write(store, b"other").expect("writes");
    upload.restart(store, Some(6)).expect("begins again");
    upload.write(store, b"abc").expect("writes");
    upload.hold();
    upload.write(store, b"xyz").expect("writes");
    upload.checkpoint(store, None).expect("notes");
    assert_eq!(store.unfinished_files()[0].offset, 3);
    upload.take_back(store).expect("takes back");
    assert_eq!(upload.size(), 3);
    upload.hold();
    upload.write(store, b"uvw").expect("writes");
    upload.suspend(store).expect("suspends");
    let mut upload = bench.resumed();
    upload.hold();
    upload.write(store, b"def").expect("writes");
    upload.release();
    upload.finish(store).expect("finishes").1.keep();
    assert_eq!(bench.text(), "abcdef");
}

#[test]
fn a_part_without_its_bytes_or_with_a_strange_note_begins_again_or_goes() {
    let suspended = || {
        let bench = Bench::new();
        let mut upload = bench.store.begin_unfinished(&id(), plan(Owner::Job)).expect("begins");
        upload.write(&bench.store, b"abc").expect("writes");
        upload.suspend(&bench.store).expect("suspends");
        bench
    };
    let checkpoint = |bench: &Bench, change: &dyn Fn(&mut Value)| {
        let path = bench.store.incoming().join("one.json");
        let mut checkpoint = serde_json::from_slice(&fs::read(&path).expect("reads")).expect("JSON");
        change(&mut checkpoint);
        fs::write(path, checkpoint.to_string()).expect("writes");
    };
    for (what, offset, change) in [
        ("as it was", Some(3), &(|_: &Bench| ()) as &dyn Fn(&Bench)),
        ("cut", Some(0), &|bench| fs::write(bench.store.incoming().join("one.part"), "ab").expect("writes")),
        ("hashers", Some(0), &|bench| {
            checkpoint(bench, &|checkpoint| checkpoint["hashers"]["sha256"] = "00".into());
        }),
        ("format", None, &|bench| checkpoint(bench, &|checkpoint| checkpoint["format"] = 99.into())),
        ("checkpoint", None, &|bench| {
            fs::remove_file(bench.store.incoming().join("one.json")).expect("removes");
        }),
        ("bytes", None, &|bench| fs::remove_file(bench.store.incoming().join("one.part")).expect("removes")),
    ] {
        let bench = suspended();
        change(&bench);
        let bench = bench.reopened();
        let found: Vec<_> = bench.store.unfinished_files().iter().map(|part| part.offset).collect();
        assert_eq!(found, Vec::from_iter(offset), "{what}");
        assert_eq!(bench.left(), 2 * found.len(), "{what}");
        if !found.is_empty() {
            assert_eq!(Some(bench.resumed().size()), offset, "{what}");
        }
    }
}

#[test]
fn an_id_is_taken_once_and_space_only_when_bytes_come() {
    let bench = Bench::new();
    let big = Plan { size: Some(1 << 20), ..plan(Owner::Job) };
    let mut upload = bench.store.begin_unfinished(&id(), big.clone()).expect("begins");
    assert!(matches!(
        bench.store.begin_unfinished(&id(), big.clone()),
        Err(StoreError::UnfinishedFileExists)
    ));
    let figures = |upload: &Upload| {
        let metadata = fs::metadata(upload.path()).expect("is there");
        (metadata.len(), metadata.blocks() * 512)
    };
    assert_eq!(figures(&upload), (0, 0));
    upload.write(&bench.store, b"a").expect("writes");
    let (size, allocated) = figures(&upload);
    assert_eq!((size, allocated >= 1 << 20), (1, true), "{allocated}");
    drop(upload);
    let huge = Plan { size: Some((1 << 20) + 1), ..big };
    let two = UnfinishedFileId::new("two").expect("an id");
    assert!(matches!(bench.store.begin_unfinished(&two, huge), Err(StoreError::TooLarge { .. })));
    assert_eq!(bench.left(), 2);
}

#[test]
fn space_taken_in_advance_is_given_back_in_between() {
    let bench = Bench::new();
    let mut upload = bench
        .store
        .begin_unfinished(&id(), Plan { size: Some(1 << 20), ..plan(Owner::Job) })
        .expect("begins");
    upload.write(&bench.store, b"abc").expect("writes");
    upload.suspend(&bench.store).expect("suspends");
    let bench = bench.reopened();
    let space = || fs::metadata(bench.store.incoming().join("one.part")).expect("is there").blocks() * 512;
    assert!(space() <= 4096, "{}", space());
    let promise = bench.store.unfinished.promised(&id()).expect("promised");
    let mut upload = bench.resumed();
    assert_eq!((promise.outstanding(), upload.size()), ((1 << 20) - 3, 3));
    upload.hold();
    upload.write(&bench.store, b"xxx").expect("writes");
    assert_eq!((promise.outstanding(), space() >= 1 << 20), (0, true));
    upload.take_back(&bench.store).expect("takes back");
    assert_eq!((promise.outstanding(), upload.size(), space() <= 4096), ((1 << 20) - 3, 3, true));
}

#[test]
fn a_part_that_lost_its_bytes_can_be_begun_again() {
    let bench = Bench::new();
    drop(bench.store.begin_unfinished(&id(), plan(Owner::Job)).expect("begins"));
    fs::remove_file(bench.store.incoming().join("one.part")).expect("removes");
    assert!(matches!(bench.store.resume_unfinished(&id()), Err(StoreError::NoSuchUnfinishedFile)));
    bench.store.begin_unfinished(&id(), plan(Owner::Job)).expect("begins");
}

#[test]
fn a_part_whose_note_cannot_be_read_now_waits() {
    let bench = Bench::new();
    let mut upload = bench.store.begin_unfinished(&id(), plan(Owner::Job)).expect("begins");
    upload.write(&bench.store, b"abc").expect("writes");
    upload.suspend(&bench.store).expect("suspends");
    let (checkpoint, aside) = (bench.store.incoming().join("one.json"), bench.folder.path().join("aside"));
    fs::rename(&checkpoint, &aside).expect("renames");
    // A link to itself cannot be read.
    std::os::unix::fs::symlink("one.json", &checkpoint).expect("links");
    let bench = bench.reopened();
    assert_eq!((bench.store.unfinished_files().len(), bench.left()), (0, 2));
    fs::rename(&aside, &checkpoint).expect("renames");
    let bench = bench.reopened();
    assert_eq!(bench.resumed().size(), 3);
}

#[test]
fn a_crash_while_a_name_is_taken_back_leaves_the_file_whole() {
    let bench = Bench::new();
    fs::write(bench.store.path(&name()), "older").expect("writes");
    let mut upload = bench.store.begin_unfinished(&id(), plan(Owner::Job)).expect("begins");
    upload.write(&bench.store, b"abcdef").expect("writes");
    std::mem::forget(upload.finish(&bench.store).expect("finishes"));
    let bytes = bench.store.incoming().join("one.part");
    fs::hard_link(bench.store.path(&name()), bytes).expect("links");
    let bench = bench.reopened();
    assert!(matches!(bench.store.resume_unfinished(&id()), Ok(Resumed::Published(_))));
    bench.store.published_earlier(&id(), &name()).keep();
    assert_eq!((bench.text().as_str(), bench.left()), ("abcdef", 0));
}

/// The most that the other client may have is left, also after a restart.
#[test]
fn one_client_has_half_of_the_unfinished_files() {
    let bench = Bench::new();
    let [greedy, other] = [1, 2].map(|last| Some(ClientKey::from(IpAddr::from([192, 0, 2, last]))));
    let begin = |store: &Store, client| {
        let plan = Plan { client, size: None, ..plan(Owner::Upload) };
        store.begin_unfinished(&UnfinishedFileId::random(), plan).map(drop)
    };
    let taken = (0..).take_while(|_| begin(&bench.store, greedy).is_ok()).count();
    assert_eq!(taken as u64, share_of(MAX_UNFINISHED_FILES as u64));
    let again = bench.reopened();
    let refused = begin(&again.store, greedy).expect_err("its share");
    assert!(matches!(refused, StoreError::ClientHasUnfinishedFiles(_)), "{refused}");
    assert!(refused.to_string().starts_with("500 unfinished files of yours"), "{refused}");
    begin(&again.store, other).expect("another client");
}

#[test]
fn a_file_without_a_byte_does_not_become_younger() {
    let bench = Bench::new();
    let mut upload = bench.store.begin_unfinished(&id(), plan(Owner::Upload)).expect("begins");
    let touched = |bench: &Bench| bench.store.unfinished.checkpoint(&id()).expect("is known").touched;
    let begun = touched(&bench);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let age = |bench: &Bench| bench.store.unfinished_files()[0].age;
    let before = age(&bench);
    upload.restart(&bench.store, Some(6)).expect("starts over");
    upload.checkpoint(&bench.store, None).expect("saves");
    assert_eq!(touched(&bench), begun);
    assert!(age(&bench) >= before, "{:?} {before:?}", age(&bench));
    upload.write(&bench.store, b"abc").expect("writes");
    upload.checkpoint(&bench.store, None).expect("saves");
    assert!(touched(&bench) > begun);
    upload.restart(&bench.store, Some(6)).expect("starts over");
    drop(upload);
    let restarted = touched(&bench);
    let bench = bench.reopened();
    bench.resumed().restart(&bench.store, Some(6)).expect("starts over");
    assert_eq!(touched(&bench), restarted, "over a restart of the program, too");
}
