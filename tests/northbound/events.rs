//! `GET /events`: a subscriber knows the state of the lists without reading them again.

use harness::http::{self, Connection, Request};
use harness::images::{self, pattern};
use harness::problem::expect_problem;
use harness::sse::{Event, Events};
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, crowd};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// The limit on subscribers.
const MAX_SUBSCRIBERS: usize = 128;

fn installer() -> Vec<u8> {
    fs::read(images::installer()).unwrap()
}

/// A service whose store holds `stored.iso`, with its digest.
fn service() -> Service {
    let service = Setup::new().start();
    service.upload_iso("stored.iso", &images::installer());
    service
}

fn listen(service: &Service, query: &str) -> Events {
    Events::open(&service.north(&format!("/events{query}")), &[])
}

fn is(name: &'static str, member: &'static str, value: &'static str) -> impl Fn(&Event) -> bool {
    move |event| event.name == name && event.json()[member] == value
}

/// The state of a client that has read the lists and follows the events.
#[derive(Debug, Default, PartialEq)]
struct Known(BTreeMap<String, Value>);

impl Known {
    fn of_lists(service: &Service) -> Self {
        let mut known = Self::default();
        let list = |path: &str| http::get(&service.north(path)).json().as_array().unwrap().clone();
        for (path, kind) in [("/images", "image"), ("/jobs", "job")] {
            for thing in list(path) {
                known.0.insert(format!("{kind} {}", thing["id"]), thing);
            }
        }
        for (path, store) in [("/iso", "iso"), ("/microkernel", "microkernel")] {
            for mut file in list(path) {
                file["store"] = store.into();
                known.0.insert(format!("file {store} {}", file["name"]), file);
            }
        }
        known
    }

    fn hear(&mut self, event: &Event) {
        let data = event.json();
        let key = match event.name.split('-').next().unwrap() {
            kind @ ("image" | "job") => format!("{kind} {}", data["id"]),
            "file" => format!("file {} {}", data["store"].as_str().unwrap(), data["name"]),
            _ => return,
        };
        if event.name.ends_with("-removed") {
            self.0.remove(&key);
        } else {
            self.0.insert(key, data);
        }
    }
}

/// Reads events until the client's state equals the lists; returns those events.
#[track_caller]
fn catch_up(service: &Service, known: &mut Known, events: &mut Events) -> Vec<Event> {
    let deadline = Instant::now() + http::SILENCE;
    let mut heard = Vec::new();
    while *known != Known::of_lists(service) {
        assert!(Instant::now() < deadline, "{known:#?} is not {:#?}", Known::of_lists(service));
        let event = events.expect_event();
        known.hear(&event);
        heard.push(event);
    }
    heard
}

#[track_caller]
fn expect_ascending(events: &[Event]) {
    let numbers: Vec<u64> = events.iter().map(Event::number).collect();
    assert!(numbers.is_sorted_by(|first, second| first < second), "{numbers:?}");
}

#[test]
fn who_listens_knows_what_the_lists_say() {
    let service = service();
    let mut events = listen(&service, "");
    assert_eq!(events.head.header("Cache-Control"), Some("no-store"));
    assert_eq!(events.head.header("X-Accel-Buffering"), Some("no"));
    assert_eq!(events.head.header("Content-Length"), None);
    let first = events.read().unwrap().unwrap();
    assert_eq!((first.retry, first.data), (Some(2000), None));
    let hello = events.expect_event();
    assert_eq!(hello.name, "hello");
    assert_eq!(hello.json()["id"].as_str(), hello.id.as_deref());
    let mut known = Known::of_lists(&service);

    // An image and, because its listing names the image, its ISO.
    service.register("centos", "7", "isostore", "stored.iso");
    let heard = events.until("an image", is("image", "name", "centos"));
    assert_eq!(heard.last().unwrap().json(), service.images(&[])[0]);
    heard.iter().for_each(|event| known.hear(event));
    catch_up(&service, &mut known, &mut events);

    // Files are added and removed.
    http::put(&service.north("/microkernel?name=vmlinuz"), pattern(1, 5000)).expect_status(200);
    let heard = events.until("a file", is("file", "name", "vmlinuz")).pop().unwrap();
    assert_eq!((&heard.json()["bytes"], &heard.json()["store"]), (&json!(5000), &json!("microkernel")));
    known.hear(&heard);
    catch_up(&service, &mut known, &mut events);
    http::delete(&service.north("/microkernel?name=vmlinuz")).expect_status(200);
    let heard = events.until("the end of a file", |event| event.name == "file-removed");
    assert_eq!(heard.last().unwrap().json(), json!({"store": "microkernel", "name": "vmlinuz"}));
    heard.iter().for_each(|event| known.hear(event));

    // An image whose ISO is downloaded has several states.
    let origin = Origin::start();
    origin.on("/web.iso", Behaviour::Bytes(installer()));
    service.register("web", "1", "isoweb", &origin.url("/web.iso"));
    let is_served = |event: &Event| is("image", "name", "web")(event) && event.json()["status"] == "OK";
    let heard = events.until("a served image", is_served);
    let states = heard.iter().filter(|event| is("image", "name", "web")(event));
    let states: Vec<_> = states.map(|event| event.json()["status"].as_str().unwrap().to_owned()).collect();
    assert_eq!(states.first().map(String::as_str), Some("downloading iso"), "{states:?}");
    heard.iter().for_each(|event| known.hear(event));
    catch_up(&service, &mut known, &mut events);

    let removed = http::delete(&service.north("/images?name=centos&version=7")).expect_status(200).json();
    let heard = events.until("an image that is gone", |event| event.name == "image-removed");
    assert_eq!(heard.last().unwrap().json(), json!({"id": removed["id"]}));
    heard.iter().for_each(|event| known.hear(event));
    catch_up(&service, &mut known, &mut events);
    assert_eq!(known.0.keys().filter(|key| key.starts_with("image")).count(), 1, "{known:?}");
}

#[test]
fn jobs_are_told_and_so_are_their_images() {
    let service = Setup::new().set("maxFinishedJobs", json!(3)).start();
    let origin = Origin::start();
    let bytes = installer();
    let piece = bytes.len() / 20;
    origin.on("/slow.iso", Behaviour::Dribble { bytes, piece, pause: Duration::from_millis(150) });
    let mut events = listen(&service, "?types=image,job");
    assert_eq!(events.expect_event().name, "hello");
    let mut known = Known::default();
    let begun = Instant::now();
    let wait = ("wait", "0");
    let link = origin.url("/slow.iso");
    let image = service.put_image(&[("name", "slow"), ("version", "1"), ("isoweb", &link), wait]).json();
    let heard = events.until("a job that is done", is("job", "state", "done"));
    heard.iter().for_each(|event| known.hear(event));
    let jobs: Vec<Value> =
        heard.iter().filter(|event| event.name == "job").map(|event| event.json()).collect();
    assert!(jobs.iter().all(|job| job["image"] == image["id"]), "{jobs:?}");
    let progress: Vec<_> = jobs.iter().filter_map(|job| job["progress"]["done"].as_u64()).collect();
    assert!(progress.is_sorted() && progress.iter().any(|done| *done > 0), "{progress:?}");
    assert!(jobs.len() as f64 <= 8.0 + 2.0 * begun.elapsed().as_secs_f64(), "too often: {jobs:#?}");
    // Events report the state of job and image at every end, and removals from the list.
    for index in 0..6 {
        let path = format!("/fast-{index}.iso");
        origin.on(&path, Behaviour::Bytes(installer()));
        service.register(&format!("fast-{index}"), "1", "isoweb", &origin.url(&path));
    }
    let of_interest = |known: Known| {
        let is_wanted = |key: &String| !key.starts_with("file");
        Known(known.0.into_iter().filter(|(key, _)| is_wanted(key)).collect())
    };
    let deadline = Instant::now() + http::SILENCE;
    while known != of_interest(Known::of_lists(&service)) {
        assert!(Instant::now() < deadline, "{known:#?} is not {:#?}", Known::of_lists(&service));
        known.hear(&events.expect_event());
    }
    assert_eq!(known.0.keys().filter(|key| key.starts_with("job")).count(), 3, "{known:#?}");
}

#[test]
fn a_file_that_was_never_digested_is_told_when_it_goes() {
    let service = Setup::new().start();
    let mut events = listen(&service, "");
    fs::write(service.path("static/common/dropped"), "x").unwrap();
    http::delete(&service.north("/microkernel?name=dropped")).expect_status(200);
    events.until("the end of a file", is("file-removed", "name", "dropped"));
}

#[test]
fn who_comes_back_misses_nothing_and_hears_nothing_twice() {
    let service = service();
    let mut events = listen(&service, "");
    let mut heard = vec![events.expect_event()];
    let mut known = Known::of_lists(&service);
    let kernel = |index: usize| service.north(&format!("/microkernel?name=kernel-{index}"));
    for round in 0..10 {
        for index in 0..5 {
            http::put(&kernel(index), pattern(7, 100 + round)).expect_status(200);
        }
        let news = events.until("a kernel", is("file", "name", "kernel-2"));
        news.iter().for_each(|event| known.hear(event));
        heard.extend(news);
        let last = heard.last().unwrap().id.clone().unwrap();
        drop(events);
        http::delete(&kernel(4)).expect_status(200);
        events = if round % 2 == 0 {
            Events::open(&service.north("/events"), &[("Last-Event-ID", &last)])
        } else {
            listen(&service, &format!("?lastEventId={last}"))
        };
    }
    heard.extend(catch_up(&service, &mut known, &mut events));
    expect_ascending(&heard);
    assert!(heard[1..].iter().all(|event| event.name != "hello" && event.name != "reset"), "{heard:?}");
    // A browser reconnects to the same URL, so its header is newer than the query.
    let (old, last) = (heard[0].id.clone().unwrap(), heard.last().unwrap().id.clone().unwrap());
    let url = service.north(&format!("/events?lastEventId={old}"));
    let mut events = Events::open(&url, &[("Last-Event-ID", &last)]);
    http::put(&kernel(9), pattern(7, 1)).expect_status(200);
    heard.extend(events.until("a kernel", is("file", "name", "kernel-9")));
    expect_ascending(&heard);
}

#[test]
fn only_what_was_asked_for_is_told() {
    let service = service();
    let mut events = listen(&service, "?types=image");
    assert_eq!(events.expect_event().name, "hello");
    http::put(&service.north("/microkernel?name=vmlinuz"), pattern(1, 50)).expect_status(200);
    service.register("centos", "7", "isostore", "stored.iso");
    assert_eq!(events.expect_event().name, "image");
    let mut events = listen(&service, "?types=job,file");
    http::delete(&service.north("/images?name=centos")).expect_status(200);
    assert_eq!((events.expect_event().name, events.expect_event().name), ("hello".into(), "file".into()));
    for types in ["images", "", "image,,job"] {
        let answer = http::get(&service.north(&format!("/events?types={types}")));
        let problem = expect_problem(&service, &answer, 400, "image, job, file");
        assert_eq!(problem["parameter"], "types");
    }
}

#[test]
fn after_a_restart_everything_is_to_be_read_again() {
    let mut service = service();
    let last = listen(&service, "").expect_event().id.unwrap();
    service.restart();
    let mut events = listen(&service, &format!("?lastEventId={last}"));
    let reset = events.expect_event();
    assert_eq!((reset.name.as_str(), reset.json()["id"].as_str()), ("reset", reset.id.as_deref()));
    assert_ne!(reset.id, Some(last));
    http::put(&service.north("/microkernel?name=vmlinuz"), pattern(1, 50)).expect_status(200);
    assert_eq!(events.expect_event().name, "file");
}

#[test]
fn open_streams_do_not_hold_up_a_stop() {
    let mut service = Setup::new().set("shutdownTimeout", json!(15_000)).start();
    let mut all: Vec<Events> = (0..5).map(|_| listen(&service, "")).collect();
    all.iter_mut().for_each(|events| assert_eq!(events.expect_event().name, "hello"));
    let begun = Instant::now();
    assert!(service.sigterm().success());
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    for events in &mut all {
        assert_eq!(events.read().unwrap(), None, "the end of a stream is told");
    }
}

#[test]
fn a_client_that_does_not_read_costs_nothing_and_gets_the_newest() {
    let service = service();
    let mut idle = listen(&service, "");
    let mut active = Connection::open(&service.north("/"));
    let mut ask = |method: &str, target: &str| {
        active.exchange(&Request::new(method, target)).unwrap().expect_status(200).json()
    };
    for index in 0..500 {
        let version = index % 10;
        ask("PUT", &format!("/images?name=quick&version={version}&isostore=stored.iso"));
        ask("DELETE", &format!("/images?name=quick&version={version}"));
    }
    let last = ask("PUT", "/images?name=quick&version=last&isostore=stored.iso");
    let heard = idle.until("the last image", is("image", "version", "last"));
    expect_ascending(&heard);
    assert_eq!(heard.last().unwrap().json()["id"], last["id"]);
    let mut known = Known::default();
    heard.iter().for_each(|event| known.hear(event));
    let images: Vec<_> = known.0.keys().filter(|key| key.starts_with("image")).collect();
    assert_eq!(images, [&format!("image {}", last["id"])]);
}

#[test]
fn a_heartbeat_shows_that_a_stream_lives_and_finds_clients_that_do_not() {
    let service = Setup::new().set("httpTimeout", json!(1000)).start();
    let mut events = listen(&service, "?types=image");
    let hello = events.expect_event();
    // One client may have half of the streams.
    let share = MAX_SUBSCRIBERS / 2;
    let mut others: Vec<Events> = (1..share).map(|_| listen(&service, "?types=job")).collect();
    let url = service.north("/events");
    let crowd = crowd::connect(&url, crowd::address(1), share);
    crowd::say(&crowd, &Request::new("GET", "/events").to_bytes(http::split(&url).0));
    for client in &crowd {
        crowd::answer(client, 0);
    }
    let mut third = Connection::over(crowd::connect_one(&url, crowd::address(2)), &url);
    let refused = third.get("/events");
    assert_eq!(refused.header("Retry-After"), Some("5"));
    expect_problem(&service, &refused, 503, "128 clients");
    others.pop();
    // A missed event is not repeated here, but a client that comes back need not start before it.
    http::put(&service.north("/microkernel?name=vmlinuz"), pattern(1, 50)).expect_status(200);
    let heartbeat = events.read().unwrap().unwrap();
    assert_eq!((heartbeat.comments, &heartbeat.data), (1, &None), "{heartbeat:?}");
    assert!(heartbeat.number() > hello.number(), "{heartbeat:?}");
    eventually(Duration::from_secs(40), "a place", || {
        (http::head(&service.north("/events")).status == 200).then_some(())
    });
    assert_eq!(listen(&service, "").expect_event().name, "hello");
}

#[test]
fn the_path_knows_its_methods() {
    let shared = json!([{ "address": "127.0.0.1", "port": 0, "routers": ["northbound", "southbound"] }]);
    for service in [Setup::new().start(), Setup::new().set("httpEndpoints", shared).start()] {
        let url = service.north("/events");
        let head = http::head(&url);
        assert_eq!((head.status, head.header("Content-Type")), (200, Some("text/event-stream")));
        assert_eq!(head.header("Content-Length"), None, "{}", head.head_text());
        let options = http::request("OPTIONS", &url, &[], "");
        assert_eq!((options.status, options.header("Allow")), (204, Some("GET, HEAD, OPTIONS")));
        for method in ["PUT", "POST", "DELETE"] {
            expect_problem(&service, &http::request(method, &url, &[], ""), 405, "GET");
        }
        assert_eq!(listen(&service, "").expect_event().name, "hello");
    }
    let service = Setup::new().set("corsOrigins", json!(["https://panel.example"])).start();
    let events = Events::open(&service.north("/events"), &[("Origin", "https://panel.example")]);
    assert_eq!(events.head.header("Access-Control-Allow-Origin"), Some("https://panel.example"));
    assert_eq!(http::get(&service.north("/")).json()["events"], "/events");
}
