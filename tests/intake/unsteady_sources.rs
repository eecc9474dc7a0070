//! Web servers that break off, lie or change the file in the middle: the store gets one of their files,
//! complete, or nothing.

use harness::answering::Answering;
use harness::http;
use harness::problem::expect_discreet;
use harness::remains::{Remains, expect_no_unfinished};
use harness::source::{Ranges, Source};
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::{self, SOON, begin, wait_for};
use harness::{Service, digest, images, large};
use serde_json::{Value, json};
use std::fs;

const SIZE: usize = 3 << 20;

/// The offset at which the first answer breaks off.
const CUT: usize = SIZE / 3;

const OLD_DATE: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
const NEW_DATE: &str = "Thu, 22 Oct 2015 07:28:00 GMT";

fn start() -> Service {
    Service::start(&json!({"downloadRetryDelay": 20, "downloadRetries": 3, "downloadStallTimeout": 2000}))
}

/// Panics unless the image is served from exactly these bytes.
#[track_caller]
fn expect_exactly(service: &Service, name: &str, bytes: &[u8]) {
    let image = service.wait_for_status(name, "1", |status| status == "OK");
    let expected = digest::of_bytes(bytes);
    assert_eq!(image["sha256"], expected, "{name}: {image}");
    let iso = service.path("static/iso").join(image["iso"].as_str().unwrap());
    assert_eq!(digest::of_file(&iso), expected, "{name}");
    let kernel = http::get(&service.south(&format!("/{name}/1/images/pxeboot/vmlinuz"))).expect_status(200);
    assert!(kernel.body == images::pattern(1, 300_000), "{name}");
}

/// The first offsets of the requested ranges of a path.
fn starts(origin: &Origin, path: &str) -> Vec<usize> {
    let start = |seen: harness::web::Seen| {
        let range = seen.headers.get("range")?;
        range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    };
    origin.asked_for(path).into_iter().map(|seen| start(seen).unwrap_or(0)).collect()
}

#[test]
fn a_file_comes_whole_over_connections_that_all_break() {
    let service = start();
    let origin = Origin::start();
    let bytes = large::image(1, SIZE);
    // Many more breaks than retries: each gets further.
    let step = SIZE / 8 + 1;
    origin.on("/a.iso", Behaviour::Source(Source::new(bytes.clone()).cut_after(step)));
    let job = begin(&service, "a", &[&origin.url("/a.iso")]);
    let done = wait_for(&service, &job, "done");
    expect_exactly(&service, "a", &bytes);
    // No byte was requested twice.
    let asked: Vec<usize> = (0..8).map(|piece| piece * step).collect();
    assert_eq!(starts(&origin, "/a.iso"), asked);
    assert!(origin.seen()[1..].iter().all(|seen| seen.headers["if-range"] == "\"one\""));
    assert!(work::log(&done).contains("goes on at"), "{done}");
    expect_no_unfinished(&service);
}

#[test]
fn a_file_that_cannot_be_continued_begins_anew() {
    let service = start();
    let origin = Origin::start();
    let bytes = large::image(2, SIZE);
    let source = Source::new(bytes.clone());
    let unmarked = source.clone().tag(None);
    let weak = source.clone().tag(Some("W/\"one\""));
    for (name, source) in [
        ("ignored", source.clone().ranges(Ranges::Ignored)),
        ("shifted", source.clone().ranges(Ranges::Shifted)),
        ("longer", source.clone().ranges(Ranges::Longer)),
        ("multipart", source.ranges(Ranges::Multipart)),
        ("unmarked", unmarked),
        ("weak", weak),
    ] {
        let path = format!("/{name}.iso");
        let first = source.clone().cut_after(CUT);
        origin.on(&path, Behaviour::Each(vec![Behaviour::Source(first), Behaviour::Source(source)]));
        let job = begin(&service, name, &[&origin.url(&path)]);
        wait_for(&service, &job, "done");
        expect_exactly(&service, name, &bytes);
        http::delete(&service.north(&format!("/images?name={name}"))).expect_status(200);
        assert!((2..=3).contains(&starts(&origin, &path).len()), "{name}: {:?}", starts(&origin, &path));
    }
    expect_no_unfinished(&service);
}

#[test]
fn a_file_that_changes_between_two_requests_is_wholly_the_new_one() {
    let service = start();
    let origin = Origin::start();
    let (old, new) = (large::image(3, SIZE), large::image(4, SIZE));
    let longer = large::image(4, SIZE + 4096);
    let (first, second) = (Source::new(old).cut_after(CUT), Source::new(new.clone()));
    let (plain_old, plain_new) = (first.clone().tag(None), second.clone().tag(None));
    for (name, first, second, expected) in [
        ("tag", first.clone(), second.clone().tag(Some("\"two\"")), &new),
        ("careless", first.clone(), second.tag(Some("\"two\"")).ranges(Ranges::Careless), &new),
        ("date", plain_old.clone().modified(OLD_DATE), plain_new.clone().modified(NEW_DATE), &new),
        ("no-mark", plain_old.clone(), plain_new.clone(), &new),
        ("mark-lost", first.clone(), plain_new.clone(), &new),
        ("length", first.clone(), Source::new(longer.clone()).tag(Some("\"two\"")), &longer),
        (
            "careless-date",
            plain_old.modified(OLD_DATE),
            plain_new.modified(NEW_DATE).ranges(Ranges::Careless),
            &new,
        ),
        // It has the old file's entity tag; only its length gives it away.
        ("careless-length", first, Source::new(longer.clone()).ranges(Ranges::Careless), &longer),
    ] {
        let path = format!("/{name}.iso");
        origin.on(&path, Behaviour::Each(vec![Behaviour::Source(first), Behaviour::Source(second)]));
        let job = begin(&service, name, &[&origin.url(&path)]);
        wait_for(&service, &job, "done");
        expect_exactly(&service, name, expected);
        http::delete(&service.north(&format!("/images?name={name}"))).expect_status(200);
    }
    expect_no_unfinished(&service);
}

#[test]
fn a_length_that_is_a_lie_leads_to_nothing_or_to_the_file() {
    let service = start();
    let origin = Origin::start();
    let bytes = large::image(5, SIZE);
    let declared = SIZE as u64;
    let before = Remains::of(&service);
    // It never sends all announced bytes.
    origin.on("/short.iso", Behaviour::Short { declared: declared + 4096, bytes: bytes.clone() });
    // It announces fewer bytes than it sends, so the file ends at the announced length.
    origin.on("/long.iso", Behaviour::Short { declared: CUT as u64, bytes: bytes.clone() });
    let chunks = [b"5\r\nhello\r\nzzz\r\n".to_vec(), bytes.clone()].concat();
    let chunked = Answering::start("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close", &chunks);
    let two = format!("HTTP/1.1 200 OK\nContent-Length: {SIZE}\nContent-Length: {CUT}\nConnection: close");
    let two = Answering::start(&two, &bytes);
    for (name, link) in [
        ("short", origin.url("/short.iso")),
        ("long", origin.url("/long.iso")),
        ("chunks", chunked.url("/chunks.iso")),
        ("two", two.url("/two.iso")),
    ] {
        let job = begin(&service, name, &[&link]);
        let failed = wait_for(&service, &job, "failed");
        assert!(failed["attempts"].as_u64() <= Some(4), "{failed}");
        expect_discreet(&service, &failed.to_string());
        let image = service.images(&[("name", name)]).remove(0);
        assert_eq!(image["status"], format!("error: {}", failed["reason"].as_str().unwrap()));
        assert_eq!(http::get(&service.north("/iso")).text(), "[]", "{name}");
        http::delete(&service.north(&format!("/images?name={name}"))).expect_status(200);
        before.expect_again(&service, name);
    }
    // Bytes behind the announced length are ignored.
    let tail = [bytes.clone(), b"and more".repeat(1000)].concat();
    origin.on("/tail.iso", Behaviour::Short { declared, bytes: tail });
    begin(&service, "tail", &[&origin.url("/tail.iso")]);
    expect_exactly(&service, "tail", &bytes);
}

#[test]
fn what_cannot_go_better_is_not_tried_again() {
    let service = start();
    let origin = Origin::start();
    let noise = images::pattern(6, 100_000);
    origin.on("/loop.iso", Behaviour::Redirect("/loop.iso".to_owned()));
    origin.on("/coded.iso", Behaviour::Source(Source::new(noise).encoding("br")));
    origin.on("/page.iso", Behaviour::Html);
    for (name, part, requests) in
        [("loop", "in a circle", 1..=21), ("coded", "encoded", 1..=1), ("page", "web page", 1..=1)]
    {
        let path = format!("/{name}.iso");
        let job = begin(&service, name, &[&origin.url(&path)]);
        let failed = wait_for(&service, &job, "failed");
        assert!(failed["reason"].as_str().unwrap().contains(part), "{failed}");
        assert_eq!(failed["attempts"], 1, "{failed}");
        assert!(requests.contains(&origin.asked_for(&path).len()), "{name}");
        assert_eq!(work::now(&service, &job)["state"], "failed");
    }
    assert_eq!(http::get(&service.north("/iso")).json(), json!([]) as Value);
    expect_no_unfinished(&service);
}

/// A job that waits for its server's Retry-After retries at once after a restart.
#[test]
fn a_server_gets_its_peace_over_a_restart() {
    let mut service = Service::start(&json!({}));
    let origin = Origin::start();
    origin.on("/busy.iso", Behaviour::Busy("3600".into()));
    let job = begin(&service, "busy", &[&origin.url("/busy.iso")]);
    wait_for(&service, &job, "waiting");
    // The waiting state is recorded a moment later.
    let is_recorded =
        || fs::read_to_string(service.path("inventory.json")).is_ok_and(|text| text.contains("\"waiting\""));
    eventually(SOON, "the record", || is_recorded().then_some(()));
    service.kill9();
    service.spawn();
    wait_for(&service, &job, "waiting");
    assert_eq!(origin.asked_for("/busy.iso").len(), 1, "it is asked again although it said when");
}
