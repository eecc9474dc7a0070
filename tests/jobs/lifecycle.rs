//! Jobs: listed with their states, cancelled, retried by clients and by themselves, limited, and restored
//! after a restart.

use std::time::Duration;

use harness::http;
use harness::images;
use harness::problem::expect_problem;
use harness::remains::Remains;
use harness::service::{Service, query};
use harness::wait::eventually;
use harness::web::{Behaviour, Origin, refusing_port};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

fn installer() -> Vec<u8> {
    std::fs::read(images::installer()).unwrap()
}

/// Registers an image from `url` without waiting; returns its job.
#[track_caller]
fn begin(service: &Service, name: &str, url: &str) -> Value {
    let parameters = query(&[("name", name), ("version", "1"), ("isoweb", url), ("wait", "0")]);
    let image = http::put(&service.north(&format!("/images?{parameters}")), "").expect_status(200).json();
    assert_eq!(image["status"], "downloading iso");
    let jobs = list(service, &[("image", image["id"].as_str().unwrap())]);
    jobs.into_iter().next().unwrap_or_else(|| panic!("no job for {image}"))
}

#[track_caller]
fn list(service: &Service, parameters: &[(&str, &str)]) -> Vec<Value> {
    let url = service.north(&format!("/jobs?{}", query(parameters)));
    http::get(&url).expect_status(200).json().as_array().unwrap().clone()
}

fn url_of(service: &Service, job: &Value) -> String {
    service.north(&format!("/jobs/{}", job["id"].as_str().unwrap()))
}

/// Waits until the job's state is `state`.
#[track_caller]
fn wait_for(service: &Service, job: &Value, state: &str) -> Value {
    eventually(SOON, &format!("a job that is {state}"), || {
        let now = http::get(&url_of(service, job)).expect_status(200).json();
        (now["state"] == state).then_some(now)
    })
}

fn slow(bytes: Vec<u8>) -> Behaviour {
    let piece = bytes.len() / 100;
    Behaviour::Dribble { bytes, piece, pause: Duration::from_millis(200) }
}

#[test]
fn a_job_tells_how_far_it_is_and_how_it_ended() {
    let service = Service::start(&json!({}));
    let origin = Origin::start();
    origin.on("/slow.iso", slow(installer()));
    origin.on("/fast.iso", Behaviour::Bytes(installer()));
    let slow = begin(&service, "slow", &origin.url("/slow.iso"));
    assert_eq!((&slow["kind"], &slow["attempts"]["log"]), (&json!("download"), &Value::Null));
    let running = wait_for(&service, &slow, "running");
    assert_eq!(running["attempts"], 1);
    let progress = eventually(SOON, "a rate", || {
        let progress = http::get(&url_of(&service, &slow)).json()["progress"].clone();
        progress["rate"].as_u64().filter(|rate| *rate > 0).map(|_| progress)
    });
    assert_eq!(progress["total"], installer().len());
    assert!(
        progress["done"].as_u64().unwrap() > 0 && progress["secondsLeft"].as_u64().unwrap() > 0,
        "{progress}"
    );
    let image = service.images(&[("name", "slow")]).remove(0);
    assert_eq!((&image["job"], &image["progress"]["total"]), (&slow["id"], &progress["total"]));

    let fast = begin(&service, "fast", &origin.url("/fast.iso"));
    let done = wait_for(&service, &fast, "done");
    assert!(done["progress"].is_null() && done["reason"].is_null(), "{done}");
    assert!(service.images(&[("name", "fast")])[0]["job"].is_null());

    // The newest first, by kind and state.
    let ids = |parameters: &[(&str, &str)]| -> Vec<Value> {
        list(&service, parameters).iter().map(|job| job["id"].clone()).collect()
    };
    assert_eq!(ids(&[("kind", "download")]), [fast["id"].clone(), slow["id"].clone()]);
    assert_eq!(ids(&[("state", "running")]), [slow["id"].clone()]);
    assert_eq!(ids(&[("kind", "download"), ("state", "failed")]), [] as [Value; 0]);
    for (method, path) in [("PUT", "/jobs"), ("POST", "/jobs/x"), ("GET", "/jobs/x/retry")] {
        let answer = http::request(method, &service.north(path), &[], "");
        expect_problem(&service, &answer, 405, "this path answers to");
    }
    expect_problem(&service, &http::get(&service.north("/jobs/x")), 404, "no job");
    expect_problem(&service, &http::delete(&service.north("/jobs/x")), 404, "no job");
    expect_problem(&service, &http::request("POST", &service.north("/jobs/x/retry"), &[], ""), 404, "no job");
}

#[test]
fn a_cancelled_job_can_be_begun_again_and_its_bytes_go_with_its_image() {
    let service = Service::start(&json!({}));
    let origin = Origin::start();
    let before = Remains::of(&service);
    origin.on("/a.iso", slow(installer()));
    let job = begin(&service, "a", &origin.url("/a.iso"));
    eventually(SOON, "some progress", || {
        http::get(&url_of(&service, &job)).json()["progress"]["done"].as_u64().filter(|done| *done > 0)
    });
    let retry = format!("{}/retry", url_of(&service, &job));
    expect_problem(&service, &http::request("POST", &retry, &[], ""), 409, "running");
    let cancelled = http::delete(&url_of(&service, &job)).expect_status(200).json();
    assert_eq!((&cancelled["id"], &cancelled["state"]), (&job["id"], &json!("cancelled")));
    let image = service.images(&[("name", "a")]).remove(0);
    assert_eq!(image["status"], "error: it was cancelled");
    assert_eq!(http::get(&service.north("/iso")).text(), "[]");

    origin.on("/a.iso", Behaviour::Bytes(installer()));
    let again = http::request("POST", &retry, &[], "").expect_status(200).json();
    assert_eq!(again["id"], job["id"]);
    wait_for(&service, &job, "done");
    assert_eq!(service.images(&[("name", "a")])[0]["status"], "OK");
    expect_problem(&service, &http::request("POST", &retry, &[], ""), 409, "done");

    // A job that is over is removed from the list; its file stays.
    let gone = eventually(SOON, "the record of the end", || {
        let answer = http::delete(&url_of(&service, &job));
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(gone["id"], job["id"]);
    expect_problem(&service, &http::get(&url_of(&service, &job)), 404, "no job");
    assert_eq!(service.images(&[("name", "a")])[0]["status"], "OK");
    http::delete(&service.north("/images?name=a&version=1")).expect_status(200);
    http::delete(&service.north("/iso?name=a.iso")).expect_status(200);
    before.expect_again(&service, "all that");

    origin.on("/b.iso", slow(installer()));
    let other = begin(&service, "b", &origin.url("/b.iso"));
    wait_for(&service, &other, "running");
    http::delete(&url_of(&service, &other)).expect_status(200);
    http::delete(&service.north("/images?name=b&version=1")).expect_status(200);
    before.expect_again(&service, "a cancelled download and its image");
}

#[test]
fn what_may_go_better_later_is_tried_again_by_itself() {
    let service = Service::start(&json!({"downloadRetryDelay": 300, "downloadRetries": 6}));
    let origin = Origin::start();
    origin.on("/later.iso", Behaviour::Status(502));
    let job = begin(&service, "later", &origin.url("/later.iso"));
    let waiting = wait_for(&service, &job, "waiting");
    assert!(waiting["reason"].as_str().unwrap().contains("502"), "{waiting}");
    assert!(waiting["until"].as_str().unwrap() > waiting["updated"].as_str().unwrap(), "{waiting}");
    assert_eq!(service.images(&[("name", "later")])[0]["status"], "downloading iso");
    origin.on("/later.iso", Behaviour::Bytes(installer()));
    let done = wait_for(&service, &job, "done");
    assert!(done["attempts"].as_u64().unwrap() > 1, "{done}");
    let log = done["log"].as_array().unwrap();
    assert!(log.iter().any(|line| line["text"].as_str().unwrap().contains("502")), "{done}");

    // Retries end, and permanent faults are not retried.
    let failing = begin(&service, "never", &format!("http://127.0.0.1:{}/x.iso", refusing_port()));
    let missing = begin(&service, "missing", &origin.url("/missing.iso"));
    let missing = wait_for(&service, &missing, "failed");
    assert_eq!(missing["attempts"], 1, "{missing}");
    assert!(missing["reason"].as_str().unwrap().contains("404"), "{missing}");
    assert_eq!(
        wait_for(&service, &failing, "waiting")["attempts"].as_u64().map(|tries| tries < 7),
        Some(true)
    );
    let failed = eventually(Duration::from_secs(60), "the last try", || {
        let now = http::get(&url_of(&service, &failing)).json();
        (now["state"] == "failed").then_some(now)
    });
    assert_eq!(failed["attempts"], 7, "{failed}");
    assert!(service.images(&[("name", "never")])[0]["status"].as_str().unwrap().starts_with("error: "));
}

#[test]
fn a_wait_can_be_cut_short() {
    let service = Service::start(&json!({"downloadRetryDelay": 600_000}));
    let origin = Origin::start();
    origin.on("/a.iso", Behaviour::Status(503));
    let job = begin(&service, "a", &origin.url("/a.iso"));
    wait_for(&service, &job, "waiting");
    origin.on("/a.iso", Behaviour::Bytes(installer()));
    http::request("POST", &format!("{}/retry", url_of(&service, &job)), &[], "").expect_status(200);
    wait_for(&service, &job, "done");
    // A waiting job can be cancelled too.
    let other = begin(&service, "b", &format!("http://127.0.0.1:{}/x.iso", refusing_port()));
    wait_for(&service, &other, "waiting");
    assert_eq!(http::delete(&url_of(&service, &other)).expect_status(200).json()["state"], "cancelled");
}

#[test]
fn jobs_outlive_the_program() {
    let mut service =
        Service::start(&json!({"maxDownloads": 1, "maxFinishedJobs": 2, "downloadRetryDelay": 600_000}));
    let origin = Origin::start();
    origin.on("/slow.iso", slow(installer()));
    origin.on("/queued.iso", slow(installer()));
    origin.on("/waiting.iso", Behaviour::Status(503));
    let mut ended = Vec::new();
    for name in ["one", "two", "three"] {
        let job = begin(&service, name, &origin.url("/missing.iso"));
        ended.push(wait_for(&service, &job, "failed"));
    }
    let waiting = begin(&service, "waiting", &origin.url("/waiting.iso"));
    wait_for(&service, &waiting, "waiting");
    let running = begin(&service, "running", &origin.url("/slow.iso"));
    wait_for(&service, &running, "running");
    let queued = begin(&service, "queued", &origin.url("/queued.iso"));
    assert_eq!(queued["state"], "queued");
    let ids = |service: &Service| -> Vec<Value> {
        list(service, &[("kind", "download")]).iter().map(|job| job["id"].clone()).collect()
    };
    let expected: Vec<Value> =
        [&queued, &running, &waiting, &ended[2], &ended[1]].map(|job| job["id"].clone()).to_vec();
    assert_eq!(ids(&service), expected, "the oldest ended one is forgotten");

    let kill = |service: &mut Service| {
        service.kill9();
        service.spawn();
    };
    for (how, restart) in
        [("kill", &kill as &dyn Fn(&mut Service)), ("SIGTERM", &|service: &mut Service| service.restart())]
    {
        restart(&mut service);
        assert_eq!(ids(&service), expected, "{how}");
        let failed = http::get(&url_of(&service, &ended[2])).expect_status(200).json();
        assert_eq!((&failed["state"], &failed["log"]), (&ended[2]["state"], &ended[2]["log"]), "{how}");
        eventually(SOON, "the jobs to be taken up", || {
            let states: Vec<Value> = [&waiting, &running, &queued]
                .map(|job| http::get(&url_of(&service, job)).expect_status(200).json()["state"].clone())
                .to_vec();
            states.iter().any(|state| state == "running").then_some(())
        });
    }
    origin.on("/slow.iso", Behaviour::Bytes(installer()));
    origin.on("/waiting.iso", Behaviour::Bytes(installer()));
    origin.on("/queued.iso", Behaviour::Bytes(installer()));
    for job in [&waiting, &running, &queued] {
        eventually(Duration::from_secs(60), "the end", || {
            let answer = http::get(&url_of(&service, job));
            // Each job that ends may drop the oldest from the list.
            if answer.status == 404 {
                return Some(());
            }
            // A stop interrupts a pause and a slow answer.
            let _ = http::request("POST", &format!("{}/retry", url_of(&service, job)), &[], "");
            (answer.json()["state"] == "done").then_some(())
        });
    }
    for name in ["waiting", "running", "queued"] {
        assert_eq!(service.images(&[("name", name)])[0]["status"], "OK");
    }
}

#[test]
fn of_two_downloads_under_one_name_one_is_refused_at_once() {
    let service = Service::start(&json!({}));
    let origin = Origin::start();
    for round in 0..20 {
        let link = origin.url(&format!("/{round}.iso"));
        origin.on(&format!("/{round}.iso"), Behaviour::Silent);
        let register = |name: &str| {
            let parameters = query(&[("name", name), ("version", "1"), ("isoweb", &link), ("wait", "0")]);
            http::put(&service.north(&format!("/images?{parameters}")), "").status
        };
        let mut statuses = std::thread::scope(|scope| {
            let names = [format!("a{round}"), format!("b{round}")];
            let asked = names.map(|name| scope.spawn(move || register(&name)));
            asked.map(|asked| asked.join().unwrap())
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        for job in list(&service, &[("kind", "download")]) {
            http::delete(&url_of(&service, &job));
        }
    }
    assert_eq!(service.images(&[]).len(), 20);
}
