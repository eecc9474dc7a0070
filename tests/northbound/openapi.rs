//! The API's document: it equals `docs/openapi.json`, covers every route and method, and agrees with its own
//! examples and with real answers.

use harness::http::{self, Connection, Request};
use harness::schema::Document;
use harness::{Service, Setup};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The document in the repository, to be read without the running service.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

/// The answers of all operations, one a line, without references: what clients may get.
const ANSWERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/api_answers.txt");

/// Set this variable to renew the document and the answers in the repository.
const RENEW: &str = "IMAGE_SERVICE_RENEW_GOLDEN";

/// Routes that the document leaves out, with the reason.
const LEFT_OUT: [(&str, &str); 6] = [
    ("/docs", "a page for people"),
    ("/gui", "leads to the page"),
    ("/gui/", "a page for people"),
    ("/gui/docs", "leads to the page about the API"),
    ("/gui/{version}/{*path}", "what the pages are made of"),
    ("/uploads/", "/uploads, as clients of tus write it"),
];

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

fn document(service: &Service) -> Document {
    Document::new(http::get(&service.north("/openapi.json")).expect_status(200).json())
}

#[test]
fn the_document_is_the_one_that_is_kept() {
    let service = Setup::new().start();
    let served: Value = http::get(&service.north("/openapi.json")).expect_status(200).json();
    let served = serde_json::to_string_pretty(&served).unwrap() + "\n";
    if env::var_os(RENEW).is_some() {
        fs::write(GOLDEN, &served).unwrap();
    }
    let kept = fs::read_to_string(GOLDEN).unwrap_or_default();
    let differing = kept.lines().zip(served.lines()).position(|(kept, served)| kept != served);
    assert!(
        kept == served,
        "docs/openapi.json is not what the service tells (they differ in line {}). If that is meant, renew it with \
         `{RENEW}=1 cargo test --test northbound the_document`, and web-ui/api.d.ts, which is made from it.",
        differing.map_or(kept.lines().count().min(served.lines().count()) + 1, |line| line + 1),
    );
}

#[test]
fn every_answer_is_the_one_that_is_kept() {
    let service = Setup::new().start();
    let document = document(&service);
    let mut answers = String::new();
    for (path, method, operation) in document.operations() {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let contents = answer["content"].as_object().into_iter().flatten();
            let contents: Map<String, Value> = contents
                .map(|(media_type, content)| (media_type.clone(), content["schema"].clone()))
                .collect();
            let headers = answer.get("headers").cloned().unwrap_or_else(|| json!({}));
            let answer =
                json!({"description": answer["description"], "headers": headers, "content": contents});
            answers.push_str(&format!("{} {path} {status} {answer}\n", method.to_uppercase()));
        }
    }
    if env::var_os(RENEW).is_some() {
        fs::write(ANSWERS, &answers).unwrap();
    }
    let kept = fs::read_to_string(ANSWERS).unwrap_or_default();
    for (kept, answer) in kept.lines().zip(answers.lines()) {
        assert_eq!(answer, kept, "if that is meant, renew tests/fixtures/api_answers.txt with {RENEW}=1");
    }
    assert_eq!(answers.lines().count(), kept.lines().count(), "the number of answers");
}

#[test]
fn every_route_is_documented() {
    let service = Setup::new().start();
    let document = document(&service);
    let documented: BTreeSet<&str> = document.operations().map(|(path, _, _)| path).collect();
    let routes = routes();
    let left_out: BTreeSet<&str> = LEFT_OUT.iter().map(|(path, _)| *path).collect();
    assert!(
        left_out.iter().all(|path| routes.contains(*path)),
        "a route that is left out is none: {routes:?}"
    );
    let expected: BTreeSet<&str> =
        routes.iter().map(String::as_str).filter(|path| !left_out.contains(path)).collect();
    assert_eq!(documented, expected, "the document and the router do not have the same paths");
}

/// The paths in the source of the router.
fn routes() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/northbound");
    let router = fs::read_to_string(folder.join("routes.rs")).unwrap();
    let calls: Vec<&str> = router.split(".route(").skip(1).map(str::trim_start).collect();
    assert!(calls.len() > 10, "the router is not where this test looks for it");
    for file in sources(&folder) {
        let text = fs::read_to_string(&file).unwrap();
        for other in [".nest(", ".merge(", ".route_service(", ".nest_service("] {
            assert!(!text.contains(other), "{}: {other} brings routes past this test", file.display());
        }
        let is_router = file == folder.join("routes.rs");
        assert!(is_router || !text.contains(".route("), "{}: routes are in routes.rs", file.display());
    }
    let path = |call: &str| call.strip_prefix('"')?.split_once('"').map(|(path, _)| path.to_owned());
    calls.iter().map(|call| path(call).unwrap_or_else(|| panic!("no literal path: {call:.40}"))).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    folders.iter().flat_map(|folder| sources(folder)).chain(files).collect()
}

#[test]
fn every_method_is_documented() {
    let service = Setup::new().start();
    let document = document(&service);
    let paths: BTreeSet<&str> = document.operations().map(|(path, _, _)| path).collect();
    for path in paths {
        let operations = document.operations().filter(|(found, _, _)| *found == path);
        let mut methods: BTreeSet<String> = operations.map(|(_, method, _)| method.to_uppercase()).collect();
        let target = path.replace("{id}", "x");
        for method in METHODS {
            let is_answered = status(&service, method, &target) != 405;
            assert_eq!(is_answered, methods.contains(method), "{method} {path}");
        }
        if methods.contains("GET") {
            methods.insert("HEAD".into());
        }
        methods.insert("OPTIONS".into());
        let options = http::request("OPTIONS", &service.north(&target), &[], "").expect_status(204);
        let allowed = options.header("Allow").unwrap().split(", ").map(str::to_owned).collect();
        assert_eq!(methods, allowed, "{path}");
    }
}

/// The status of a request without parameters. Of endless answers only the head is read.
fn status(service: &Service, method: &str, target: &str) -> u16 {
    let mut connection = Connection::open(&service.north(""));
    // A POST with this header is an upload with another method (tus).
    let request = Request::new(method, target).header("X-HTTP-Method-Override", "HEAD");
    connection.send(&request).unwrap();
    connection.receive_head().unwrap().status
}

#[test]
fn examples_are_as_the_schemas_say() {
    let service = Setup::new().start();
    let document = document(&service);
    let mut examples = 0;
    for (path, method, operation) in document.operations() {
        let responses = operation["responses"].as_object().unwrap().values();
        let bodies = responses.chain(operation.get("requestBody"));
        for (media_type, content) in bodies.filter_map(|body| body["content"].as_object()).flatten() {
            if !media_type.ends_with("json") || content["schema"] == json!({"type": "object"}) {
                continue;
            }
            let example = content.get("example");
            let example = example.unwrap_or_else(|| panic!("{method} {path}: {media_type} has no example"));
            let faults = document.faults(&content["schema"], example);
            assert!(faults.is_empty(), "{method} {path}: the example of {media_type}: {faults:#?}");
            examples += 1;
        }
    }
    assert!(examples > 50, "{examples} examples");
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let document = document(&Setup::new().start());
    let listing = json!({
        "path": "", "url": "/a/1/", "total": 1, "offset": 0,
        "entries": [{"name": "a", "path": "a", "url": "/a/1/a", "kind": "file", "size": 1, "modified": null}],
    });
    let schema = json!({"$ref": "#/components/schemas/TreeListing"});
    assert_eq!(document.faults(&schema, &listing), [] as [String; 0]);
    // The checker remembers the members that it saw.
    let unseen = document.unseen();
    for (member, is_seen) in
        [("TreeListing.path", true), ("TreeEntry.modified", false), ("ImageInFull.findings", false)]
    {
        assert_eq!(!unseen.iter().any(|found| found == member), is_seen, "{member}: {unseen:?}");
    }
    for (pointer, value, fault) in [
        ("/total", json!("1"), ".total is not of type"),
        ("/total", json!(-1), ".total is less than"),
        ("/complete", json!(null), ".complete is not of type"),
        ("/more", json!(1), ".more is not documented"),
        ("/entries/0/more", json!(null), ".entries[0].more is not documented"),
        ("/entries/0/kind", json!("link"), ".entries[0].kind is none of"),
        ("/entries/0/modified", json!(5), ".entries[0].modified is not of type"),
        ("/entries/0", json!(5), ".entries[0] is not of type"),
        ("/entries", json!(null), ".entries is not of type"),
    ] {
        let (above, member) = pointer.rsplit_once('/').unwrap();
        let mut wrong = listing.clone();
        match wrong.pointer_mut(above).unwrap() {
            Value::Array(items) => items[member.parse::<usize>().unwrap()] = value,
            object => object[member] = value,
        }
        let faults = document.faults(&schema, &wrong);
        assert!(faults.first().is_some_and(|found| found.starts_with(fault)), "{pointer}: {faults:?}");
    }
    for missing in ["path", "url", "total", "offset", "entries"] {
        let mut wrong = listing.clone();
        wrong.as_object_mut().unwrap().remove(missing);
        assert_eq!(document.faults(&schema, &wrong), [format!(".{missing} is missing")]);
    }
    // Schemas that are composed (`allOf`), and choices (`oneOf`).
    let news = json!({"$ref": "#/components/schemas/News"});
    for (value, is_good) in [
        (json!({"event": "file-removed", "data": {"store": "iso", "name": "a.iso"}}), true),
        (json!({"event": "file-removed", "data": {"store": "iso"}}), false),
        (json!({"event": "image-removed", "data": {"store": "iso", "name": "a.iso"}}), false),
        (json!({"event": "job-removed", "data": {"id": "1"}, "id": "1"}), false),
        (json!({"event": "unknown", "data": {"id": "1"}}), false),
    ] {
        assert_eq!(document.faults(&news, &value).is_empty(), is_good, "{value}");
    }
}
