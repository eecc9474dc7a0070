//! A component with a service, a table, a kind of job, a source of content, a section of the settings and a
//! readiness check, in the program as clients meet it: all of it works where it is on, and nothing is there
//! where it is off.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use harness::http::{self, get, get_with, request};
use harness::wait::eventually;
use harness::{Service, Setup};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

/// The program with the component, which is off.
fn setup() -> Setup {
    Setup::new().program(env!("CARGO_BIN_EXE_image-service-with-notes"))
}

fn endpoints(routers: &[&[&str]]) -> Value {
    let endpoint = |routers: &&[&str]| json!({"address": "127.0.0.1", "port": 0, "routers": routers});
    routers.iter().map(endpoint).collect()
}

/// The program with the component on an endpoint of its own.
fn setup_on(settings: &Value) -> Setup {
    let endpoints = endpoints(&[&["northbound"], &["southbound"], &["notes"]]);
    setup().set("httpEndpoints", endpoints).set("notes", settings.clone())
}

/// Leaves a note; returns its id.
#[track_caller]
fn leave(service: &Service, text: &str) -> String {
    let answer = request("POST", &service.url("notes", "/v1/notes"), &[], text).expect_status(201).json();
    answer["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn show(service: &Service, id: &str) -> Value {
    get(&service.url("notes", &format!("/v1/notes/{id}"))).expect_status(200).json()
}

#[track_caller]
fn shout_of(service: &Service, id: &str) -> String {
    eventually(SOON, "the job is done", || show(service, id)["shout"].as_str().map(str::to_owned))
}

/// The jobs of the kind `shout`.
#[track_caller]
fn shouts(service: &Service) -> Vec<Value> {
    let all = get(&service.north("/jobs?kind=shout")).expect_status(200).json();
    all.as_array().unwrap().clone()
}

/// The names in the listing of a folder.
#[track_caller]
fn names_in(service: &Service, folder: &str) -> BTreeSet<String> {
    let listing = get(&service.south(&format!("{folder}?format=names"))).expect_status(200).json();
    listing.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn thread_names(service: &Service) -> BTreeSet<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", service.pid())).unwrap();
    // A thread of the blocking pool may have just ended.
    threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")).ok()).collect()
}

#[test]
fn a_note_is_kept_shouted_by_a_job_and_served_to_machines() {
    let service = setup_on(&json!({"greeting": "Hey"})).start();
    let id = leave(&service, "wake up");
    assert_eq!(shout_of(&service, &id), "Hey WAKE UP");

    let job = eventually(SOON, "the job has ended", || {
        shouts(&service).into_iter().find(|job| job["state"] == "done")
    });
    assert_eq!((&job["kind"], &job["title"]), (&json!("shout"), &json!("writing a note in capitals")));
    let all = get(&service.north("/jobs")).expect_status(200).json();
    assert!(all.as_array().unwrap().contains(&job), "{all}");

    let file = service.south(&format!("/notes/{id}.txt"));
    let answer = get(&file).expect_status(200);
    assert_eq!(answer.text(), "Hey WAKE UP\n");
    let part = get_with(&file, &[("Range", "bytes=4-7")]).expect_status(206);
    assert_eq!((part.text().as_str(), part.header("Content-Range")), ("WAKE", Some("bytes 4-7/12")));
    let tag = answer.header("ETag").unwrap();
    get_with(&file, &[("If-None-Match", tag)]).expect_status(304);
    assert_eq!(http::head(&file).expect_status(200).content_length(), Some(12));
    get(&service.south("/notes/none.txt")).expect_status(404);

    assert_eq!(names_in(&service, "/notes/"), BTreeSet::from([format!("{id}.txt")]));
    assert!(names_in(&service, "/").contains("notes"));

    http::delete(&service.url("notes", &format!("/v1/notes/{id}"))).expect_status(204);
    get(&file).expect_status(404);
}

#[test]
fn a_service_has_an_endpoint_of_its_own_or_shares_one() {
    let service = setup_on(&json!({})).start();
    get(&service.url("notes", "/images")).expect_status(404);
    get(&service.north("/v1/notes")).expect_status(404);
    get(&service.south("/v1/notes")).expect_status(404);
    http::put(&service.url("notes", "/v1/notes"), "").expect_status(405);

    let shared = setup().set("httpEndpoints", endpoints(&[&["southbound", "notes", "northbound"]])).start();
    let id = leave(&shared, "one for all");
    get(&shared.north("/images")).expect_status(200);
    get(&shared.south(&format!("/notes/{id}.txt"))).expect_status(200);
    get(&shared.south("/elsewhere")).expect_status(404);
}

#[test]
fn its_section_is_checked_and_the_environment_wins() {
    let service = setup_on(&json!({"greeting": "Hey"})).env("IMAGE_SERVICE_NOTES_GREETING", "Ahoy").start();
    let id = leave(&service, "you");
    assert_eq!(shout_of(&service, &id), "Ahoy YOU");
    for (section, part) in [
        (json!({"xyz": 1}), "unknown key `notes.xyz`"),
        (json!({"Greeting": "Hi"}), "did you mean `notes.greeting`"),
        (json!({"limit": 0}), "`notes.limit` is 0"),
        (json!("Hi"), "`notes` is \"Hi\""),
    ] {
        for setup in [setup_on(&section), setup().set("notes", section.clone())] {
            let failure = setup.try_start().err().expect("the section is refused");
            assert_eq!(failure.status.code(), Some(2), "{section}: {failure:?}");
            assert!(failure.stderr.contains(part), "{section}: {failure:?}");
        }
    }
}

#[test]
fn a_job_survives_a_crash_and_rows_survive_a_restart() {
    let mut service = setup_on(&json!({"pause": 600_000})).start();
    let id = leave(&service, "wait for it");
    let file = format!("/notes/{id}.txt");
    assert_eq!(get(&service.south(&file)).expect_status(200).text(), "wait for it\n");
    let begun = shouts(&service)[0]["id"].clone();
    service.kill9();

    service.reconfigure("notes", json!({}));
    service.spawn();
    assert_eq!(shout_of(&service, &id), "Hello WAIT FOR IT");
    let job = eventually(SOON, "the job has ended", || {
        shouts(&service).into_iter().find(|job| job["state"] == "done")
    });
    assert_eq!(job["id"], begun, "it is the job of before");
    let before = get(&service.south(&file)).expect_status(200);
    assert_eq!(before.text(), "Hello WAIT FOR IT\n", "the file is that of after the change");

    service.restart();
    assert_eq!(show(&service, &id)["shout"], "Hello WAIT FOR IT");
    let after = get(&service.south(&file)).expect_status(200);
    for header in ["ETag", "Last-Modified"] {
        assert_eq!(after.header(header), before.header(header));
    }
    assert_eq!(shouts(&service).len(), 1, "a job that was done is not begun again");
}

#[test]
fn a_job_of_a_component_that_is_off_waits_for_it() {
    let mut service = setup_on(&json!({"pause": 600_000})).start();
    let id = leave(&service, "later");
    assert!(service.sigterm().success());
    service.reconfigure("notes", json!(null));
    service.reconfigure("httpEndpoints", endpoints(&[&["northbound"], &["southbound"]]));
    service.spawn();
    assert_eq!(shouts(&service), Vec::<Value>::new());
    get(&service.south(&format!("/notes/{id}.txt"))).expect_status(404);
    assert!(service.sigterm().success());
    service.reconfigure("httpEndpoints", endpoints(&[&["northbound"], &["southbound"], &["notes"]]));
    service.spawn();
    assert_eq!(shout_of(&service, &id), "Hello LATER");
}

#[test]
fn the_service_is_ready_while_its_check_passes() {
    let service = setup_on(&json!({"limit": 1})).start();
    let verbose = |status| get(&service.north("/readyz?verbose")).expect_status(status).text();
    assert!(verbose(200).contains("notes: ok\n"));
    let id = leave(&service, "the only one");
    assert!(verbose(503).contains("notes: there are 1 notes, and no more are allowed\n"));
    request("POST", &service.url("notes", "/v1/notes"), &[], "another").expect_status(507);
    http::delete(&service.url("notes", &format!("/v1/notes/{id}"))).expect_status(204);
    assert!(verbose(200).ends_with("ready\n"));
}

#[test]
fn a_component_that_cannot_be_opened_is_named_with_the_cause() {
    let failure = setup_on(&json!({})).file("state.db/in-the-way", "").try_start().err().expect("no start");
    assert_eq!(failure.status.code(), Some(1), "{failure:?}");
    let message = failure.stderr.lines().find(|line| line.starts_with("image-service: ")).unwrap_or_default();
    assert!(message.contains("cannot open the component notes: "), "{failure:?}");
    assert!(message.contains("state.db"), "{failure:?}");
    setup().file("state.db/in-the-way", "").start();
}

#[test]
fn an_image_of_the_same_name_is_told_of_in_the_log() {
    let mut service = setup().start();
    service.upload_iso("notes.iso", &harness::images::installer());
    service.register("notes", "1", "isostore", "notes.iso");
    get(&service.south("/notes/1/")).expect_status(200);
    assert!(service.sigterm().success());
    service.reconfigure("httpEndpoints", endpoints(&[&["northbound"], &["southbound"], &["notes"]]));
    service.spawn();
    get(&service.south("/notes/1/")).expect_status(404);
    service.expect_logged("machines do not reach this image");
}

#[test]
fn a_component_that_is_off_costs_nothing() {
    let (off, on) = (setup().start(), setup_on(&json!({})).start());
    assert!(on.path("state.db").exists());
    let files = |service: &Service| -> BTreeSet<_> {
        fs::read_dir(service.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    let more: Vec<_> = files(&on).difference(&files(&off)).cloned().collect();
    assert!(more.iter().all(|name| name.to_string_lossy().starts_with("state.db")), "{more:?}");
    assert!(!off.path("state.db").exists());

    for service in [&off, &on] {
        get(&service.south("/")).expect_status(200);
        get(&service.north("/images")).expect_status(200);
    }
    let (off_threads, on_threads) = (thread_names(&off), thread_names(&on));
    assert!(off_threads.is_subset(&on_threads), "{off_threads:?} {on_threads:?}");
    assert_eq!(on_threads.difference(&off_threads).collect::<Vec<_>>(), ["records\n"]);

    assert!(!names_in(&off, "/").contains("notes") && names_in(&on, "/").contains("notes"));
    get(&off.south("/notes/")).expect_status(404);
    get(&off.north("/v1/notes")).expect_status(404);
    assert!(off.start_lines().iter().all(|(label, _)| *label != "notes"));
    assert!(!get(&off.north("/readyz?verbose")).expect_status(200).text().contains("notes"));
}
