//! What must be on disk before the answer, by the order of the program's system calls: a kill tests only what
//! the system remembers, and a power cut cannot be tried here.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use harness::http::{self, Response};
use harness::iso::Maker;
use harness::trace::{Call, Trace, Tracing, real};
use harness::{Service, Setup, images};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

const JSON: (&str, &str) = ("Accept", "application/json");

/// Makes a request, and returns what the program did until its answer.
#[track_caller]
fn traced(service: &Service, request: impl FnOnce() -> Response) -> (Trace, Response) {
    let tracing = Tracing::of(service.pid());
    let answer = request();
    let trace = tracing.end();
    assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.text());
    (trace, answer)
}

/// Fails with all that was missing.
#[track_caller]
fn expect(checks: &[Result<(), String>]) {
    let missing: Vec<_> = checks.iter().filter_map(|check| check.as_ref().err()).collect();
    assert!(missing.is_empty(), "a power cut could undo what was answered: {missing:#?}");
}

struct Place {
    service: Service,
    store: PathBuf,
    inventory: PathBuf,
}

impl Place {
    fn new() -> Self {
        let service = Setup::new().set("watchInterval", json!(0)).set("scrubInterval", json!(0)).start();
        let (store, inventory) = (real(service.path("static/iso")), real(service.path("inventory.json")));
        Self { service, store, inventory }
    }

    /// The inventory is saved before `end`.
    fn recorded(&self, trace: &Trace, end: &Call) -> Result<(), String> {
        trace.replaced(&self.inventory, "inventory.json.new", end)
    }

    /// The file has its bytes and its name before `end`.
    fn stored(&self, trace: &Trace, name: &str, end: &Call) -> Vec<Result<(), String>> {
        let file = self.store.join(name);
        let naming = match trace.naming(end, &[".part\"", &format!("{}\"", file.display())]) {
            Ok(naming) => naming,
            Err(error) => return vec![Err(error)],
        };
        vec![trace.synced(".part", naming), trace.folder_synced(&self.store, naming, end)]
    }
}

#[test]
fn an_uploaded_file_and_its_record_are_on_disk_before_the_answer() {
    let place = Place::new();
    let url = place.service.north("/iso?name=a.iso");
    let body = fs::read(images::installer()).unwrap();
    let (trace, _) = traced(&place.service, || http::request("PUT", &url, &[JSON], body.clone()));
    let mut checks = place.stored(&trace, "a.iso", trace.answer());
    checks.push(place.recorded(&trace, trace.answer()));
    expect(&checks);
    // The same with an image, in one request. The same bytes would be shared with the first file.
    let body = fs::read(images::rock_ridge(Maker::Xorriso)).unwrap();
    let url = place.service.north("/images?name=n&version=1&isoclient=b.iso");
    let (trace, _) = traced(&place.service, || http::request("PUT", &url, &[JSON], body));
    let mut checks = place.stored(&trace, "b.iso", trace.answer());
    checks.push(place.recorded(&trace, trace.answer()));
    expect(&checks);
}

/// The offset that a client reads is on disk, and so is the complete file.
#[test]
fn a_resumable_upload_is_on_disk_as_far_as_it_is_confirmed() {
    let place = Place::new();
    let incoming = place.store.join(".incoming");
    let body = fs::read(images::installer()).unwrap();
    let length = body.len().to_string();
    let metadata =
        format!("filename {},store {}", BASE64_STANDARD.encode("t.iso"), BASE64_STANDARD.encode("iso"));
    let headers = [TUS, ("Upload-Length", length.as_str()), ("Upload-Metadata", metadata.as_str())];
    let (trace, answer) =
        traced(&place.service, || http::request("POST", &place.service.north("/uploads"), &headers, ""));
    let checkpoint = |trace: &Trace| {
        let naming = trace.naming(trace.answer(), &[".new\"", ".json\""])?;
        trace.synced(".new", naming)?;
        trace.folder_synced(&incoming, naming, trace.answer())
    };
    expect(&[checkpoint(&trace)]);
    let location = answer.header("Location").unwrap();
    let path = format!("/{}", &location[location.find("uploads/").unwrap()..]);
    let patch = |from: usize, to: usize| {
        let offset = from.to_string();
        let headers =
            [TUS, ("Content-Type", "application/offset+octet-stream"), ("Upload-Offset", offset.as_str())];
        http::request("PATCH", &place.service.north(&path), &headers, body[from..to].to_vec())
    };
    let (trace, _) = traced(&place.service, || patch(0, 100_000));
    let saved = trace.naming(trace.answer(), &[".new\"", ".json\""]);
    expect(&[saved.and_then(|saved| trace.synced(".part", saved)), checkpoint(&trace)]);
    let (trace, _) = traced(&place.service, || patch(100_000, body.len()));
    let mut checks = place.stored(&trace, "t.iso", trace.answer());
    checks.push(place.recorded(&trace, trace.answer()));
    expect(&checks);
}

#[test]
fn registrations_and_removals_are_on_disk_before_the_answer() {
    let place = Place::new();
    place.service.upload_iso("a.iso", &images::installer());
    fs::copy(images::installer(), place.service.path("local.iso")).unwrap();
    let local = place.service.path("local.iso");
    let requests = [
        ("PUT", "/images?name=stored&version=1&isostore=a.iso".to_owned()),
        ("PUT", format!("/images?name=local&version=1&isolocal={}", local.display())),
        ("PUT", "/images?name=web&version=1&wait=0&isoweb=http://127.0.0.1:1/x.iso".to_owned()),
        ("DELETE", "/images?name=stored&version=1".to_owned()),
    ];
    for (method, target) in requests {
        let url = place.service.north(&target);
        let (trace, _) = traced(&place.service, || http::request(method, &url, &[], ""));
        expect(&[place.recorded(&trace, trace.answer())]);
    }
    let url = place.service.north("/iso?name=a.iso");
    let (trace, _) = traced(&place.service, || http::request("DELETE", &url, &[], ""));
    let answer = trace.answer();
    let removed = trace.naming(answer, &["a.iso\""]);
    let removed = removed.and_then(|naming| trace.folder_synced(&place.store, naming, answer));
    expect(&[removed, place.recorded(&trace, answer)]);
}
