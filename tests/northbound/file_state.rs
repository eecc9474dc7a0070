//! Requests of tools that want files to be in a state: the same request twice, labels, entity tags with their
//! conditions, and formats.

use harness::http::{self, Response};
use harness::problem::expect_problem;
use harness::served_digest::{repr_digest, sha512};
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::SOON;
use harness::{Service, Setup, digest, images};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;

const JSON: (&str, &str) = ("Accept", "application/json");

/// A body that is announced and never comes, because the client waits for `100 Continue`.
const NOT_SENT: [(&str, &str); 2] = [("Content-Length", "9999999"), ("Expect", "100-continue")];

/// Both stores: as a path of a list, as a path of one file, and the folder.
const STORES: [(&str, &str, &str); 2] =
    [("/iso", "/files/iso", "static/iso"), ("/microkernel", "/files/microkernel", "static/common")];

fn ask(service: &Service, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    http::request(method, &service.north(path), &[&[JSON], headers].concat(), body)
}

fn put(service: &Service, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Value {
    ask(service, "PUT", path, headers, body).expect_status(200).json()
}

fn get(service: &Service, path: &str) -> Response {
    http::get(&service.north(path))
}

fn show(service: &Service, path: &str) -> Value {
    get(service, path).expect_status(200).json()
}

fn tag(answer: &Response) -> String {
    answer.header("ETag").unwrap_or_else(|| panic!("no tag:\n{}", answer.head_text())).to_owned()
}

fn inventory(service: &Service) -> Vec<u8> {
    fs::read(service.path("inventory.json")).unwrap()
}

#[test]
fn the_same_file_again_is_stored_once() {
    let service = Setup::new().start();
    let sha256 = digest::of_file(&images::installer());
    let body = fs::read(images::installer()).unwrap();
    for (store, one, folder) in STORES {
        let path = format!("{store}?name=a.iso&sha256={sha256}&label=team=blue");
        let first = put(&service, &path, &[], &body);
        let inode = || fs::metadata(service.path(folder).join("a.iso")).unwrap().ino();
        let (shown, kept, stored) = (get(&service, &format!("{one}/a.iso")), inventory(&service), inode());
        for _ in 0..2 {
            assert_eq!(put(&service, &path, &[], &body), first);
            let again = get(&service, &format!("{one}/a.iso")).expect_status(200);
            assert_eq!((again.json(), tag(&again)), (shown.json(), tag(&shown)));
        }
        // A client that waits to be told need not send the file.
        ask(&service, "PUT", &path, &NOT_SENT, b"").expect_status(200);
        let text = http::put(&service.north(&path), body.clone()).expect_status(200).text();
        assert!(text.ends_with("Upload finished!\n"), "{text}");
        assert!(inventory(&service) == kept && inode() == stored, "{store}: nothing is done");
        // Bytes that are others than was said are told, and other labels are given.
        expect_problem(&service, &ask(&service, "PUT", &path, &[], b"others"), 422, "sha256");
        let red = format!("{store}?name=a.iso&sha256={sha256}&label=team=red");
        assert_eq!(put(&service, &red, &[], &body)["labels"], json!({"team": "red"}));
        assert_eq!(inode(), stored);
        // Another file takes the name.
        let other = put(&service, &format!("{store}?name=a.iso"), &[], b"other bytes");
        assert_eq!((&other["bytes"], &other["labels"]), (&json!(11), &json!({"team": "red"})));
    }
}

#[test]
fn the_same_file_is_known_by_each_kind_of_digest() {
    let setup = Setup::new().set("watchInterval", json!(100));
    let service = setup.file("static/common/dropped", "dropped").start();
    let listed = || show(&service, "/microkernel")[0].clone();
    eventually(SOON, "the digest", || listed()["sha256"].is_string().then_some(()));
    let known = listed();
    let field = repr_digest(b"dropped");
    for (query, fields) in [
        (format!("&sha512={}", sha512(b"dropped")), vec![]),
        (String::new(), vec![("Repr-Digest", &*field)]),
        (String::new(), vec![("Content-Digest", &*field)]),
    ] {
        let again = put(&service, &format!("/microkernel?name=dropped{query}"), &fields, b"dropped");
        assert_eq!((&again["origin"], &again["uploaded"]), (&known["origin"], &known["uploaded"]), "{query}");
    }
    // Without a digest the service cannot know before it has all bytes.
    assert_eq!(put(&service, "/microkernel?name=dropped", &[], b"dropped")["origin"], "upload");
}

#[test]
fn a_file_in_use_may_be_put_again_and_a_conflict_names_it() {
    let service = Setup::new().file("elsewhere/local.iso", fs::read(images::installer()).unwrap()).start();
    let (sha256, body) = (digest::of_file(&images::installer()), fs::read(images::installer()).unwrap());
    let path = format!("/iso?name=a.iso&sha256={sha256}");
    let first = put(&service, &path, &[], &body);
    service.put_image(&[("name", "linux"), ("version", "1"), ("isostore", "a.iso")]).expect_status(200);
    assert_eq!(put(&service, &path, &[], &body), first);
    let used = ask(&service, "PUT", "/iso?name=a.iso", &NOT_SENT, b"");
    assert_eq!(expect_problem(&service, &used, 409, "used by linux 1")["name"], "a.iso");
    let used = ask(&service, "DELETE", "/files/iso/a.iso", &[], b"");
    assert_eq!(expect_problem(&service, &used, 409, "used by linux 1")["name"], "a.iso");
    let local = service.path("elsewhere/local.iso");
    service
        .put_image(&[("name", "local"), ("version", "1"), ("isolocal", local.to_str().unwrap())])
        .expect_status(200);
    let taken = ask(&service, "PUT", &format!("/iso?name=local.iso&sha256={sha256}"), &NOT_SENT, b"");
    assert_eq!(expect_problem(&service, &taken, 409, "where it lies")["name"], "local.iso");
}

#[test]
fn one_file_is_shown_as_it_is_listed_and_deleted() {
    let service = Setup::new().file("static/iso/.DS_Store", "litter").start();
    for (store, one, _) in STORES {
        // Names of any kind have a path.
        for name in ["a b+c%20d.iso", "ä.iso", "labels"] {
            let encoded = http::encode(name);
            let path = format!("{one}/{encoded}");
            expect_problem(&service, &get(&service, &path), 404, "has no file named");
            put(&service, &format!("{store}?name={encoded}"), &[], name.as_bytes());
            let shown = get(&service, &path).expect_status(200);
            let listed = show(&service, &format!("{store}?name={encoded}"));
            assert_eq!((&listed[0], listed.as_array().unwrap().len()), (&shown.json(), 1));
            let unchanged = http::get_with(&service.north(&path), &[("If-None-Match", &tag(&shown))]);
            assert_eq!(unchanged.expect_status(304).body.len(), 0);
            assert_eq!(
                http::head(&service.north(&path)).expect_status(200).header("ETag"),
                Some(&*tag(&shown))
            );
            assert_eq!(ask(&service, "DELETE", &path, &[], b"").expect_status(200).json()["name"], name);
            expect_problem(&service, &ask(&service, "DELETE", &path, &[], b""), 404, "has no file named");
        }
        assert_eq!(show(&service, store), json!([]));
    }
    expect_problem(&service, &get(&service, "/files/iso/.DS_Store"), 404, "has no file named");
    expect_problem(&service, &get(&service, "/files/disk/a"), 400, "`store` must be iso or microkernel");
    expect_problem(&service, &get(&service, "/files/iso/a%2Fb"), 400, "`name`");
    expect_problem(&service, &ask(&service, "PUT", "/files/iso/a", &[], b""), 405, "answers to");
}

#[test]
fn labels_belong_to_the_name_of_a_file() {
    let setup = Setup::new().set("watchInterval", json!(100));
    let mut service = setup.file("static/common/dropped", "dropped").start();
    for (store, one, _) in STORES {
        let labels = |service: &Service| show(service, &format!("{one}/a"))["labels"].clone();
        let set = |service: &Service, body: &str| {
            ask(service, "PUT", &format!("{one}/a/labels"), &[], body.as_bytes())
        };
        expect_problem(&service, &set(&service, "{}"), 404, "has no file named a");
        let with_labels = format!("{store}?name=a&label=team=blue&label=example.com/tier=1");
        let both = json!({"team": "blue", "example.com/tier": "1"});
        assert_eq!(put(&service, &with_labels, &[], b"1")["labels"], both);
        assert_eq!(labels(&service), both);
        // Another file keeps them, or brings others.
        assert_eq!(put(&service, &format!("{store}?name=a"), &[], b"2")["labels"], both);
        assert_eq!(put(&service, &format!("{store}?name=a&label=a="), &[], b"3")["labels"], json!({"a": ""}));
        // An object replaces all.
        let wanted = json!({"b": "2", "c": "3"});
        let changed = set(&service, &wanted.to_string()).expect_status(200);
        assert_eq!(changed.json()["labels"], wanted);
        let shown = get(&service, &format!("{one}/a"));
        assert_eq!((shown.json(), tag(&shown)), (changed.json(), tag(&changed)));
        service.restart();
        assert_eq!(labels(&service), wanted);
        let found = |service: &Service, filter: &str| {
            show(service, &format!("{store}?label={filter}")).as_array().unwrap().len()
        };
        assert_eq!(["b", "b=2", "b=3", "a"].map(|filter| found(&service, filter)), [1, 1, 0, 0]);
        let kept = inventory(&service);
        for mark in ["", "\u{feff}"] {
            set(&service, &format!("{mark}{wanted}")).expect_status(200);
        }
        assert!(inventory(&service) == kept, "nothing is saved");
        for (body, part) in [
            ("", "`labels` must be an object in JSON"),
            ("[]", "`labels` must be an object in JSON"),
            ("null", "`labels` must be an object in JSON"),
            (r#"{"a": {}}"#, "`labels` has the member 'a'"),
            (r#"{"a": "1", "a": "2"}"#, "more than once"),
            (r#"{"-a": "1"}"#, "has the key '-a'"),
        ] {
            expect_problem(&service, &set(&service, body), 400, part);
        }
        assert_eq!(labels(&service), wanted);
        set(&service, "{}").expect_status(200);
        assert_eq!(labels(&service), json!({}));
        // They go with the file.
        set(&service, &wanted.to_string()).expect_status(200);
        ask(&service, "DELETE", &format!("{one}/a"), &[], b"").expect_status(200);
        assert_eq!(put(&service, &format!("{store}?name=a"), &[], b"4")["labels"], json!({}));
        for query in ["label=a", "label=a=b&label=a=c", "label=%2Da=b"] {
            let refused = ask(&service, "PUT", &format!("{store}?name=a&{query}"), &NOT_SENT, b"");
            assert_eq!(expect_problem(&service, &refused, 400, "")["parameter"], "label");
        }
    }
    // A file that came by itself has labels like any other.
    let path = "/files/microkernel/dropped";
    put(&service, &format!("{path}/labels"), &[], br#"{"a": "1"}"#);
    service.restart();
    let shown = eventually(SOON, "the digest", || {
        let shown = show(&service, path);
        shown["sha256"].is_string().then_some(shown)
    });
    assert_eq!((&shown["labels"], &shown["origin"]), (&json!({"a": "1"}), &json!("folder")));
}

#[test]
fn a_resumable_upload_brings_its_labels() {
    let mut service = Setup::new().start();
    let metadata = "filename YS5pc28=, labels eyJ0ZWFtIjogImJsdWUiLCAidGllciI6IDF9";
    for (query, headers, labels) in [
        ("?name=a.iso&size=6&label=team=red", vec![], json!({"team": "red"})),
        (
            "",
            vec![("Upload-Length", "6"), ("Upload-Metadata", metadata)],
            json!({"team": "blue", "tier": "1"}),
        ),
        ("?name=a.iso&size=6", vec![], json!({"team": "blue", "tier": "1"})),
    ] {
        let created = ask(&service, "POST", &format!("/uploads{query}"), &headers, b"").expect_status(201);
        let upload = format!("/{}", created.header("Location").unwrap());
        let part = [("Content-Range", "bytes 0-2/6")];
        ask(&service, "PUT", &upload, &part, b"abc").expect_status(204);
        service.restart();
        let waiting = show(&service, "/uploads")[0]["labels"].clone();
        assert!(waiting == labels || query.ends_with("size=6") && waiting == json!({}), "{waiting}");
        let rest = [("Content-Range", "bytes 3-5/6")];
        let stored = ask(&service, "PUT", &upload, &rest, b"def").expect_status(200).json();
        assert_eq!(stored["labels"], labels, "{query}");
        assert_eq!(show(&service, "/files/iso/a.iso")["labels"], labels, "{query}");
    }
    let refused = ask(&service, "POST", "/uploads?name=a&size=6&label=a", &[], b"");
    expect_problem(&service, &refused, 400, "key=value");
    let headers = [("Upload-Length", "6"), ("Upload-Metadata", "name YQ==,labels YQ==")];
    expect_problem(
        &service,
        &ask(&service, "POST", "/uploads", &headers, b""),
        400,
        "`labels` must be an object",
    );
}

#[test]
fn changes_of_files_may_depend_on_the_version_that_was_seen() {
    let service = Setup::new().start();
    for (store, one, _) in STORES {
        let (query, path) = (format!("{store}?name=a"), format!("{one}/a"));
        let labels = format!("{path}/labels");
        let refuse = |method: &str, path: &str, condition: (&str, &str), part: &str| {
            // The bytes are not waited for.
            let fields =
                if method == "PUT" { [&NOT_SENT[..], &[condition]].concat() } else { vec![condition] };
            expect_problem(&service, &ask(&service, method, path, &fields, b""), 412, part);
        };
        refuse("PUT", &query, ("If-Match", "*"), "there is none");
        put(&service, &query, &[("If-None-Match", "*")], b"1");
        refuse("PUT", &query, ("If-None-Match", "*"), "one already");
        let old = tag(&get(&service, &path));
        put(&service, &query, &[("If-Match", &old)], b"22");
        for (method, path) in [("PUT", &query), ("DELETE", &query), ("DELETE", &path), ("PUT", &labels)] {
            refuse(method, path, ("If-Match", &old), "not the version");
        }
        let list = tag(&get(&service, &query));
        put(&service, &labels, &[("If-Match", &list)], br#"{"a": "1"}"#);
        refuse("PUT", &labels, ("If-Match", &list), "not the version");
        // A file that is there as it is described is no other version.
        let same = format!("{query}&sha256={}", digest::of_bytes(b"22"));
        refuse("PUT", &same, ("If-None-Match", "*"), "one already");
        put(&service, &same, &[("If-Match", &tag(&get(&service, &path)))], b"22");
        let malformed = ask(&service, "DELETE", &path, &[("If-Match", "x")], b"");
        expect_problem(&service, &malformed, 400, "`if-match`");
        assert_eq!(show(&service, &path)["bytes"], 2);
        ask(&service, "DELETE", &query, &[("If-Match", &tag(&get(&service, &path)))], b"").expect_status(200);
        expect_problem(&service, &ask(&service, "DELETE", &path, &[("If-Match", "*")], b""), 404, "no file");
    }
}

#[test]
fn of_clients_with_the_same_condition_one_succeeds() {
    let service = Setup::new().start();
    let race = |request: &(dyn Fn(usize) -> Response + Sync)| {
        let statuses: Vec<u16> = thread::scope(|scope| {
            let clients: Vec<_> = (0..8).map(|number| scope.spawn(move || request(number).status)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 409 | 412)), "{statuses:?}");
    };
    for round in 0..5 {
        let name = format!("f{round}");
        let path = format!("/files/microkernel/{name}");
        let once = [("If-None-Match", "*")];
        race(&|number| {
            ask(&service, "PUT", &format!("/microkernel?name={name}"), &once, format!("{number}").as_bytes())
        });
        let seen = tag(&get(&service, &path));
        let labels = format!("{path}/labels");
        race(&|number| {
            let body = format!("{{\"client\": \"{number}\"}}");
            ask(&service, "PUT", &labels, &[("If-Match", &seen)], body.as_bytes())
        });
    }
}

#[test]
fn conditions_can_be_required_for_files_and_jobs() {
    let service = Setup::new().set("requirePreconditions", json!(true)).start();
    for (store, one, _) in STORES {
        let (query, path) = (format!("{store}?name=a"), format!("{one}/a"));
        let labels = format!("{path}/labels");
        expect_problem(&service, &ask(&service, "PUT", &query, &NOT_SENT, b""), 428, "requirePreconditions");
        put(&service, &query, &[("If-None-Match", "*")], b"1");
        for (method, path) in [("DELETE", &query), ("DELETE", &path), ("PUT", &labels)] {
            let refused = ask(&service, method, path, &[], b"{}");
            expect_problem(&service, &refused, 428, "requirePreconditions");
        }
        put(&service, &labels, &[("If-Match", "*")], b"{}");
        let seen = tag(&get(&service, &path));
        ask(&service, "DELETE", &query, &[("If-Match", &seen)], b"").expect_status(200);
    }
    let refused = ask(&service, "DELETE", "/jobs/x", &[], b"");
    expect_problem(&service, &refused, 428, "requirePreconditions");
}

#[test]
fn a_job_is_cancelled_as_it_was_seen() {
    let service = Setup::new().start();
    let origin = Origin::start();
    origin.on("/slow.iso", Behaviour::Stall(fs::read(images::installer()).unwrap()));
    let link = origin.url("/slow.iso");
    let image = service
        .put_image(&[("name", "a"), ("version", "1"), ("wait", "0"), ("isoweb", &link)])
        .expect_status(200);
    let path = format!("/jobs/{}", image.json()["job"].as_str().unwrap());
    let running = eventually(SOON, "the download", || {
        let job = get(&service, &path);
        (job.json()["state"] == "running").then_some(job)
    });
    let cancel = |condition: (&str, &str)| ask(&service, "DELETE", &path, &[condition], b"");
    expect_problem(&service, &cancel(("If-Match", "\"other\"")), 412, "not the version");
    expect_problem(&service, &cancel(("If-None-Match", "*")), 412, "one already");
    assert_eq!(show(&service, &path)["state"], "running");
    assert_eq!(cancel(("If-Match", "*")).expect_status(200).json()["state"], "cancelled");
    // What has ended leaves the list.
    expect_problem(&service, &cancel(("If-Match", &tag(&running))), 412, "not the version");
    let ended = tag(&get(&service, &path));
    cancel(("If-Match", &ended)).expect_status(200);
    expect_problem(&service, &cancel(("If-Match", &ended)), 404, "no job");
}

#[test]
fn listings_tell_the_format_of_each_file() {
    let iso = fs::read(images::installer()).unwrap();
    let mut service = Setup::new()
        .set("watchInterval", json!(100))
        .file("static/iso/a.iso", &iso)
        .file("static/iso/page.iso", "<!doctype html><html></html>")
        .file("static/iso/packed.iso", b"\x1f\x8b\x08\0\0\0\0\0")
        .file("static/iso/odd.iso", b"\x80\x81\x82")
        .file("elsewhere/local.iso", &iso)
        .start();
    let local = service.path("elsewhere/local.iso");
    service
        .put_image(&[("name", "local"), ("version", "1"), ("isolocal", local.to_str().unwrap())])
        .expect_status(200);
    let sent = put(&service, "/iso?name=sent.iso", &[], &iso);
    assert_eq!(sent["format"], "iso", "known as soon as the file is stored");
    put(&service, "/images?name=c&version=1&isoclient=client.iso", &[], &iso);
    let wanted = json!({
        "a.iso": "iso", "client.iso": "iso", "local.iso": "iso", "odd.iso": "unknown", "packed.iso": "gzip",
        "page.iso": "html", "sent.iso": "iso",
    });
    let formats = |service: &Service| {
        let isos = show(service, "/iso");
        let isos = isos.as_array().unwrap().iter();
        Value::Object(
            isos.map(|iso| (iso["name"].as_str().unwrap().to_owned(), iso["format"].clone())).collect(),
        )
    };
    eventually(SOON, "the formats", || (formats(&service) == wanted).then_some(()));
    assert_eq!(show(&service, "/files/iso/packed.iso")["format"], "gzip");
    // Another file of the name has another format.
    service.write("static/iso/odd.iso", b"hsqs and more");
    eventually(SOON, "the new format", || {
        (show(&service, "/files/iso/odd.iso")["format"] == "squashfs").then_some(())
    });
    // Records of a program that knew no formats get them, and keep their digests.
    let verified = show(&service, "/files/iso/sent.iso")["verified"].clone();
    assert!(service.sigterm().success());
    let mut records: Value = serde_json::from_slice(&inventory(&service)).unwrap();
    for file in records["files"].as_array_mut().unwrap() {
        assert!(file.as_object_mut().unwrap().remove("format").is_some(), "{file}");
    }
    fs::write(service.path("inventory.json"), records.to_string()).unwrap();
    service.spawn();
    let wanted = {
        let mut wanted = wanted;
        wanted["odd.iso"] = json!("squashfs");
        wanted
    };
    eventually(SOON, "the formats", || (formats(&service) == wanted).then_some(()));
    assert_eq!(show(&service, "/files/iso/sent.iso")["verified"], verified);
}

/// Where both services share an endpoint, a prefix or an image may be called `files` as well.
#[test]
fn the_southbound_keeps_its_files() {
    let endpoints = json!([{ "address": "127.0.0.1", "port": 0, "routers": ["northbound", "southbound"] }]);
    for (prefix, status) in [("/", 200), ("/files", 404)] {
        let service = Setup::new()
            .set("httpEndpoints", endpoints.clone())
            .set("httpFileServiceApiRoot", json!(prefix))
            .file("static/files/a", "a")
            .file("static/common/a", "a")
            .file("static/iso/a.iso", "iso")
            .start();
        for path in ["/files/a", "/common/a", "/iso/a.iso"] {
            http::get(&service.south(path)).expect_status(200);
        }
        get(&service, "/files/microkernel/a").expect_status(status);
        assert_eq!(show(&service, "/iso")[0]["name"], "a.iso");
    }
}
