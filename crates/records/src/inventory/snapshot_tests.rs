use std::collections::{BTreeMap, BTreeSet};

use super::super::tests::{image, records};
use super::*;
use model::image::Status;

fn changed(snapshot: &Snapshot, change: impl FnOnce(&mut Records)) -> Snapshot {
    let mut records = snapshot.records().clone();
    records.take_touched();
    change(&mut records);
    let touched = records.take_touched();
    snapshot.next(records, &touched)
}

/// The addresses of the parts of the index.
fn parts(snapshot: &Snapshot) -> BTreeSet<usize> {
    snapshot.paths.chunks().map(|chunk| Arc::as_ptr(chunk).addr()).collect()
}

/// Each image is found by its path, and no path leads anywhere else.
#[track_caller]
fn expect_indexed(snapshot: &Snapshot) {
    let mut expected = BTreeMap::new();
    for image in snapshot.images() {
        expected.insert((image.name.clone(), image.version.clone()), image.id.clone());
        assert_eq!(snapshot.image_at(&image.name, &image.version), Some(image));
    }
    let listed = snapshot.names().flat_map(|name| snapshot.versions(name));
    let listed = listed.map(|image| ((image.name.clone(), image.version.clone()), image.id.clone()));
    assert_eq!(listed.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
    let mut names = snapshot.names();
    assert!(names.all(|name| snapshot.versions(name).next().is_some()), "a name without images");
}

#[test]
fn a_change_of_an_image_copies_no_more_of_the_index_than_its_part() {
    let images: Vec<_> = (0..2_000).map(|number| image(&number.to_string(), &format!("i{number}"))).collect();
    let first = Snapshot::first(records(&images));
    assert!(parts(&first).len() > 4, "{}", parts(&first).len());
    let status = changed(&first, |records| {
        records.images.get_mut(&images[7].id).expect("there").status = Status::Preparing;
    });
    assert_eq!(parts(&status), parts(&first), "the paths are the same");
    let more = changed(&status, |records| {
        let new = image("new", "new");
        records.images.insert(new.id.clone(), new);
    });
    assert_eq!(parts(&more).difference(&parts(&first)).count(), 1);
    expect_indexed(&more);
}

#[test]
fn the_index_follows_what_comes_goes_and_passes_its_name_on() {
    let version = |id: &str, version: &str| {
        let version = ImageVersion::new(version).expect("a version");
        Image { version, ..image(id, "linux") }
    };
    let first = Snapshot::first(records(&[version("1", "1"), version("2", "2"), image("3", "other")]));
    expect_indexed(&first);
    let swapped = changed(&first, |records| {
        records.images.insert(ImageId("1".into()), version("1", "2"));
        records.images.insert(ImageId("2".into()), version("2", "1"));
    });
    expect_indexed(&swapped);
    let replaced = changed(&swapped, |records| {
        records.images.remove(&ImageId("2".into()));
        records.images.insert(ImageId("0".into()), version("0", "1"));
    });
    expect_indexed(&replaced);
    let fewer = changed(&replaced, |records| {
        records.images.remove(&ImageId("3".into()));
        records.images.remove(&ImageId("4".into()));
    });
    expect_indexed(&fewer);
    expect_indexed(&first);
}
