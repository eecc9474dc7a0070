//! Limits of what waits: each queued download is part of what every change writes.

use harness::http::{self, Connection, Request};
use harness::problem::expect_problem;
use harness::service::query;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::{SOON, begin, cancel, list, now, register, retry, wait_for};
use harness::{Service, crowd, images};
use serde_json::json;
use std::fs;

#[test]
fn no_more_downloads_wait_than_are_allowed() {
    // A trusted proxy may have more than the share of one client.
    let proxies = ["127.0.0.1/32"];
    let settings = json!({
        "maxQueuedJobs": 3, "maxDownloads": 1, "downloadStallTimeout": 20_000, "trustedProxies": proxies,
    });
    let mut service = Service::start(&settings);
    let origin = Origin::start();
    let link = |name: &str| origin.url(&format!("/{name}.iso"));
    let names = ["n0", "n1", "n2", "more"];
    for name in names {
        origin.on(&format!("/{name}.iso"), Behaviour::Silent);
    }
    let jobs = [0, 1, 2].map(|number| begin(&service, names[number], &[&link(names[number])]));
    let refused = register(&service, "more", &[&link("more")], "0");
    expect_problem(&service, &refused, 503, "`maxQueuedJobs`");
    assert!(service.images(&[("name", "more")]).is_empty());
    // What needs no job is registered.
    service.upload_iso("a.iso", images::installer().as_path());
    service.register("stored", "1", "isostore", "a.iso");
    // The limit holds over a restart, and for a job that is begun again.
    service.restart();
    expect_problem(&service, &register(&service, "more", &[&link("more")], "0"), 503, "3 jobs");
    cancel(&service, &jobs[0]).expect_status(200);
    wait_for(&service, &jobs[0], "cancelled");
    begin(&service, "more", &[&link("more")]);
    expect_problem(&service, &retry(&service, &jobs[0]), 503, "`maxQueuedJobs`");
    assert_eq!(list(&service, &[("state", "cancelled")]).len(), 1);
    for name in ["n1", "n2"] {
        http::delete(&service.north(&format!("/images?name={name}"))).expect_status(200);
    }
    retry(&service, &jobs[0]).expect_status(200);
}

/// Two slow downloads of one client would else stop those of all others.
#[test]
fn downloads_of_one_client_leave_room_for_those_of_others() {
    let service = Service::start(&json!({"maxDownloads": 2, "downloadStallTimeout": 20_000}));
    let origin = Origin::start();
    let put = |client: u16, name: &str, behaviour: Behaviour, wait: &str| {
        let path = format!("/{name}.iso");
        origin.on(&path, behaviour);
        let parameters = [("name", name), ("version", "1"), ("isoweb", &origin.url(&path)), ("wait", wait)];
        let url = service.north("/");
        let mut connection = Connection::over(crowd::connect_one(&url, crowd::address(client)), &url);
        let request = Request::new("PUT", &format!("/images?{}", query(&parameters)));
        connection.exchange(&request).unwrap().expect_status(200).json()
    };
    let [first, second] = ["a", "b"].map(|name| {
        let image = put(1, name, Behaviour::Silent, "0");
        list(&service, &[("image", image["id"].as_str().unwrap())]).remove(0)
    });
    wait_for(&service, &first, "running");
    let good = Behaviour::Bytes(fs::read(images::installer()).unwrap());
    assert_eq!(put(2, "c", good, "20")["status"], "OK");
    assert_eq!(now(&service, &second)["state"], "queued");
    // The share comes back with the job that had it.
    cancel(&service, &first).expect_status(200);
    wait_for(&service, &second, "running");
}

#[test]
fn the_links_of_an_image_have_a_limit() {
    let service = Service::start(&json!({"downloadRetryDelay": 600_000}));
    let before = fs::metadata(service.path("inventory.json")).unwrap().len();
    let link =
        |number: usize, length: usize| format!("http://127.0.0.1:9/{number}.iso?{}", "x".repeat(length));
    // One long link, and many that are long together; a checksum file counts as well.
    let long = link(0, 17 << 10);
    let many: Vec<_> = (0..16).map(|number| link(number, 1100)).collect();
    let half = link(0, 9 << 10);
    let lists: [Vec<(&str, &str)>; 3] = [
        vec![("isoweb", &long)],
        many.iter().map(|link| ("isoweb", link.as_str())).collect(),
        vec![("isoweb", &half), ("checksum", &half)],
    ];
    for links in lists {
        let mut parameters = vec![("name", "n"), ("version", "1"), ("wait", "0")];
        parameters.extend(links);
        let refused = http::put(&service.north(&format!("/images?{}", query(&parameters))), Vec::new());
        expect_problem(&service, &refused, 400, "16384 are allowed");
    }
    assert_eq!(fs::metadata(service.path("inventory.json")).unwrap().len(), before);
    begin(&service, "n", &[&half]);
}

/// A server decides what a failure tells, and must not decide how much is kept.
#[test]
fn the_texts_of_failures_are_bounded() {
    let service = Service::start(&json!({"downloadRetries": 20, "downloadRetryDelay": 1}));
    let origin = Origin::start();
    let long = format!("http://127.0.0.1:1/{}", "y".repeat(15 << 10));
    origin.on("/far.iso", Behaviour::Redirect(long));
    let job = begin(&service, "far", &[&origin.url("/far.iso")]);
    let ended = eventually(SOON, "the end", || {
        let job = now(&service, &job);
        (job["state"] == "failed").then_some(job)
    });
    assert!(ended["reason"].as_str().unwrap().len() < 3000, "{ended}");
    let size = fs::metadata(service.path("inventory.json")).unwrap().len();
    assert!(size < 150_000, "{size}");
}
