//! The difference of two states: all records that look different to clients.

use std::collections::BTreeSet;

use model::image::{Image, Status};
use model::names::{FileName, ImageName, ImageVersion};
use model::stored_file::StoreKind;

use super::{ChangedRecord, Records, Touched};

/// The images and files that differ between `old` and `new`. Only touched records are compared.
pub(super) fn between(old: &Records, new: &Records, touched: &Touched) -> Vec<ChangedRecord> {
    let images = touched.images.iter().map(|id| (id, old.images.get(id), new.images.get(id)));
    let images: Vec<_> = images.filter(|(_, before, after)| before != after).collect();
    let files = touched.files.iter().filter(|key| old.files.get(key) != new.files.get(key));
    let mut files: BTreeSet<_> = files.cloned().collect();
    let mut ids: BTreeSet<_> = images.iter().map(|(id, ..)| (*id).clone()).collect();
    // The status of a served image depends on the current state of its ISO.
    if files.iter().any(|(kind, _)| *kind == StoreKind::Iso) {
        let served = new.images.values().filter(|image| image.status == Status::Ok);
        let touched = served.filter(|image| files.contains(&(StoreKind::Iso, image.iso.clone())));
        ids.extend(touched.map(|image| image.id.clone()));
    }
    // The listing of an ISO names the images that need it.
    for (_, before, after) in images {
        let (before, after) = (before.and_then(need), after.and_then(need));
        if before != after {
            let isos = [before, after].into_iter().flatten().map(|(iso, ..)| (StoreKind::Iso, iso.clone()));
            files.extend(isos.filter(|key| new.files.contains_key(key)));
        }
    }
    let files = files.into_iter().map(|(kind, name)| ChangedRecord::File(kind, name));
    files.chain(ids.into_iter().map(ChangedRecord::Image)).collect()
}

fn need(image: &Image) -> Option<(&FileName, &ImageName, &ImageVersion)> {
    image.needs_iso().then_some((&image.iso, &image.name, &image.version))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::digest::Expected;
    use model::identity::Identity;
    use model::image::{ImageId, Source};
    use model::labels::Labels;
    use model::stored_file::{FileRecord, Origin};

    use super::*;

    fn file_name(name: &str) -> FileName {
        FileName::new(name).expect("a name")
    }

    fn image(id: &str, iso: &str, status: Status) -> Image {
        Image {
            id: ImageId(id.into()),
            name: ImageName::new(id).expect("a name"),
            version: ImageVersion::new("1").expect("a version"),
            iso: file_name(iso),
            status,
            source: Source::Store,
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

    fn file(kind: StoreKind, name: &str, size: u64) -> FileRecord {
        let identity = Identity { device: 1, inode: 1, size, seconds: 0, nanoseconds: 0 };
        FileRecord::new(kind, file_name(name), identity, Origin::Upload)
    }

    fn records(images: &[Image], files: &[FileRecord]) -> Records {
        let mut records = Records::default();
        records.images.extend(images.iter().map(|image| (image.id.clone(), image.clone())));
        records.files.extend(files.iter().map(|file| ((file.kind, file.name.clone()), file.clone())));
        records
    }

    /// What differs, in both directions.
    #[track_caller]
    fn expect(one: &Records, other: &Records, expected: &[&str]) {
        let word = |change: ChangedRecord| match change {
            ChangedRecord::Image(id) => format!("image {id}"),
            ChangedRecord::File(StoreKind::Iso, name) => format!("iso {name}"),
            ChangedRecord::File(StoreKind::Microkernel, name) => format!("microkernel {name}"),
            ChangedRecord::Job(id) => format!("job {id}"),
        };
        let keys = |records: &Records| records.clone().take_touched();
        for (old, new) in [(one, other), (other, one)] {
            let (mut touched, more) = (keys(old), keys(new));
            touched.images.extend(more.images);
            touched.files.extend(more.files);
            let found: Vec<_> = between(old, new, &touched).into_iter().map(word).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn only_what_differs_is_told() {
        let (a, b, c) =
            (image("a", "x", Status::Ok), image("b", "y", Status::Ok), image("c", "z", Status::Preparing));
        let all = [a.clone(), b.clone(), c.clone()];
        expect(&records(&all, &[]), &records(&all, &[]), &[]);
        expect(&records(&[], &[]), &records(&all, &[]), &["image a", "image b", "image c"]);
        let changed = Image { status: Status::Downloading, ..b };
        expect(&records(&all, &[]), &records(&[a.clone(), changed, c], &[]), &["image b"]);
        let kernel = file(StoreKind::Microkernel, "x", 1);
        let only = std::slice::from_ref(&a);
        expect(&records(only, &[]), &records(only, &[kernel]), &["microkernel x"]);
    }

    #[test]
    fn an_iso_and_the_images_made_of_it_are_told_together() {
        let (x, y) = (file(StoreKind::Iso, "x", 1), file(StoreKind::Iso, "y", 1));
        let other = image("b", "y", Status::Ok);
        let with = |image: Option<Image>, x: &FileRecord| {
            let images: Vec<_> = image.into_iter().chain([other.clone()]).collect();
            records(&images, &[x.clone(), y.clone()])
        };
        let served = image("a", "x", Status::Ok);
        // The listing of `x` names its images.
        expect(&with(None, &x), &with(Some(served.clone()), &x), &["iso x", "image a"]);
        let failed = Image { status: Status::Error("no".into()), ..served.clone() };
        expect(&with(Some(failed.clone()), &x), &with(Some(served.clone()), &x), &["iso x", "image a"]);
        expect(&with(None, &x), &with(Some(failed.clone()), &x), &["image a"]);
        let later = Image { updated: Timestamp::MAX, ..served.clone() };
        expect(&with(Some(served.clone()), &x), &with(Some(later), &x), &["image a"]);
        // What is served depends on the ISO.
        let grown = file(StoreKind::Iso, "x", 2);
        expect(&with(Some(served.clone()), &x), &with(Some(served), &grown), &["iso x", "image a"]);
        expect(&with(Some(failed.clone()), &x), &with(Some(failed), &grown), &["iso x"]);
        // An ISO that is still to come is no file yet.
        let coming = image("a", "z", Status::Downloading);
        expect(&with(None, &x), &with(Some(coming), &x), &["image a"]);
    }
}
