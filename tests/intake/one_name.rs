//! Two clients use one name at once: one is served, the other gets 409, and their bytes are never mixed.

use harness::chance::Chance;
use harness::http::{self, Connection, Request, Response};
use harness::paced::Paced;
use harness::problem::expect_problem;
use harness::remains::expect_no_unfinished;
use harness::service::query;
use harness::wait::eventually;
use harness::work::{self, SOON, begin, register, wait_for, wait_for_bytes};
use harness::{Service, digest, large};
use serde_json::{Value, json};
use std::fs;
use std::sync::Barrier;
use std::time::Duration;

const SIZE: usize = 2 << 20;

/// Sends all requests at the same moment; the answers are in their order.
fn at_once<const N: usize>(requests: [&(dyn Fn() -> Response + Sync); N]) -> [Response; N] {
    let barrier = Barrier::new(N);
    std::thread::scope(|scope| {
        let threads = requests.map(|request| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                request()
            })
        });
        threads.map(|thread| thread.join().unwrap())
    })
}

fn put(service: &Service, target: &str, bytes: &[u8]) -> Response {
    http::request("PUT", &service.north(target), &[("Accept", "application/json")], bytes)
}

#[test]
fn two_uploads_of_one_name_never_mix() {
    let service = Service::start(&json!({"minLogLevel": 2}));
    let mut chance = Chance::of_worker(0);
    let (one, two) = (large::image(1, SIZE), large::image(2, SIZE));
    let digests = [digest::of_bytes(&one), digest::of_bytes(&two)];
    let mut refused = 0;
    for round in 0..10 {
        let target = "/iso?name=both.iso";
        let delay = chance.time(0, 8);
        let late = || {
            std::thread::sleep(delay);
            put(&service, target, &two)
        };
        let answers = at_once([&|| put(&service, target, &one), &late]);
        let stored = digest::of_file(&service.path("static/iso/both.iso"));
        let served: Vec<_> = (0..2).filter(|index| answers[*index].status == 200).collect();
        refused += 2 - served.len();
        // Both may be served, one after the other; then the second has the name.
        assert!(served.iter().any(|index| digests[*index] == stored), "round {round}: a mix");
        for answer in &answers {
            if answer.status != 200 {
                expect_problem(&service, answer, 409, "both.iso");
            }
        }
        let listed = http::get(&service.north(target)).json();
        assert_eq!(listed[0]["sha256"], stored, "round {round}");
    }
    assert!(refused > 0, "the two never met");
    expect_no_unfinished(&service);
}

#[test]
fn the_first_of_two_uploads_keeps_the_name() {
    let service = Service::start(&json!({"minLogLevel": 2}));
    let (one, two) = (large::image(3, SIZE), large::image(4, SIZE));
    let mut first = Connection::open(&service.north(""));
    let request = Request::new("PUT", "/iso?name=a.iso").header("Content-Length", &SIZE.to_string());
    first.send(&request).unwrap();
    first.write(&one[..SIZE / 2]).unwrap();
    eventually(SOON, "an unfinished file", || {
        fs::read_dir(service.path("static/iso/.incoming")).unwrap().next().map(drop)
    });
    for target in ["/iso?name=a.iso", "/images?name=n&version=1&isoclient=a.iso"] {
        expect_problem(&service, &put(&service, target, &two), 409, "a.iso");
    }
    let origin = Paced::start(two, 0);
    let answer = register(&service, "web", &[&origin.url("/a.iso")], "20");
    expect_problem(&service, &answer, 409, "a.iso");
    first.write(&one[SIZE / 2..]).unwrap();
    assert_eq!(first.receive("PUT").unwrap().status, 200);
    assert_eq!(digest::of_file(&service.path("static/iso/a.iso")), digest::of_bytes(&one));
    assert_eq!(service.images(&[]), [] as [Value; 0]);
    expect_no_unfinished(&service);
}

#[test]
fn a_download_keeps_its_name_against_uploads_and_other_downloads() {
    let service = Service::start(&json!({"minLogLevel": 2}));
    let (one, two) = (large::image(5, SIZE), large::image(6, SIZE));
    let (slow, other) = (Paced::start(one.clone(), SIZE / 3), Paced::start(two.clone(), 0));
    let job = begin(&service, "web", &[&slow.url("/a.iso")]);
    wait_for_bytes(&service, &job, 100_000);
    for target in ["/iso?name=a.iso", "/images?name=n&version=1&isoclient=a.iso"] {
        expect_problem(&service, &put(&service, target, &two), 409, "a.iso");
    }
    expect_problem(&service, &register(&service, "other", &[&other.url("/a.iso")], "20"), 409, "a.iso");
    assert_eq!(service.images(&[]).len(), 1);
    slow.set_rate(0);
    wait_for(&service, &job, "done");
    assert_eq!(digest::of_file(&service.path("static/iso/a.iso")), digest::of_bytes(&one));
    expect_no_unfinished(&service);
}

#[test]
fn two_registrations_of_one_image_have_one_winner() {
    let service = Service::start(&json!({"minLogLevel": 2}));
    let (one, two) = (large::image(7, SIZE), large::image(8, SIZE));
    let (first, second) = (Paced::start(one.clone(), 0), Paced::start(two.clone(), 0));
    http::put(&service.north("/iso?name=stored.iso"), one).expect_status(200);
    for round in 0..6 {
        let version = round.to_string();
        let web = |link: String| {
            let parameters =
                [("name", "twin"), ("version", &version), ("isoweb", link.as_str()), ("wait", "20")];
            http::put(&service.north(&format!("/images?{}", query(&parameters))), "")
        };
        let from_web = || web(first.url(&format!("/one-{round}.iso")));
        let also_from_web = || web(second.url(&format!("/two-{round}.iso")));
        let from_client = || {
            put(&service, &format!("/images?name=twin&version={round}&isoclient=client-{round}.iso"), &two)
        };
        let from_store =
            || service.put_image(&[("name", "twin"), ("version", &version), ("isostore", "stored.iso")]);
        let answers = match round % 3 {
            0 => at_once([&from_web, &also_from_web]),
            1 => at_once([&from_web, &from_client]),
            _ => at_once([&also_from_web, &from_store]),
        };
        let winners: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(winners.len(), 1, "round {round}: {:?}", answers.each_ref().map(|answer| answer.text()));
        let loser = answers.iter().find(|answer| answer.status != 200).unwrap();
        expect_problem(&service, loser, 409, "");
        let image = service.wait_for_status("twin", &version, |status| status == "OK");
        assert_eq!(image["id"], winners[0].json()["id"], "round {round}");
        assert_eq!(service.images(&[("version", &version)]).len(), 1);
        let iso = service.path("static/iso").join(image["iso"].as_str().unwrap());
        assert_eq!(image["sha256"], digest::of_file(&iso), "round {round}");
    }
    // The bytes of the refused clients are not stored.
    let isos = http::get(&service.north("/iso")).json();
    assert!(
        isos.as_array().unwrap().iter().all(|iso| iso["name"] == "stored.iso" || iso["images"] != json!([]))
    );
    expect_no_unfinished(&service);
    assert!(work::list(&service, &[("kind", "download"), ("state", "running")]).is_empty());
}

#[test]
fn a_removal_and_a_registration_do_not_leave_half_of_each() {
    let service = Service::start(&json!({"minLogLevel": 2}));
    let mut chance = Chance::of_worker(1);
    let bytes = large::image(9, SIZE);
    let origin = Paced::start(bytes.clone(), 0);
    for round in 0..10 {
        let version = round.to_string();
        let link = origin.url(&format!("/gone-{round}.iso"));
        let parameters = [("name", "gone"), ("version", &version), ("isoweb", link.as_str()), ("wait", "20")];
        let delay = chance.time(0, 120);
        let remove = || {
            std::thread::sleep(delay);
            http::delete(&service.north(&format!("/images?name=gone&version={round}")))
        };
        let [registered, removed] = at_once([&|| service.put_image(&parameters), &remove]);
        assert!([200, 404, 409].contains(&removed.status), "{}", removed.text());
        assert!([200, 409].contains(&registered.status), "{}", registered.text());
        let iso = service.path(&format!("static/iso/gone-{round}.iso"));
        if removed.status == 200 {
            assert_eq!(service.images(&[("version", &version)]), [] as [Value; 0], "round {round}");
        } else {
            service.wait_for_status("gone", &version, |status| status == "OK");
        }
        expect_no_unfinished(&service);
        assert!(!iso.exists() || digest::of_file(&iso) == digest::of_bytes(&bytes), "round {round}");
    }
    eventually(Duration::from_secs(5), "no work left", || {
        let jobs = work::list(&service, &[("kind", "download")]);
        jobs.iter().all(|job| ["done", "cancelled"].contains(&job["state"].as_str().unwrap())).then_some(())
    });
}
