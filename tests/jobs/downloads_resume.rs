//! Downloads that break off resume: after a broken connection, after a restart of either side, from another
//! link. Bytes of different files are never combined.

use std::time::Duration;

use harness::digest::of_bytes as sha256;
use harness::http;
use harness::images;
use harness::problem::expect_problem;
use harness::service::{Service, query};
use harness::source::{Ranges, Source};
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

fn installer() -> Vec<u8> {
    std::fs::read(images::installer()).unwrap()
}

/// Another image of the same length.
fn other_installer() -> Vec<u8> {
    let mut bytes = installer();
    let last = bytes.len() - 1;
    bytes[last] ^= 0xff;
    bytes
}

fn service() -> Service {
    Service::start(&json!({"downloadRetryDelay": 20, "downloadStallTimeout": 3000}))
}

/// Starts a download and returns its job.
#[track_caller]
fn begin(service: &Service, name: &str, links: &[String], more: &[(&str, &str)]) -> Value {
    let mut parameters = vec![("name", name), ("version", "1"), ("wait", "0")];
    parameters.extend(links.iter().map(|link| ("isoweb", link.as_str())));
    parameters.extend(more);
    let url = service.north(&format!("/images?{}", query(&parameters)));
    let image = http::put(&url, "").expect_status(200).json();
    let jobs = http::get(&service.north(&format!("/jobs?image={}", image["id"].as_str().unwrap())));
    jobs.json()[0].clone()
}

/// Waits for the end of the job; returns it with its log.
#[track_caller]
fn ended(service: &Service, job: &Value) -> Value {
    let url = service.north(&format!("/jobs/{}", job["id"].as_str().unwrap()));
    eventually(SOON, "the end of a job", || {
        let now = http::get(&url).expect_status(200).json();
        ["done", "failed", "cancelled"].iter().any(|end| now["state"] == *end).then_some(now)
    })
}

/// Panics unless the file `name` is in the store with exactly these bytes, and no unfinished file is left.
#[track_caller]
fn expect_stored(service: &Service, job: &Value, name: &str, bytes: &[u8]) {
    let job = ended(service, job);
    assert_eq!(job["state"], "done", "{job}");
    let listed = http::get(&service.north(&format!("/iso?name={name}"))).json();
    assert_eq!(listed[0]["sha256"], sha256(bytes), "{job}\n{listed}");
    assert!(http::get(&service.south(&format!("/iso/{name}"))).body == bytes);
    let left: Vec<_> = std::fs::read_dir(service.path("static/iso/.incoming")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

fn log(job: &Value) -> String {
    job["log"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| format!("{}\n", line["text"].as_str().unwrap()))
        .collect()
}

/// The ranges that were requested of the origin on a path, in order; "" for the whole file.
fn asked(origin: &Origin, path: &str) -> Vec<String> {
    let seen = origin.seen();
    let on_path = seen.iter().filter(|seen| seen.target.split('?').next() == Some(path));
    on_path.map(|seen| seen.headers.get("range").cloned().unwrap_or_default()).collect()
}

#[test]
fn a_server_that_always_breaks_off_is_asked_for_the_rest() {
    let (service, origin) = (service(), Origin::start());
    let piece = installer().len() / 7;
    for (path, source) in [
        ("/tag.iso", Source::new(installer())),
        ("/date.iso", Source::new(installer()).tag(None).modified("Wed, 21 Oct 2015 07:28:00 GMT")),
    ] {
        origin.on(path, Behaviour::Source(source.cut_after(piece)));
        let job = begin(&service, &path[1..4], &[origin.url(path)], &[]);
        expect_stored(&service, &job, &path[1..], &installer());
        let asked = asked(&origin, path);
        assert_eq!(asked.len(), 8, "{asked:?}");
        assert_eq!((asked[0].as_str(), asked[1].as_str()), ("", format!("bytes={piece}-").as_str()));
        let conditions = origin.seen().iter().filter(|seen| seen.headers.contains_key("if-range")).count();
        assert!(conditions >= 7, "{conditions}");
    }
}

#[test]
fn what_cannot_be_recognised_or_has_changed_begins_anew() {
    let (service, origin) = (service(), Origin::start());
    let (old, new) = (installer(), other_installer());
    let cut = |source: Source| Behaviour::Source(source.cut_after(installer().len() / 3));
    let whole = |source: Source| Behaviour::Source(source);
    for (path, first, then) in [
        // The file changes between two requests.
        ("/changed.iso", cut(Source::new(old.clone())), whole(Source::new(new.clone()).tag(Some("\"two\"")))),
        // The same on a server without If-Range.
        (
            "/careless.iso",
            cut(Source::new(old.clone())),
            whole(Source::new(new.clone()).tag(Some("\"two\"")).ranges(Ranges::Careless)),
        ),
        // Without a validator, or with a weak one.
        ("/no-tag.iso", cut(Source::new(old.clone()).tag(None)), whole(Source::new(new.clone()).tag(None))),
        (
            "/weak.iso",
            cut(Source::new(old).tag(Some("W/\"one\""))),
            whole(Source::new(new.clone()).tag(Some("W/\"one\""))),
        ),
        // A server that answers 200 to a range request.
        (
            "/no-ranges.iso",
            cut(Source::new(new.clone())),
            whole(Source::new(new.clone()).ranges(Ranges::Ignored)),
        ),
    ] {
        origin.on(path, Behaviour::Each(vec![first, then]));
        let name = path[1..].trim_end_matches(".iso");
        let job = begin(&service, name, &[origin.url(path)], &[]);
        expect_stored(&service, &job, &path[1..], &new);
    }
}

#[test]
fn a_part_that_is_labelled_as_the_whole_file_is_recognised() {
    let (service, origin) = (service(), Origin::start());
    let third = installer().len() / 3;
    for (name, ranges, requests) in [("called", Ranges::CalledWhole, 2), ("bare", Ranges::Unlabelled, 3)] {
        let path = format!("/{name}.iso");
        let cut = Source::new(installer()).cut_after(third);
        let parts = Source::new(installer()).ranges(ranges);
        origin.on(&path, Behaviour::Each(vec![Behaviour::Source(cut), Behaviour::Source(parts)]));
        let job = begin(&service, name, &[origin.url(&path)], &[]);
        expect_stored(&service, &job, &path[1..], &installer());
        let asked = asked(&origin, &path);
        assert_eq!(
            (asked.len(), asked[1].as_str()),
            (requests, format!("bytes={third}-").as_str()),
            "{name}"
        );
    }
}

#[test]
fn a_server_that_lies_about_ranges_harms_nothing() {
    let (service, origin) = (service(), Origin::start());
    for (name, ranges) in
        [("shifted", Ranges::Shifted), ("longer", Ranges::Longer), ("multipart", Ranges::Multipart)]
    {
        let path = format!("/{name}.iso");
        let cut = Source::new(installer()).cut_after(installer().len() / 3);
        let lies = Source::new(installer()).ranges(ranges);
        origin.on(&path, Behaviour::Each(vec![Behaviour::Source(cut), Behaviour::Source(lies)]));
        let job = begin(&service, name, &[origin.url(&path)], &[]);
        let job = ended(&service, &job);
        if job["state"] == "done" {
            expect_stored(&service, &job, &path[1..], &installer());
        } else {
            assert_eq!(job["state"], "failed", "{job}");
            assert_eq!(http::get(&service.south(&path)).status, 404);
        }
    }
}

#[test]
fn links_are_tried_in_order_and_bad_ones_set_aside() {
    let (service, origin) = (service(), Origin::start());
    origin.on("/page.iso", Behaviour::Html);
    let noise = images::pattern(3, 100_000);
    origin.on("/coded.iso", Behaviour::Source(Source::new(noise).encoding("br")));
    origin.on("/loop.iso", Behaviour::Redirect("/loop.iso".to_owned()));
    origin.on("/good.iso", Behaviour::Bytes(installer()));
    let links: Vec<String> = ["/missing.iso", "/page.iso", "/coded.iso", "/loop.iso", "/good.iso"]
        .iter()
        .map(|path| origin.url(path))
        .collect();
    let job = begin(&service, "mirrors", &links, &[]);
    let done = ended(&service, &job);
    for (index, reason) in [(1, "404"), (2, "web page"), (3, "encoded"), (4, "redirects")] {
        let line = log(&done)
            .lines()
            .find(|line| line.contains(&format!("link {index} is set aside")))
            .map(str::to_owned);
        assert!(line.is_some_and(|line| line.contains(reason)), "{index} {reason}: {}", log(&done));
    }
    let image = service.images(&[("name", "mirrors")]).remove(0);
    assert_eq!((&image["status"], &image["url"]), (&json!("OK"), &json!(links[0])));
    assert_eq!(image["mirrors"].as_array().unwrap().len(), 4, "{image}");

    // All links failed: all reasons are reported. A body may hold the list too.
    let body =
        json!({"name": "none", "version": "1", "isoweb": [origin.url("/gone.iso"), links[2]]}).to_string();
    let headers = [("Content-Type", "application/json")];
    let answer = http::request("PUT", &service.north("/images"), &headers, body);
    let problem = expect_problem(&service, &answer, 404, "none of the 2 links works");
    let message = problem["message"].as_str().unwrap();
    assert!(
        message.contains("link 1: ") && message.contains("link 2: ") && message.contains("encoded"),
        "{message}"
    );
    assert!(service.images(&[("name", "none")]).is_empty());
}

#[test]
fn a_mirror_goes_on_only_where_the_whole_is_verified() {
    let (service, origin) = (service(), Origin::start());
    let third = installer().len() / 3;
    let broken = |source: Source| {
        Behaviour::Each(vec![Behaviour::Source(source.cut_after(third)), Behaviour::Status(404)])
    };
    origin.on("/first.iso", broken(Source::new(installer())));
    origin.on("/mirror.iso", Behaviour::Source(Source::new(installer()).tag(Some("\"other\""))));
    let links = [origin.url("/first.iso"), origin.url("/mirror.iso")];
    let digest = sha256(&installer());
    let job = begin(&service, "verified", &links, &[("sha256", &digest)]);
    expect_stored(&service, &job, "first.iso", &installer());
    assert_eq!(asked(&origin, "/mirror.iso"), [format!("bytes={third}-")]);

    // Without a digest the other link's file cannot be known to be the same.
    origin.on("/plain.iso", broken(Source::new(other_installer())));
    let links = [origin.url("/plain.iso"), origin.url("/mirror.iso")];
    let job = begin(&service, "plain", &links, &[]);
    expect_stored(&service, &job, "plain.iso", &installer());
    assert_eq!(asked(&origin, "/mirror.iso")[1..], [String::new()]);

    // Parts of two files do not make the announced one; one link alone does.
    let mut damaged = installer();
    damaged[third / 2] ^= 1;
    origin.on("/damaged.iso", broken(Source::new(damaged)));
    let links = [origin.url("/damaged.iso"), origin.url("/mirror.iso")];
    let job = begin(&service, "mended", &links, &[("sha256", &digest)]);
    expect_stored(&service, &job, "damaged.iso", &installer());
    assert!(log(&ended(&service, &job)).contains(&digest), "{}", log(&ended(&service, &job)));
}

#[test]
fn a_wrong_digest_keeps_nothing_and_names_both_values() {
    let (service, origin) = (service(), Origin::start());
    origin.on("/a.iso", Behaviour::Bytes(installer()));
    let (right, wrong) = (sha256(&installer()), "ab".repeat(32));
    let parameters = [("name", "a"), ("version", "1"), ("isoweb", &origin.url("/a.iso")), ("sha256", &wrong)];
    let answer = service.put_image(&parameters);
    let problem = expect_problem(&service, &answer, 422, "SHA-256");
    let message = problem["message"].as_str().unwrap();
    assert!(message.contains(&right) && message.contains(&wrong), "{message}");
    assert_eq!(http::get(&service.north("/iso")).text(), "[]");
    assert!(service.images(&[]).is_empty());
    assert!(std::fs::read_dir(service.path("static/iso/.incoming")).unwrap().next().is_none());
    service.put_image(&[parameters[0], parameters[1], parameters[2], ("sha256", &right)]).expect_status(200);
    assert_eq!(service.images(&[])[0]["status"], "OK");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let (mut service, origin) = (service(), Origin::start());
    let bytes = installer();
    let slow = |bytes: Vec<u8>| {
        let piece = bytes.len() / 50;
        Behaviour::Dribble { bytes, piece, pause: Duration::from_millis(100) }
    };
    origin.on(
        "/a.iso",
        Behaviour::Each(vec![
            Behaviour::Source(Source::new(bytes.clone()).cut_after(bytes.len() / 2)),
            // Nothing more arrives until the service has been restarted.
            Behaviour::Silent,
        ]),
    );
    let job = begin(&service, "a", &[origin.url("/a.iso")], &[]);
    eventually(SOON, "the second request", || (asked(&origin, "/a.iso").len() == 2).then_some(()));
    service.restart();
    origin.on("/a.iso", Behaviour::Source(Source::new(bytes.clone())));
    expect_stored(&service, &job, "a.iso", &bytes);
    let half = format!("bytes={}-", bytes.len() / 2);
    assert!(
        asked(&origin, "/a.iso")[1..].iter().all(|range| *range == half),
        "{:?}",
        asked(&origin, "/a.iso")
    );

    // Cancelled and retried: the bytes were kept.
    origin.on(
        "/b.iso",
        Behaviour::Each(vec![
            Behaviour::Source(Source::new(bytes.clone()).cut_after(bytes.len() / 2)),
            Behaviour::Silent,
        ]),
    );
    let job = begin(&service, "b", &[origin.url("/b.iso")], &[]);
    eventually(SOON, "the second request", || (asked(&origin, "/b.iso").len() == 2).then_some(()));
    let url = service.north(&format!("/jobs/{}", job["id"].as_str().unwrap()));
    http::delete(&url).expect_status(200);
    origin.on("/b.iso", Behaviour::Source(Source::new(bytes.clone())));
    http::request("POST", &format!("{url}/retry"), &[], "").expect_status(200);
    expect_stored(&service, &job, "b.iso", &bytes);
    assert_eq!(asked(&origin, "/b.iso"), [String::new(), half.clone(), half]);

    // A stop keeps the bytes that had arrived.
    origin.on("/c.iso", slow(bytes));
    let job = begin(&service, "c", &[origin.url("/c.iso")], &[]);
    let url = |service: &Service| service.north(&format!("/jobs/{}", job["id"].as_str().unwrap()));
    eventually(SOON, "some bytes", || {
        http::get(&url(&service)).json()["progress"]["done"].as_u64().filter(|done| *done > 0)
    });
    service.restart();
    http::delete(&service.north("/images?name=c&version=1")).expect_status(200);
    assert_eq!(http::get(&url(&service)).json()["state"], "cancelled");
}
