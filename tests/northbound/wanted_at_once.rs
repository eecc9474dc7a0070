//! Tools that want a state, many at once: a play that runs on each host, and clients that each saw the same
//! version.

use harness::http::{self, Response};
use harness::iso::Maker;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::work::SOON;
use harness::{Service, Setup, images};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Barrier;
use std::thread;

const CLIENTS: usize = 20;

/// A service whose store holds `a.iso` and `b.iso`. Their digests are known: one that comes later changes the
/// images of its file.
fn service() -> Service {
    let one = fs::read(images::installer()).unwrap();
    let other = fs::read(images::joliet(Maker::Xorriso)).unwrap();
    let setup = Setup::new().set("watchInterval", json!(100));
    let service = setup.file("static/iso/a.iso", &one).file("static/iso/b.iso", &other).start();
    eventually(SOON, "the digests", || {
        let isos = http::get(&service.north("/iso")).json();
        let isos = isos.as_array().unwrap();
        (isos.len() == 2 && isos.iter().all(|iso| iso["sha256"].is_string())).then_some(())
    });
    service
}

fn put(service: &Service, id: &str, body: &Value, headers: &[(&str, &str)]) -> Response {
    let headers = [headers, &[("Content-Type", "application/json")]].concat();
    http::request("PUT", &service.north(&format!("/images/{id}")), &headers, body.to_string())
}

fn tag(service: &Service, id: &str) -> String {
    http::get(&service.north(&format!("/images/{id}"))).header("ETag").unwrap().to_owned()
}

/// The answers to as many requests at one moment, each made from its number.
fn at_once(ask: impl Fn(usize) -> Response + Sync) -> Vec<Response> {
    let barrier = Barrier::new(CLIENTS);
    let ask = |number| {
        barrier.wait();
        ask(number)
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || ask(number))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// How often each status was answered.
fn statuses(answers: &[Response]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for answer in answers {
        *statuses.entry(answer.status).or_default() += 1;
    }
    statuses
}

#[test]
fn each_host_of_a_play_may_ask_for_the_same_image() {
    let service = service();
    for round in 0..5 {
        let id = format!("image-{round}");
        let wanted = json!({"name": id, "version": "1", "isostore": "a.iso", "labels": {"a": "1"}});
        let answers = at_once(|_| put(&service, &id, &wanted, &[]));
        assert_eq!(statuses(&answers), BTreeMap::from([(200, CLIENTS - 1), (201, 1)]));
        let answers = at_once(|number| {
            let mut wanted = wanted.clone();
            wanted["labels"]["a"] = json!(number.to_string());
            put(&service, &id, &wanted, &[])
        });
        assert_eq!(statuses(&answers), BTreeMap::from([(200, CLIENTS)]));
    }
}

#[test]
fn one_client_makes_an_image_that_must_not_be_there() {
    let service = service();
    for round in 0..5 {
        let id = format!("image-{round}");
        let answers = at_once(|number| {
            let labels = json!({"by": number.to_string()});
            let wanted = json!({"name": id, "version": "1", "isostore": "a.iso", "labels": labels});
            put(&service, &id, &wanted, &[("If-None-Match", "*")])
        });
        assert_eq!(statuses(&answers), BTreeMap::from([(201, 1), (412, CLIENTS - 1)]));
        let made = answers.iter().find(|answer| answer.status == 201).unwrap().json();
        assert_eq!(http::get(&service.north(&format!("/images/{id}"))).json(), made);
    }
}

#[test]
fn one_of_the_clients_that_saw_a_version_changes_or_removes_it() {
    let service = service();
    let wanted =
        |label: &str| json!({"name": "linux", "version": "1", "isostore": "a.iso", "labels": {"a": label}});
    for round in 0..20 {
        put(&service, "x", &wanted("first"), &[]);
        let seen = tag(&service, "x");
        let answers = at_once(|number| {
            let seen = [("If-Match", &*seen)];
            match number % 4 {
                0 => http::request("DELETE", &service.north("/images/x"), &seen, ""),
                1 => {
                    let other = json!({"name": "linux", "version": number.to_string(), "isostore": "b.iso"});
                    put(&service, "x", &other, &seen)
                }
                _ => put(&service, "x", &wanted(&number.to_string()), &seen),
            }
        });
        let won = statuses(&answers);
        assert_eq!(won.get(&200), Some(&1), "round {round}: {won:?}");
        // DELETE of what is gone is 404; whatever lost is refused.
        assert!(won.keys().all(|status| matches!(status, 200 | 404 | 412)), "round {round}: {won:?}");
        for (number, answer) in answers.iter().enumerate().filter(|(_, answer)| answer.status == 404) {
            assert_eq!(number % 4, 0, "{}", answer.text());
        }
    }
}

/// Each version meets `If-Match: *`, also one that another client made at the same moment.
#[test]
fn clients_that_accept_each_version_change_it_one_after_the_other() {
    let service = service();
    let wanted =
        |label: &str| json!({"name": "linux", "version": "1", "isostore": "a.iso", "labels": {"a": label}});
    let any = [("If-Match", "*")];
    put(&service, "x", &wanted("first"), &any).expect_status(412);
    put(&service, "x", &wanted("first"), &[]).expect_status(201);
    for _ in 0..5 {
        let answers = at_once(|number| put(&service, "x", &wanted(&number.to_string()), &any));
        assert_eq!(statuses(&answers), BTreeMap::from([(200, CLIENTS)]));
    }
    http::request("DELETE", &service.north("/images?name=linux"), &any, "").expect_status(200);
}

#[test]
fn labels_change_while_a_registration_waits() {
    let service = service();
    let origin = Origin::start();
    origin.on("/slow.iso", Behaviour::Stall(fs::read(images::installer()).unwrap()));
    let put = |label: &str, wait: u32| {
        let url = origin.url("/slow.iso");
        let labels = json!({"a": label});
        let wanted = json!({"name": "web", "version": "1", "isoweb": url, "wait": wait, "labels": labels});
        put(&service, "web", &wanted, &[])
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| put("1", 1));
        service.wait_for_status("web", "1", |status| status == "downloading iso");
        assert_eq!(put("2", 0).expect_status(200).json()["labels"]["a"], "2");
        first.join().unwrap().expect_status(201);
    });
}
