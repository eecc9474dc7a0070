//! Damage is local and reported: intact files of a damaged ISO are served; damaged ones are errors, never
//! short successes, and the API names them. xorriso makes the ISOs, the tests damage them.

use harness::http::{self, Connection, Request};
use harness::images::{self, pattern};
use harness::iso::{Maker, SourceTree};
use harness::problem::expect_discreet;
use harness::{Service, Setup};
use serde_json::{Value, json};
use std::fs;

/// The end, in bytes, of the directories in a small ISO of xorriso.
const DIRECTORIES: usize = 200 * 2048;

/// The bytes of an ISO, to be damaged.
struct Iso(Vec<u8>);

impl Iso {
    /// An installer without Joliet, so that each name is in one record.
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.iso");
        Maker::Xorriso.make(&["-R"], &images::installer_tree(), &path);
        Self(fs::read(path).unwrap())
    }

    /// The directory record (ECMA-119 §9.1) whose identifier begins with `name`.
    #[track_caller]
    fn record(&mut self, name: &str) -> &mut [u8] {
        let found: Vec<usize> = (33..self.0.len().min(DIRECTORIES) - name.len())
            .filter(|&at| {
                self.0[at..].starts_with(name.as_bytes()) && usize::from(self.0[at - 1]) >= name.len()
            })
            .collect();
        assert_eq!(found.len(), 1, "one record of {name}");
        &mut self.0[found[0] - 33..]
    }

    /// Moves the start of a file far behind the end of the ISO.
    fn move_away(mut self, name: &str) -> Self {
        let extent: u32 = 0x0100_0000;
        self.record(name)[2..10].copy_from_slice(&[extent.to_le_bytes(), extent.to_be_bytes()].concat());
        self
    }

    /// Makes a file claim more bytes than the ISO holds behind its start.
    fn stretch(mut self, name: &str) -> Self {
        let length = u32::try_from(self.0.len()).unwrap();
        self.record(name)[10..18].copy_from_slice(&[length.to_le_bytes(), length.to_be_bytes()].concat());
        self
    }

    /// Overwrites a record with garbage.
    fn garble(mut self, name: &str) -> Self {
        self.record(name)[32] = 255;
        self
    }
}

fn register(iso: &Iso) -> (Service, Value) {
    let service = Setup::new().file("static/iso/broken.iso", &iso.0).start();
    service.register("linux", "1", "isostore", "broken.iso");
    let id = service.images(&[])[0]["id"].as_str().unwrap().to_owned();
    let image = http::get(&service.north(&format!("/images/{id}"))).expect_status(200).json();
    (service, image)
}

#[test]
fn a_damaged_file_is_an_error_and_its_neighbours_are_whole() {
    let (mut service, image) = register(&Iso::make().move_away("VMLINUZ").stretch("BOOTX64"));
    assert_eq!((&image["status"], &image["tree"]["damaged"]), (&json!("OK"), &json!(2)), "{image}");
    let damaged = ["images/pxeboot/vmlinuz", "EFI/BOOT/BOOTX64.EFI"];
    let mut named: Vec<&str> =
        image["findings"]["damaged"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    named.sort_unstable_by_key(|path| damaged.iter().position(|known| known == path));
    assert_eq!(named, damaged);
    for round in 1..=2 {
        let mut connection = Connection::open(&service.south("/"));
        // By their names, by a link, and in the upper case of firmware.
        for path in ["images/pxeboot/vmlinuz", "kernel", "EFI/BOOT/BOOTX64.EFI", "efi/boot/bootx64.efi"] {
            let target = format!("/linux/1/{path}");
            for (method, range) in [("GET", None), ("HEAD", None), ("GET", Some("bytes=0-9"))] {
                let request = Request::new(method, &target);
                let request = range.map_or(request.clone(), |range| request.header("Range", range));
                let answer = connection.exchange(&request).unwrap();
                assert_eq!(answer.status, 500, "{method} {target} {range:?}\n{}", answer.head_text());
                assert!(answer.body.len() < 200 && answer.content_length().is_some(), "{}", answer.text());
                assert_eq!(answer.header("ETag"), None);
            }
        }
        // A client that repeats its requests does not fill the log.
        service.expect_logged("/linux/1/efi/boot/bootx64.efi");
        let log = service.log();
        let lines =
            log.lines().filter(|line| line.contains("/linux/1/kernel") && line.contains("cannot be served"));
        assert!((1..=round).contains(&lines.count()), "{log}");
        for (folder, name) in [("images/pxeboot", "vmlinuz"), ("EFI/BOOT", "BOOTX64.EFI")] {
            let request = Request::new("GET", &format!("/linux/1/{folder}/")).header("Accept", "text/plain");
            let names = connection.exchange(&request).unwrap().expect_status(200).text();
            assert!(names.lines().any(|line| line == name), "it is listed all the same: {names}");
        }
        let initrd = connection.get("/linux/1/images/pxeboot/initrd.img").expect_status(200);
        assert!(initrd.body == pattern(2, 1_200_001));
        assert_eq!(connection.get("/linux/1/README").expect_status(200).text(), "This is a fixture.\n");
        service.restart();
    }
}

#[test]
fn a_garbled_record_costs_itself_and_is_told() {
    let (service, image) = register(&Iso::make().garble("GCC"));
    let warnings = image["findings"]["warnings"].as_array().unwrap();
    assert_eq!(image["tree"]["warnings"], warnings.len(), "{image}");
    assert!(!warnings.is_empty() && warnings.iter().all(|text| !text.as_str().unwrap().is_empty()));
    expect_discreet(&service, &image.to_string());
    http::get(&service.south("/linux/1/Packages/gcc-c++-12.rpm")).expect_status(404);
    http::get(&service.south("/linux/1/Packages/")).expect_status(200);
    let kernel = http::get(&service.south("/linux/1/images/pxeboot/vmlinuz")).expect_status(200);
    assert!(kernel.body == pattern(1, 300_000));
}

#[test]
fn of_many_damaged_files_the_first_hundred_are_named() {
    let tree =
        (0..120).fold(SourceTree::new(), |tree, number| tree.file(format!("file-{number:03}"), "bytes"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.iso");
    Maker::Xorriso.make(&["-R"], &tree, &path);
    let made = Iso(fs::read(path).unwrap());
    let broken = (0..120).fold(made, |iso, number| iso.move_away(&format!("FILE_{number:03}")));
    let (_service, image) = register(&broken);
    assert_eq!(image["tree"]["damaged"], 120);
    assert_eq!(image["findings"]["damaged"].as_array().unwrap().len(), 100);
}

#[test]
fn nothing_is_found_in_what_is_whole_or_not_there() {
    let iso = Iso::make();
    let (service, image) = register(&iso);
    assert_eq!(image["findings"], json!({"warnings": [], "damaged": []}));
    assert_eq!(service.images(&[])[0].get("findings"), None, "the list is for many images");
    let url = service.north(&format!("/images/{}", image["id"].as_str().unwrap()));
    fs::remove_file(service.path("static/iso/broken.iso")).unwrap();
    let gone = http::get(&url).expect_status(200).json();
    assert_eq!(gone["findings"], Value::Null);
    assert!(gone["status"].as_str().unwrap().contains("missing"), "{gone}");
    // None of it is stored in the inventory.
    let inventory = fs::read_to_string(service.path("inventory.json")).unwrap();
    assert!(!inventory.contains("findings"), "{inventory}");
}

/// A truncated ISO is refused from every source, however much is missing.
#[test]
fn an_iso_that_is_cut_short_is_refused() {
    let whole = Iso::make().0;
    let service = Setup::new().start();
    for length in [whole.len() / 2, 100_000, 40_000, 33_000, 2048, 1] {
        service.write("static/iso/cut.iso", &whole[..length]);
        let answer = service
            .put_image(&[("name", "linux"), ("version", "1"), ("isostore", "cut.iso")])
            .expect_status(422);
        expect_discreet(&service, &answer.text());
        assert!(service.images(&[]).is_empty());
    }
}

/// A number in both byte orders, as records have it.
fn both(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// Directory, files and findings of an ISO of genisoimage with 100 files, whose bytes were changed.
fn changed(change: impl Fn(&mut Vec<u8>, usize)) -> (Service, Value, usize) {
    let tree = (0..100).fold(SourceTree::new(), |tree, number| {
        tree.file(format!("folder/file-{number:03}"), format!("text {number}"))
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.iso");
    Maker::Genisoimage.make(&["-R"], &tree, &path);
    let mut iso = Iso(fs::read(path).unwrap());
    let record = iso.record("FOLDER");
    let start = usize::try_from(u32::from_le_bytes(record[2..6].try_into().unwrap())).unwrap();
    change(&mut iso.0, start * 2048);
    let (service, image) = register(&iso);
    let files = (0..100).filter(|number| {
        let answer = http::get(&service.south(&format!("/linux/1/folder/file-{number:03}")));
        answer.status == 200 && answer.text() == format!("text {number}")
    });
    let files = files.count();
    (service, image, files)
}

/// Linux goes by what a directory says of itself, so a stale number beside it costs no file.
#[test]
fn redundant_numbers_of_directories_cost_no_file() {
    let (_service, image, files) = changed(|_, _| {});
    assert_eq!((files, &image["tree"]["warnings"]), (100, &json!(0)), "{image}");
    // The length in the record of the parent.
    let (_service, image, files) = changed(|iso, start| {
        let mut iso_of = Iso(std::mem::take(iso));
        let record = iso_of.record("FOLDER");
        assert_eq!(
            usize::try_from(u32::from_le_bytes(record[2..6].try_into().unwrap())).unwrap() * 2048,
            start
        );
        record[10..18].copy_from_slice(&both(2048));
        *iso = iso_of.0;
    });
    assert_eq!((files, &image["tree"]["warnings"]), (100, &json!(1)), "{image}");
}

/// A download into a file that has its space already, or a bad sector, leaves zeros.
#[test]
fn zeros_in_a_directory_are_told() {
    let (_service, image, files) = changed(|iso, start| iso[start + 2048..start + 4096].fill(0));
    assert!((1..100).contains(&files) && image["status"] == "OK", "{files} {image}");
    assert_eq!(image["findings"]["warnings"].as_array().unwrap().len(), 1, "{image}");
    assert!(image["findings"]["warnings"][0].as_str().unwrap().contains("is empty"), "{image}");
}

/// The sizes of Rock Ridge are cut to 32 bits beside UDF, which has all of them. Here others are cut.
#[test]
fn a_file_has_the_size_that_udf_tells() {
    let tree = SourceTree::new().file("LiveOS/squashfs.img", pattern(1, 54_321)).file("note", "text");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.iso");
    Maker::Genisoimage.make(&["-R", "-J", "-udf"], &tree, &path);
    let mut iso = fs::read(path).unwrap();
    let places: Vec<usize> = (0..iso.len() - 8).filter(|at| iso[*at..].starts_with(&both(54_321))).collect();
    assert_eq!(places.len(), 2, "records of Rock Ridge and of Joliet");
    for at in places {
        iso[at..at + 8].copy_from_slice(&both(321));
    }
    let (service, image) = register(&Iso(iso));
    assert_eq!(
        (&image["tree"]["kind"], &image["tree"]["warnings"]),
        (&json!("rockridge"), &json!(1)),
        "{image}"
    );
    let answer = http::get(&service.south("/linux/1/LiveOS/squashfs.img")).expect_status(200);
    assert!(answer.body == pattern(1, 54_321), "{} bytes", answer.body.len());
}
