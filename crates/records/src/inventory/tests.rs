use std::fs;

use jiff::Timestamp;

use super::*;
use model::digest::Expected;
use model::identity::Identity;
use model::image::{Image, ImageId, Source, Status, WebSource};
use model::labels::Labels;
use model::names::{FileName, ImageName, ImageVersion};
use model::stored_file::{FileRecord, Origin, StoreKind};

pub(super) fn image(id: &str, name: &str) -> Image {
    Image {
        id: ImageId(id.into()),
        name: ImageName::new(name).expect("a name"),
        version: ImageVersion::new("1").expect("a version"),
        iso: FileName::new("a.iso").expect("a name"),
        status: Status::Ok,
        source: Source::Web(Box::new(WebSource {
            url: "http://host/a.iso".parse::<url::Url>().expect("a link").into(),
            mirrors: Vec::new(),
            checksum: None,
            signature: None,
        })),
        created: Timestamp::UNIX_EPOCH,
        updated: Timestamp::UNIX_EPOCH,
        identity: None,
        sha256: None,
        expected: Expected::default(),
        tree: None,
        asked_tree: None,
        labels: Labels::default(),
    }
}

pub(super) fn records(images: &[Image]) -> Records {
    Records {
        images: images.iter().map(|image| (image.id.clone(), image.clone())).collect(),
        ..Records::default()
    }
}

/// What every backend must do.
fn contract(inventory: &Inventory) {
    assert_eq!(inventory.load().expect("loads"), Records::default());
    for state in
        [records(&[image("1", "a")]), records(&[image("1", "a"), image("2", "b")]), Records::default()]
    {
        inventory.save(&state).expect("saves");
        assert_eq!(inventory.load().expect("loads"), state);
    }
}

#[test]
fn every_backend_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    contract(&Inventory::JsonFile(JsonFile::open(folder.path().join("inventory.json")).expect("opens")));
    contract(&Inventory::Memory(MemoryInventory::default()));
}

#[test]
fn a_failed_save_leaves_the_old_state() {
    let memory = MemoryInventory::default();
    memory.save(&records(&[image("1", "a")])).expect("saves");
    memory.set_broken(true);
    memory.save(&Records::default()).expect_err("broken");
    assert_eq!(memory.load().expect("loads").images.len(), 1);

    let folder = tempfile::tempdir().expect("a folder");
    let file = JsonFile::open(folder.path().join("inventory.json")).expect("opens");
    file.save(&records(&[image("1", "a")])).expect("saves");
    // A folder where the temporary should go makes the write fail, also for root.
    fs::create_dir(folder.path().join("inventory.json.new")).expect("a folder");
    file.save(&Records::default()).expect_err("cannot write");
    assert_eq!(file.load().expect("loads").images.len(), 1);
}

#[test]
fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inventory.json");
    let first = JsonFile::open(path.clone()).expect("opens");
    assert!(matches!(JsonFile::open(path.clone()), Err(InventoryError::InUse(_))));
    drop(first);
    JsonFile::open(path).expect("free again");
}

#[test]
fn a_corrupt_file_is_reported_with_a_way_out_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inventory.json");
    let file = JsonFile::open(path.clone()).expect("opens");
    for text in ["", "{", "[]", "{}", r#"{"version": 99, "images": []}"#, r#"{"version": 2, "images": [{}]}"#]
    {
        fs::write(&path, text).expect("writes");
        let message = file.load().expect_err(text).to_string();
        assert!(message.contains("move it away"), "{message}");
        assert_eq!(fs::read_to_string(&path).expect("reads"), text);
    }
    fs::remove_file(&path).expect("removes");
    file.save(&records(&[image("1", "a")])).expect("saves");
    file.save(&Records::default()).expect("saves");
    fs::write(&path, "{").expect("writes");
    let message = file.load().expect_err("corrupt").to_string();
    assert!(message.contains("inventory.json.previous"), "{message}");
    fs::rename(folder.path().join("inventory.json.previous"), &path).expect("restores");
    assert_eq!(file.load().expect("loads").images.len(), 1);
}

#[test]
fn twins_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inventory.json");
    let file = JsonFile::open(path).expect("opens");
    file.save(&records(&[image("1", "a"), image("2", "a")])).expect("saves");
    assert!(file.load().expect_err("twins").to_string().contains("two images a 1"));
}

/// An operator's mistake in an edited file is told with its line, and drops no record.
#[test]
fn what_a_hand_wrote_twice_or_wrongly_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inventory.json");
    let file = JsonFile::open(path.clone()).expect("opens");
    let mut records = records(&[image("1", "a")]);
    let name = FileName::new("a.iso").expect("a name");
    let identity = Identity { device: 1, inode: 1, size: 1, seconds: 0, nanoseconds: 0 };
    let known = FileRecord::new(StoreKind::Iso, name.clone(), identity, Origin::Upload);
    records.files.insert((StoreKind::Iso, name), known);
    file.save(&records).expect("saves");
    let text = fs::read_to_string(&path).expect("reads");
    let begin = text.find("\"files\": [").expect("files") + "\"files\": [".len();
    let end = text.find("],\n  \"jobs\"").expect("jobs");
    let (before, record) = (&text[..end], &text[begin..end]);
    for (edited, told) in [
        (format!("{},{record}{}", before.trim_end(), &text[end..]), "two files a.iso"),
        (text.replace("\"jobs\": []", "\"jobs\": [], \"files\": []"), "duplicate field `files` at line"),
        (text.replace("\"status\": \"OK\"", "\"status\": null"), "line 9"),
    ] {
        fs::write(&path, edited).expect("writes");
        let message = file.load().expect_err(told).to_string();
        assert!(message.contains(told), "{told}: {message}");
    }
}

#[test]
fn the_previous_services_file_is_upgraded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("inventory.json");
    let text = r#"{"images":[
        {"id":"7d1e","name":"ubuntu","version":"14.04","iso":"u.iso","status":"OK"},
        {"id":"7d1f","name":"ubuntu","version":"16.04","iso":"v.iso","status":"downloading iso"}]}"#;
    fs::write(&path, text).expect("writes");
    let file = JsonFile::open(path.clone()).expect("opens");
    let records = file.load().expect("upgrades");
    let statuses: Vec<_> = records.images.values().map(|image| image.status.clone()).collect();
    assert_eq!(statuses[0], Status::Preparing);
    assert!(matches!(statuses[1], Status::Error(_)));
    assert_eq!(fs::read_to_string(folder.path().join("inventory.json.v1")).expect("a copy"), text);

    fs::write(&path, r#"{"images":[{"id":"1","name":"../x","version":"1","iso":"u.iso","status":"OK"}]}"#)
        .expect("writes");
    assert!(file.load().expect_err("bad name").to_string().contains("image 0: `name`"));
}
