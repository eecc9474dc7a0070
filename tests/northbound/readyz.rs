//! `GET /livez` and `GET /readyz`: their status tells a load balancer whether the service can work; their
//! text names the checks.

use harness::disk::SmallDisk;
use harness::http::{self, Response};
use harness::{Service, Setup};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;

fn ask(service: &Service, target: &str) -> Response {
    let answer = http::get(&service.north(target));
    assert_eq!(answer.header("Content-Type"), Some("text/plain; charset=utf-8"), "{target}");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"), "{target}");
    answer
}

#[test]
fn a_service_that_can_work_is_ready() {
    let service = Setup::new().start();
    assert_eq!(ask(&service, "/readyz").expect_status(200).text(), "ready\n");
    let verbose = ask(&service, "/readyz?verbose").expect_status(200);
    assert_eq!(verbose.text(), "inventory: ok\niso store: ok\nmicrokernel store: ok\nready\n");
}

#[test]
fn a_store_that_is_not_there_is_named_without_its_path() {
    let service = Setup::new().start();
    let (folder, elsewhere) = (service.path("static/iso"), service.path("elsewhere"));
    fs::rename(&folder, &elsewhere).unwrap();
    for (target, [first, more]) in
        [("/readyz", ["", ""]), ("/readyz?verbose", ["inventory: ok\n", "microkernel store: ok\n"])]
    {
        let answer = ask(&service, target).expect_status(503);
        let text = answer.text();
        let fault =
            text.strip_suffix(&format!("{more}not ready\n")).and_then(|text| text.strip_prefix(first));
        let fault = fault.unwrap_or_else(|| panic!("{target}: {text}"));
        assert!(fault.starts_with("iso store: ") && fault.lines().count() == 1, "{target}: {text}");
        assert!(!text.contains('/'), "a path of the server is told: {text}");
    }

    // A disk that is not mounted leaves an empty folder.
    fs::create_dir(&folder).unwrap();
    ask(&service, "/readyz").expect_status(503);

    fs::remove_dir(&folder).unwrap();
    fs::rename(&elsewhere, &folder).unwrap();
    ask(&service, "/readyz").expect_status(200);
}

#[test]
fn a_program_whose_loops_turn_is_alive() {
    let service = Setup::new().start();
    assert_eq!(ask(&service, "/livez").expect_status(200).text(), "alive\n");
    let verbose = ask(&service, "/livez?verbose").expect_status(200).text();
    assert_eq!(verbose, "connections: ok\nrequests: ok\ninventory writer: ok\nalive\n");
    for target in ["/livez", "/readyz"] {
        let head = http::head(&service.north(target)).expect_status(200);
        assert!(head.body.is_empty(), "{target}");
        // The southbound has the names of images there.
        http::get(&service.south(target)).expect_status(404);
    }
}

#[test]
fn a_full_disk_is_not_ready_but_alive() {
    let service = Setup::new().set("reserveBytes", json!(1_u64 << 52)).start();
    let text = ask(&service, "/readyz").expect_status(503).text();
    for store in ["iso store: ", "microkernel store: "] {
        assert!(text.contains(store), "{text}");
    }
    assert!(text.contains("reserveBytes") && text.ends_with("not ready\n"), "{text}");
    ask(&service, "/livez").expect_status(200);
    let text = http::get(&service.north("/metrics")).expect_status(200).text();
    assert!(text.contains("image_service_store_reserved_bytes{store=\"iso\"} 4503599627370496\n"), "{text}");
}

#[test]
fn an_endpoint_may_have_health_alone() {
    let endpoint = |routers: &[&str]| json!({"address": "127.0.0.1", "port": 0, "routers": routers});
    let endpoints =
        json!([endpoint(&["northbound"]), endpoint(&["health"]), endpoint(&["southbound", "health"])]);
    let service = Setup::new().set("httpEndpoints", endpoints).file("static/livez/kernel", "x").start();
    let health = |path: &str| service.url("health", path);
    assert_eq!(http::get(&health("/livez")).expect_status(200).text(), "alive\n");
    let ready = http::get(&health("/readyz?verbose")).expect_status(200);
    assert!(ready.text().ends_with("ready\n"), "{}", ready.text());
    assert_eq!(ready.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(ready.header("Cache-Control"), Some("no-store"));
    assert!(http::head(&health("/readyz")).expect_status(200).body.is_empty());
    http::get(&health("/images")).expect_status(404);
    http::get(&health("/metrics")).expect_status(404);
    let refused = http::put(&health("/livez"), "x").expect_status(405);
    assert_eq!(refused.header("Allow"), Some("GET, HEAD"));
    // What lies below is still the southbound's.
    assert_eq!(http::get(&service.south("/livez/kernel")).expect_status(200).text(), "x");
    assert_eq!(http::get(&service.south("/livez")).expect_status(200).text(), "alive\n");
}

/// The northbound has both questions itself, and all other paths stay its own.
#[test]
fn health_takes_no_path_from_the_northbound_beside_it() {
    let endpoint = |routers: &[&str]| json!({"address": "127.0.0.1", "port": 0, "routers": routers});
    let endpoints = json!([endpoint(&["northbound", "health"]), endpoint(&["southbound"])]);
    let service = Setup::new().set("httpEndpoints", endpoints).start();
    http::get(&service.north("/")).expect_status(200);
    let nothing = http::get(&service.north("/nowhere")).expect_status(404);
    assert_eq!(nothing.header("Content-Type"), Some("application/problem+json"));
    assert!(ask(&service, "/livez").expect_status(200).header("X-Request-Id").is_some());
}

/// Probes come every few seconds, so they are no events of their own.
#[test]
fn a_check_that_fails_is_logged_once_until_it_passes_again() {
    let service = Setup::new().start();
    let (folder, elsewhere) = (service.path("static/iso"), service.path("elsewhere"));
    for _ in 0..2 {
        fs::rename(&folder, &elsewhere).unwrap();
        (0..5).for_each(|_| drop(ask(&service, "/readyz").expect_status(503)));
        fs::rename(&elsewhere, &folder).unwrap();
        (0..5).for_each(|_| drop(ask(&service, "/readyz").expect_status(200)));
    }
    let count = |words: &str| service.log().matches(words).count();
    let (fails, passes) = ("a check fails", "passes again");
    harness::wait::eventually(std::time::Duration::from_secs(20), passes, || {
        (count(passes) == 2).then_some(())
    });
    assert_eq!(count(fails), 2, "{}", service.log());
}

#[test]
fn an_inventory_behind_a_link_is_looked_at_where_it_lies() {
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.path("data"), 1);
    symlink("data/inventory.json", setup.path("inventory.json")).unwrap();
    let service = setup.start();
    ask(&service, "/readyz").expect_status(200);
    disk.protect();
    let text = ask(&service, "/readyz").expect_status(503).text();
    assert!(text.starts_with("inventory: its folder cannot be written"), "{text}");
    disk.unprotect();
    ask(&service, "/readyz").expect_status(200);
    disk.fill();
    let text = ask(&service, "/readyz").expect_status(503).text();
    assert!(text.starts_with("inventory: its disk is full"), "{text}");
    disk.make_room();
    ask(&service, "/readyz").expect_status(200);
}
