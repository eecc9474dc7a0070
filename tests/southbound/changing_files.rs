//! Files that change at the worst moment: an answer has the bytes of its entity tag, and a transfer ends with
//! the bytes it began with or is cut off.

use harness::figures::{await_figure, open_files};
use harness::http::{self, Connection, Request, Response};
use harness::wait::eventually;
use harness::{Service, Setup, images, iso};
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Small files are answered from memory, larger ones from the disk.
const SIZES: [usize; 3] = [1, 4096, 100_000];

/// More bytes than the buffers of a connection hold.
const BIG: u64 = 64 << 20;

/// Far longer than the cache may keep a file under a name that is no longer its own.
const SOON: Duration = Duration::from_secs(5);

/// Long enough for a new modification time on any file system.
const MOMENT: Duration = Duration::from_millis(15);

/// `size` bytes that differ for each version.
fn version(number: u32, size: usize) -> Vec<u8> {
    let mut bytes = images::pattern(number + 1, size);
    bytes[0] = u8::try_from(number % 251).unwrap();
    bytes
}

fn tag(answer: &Response) -> String {
    answer.header("ETag").unwrap_or_else(|| panic!("no tag:\n{}", answer.head_text())).to_owned()
}

/// Writes `bytes` beside the file and renames it into place.
fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
}

/// Overwrites the bytes of a file in place.
fn rewrite(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.set_len(u64::try_from(bytes.len()).unwrap()).unwrap();
}

fn set_time(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Every kind of change, right after a request: the next answer has the new bytes and a new tag.
#[test]
fn the_next_answer_has_the_new_bytes_and_a_new_tag() {
    let service = Setup::new().start();
    let mut connection = Connection::open(&service.south("/"));
    for size in SIZES {
        let path = service.path("static/file.bin");
        let _ = fs::remove_file(&path);
        let mut tags: HashMap<String, Vec<u8>> = HashMap::new();
        fs::write(&path, version(0, size)).unwrap();
        for number in 1..=40_u32 {
            // Directly after a change, and long after it.
            for _ in 0..number % 4 {
                connection.get("/file.bin").expect_status(200);
            }
            std::thread::sleep(MOMENT);
            let before = connection.get("/file.bin").expect_status(200);
            let bytes = match number % 8 {
                0 => version(number, size + 1),
                1 => version(number, size.max(2) - 1),
                _ => version(number, size),
            };
            match number % 5 {
                0 => replace(&path, &bytes),
                1 => rewrite(&path, &bytes),
                2 => fs::write(&path, &bytes).unwrap(),
                3 => {
                    // As by `cp -p` or a restored backup: the new bytes have an older time.
                    rewrite(&path, &bytes);
                    set_time(
                        &path,
                        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + u64::from(number)),
                    );
                }
                _ => {
                    fs::remove_file(&path).unwrap();
                    connection.get("/file.bin").expect_status(404);
                    fs::write(&path, &bytes).unwrap();
                }
            }
            let changed = "a change was not noticed";
            let resumed = Request::new("GET", "/file.bin").header("Range", "bytes=0-0");
            let resumed = resumed.header("If-Range", &tag(&before));
            let resumed = connection.exchange(&resumed).unwrap().expect_status(200);
            assert!(resumed.body == bytes, "{changed}: {size} bytes, change {number}, a resumed download");
            let held = Request::new("GET", "/file.bin").header("If-None-Match", &tag(&before));
            let held = connection.exchange(&held).unwrap().expect_status(200);
            assert!(
                held.body == bytes,
                "{changed}: {size} bytes, change {number}, a client that has the old"
            );
            let answer = connection.get("/file.bin").expect_status(200);
            assert!(answer.body == bytes, "{changed}: {size} bytes, change {number}");
            let known = tags.entry(tag(&answer)).or_insert_with(|| bytes.clone());
            assert!(
                *known == bytes,
                "{size} bytes, change {number}: other bytes have the tag {}",
                tag(&answer)
            );
        }
    }
}

/// A touched file may have other bytes, so its tag changes.
#[test]
fn a_touched_file_gets_another_tag() {
    let service = Setup::new().start();
    let mut connection = Connection::open(&service.south("/"));
    for size in SIZES {
        let path = service.path("static/file.bin");
        fs::write(&path, version(0, size)).unwrap();
        let mut tags = Vec::new();
        for seconds in [1_000_000_000, 1_000_000_001, 999_999_999, 1_500_000_000] {
            set_time(&path, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            let answer = connection.get("/file.bin").expect_status(200);
            assert!(answer.body == version(0, size));
            assert!(!tags.contains(&tag(&answer)), "{seconds}: {tags:?}");
            tags.push(tag(&answer));
            let since = Request::new("GET", "/file.bin").header("If-None-Match", &tags.join(", "));
            connection.exchange(&since).unwrap().expect_status(304);
        }
    }
}

/// One thread renames new versions into place, others request them. Each answer is one version, complete.
#[test]
fn no_answer_is_a_mixture() {
    let service = Setup::new().start();
    let size = |number: u32| [3000, 3001, 150_000, 150_001][usize::try_from(number % 4).unwrap()];
    let path = service.path("static/file.bin");
    replace(&path, &version(0, size(0)));
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let tags: Vec<HashMap<String, Vec<u8>>> = std::thread::scope(|scope| {
        let ask = || {
            let mut tags: HashMap<String, Vec<u8>> = HashMap::new();
            let mut connection = Connection::open(&service.south("/"));
            while !done.load(Ordering::Relaxed) {
                let answer = connection.get("/file.bin").expect_status(200);
                asked.fetch_add(1, Ordering::Relaxed);
                let known = tags.entry(tag(&answer)).or_insert_with(|| answer.body.clone());
                assert!(*known == answer.body, "one tag for two versions: {}", tag(&answer));
            }
            tags
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        for number in 1..=60 {
            // Two files of one size may share a tag if they are made within one tick of the clock.
            std::thread::sleep(MOMENT);
            replace(&path, &version(number, size(number)));
        }
        done.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let versions: Vec<Vec<u8>> = (0..=60).map(|number| version(number, size(number))).collect();
    let mut all: HashMap<String, Vec<u8>> = HashMap::new();
    for (tag, body) in tags.into_iter().flatten() {
        assert!(versions.contains(&body), "{} bytes under {tag} are no version", body.len());
        let known = all.entry(tag).or_insert_with(|| body.clone());
        assert!(*known == body, "one tag for two versions");
    }
    assert!(all.len() > 10, "{} answers saw only {} versions", asked.load(Ordering::Relaxed), all.len());
}

/// The old file keeps another name or link: nothing about it has changed.
#[test]
fn a_name_that_leads_elsewhere_is_noticed_soon() {
    let service = Setup::new().file("static/one.bin", "one").file("static/two.bin", "two, longer").start();
    let (link, url) = (service.path("static/current"), service.south("/current"));
    let point_to = |target: &str| {
        let beside = service.path("static/current.new");
        symlink(target, &beside).unwrap();
        fs::rename(beside, &link).unwrap();
    };
    point_to("one.bin");
    assert_eq!(http::get(&url).expect_status(200).text(), "one");
    for (target, expected) in [("two.bin", "two, longer"), ("one.bin", "one"), ("two.bin", "two, longer")] {
        point_to(target);
        eventually(SOON, "the other file", || {
            let answer = http::get(&url).expect_status(200);
            // Old bytes come with the old tag.
            let source = if answer.text() == "one" { "/one.bin" } else { "/two.bin" };
            assert_eq!(tag(&answer), tag(&http::get(&service.south(source))));
            (answer.text() == expected).then_some(())
        });
    }
    // Moved away, with another file in its place.
    assert_eq!(http::get(&service.south("/one.bin")).text(), "one");
    fs::rename(service.path("static/one.bin"), service.path("static/old.bin")).unwrap();
    fs::write(service.path("static/one.bin"), "new").unwrap();
    eventually(SOON, "the new file", || {
        (http::get(&service.south("/one.bin")).expect_status(200).text() == "new").then_some(())
    });
    assert_eq!(http::get(&service.south("/old.bin")).expect_status(200).text(), "one");
}

#[test]
fn a_name_may_become_anything() {
    let service = Setup::new().file("secret.txt", "secret").start();
    let (path, url) = (service.path("static/thing"), service.south("/thing"));
    for size in [10, 100_000] {
        let ask = || {
            fs::write(&path, version(0, size)).unwrap();
            assert!(http::get(&url).expect_status(200).body == version(0, size));
            fs::remove_file(&path).unwrap();
        };
        ask();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "").unwrap();
        let listing = http::get_with(&url, &[("Accept", "text/plain")]).expect_status(200);
        assert_eq!(listing.text().trim(), "inside");
        fs::remove_dir_all(&path).unwrap();
        http::get(&url).expect_status(404);
        ask();
        symlink("../secret.txt", &path).unwrap();
        http::get(&url).expect_status(404);
        fs::remove_file(&path).unwrap();
        ask();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
        http::get(&url).expect_status(404);
        fs::remove_file(&path).unwrap();
        ask();
        fs::write(&path, "").unwrap();
        assert_eq!(http::get(&url).expect_status(200).content_length(), Some(0));
        fs::remove_file(&path).unwrap();
    }
}

/// Begins a transfer of a big file and reads its first bytes.
#[track_caller]
fn begin(service: &Service, target: &str, length: u64) -> Connection {
    let mut connection = Connection::open(&service.south("/"));
    connection.send(&Request::new("GET", target)).unwrap();
    assert_eq!(connection.receive_head().unwrap().expect_status(200).content_length(), Some(length));
    connection.read_some(1000).unwrap();
    connection
}

/// Reads the rest of the transfer of `begin`, and the answer to one more request.
#[track_caller]
fn finish(mut connection: Connection, length: u64, end: &[u8], target: &str) -> Response {
    let rest = connection.read_some(usize::try_from(length - 1000).unwrap()).unwrap();
    assert!(rest.ends_with(end), "the transfer ended on other bytes");
    connection.get(target)
}

#[test]
fn a_transfer_of_a_deleted_file_ends_and_frees_the_disk() {
    let setup = Setup::new();
    iso::sparse_file(&setup.path("static/big.bin"), BIG, &[(BIG - 5, b"end.\n")]);
    let service = setup.start();
    let transfer = begin(&service, "/big.bin", BIG);
    fs::remove_file(service.path("static/big.bin")).unwrap();
    http::get(&service.south("/big.bin")).expect_status(404);
    finish(transfer, BIG, b"end.\n", "/big.bin").expect_status(404);
    eventually(Duration::from_secs(10), "a deleted file without descriptors", || {
        let open = open_files(service.pid());
        (!open.iter().any(|target| target.ends_with(" (deleted)") && target.contains("big.bin")))
            .then_some(())
    });
}

#[test]
fn a_transfer_of_a_growing_file_ends_where_it_was_to_end() {
    let setup = Setup::new().file("static/log.txt", "one line\n");
    iso::sparse_file(&setup.path("static/big.bin"), BIG, &[(BIG - 5, b"end.\n")]);
    let service = setup.start();
    let transfer = begin(&service, "/big.bin", BIG);
    let more = vec![b'+'; 1 << 20];
    std::io::Write::write_all(
        &mut File::options().append(true).open(service.path("static/big.bin")).unwrap(),
        &more,
    )
    .unwrap();
    let next = finish(transfer, BIG, b"end.\n", "/big.bin").expect_status(200);
    assert_eq!(next.content_length(), Some(BIG + (1 << 20)));
    assert!(next.body.ends_with(&more));
    // A small file, requested after each line.
    let mut connection = Connection::open(&service.south("/"));
    let mut expected = "one line\n".to_owned();
    for number in 0..100 {
        let line = format!("line {number}\n");
        let mut file = File::options().append(true).open(service.path("static/log.txt")).unwrap();
        std::io::Write::write_all(&mut file, line.as_bytes()).unwrap();
        expected += &line;
        assert_eq!(connection.get("/log.txt").expect_status(200).text(), expected);
    }
}

/// The announced bytes are gone: the connection is cut off, wherever the file ends now and whatever part was
/// requested.
#[test]
fn a_transfer_of_a_truncated_file_is_cut() {
    let service = Setup::new().start();
    let path = service.path("static/big.bin");
    let whole = Request::new("GET", "/big.bin");
    let range = Request::new("GET", "/big.bin").header("Range", &format!("bytes=100-{}", BIG - 10));
    let several =
        Request::new("GET", "/big.bin").header("Range", &format!("bytes=0-40000000, 50000000-{}", BIG - 10));
    let mut broken = 0;
    for (request, status) in [(whole, 200), (range, 206), (several, 206)] {
        for length in [0, 4096, BIG - (4 << 20) + 1, BIG - 11] {
            iso::sparse_file(&path, BIG, &[(BIG - 5, b"end.\n")]);
            let mut connection = Connection::open(&service.south("/"));
            connection.send(&request).unwrap();
            let announced =
                connection.receive_head().unwrap().expect_status(status).content_length().unwrap();
            let read = 1000;
            connection.read_some(read).unwrap();
            File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            // The end may be orderly or a reset, but it comes too early.
            if let Ok(rest) = connection.read_to_end() {
                assert!(((read + rest.len()) as u64) < announced, "all bytes came of a file of {length}");
            }
            broken += 1;
            await_figure(&service, "transfers_broken_total", |total| total == broken);
            let answer = http::head(&service.south("/big.bin")).expect_status(200);
            assert_eq!(answer.content_length(), Some(length));
        }
    }
}

/// An ISO that is replaced under its image is another ISO: its tree is gone, and a running transfer of the
/// old one completes.
#[test]
fn a_transfer_out_of_a_replaced_iso_ends_on_the_old_bytes() {
    let setup = Setup::new().file("elsewhere/.keep", "");
    let iso = setup.path("elsewhere/local.iso");
    let tree = iso::SourceTree::new()
        .sparse("big.bin", BIG, &[(0, b"begin"), (BIG - 5, b"end.\n")])
        .file("small.txt", "small\n");
    iso::Maker::Xorriso.make(&["-R"], &tree, &iso);
    let service = setup.start();
    service.register("linux", "1", "isolocal", iso.to_str().unwrap());
    assert_eq!(http::get(&service.south("/linux/1/small.txt")).expect_status(200).text(), "small\n");
    let old_iso = fs::read(&iso).unwrap();
    let whole = begin(&service, "/iso/local.iso", old_iso.len() as u64);
    let inside = begin(&service, "/linux/1/big.bin", BIG);
    let other = fs::read(images::installer()).unwrap();
    replace(&iso, &other);
    for target in ["/linux/1/small.txt", "/linux/1/big.bin", "/linux/1/README"] {
        http::get(&service.south(target)).expect_status(404);
    }
    finish(inside, BIG, b"end.\n", "/linux/1/big.bin").expect_status(404);
    let next = finish(whole, old_iso.len() as u64, &old_iso[old_iso.len() - 100_000..], "/iso/local.iso");
    assert!(next.expect_status(200).body == other, "the next request gets the new ISO");
}

/// Small files of an image are cached too; when the ISO shrinks or is overwritten, they are no longer served.
#[test]
fn what_was_kept_of_an_iso_goes_with_it() {
    let setup = Setup::new();
    for name in ["shrunk", "written", "gone"] {
        fs::copy(images::installer(), setup.path(&format!("static/iso/{name}.iso"))).unwrap();
    }
    let service = setup.start();
    let mut connection = Connection::open(&service.south("/"));
    for name in ["shrunk", "written", "gone"] {
        service.register(name, "1", "isostore", &format!("{name}.iso"));
        let (iso, target) = (service.path(&format!("static/iso/{name}.iso")), format!("/{name}/1/README"));
        for _ in 0..3 {
            assert_eq!(connection.get(&target).expect_status(200).text(), "This is a fixture.\n");
        }
        match name {
            "shrunk" => File::options().write(true).open(&iso).unwrap().set_len(40_000).unwrap(),
            "written" => rewrite(&iso, &vec![0; 100_000]),
            _ => fs::remove_file(&iso).unwrap(),
        }
        connection.get(&target).expect_status(404);
    }
}

#[test]
fn listings_show_what_is_there_now() {
    let service = Setup::new().file("static/folder/first", "").start();
    let mut connection = Connection::open(&service.south("/"));
    let mut names = |expected: &[&str]| {
        let answer =
            connection.exchange(&Request::new("GET", "/folder/").header("Accept", "text/plain")).unwrap();
        assert_eq!(answer.expect_status(200).text().lines().collect::<Vec<_>>(), expected);
    };
    names(&["first"]);
    service.write("static/folder/second", "");
    names(&["first", "second"]);
    fs::remove_file(service.path("static/folder/first")).unwrap();
    names(&["second"]);
    fs::rename(service.path("static/folder/second"), service.path("static/folder/third")).unwrap();
    names(&["third"]);
    fs::rename(service.path("static/folder"), service.path("static/other")).unwrap();
    fs::create_dir(service.path("static/folder")).unwrap();
    eventually(SOON, "the new folder", || {
        (http::get_with(&service.south("/folder/"), &[("Accept", "text/plain")]).text().is_empty())
            .then_some(())
    });
}
