//! `/iso` and `/microkernel` (contract §2): listings, uploads, removal.

use harness::curl_answer::{answer, ask};
use harness::disk::FoldingDisk;
use harness::http::{self, Connection, Request};
use harness::iso::sparse_file;
use harness::problem::expect_problem;
use harness::remains::{Remains, expect_no_unfinished, unfinished};
use harness::wait::eventually;
use harness::{Service, Setup, digest, images};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Both stores: the northbound path, the folder, the southbound path.
const STORES: [(&str, &str, &str); 2] =
    [("/iso", "static/iso", "/iso"), ("/microkernel", "static/common", "/common")];

/// Above this size an upload streams its progress.
const SMALL: usize = 8 << 20;

#[track_caller]
fn list(service: &Service, path: &str) -> Vec<Value> {
    http::get(&service.north(path)).expect_status(200).json().as_array().expect("an array").clone()
}

fn names(files: &[Value]) -> Vec<&str> {
    files.iter().map(|file| file["name"].as_str().unwrap()).collect()
}

/// The listed file `name`, once its digest is known.
#[track_caller]
fn digested(service: &Service, path: &str, name: &str) -> Value {
    eventually(Duration::from_secs(10), "the file's digest", || {
        let file = list(service, path).into_iter().find(|file| file["name"] == name)?;
        (!file["sha256"].is_null()).then_some(file)
    })
}

/// Writes `bytes` to a file for curl; returns its path.
fn on_disk(service: &Service, name: &str, bytes: &[u8]) -> String {
    service.write(name, bytes);
    service.path(name).to_str().unwrap().to_owned()
}

/// Parses a time such as `2026-01-02T03:04:05.678Z`.
#[track_caller]
fn parse_time(text: &str) -> SystemTime {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{text}");
    let seconds = Command::new("date").args(["--date", text, "+%s.%3N"]).output().unwrap();
    let seconds: f64 = String::from_utf8(seconds.stdout).unwrap().trim().parse().unwrap();
    UNIX_EPOCH + Duration::from_secs_f64(seconds)
}

#[test]
fn listings_tell_name_size_time_and_digest() {
    let service = Service::start(&json!({}));
    for (path, _, south) in STORES {
        assert_eq!(http::get(&service.north(path)).expect_status(200).text(), "[]");
        for (size, shown) in [
            (1, "1 Byte"),
            (265, "265 Byte"),
            (1000, "1.00 KB"),
            (4_100, "4.10 KB"),
            (999_999, "1.00 MB"),
            (6_850_000, "6.85 MB"),
        ] {
            let name = format!("file-{size}.iso");
            let bytes = images::pattern(91, size);
            let started = SystemTime::now();
            http::put(&service.north(&format!("{path}?name={name}")), bytes.clone()).expect_status(200);
            let files = list(&service, &format!("{path}?name={name}"));
            assert_eq!(names(&files), [name.as_str()]);
            let file = &files[0];
            assert_eq!(file["size"], shown, "{file}");
            assert_eq!(file["bytes"], size, "{file}");
            assert_eq!(file["sha256"], digest::of_bytes(&bytes), "known as soon as the file is: {file}");
            let uploaded = parse_time(file["uploaded"].as_str().unwrap());
            let apart = uploaded.duration_since(started).unwrap_or_else(|error| error.duration());
            assert!(apart < Duration::from_secs(20), "{file}");
            // The previous service's spelling, for ISOs alone.
            let old = if path == "/iso" { &file["uploaded"] } else { &Value::Null };
            assert_eq!(&file["upload"], old, "{file}");
            assert!(http::get(&service.south(&format!("{south}/{name}"))).body == bytes);
        }
        let files = list(&service, path);
        let mut sorted = names(&files);
        sorted.sort_unstable();
        assert_eq!((files.len(), names(&files)), (6, sorted));
        assert!(list(&service, &format!("{path}?name=none")).is_empty());
        // Parameters that browsers add against caches have no effect.
        assert_eq!(list(&service, &format!("{path}?_=1700000000")), files);
    }
    assert_eq!(unfinished(&service), [""; 0]);
}

#[test]
fn curl_uploads_as_it_likes() {
    let service = Service::start(&json!({}));
    let small = images::pattern(92, 200_000);
    let big = images::pattern(93, SMALL + (1 << 20));
    let (small_file, big_file) = (on_disk(&service, "small.bin", &small), on_disk(&service, "big.bin", &big));
    let (small_data, big_data) = (format!("@{small_file}"), format!("@{big_file}"));
    let json = ["--header", "Accept: application/json"];
    for (path, folder, _) in STORES {
        for (name, bytes, arguments) in [
            ("file-small", &small, vec!["--upload-file", small_file.as_str()]),
            ("data-small", &small, vec!["--data-binary", &small_data]),
            ("file-big", &big, vec!["--upload-file", &big_file]),
            ("data-big", &big, vec!["--data-binary", &big_data]),
            (
                "chunked-small",
                &small,
                vec!["--upload-file", &small_file, "--header", "Transfer-Encoding: chunked"],
            ),
            ("chunked-big", &big, vec!["--upload-file", &big_file, "--header", "Transfer-Encoding: chunked"]),
            ("http10", &small, vec!["--http1.0", "--upload-file", &small_file]),
            ("no-continue", &big, vec!["--header", "Expect:", "--data-binary", &big_data]),
            (
                "odd-type",
                &small,
                vec!["--header", "Content-Type: application/json", "--data-binary", &small_data],
            ),
        ] {
            let url = service.north(&format!("{path}?name={name}"));
            let text = ask("PUT", &url, &arguments);
            assert_eq!((text.code, text.status), (0, 200), "{path} {name}: {text:?}");
            assert_eq!(text.content_type.as_deref(), Some("text/plain; charset=utf-8"), "{name}");
            let lines: Vec<&str> = text.text.lines().collect();
            let told: Vec<String> = (1..=10).map(|tenth| format!("Uploaded {} %", tenth * 10)).collect();
            assert_eq!(lines.last(), Some(&"Upload finished!"), "{name}: {lines:?}");
            assert_eq!(lines[lines.len() - 2], "Uploaded 100 %", "{name}: {lines:?}");
            if !name.starts_with("chunked") {
                assert_eq!(lines[..lines.len() - 1], told, "{name}");
            }
            assert!(
                fs::read(service.path(&format!("{folder}/{name}"))).unwrap() == **bytes,
                "{name} differs"
            );

            // The same upload again, answered with one object: an unused file may be replaced.
            let object = ask("PUT", &url, &[&arguments[..], &json].concat());
            assert_eq!((object.code, object.status), (0, 200), "{path} {name}: {object:?}");
            assert_eq!(object.content_type.as_deref(), Some("application/json"), "{name}");
            let object: Value = serde_json::from_str(&object.text).unwrap();
            assert_eq!(object["name"], name);
            assert_eq!(object["bytes"], bytes.len());
            assert_eq!(object["sha256"], digest::of_bytes(bytes), "{name}");
        }
        assert_eq!(list(&service, path).len(), 9);
    }
    expect_no_unfinished(&service);
}

#[test]
fn progress_comes_while_the_bytes_go() {
    let service = Service::start(&json!({}));
    let body = images::pattern(94, SMALL + 2);
    let mut connection = Connection::open(&service.north(""));
    let length = body.len().to_string();
    let head = Request::new("PUT", "/iso?name=progress.iso").header("Content-Length", &length);
    connection.send(&head).unwrap();
    let (first, second) = body.split_at(body.len() * 55 / 100);
    connection.write(first).unwrap();
    // The head and five lines arrive before the rest is sent.
    let answer = connection.receive_head().unwrap();
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("text/plain; charset=utf-8")));
    let mut text = String::new();
    while !text.contains("Uploaded 50 %") {
        text.push_str(&String::from_utf8(connection.read_some(1).unwrap()).unwrap());
    }
    assert!(!text.contains("60 %"), "{text}");
    connection.write(second).unwrap();
    while !text.contains("Upload finished!") {
        text.push_str(&String::from_utf8(connection.read_some(1).unwrap()).unwrap());
    }
    assert_eq!(list(&service, "/iso")[0]["sha256"], digest::of_bytes(&body));
}

#[test]
fn a_name_is_visible_only_when_its_file_is_whole() {
    let service = Service::start(&json!({}));
    let old = images::pattern(95, 3000);
    for (path, _, south) in STORES {
        http::put(&service.north(&format!("{path}?name=kept.iso")), old.clone()).expect_status(200);
        let new = images::pattern(96, 100_000);
        for (name, there_before) in [("fresh.iso", false), ("kept.iso", true)] {
            let mut connection = Connection::open(&service.north(""));
            let length = new.len().to_string();
            let request =
                Request::new("PUT", &format!("{path}?name={name}")).header("Content-Length", &length);
            connection.send(&request).unwrap();
            connection.write(&new[..60_000]).unwrap();
            eventually(Duration::from_secs(5), "the bytes on the disk", || {
                unfinished(&service).first().filter(|file| {
                    fs::metadata(service.path("static").join(file)).is_ok_and(|facts| facts.len() >= 60_000)
                })?;
                Some(())
            });
            let listed = list(&service, path);
            assert_eq!(
                names(&listed),
                if there_before { vec!["fresh.iso", "kept.iso"] } else { vec!["kept.iso"] }
            );
            let served = http::get(&service.south(&format!("{south}/{name}")));
            if there_before {
                assert!(
                    served.status == 200 && served.body == old,
                    "the old file is served until the new one is whole"
                );
            } else {
                assert_eq!(served.status, 404);
            }
            // No API shows the folder of unfinished files.
            for hidden in unfinished(&service) {
                let hidden = hidden.split_once('/').unwrap().1;
                assert_eq!(http::get(&service.south(&format!("{south}/{hidden}"))).status, 404, "{hidden}");
            }
            connection.write(&new[60_000..]).unwrap();
            let answer = connection.receive("PUT").unwrap().expect_status(200);
            assert!(answer.text().ends_with("Upload finished!\n"));
            assert!(http::get(&service.south(&format!("{south}/{name}"))).body == new);
        }
        assert_eq!(list(&service, path).len(), 2);
    }
    expect_no_unfinished(&service);
}

#[test]
fn an_iso_that_an_image_uses_stays_as_it_is() {
    let service = Service::start(&json!({}));
    service.upload_iso("used.iso", &images::installer());
    service.register("centos", "7", "isostore", "used.iso");
    service.register("centos", "8", "isostore", "used.iso");
    let before = Remains::of(&service);
    for body in [images::pattern(97, 5000), fs::read(images::installer()).unwrap()] {
        let refused = http::put(&service.north("/iso?name=used.iso"), body);
        let problem = expect_problem(&service, &refused, 409, "used.iso");
        assert!(problem["message"].as_str().unwrap().contains("centos 7"), "{problem}");
    }
    let big = on_disk(&service, "big.bin", &images::pattern(98, SMALL + 1));
    let refused = ask("PUT", &service.north("/iso?name=used.iso"), &["--upload-file", &big]);
    assert_eq!(refused.status, 409, "{refused:?}");
    let problem =
        expect_problem(&service, &http::delete(&service.north("/iso?name=used.iso")), 409, "used.iso");
    for image in ["centos 7", "centos 8"] {
        assert!(problem["message"].as_str().unwrap().contains(image), "{problem}");
    }
    before.expect_again(&service, "refused changes");
    let listed = list(&service, "/iso");
    let mut users: Vec<&str> =
        listed[0]["images"].as_array().unwrap().iter().map(|user| user.as_str().unwrap()).collect();
    users.sort_unstable();
    assert_eq!(users, ["centos 7", "centos 8"]);
    // Names in the other store are independent.
    http::put(&service.north("/microkernel?name=used.iso"), "another").expect_status(200);
    http::delete(&service.north("/microkernel?name=used.iso")).expect_status(200);
    http::delete(&service.north("/images?name=centos")).expect_status(200);
    http::put(&service.north("/iso?name=used.iso"), "free again").expect_status(200);
    http::delete(&service.north("/iso?name=used.iso")).expect_status(200);
}

#[test]
fn delete_answers_with_the_file_it_removed() {
    let service = Service::start(&json!({}));
    for (path, folder, south) in STORES {
        for name in ["one", "two words", "üñï.iso"] {
            http::put(&service.north(&format!("{path}?name={}", http::encode(name))), "bytes")
                .expect_status(200);
        }
        service.write(&format!("{folder}/by-hand"), "bytes");
        for name in ["one", "two words", "üñï.iso", "by-hand"] {
            let target = service.north(&format!("{path}?name={}", http::encode(name)));
            let removed = http::delete(&target).expect_status(200);
            assert_eq!(removed.header("Content-Type"), Some("application/json"));
            let removed = removed.json();
            assert_eq!((&removed["name"], &removed["size"]), (&json!(name), &json!("5 Byte")), "{removed}");
            assert_eq!(http::get(&service.south(&format!("{south}/{}", http::encode(name)))).status, 404);
            expect_problem(&service, &http::delete(&target), 404, name);
        }
        expect_problem(&service, &http::delete(&service.north(path)), 400, "`name`");
        expect_problem(&service, &http::delete(&service.north(&format!("{path}?name=.."))), 400, "`name`");
        expect_problem(
            &service,
            &http::delete(&service.north(&format!("{path}?name=.incoming"))),
            400,
            "`name`",
        );
        let headers = [("Content-Type", "application/json")];
        http::put(&service.north(&format!("{path}?name=by-body")), "bytes").expect_status(200);
        let removed = http::request("DELETE", &service.north(path), &headers, r#"{"name": "by-body"}"#);
        assert_eq!(removed.expect_status(200).json()["name"], "by-body");
        assert_eq!(http::get(&service.north(path)).text(), "[]");
    }
}

#[test]
fn files_dropped_into_a_folder_are_files_like_others() {
    let setup = Setup::new().set("watchInterval", 200.into());
    let service = setup.file("static/iso/before.iso", "there before the start\n").start();
    for (path, folder, _) in STORES {
        service.write(&format!("{folder}/dropped.iso"), images::pattern(99, 70_000));
        let file = digested(&service, path, "dropped.iso");
        assert_eq!(file["sha256"], digest::of_bytes(&images::pattern(99, 70_000)));
        assert_eq!((&file["bytes"], &file["size"]), (&json!(70_000), &json!("70.00 KB")));
        // The file changes outside the API: the old digest must not be shown for the new bytes.
        service.write(&format!("{folder}/dropped.iso"), images::pattern(100, 70_001));
        let file = digested(&service, path, "dropped.iso");
        assert_eq!(file["sha256"], digest::of_bytes(&images::pattern(100, 70_001)));
        assert_eq!(file["bytes"], 70_001);
    }
    assert_eq!(
        digested(&service, "/iso", "before.iso")["sha256"],
        digest::of_bytes(b"there before the start\n")
    );

    // Only regular files with valid names belong to the store.
    fs::create_dir(service.path("static/iso/folder.iso")).unwrap();
    symlink("/etc/passwd", service.path("static/iso/link.iso")).unwrap();
    Command::new("mkfifo").arg(service.path("static/iso/fifo.iso")).status().unwrap();
    service.write("static/iso/-dash.iso", "x");
    service.write("static/iso/back\\slash.iso", "x");
    let listed = list(&service, "/iso");
    assert_eq!(names(&listed), ["before.iso", "dropped.iso"]);
    expect_problem(&service, &http::delete(&service.north("/iso?name=link.iso")), 404, "link.iso");
    let answer = service.put_image(&[("name", "n"), ("version", "v"), ("isostore", "fifo.iso")]);
    expect_problem(&service, &answer, 404, "`isostore`");
    assert!(Path::new("/etc/passwd").exists());
}

#[test]
fn what_an_upload_cannot_be_is_refused_before_the_body() {
    let service = Service::start(&json!({"maxFileSize": 1_000_000}));
    let before = Remains::of(&service);
    for (path, _, _) in STORES {
        for (target, headers, status, part) in [
            (path.to_owned(), vec![], 400, "`name`"),
            (format!("{path}?name="), vec![], 400, "`name`"),
            (format!("{path}?name=.incoming"), vec![], 400, "`name`"),
            (format!("{path}?nmae=x"), vec![], 400, "`nmae`"),
            (format!("{path}?name=x&name=y"), vec![], 400, "`name`"),
            (format!("{path}?name=x"), vec![("Content-Range", "bytes 0-9/20")], 400, "Content-Range"),
            (format!("{path}?name=x"), vec![("Content-Encoding", "gzip")], 415, "Content-Encoding"),
            (format!("{path}?name=x"), vec![("Content-Length", "1000001")], 413, "1000000"),
        ] {
            // Only the head is sent, so the answer does not depend on the body.
            let mut connection = Connection::open(&service.north(""));
            let mut request = Request::new("PUT", &target).headers(&headers).header("Expect", "100-continue");
            if !headers.iter().any(|(name, _)| *name == "Content-Length") {
                request = request.header("Content-Length", "10");
            }
            connection.send(&request).unwrap();
            let answer = connection.receive_head().unwrap();
            assert_eq!(answer.status, status, "{target}: {}", answer.head_text());
            let mut answer = answer;
            answer.body =
                connection.read_some(usize::try_from(answer.content_length().unwrap()).unwrap()).unwrap();
            expect_problem(&service, &answer, status, part);
        }
        // A client that sends the body at once gets the same answer.
        let answer = http::put(&service.north(&format!("{path}?name=.incoming")), vec![0; 900_000]);
        expect_problem(&service, &answer, 400, "`name`");
        expect_problem(&service, &http::put(&service.north(&format!("{path}?name=empty")), ""), 400, "empty");
    }
    before.expect_again(&service, "refused uploads");
}

#[test]
fn a_large_upload_takes_little_memory() {
    const SIZE: u64 = 512 << 20;
    const LIMIT_KIB: u64 = 120 * 1024;
    let service = Service::start(&json!({"minLogLevel": 2}));
    let file = service.path("large.img");
    sparse_file(&file, SIZE, &[(0, b"first"), (SIZE - 4, b"last")]);
    let url = service.north("/iso?name=large.iso");
    let upload = answer(&["--max-time", "150", "--upload-file", file.to_str().unwrap(), &url]);
    assert_eq!((upload.code, upload.status), (0, 200), "{upload:?}");
    assert!(upload.text.ends_with("Uploaded 100 %\nUpload finished!\n"), "{}", upload.text);
    let status = fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < LIMIT_KIB, "{peak} KiB at the peak");
    let listed = list(&service, "/iso");
    assert_eq!((&listed[0]["bytes"], &listed[0]["size"]), (&json!(SIZE), &json!("536.87 MB")));
    assert_eq!(listed[0]["sha256"], digest::of_file(&file));
}

#[test]
fn what_other_programs_leave_in_a_store_is_not_listed() {
    let litter = [".DS_Store", "._a.iso", "Thumbs.db", "desktop.ini", "b.iso.part", "c.iso~", ".nfs0000a1"];
    let beside = ["SHA256SUMS", "a.iso.sha256", "notes.txt", "a.iso.torrent"];
    let mut setup = Setup::new().set("watchInterval", 100.into());
    for (_, folder, _) in STORES {
        for name in litter.into_iter().chain(beside).chain(["a.iso", ".hidden"]) {
            setup = setup.file(&format!("{folder}/{name}"), name);
        }
    }
    let service = setup.start();
    digested(&service, "/microkernel", "SHA256SUMS");
    digested(&service, "/iso", ".hidden");
    assert_eq!(names(&list(&service, "/iso")), [".hidden", "a.iso"]);
    let microkernels = list(&service, "/microkernel");
    assert_eq!(names(&microkernels).len(), beside.len() + 2, "{:?}", names(&microkernels));
    assert!(service.path("static/iso/.DS_Store").is_file() && service.path("static/iso/notes.txt").is_file());

    // A client that sends such a file wants it.
    service.upload_iso("SHA256SUMS", &service.path("static/iso/notes.txt"));
    assert_eq!(names(&list(&service, "/iso")), [".hidden", "SHA256SUMS", "a.iso"]);
}

/// Two names that the file system of a store takes for one must not be two files of the catalog: a change of
/// the one would change the other.
#[test]
fn two_spellings_of_one_name_are_one_name() {
    let setup = Setup::new();
    let _disk = FoldingDisk::mount(&setup.path("static/iso"));
    let service = setup.start();
    service.upload_iso("Debian.iso", &images::installer());
    service.register("debian", "1", "isostore", "Debian.iso");
    let kept = digest::of_file(&service.path("static/iso/Debian.iso"));
    let sent = on_disk(&service, "sent", &fs::read(images::fragmented()).unwrap());
    for (method, target, body) in [
        ("PUT", "/iso?name=debian.iso", &*sent),
        ("PUT", "/images?name=other&version=1&isoclient=debian.iso", &*sent),
        ("PUT", "/images?name=other&version=1&isostore=debian.iso", "/dev/null"),
    ] {
        let answer = ask(method, &service.north(target), &["--upload-file", body]);
        assert_eq!(answer.status, 409, "{method} {target}: {}", answer.text);
        assert!(answer.text.contains("debian.iso and Debian.iso"), "{target}: {}", answer.text);
    }
    assert_eq!(ask("DELETE", &service.north("/iso?name=debian.iso"), &[]).status, 404);
    assert_eq!(ask("GET", &service.north("/files/iso/debian.iso"), &[]).status, 404);
    assert_eq!(names(&list(&service, "/iso")), ["Debian.iso"]);
    assert_eq!(digest::of_file(&service.path("static/iso/Debian.iso")), kept);
    let image = service.wait_for_status("debian", "1", |status| status == "OK");
    assert_eq!(image["iso"], "Debian.iso");
}

/// ISOs on another disk are linked into the store, or sorted into folders: the refusal says what to do.
#[test]
fn a_link_and_a_folder_in_the_store_are_refused_with_the_way_to_register_them() {
    let setup = Setup::new();
    fs::create_dir_all(setup.path("nas")).unwrap();
    fs::copy(images::installer(), setup.path("nas/linked.iso")).unwrap();
    symlink("../../nas/linked.iso", setup.path("static/iso/linked.iso")).unwrap();
    fs::create_dir_all(setup.path("static/iso/debian")).unwrap();
    fs::copy(images::installer(), setup.path("static/iso/debian/12.iso")).unwrap();
    let service = setup.start();
    for (iso, status) in [("linked.iso", 404), ("debian/12.iso", 400)] {
        let refused = service.put_image(&[("name", "n"), ("version", "1"), ("isostore", iso)]);
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(refused.text().contains("`isolocal`"), "{}", refused.text());
        assert!(!refused.text().contains("/nas/"), "{}", refused.text());
    }
    for (name, path) in [("linked", "nas/linked.iso"), ("folder", "static/iso/debian/12.iso")] {
        service.register(name, "1", "isolocal", service.path(path).to_str().unwrap());
        http::get(&service.south(&format!("/{name}/1/images/pxeboot/vmlinuz"))).expect_status(200);
    }
}
