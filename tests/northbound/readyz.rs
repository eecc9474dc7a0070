//! `GET /readyz`: its status tells a load balancer whether the service can work; its text names the checks.

use harness::http::{self, Response};
use harness::{Service, Setup};
use std::fs;

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
    assert_eq!(verbose.text(), "iso store: ok\nmicrokernel store: ok\nready\n");
}

#[test]
fn a_store_that_is_not_there_is_named_without_its_path() {
    let service = Setup::new().start();
    let (folder, elsewhere) = (service.path("static/iso"), service.path("elsewhere"));
    fs::rename(&folder, &elsewhere).unwrap();
    for (target, more) in [("/readyz", ""), ("/readyz?verbose", "microkernel store: ok\n")] {
        let answer = ask(&service, target).expect_status(503);
        let text = answer.text();
        let fault = text.strip_suffix(&format!("{more}not ready\n"));
        let fault = fault.unwrap_or_else(|| panic!("{target}: {text}"));
        assert!(fault.starts_with("iso store: cannot ") && fault.lines().count() == 1, "{target}: {text}");
        assert!(!text.contains('/'), "a path of the server is told: {text}");
    }

    // A disk that is not mounted leaves an empty folder.
    fs::create_dir(&folder).unwrap();
    ask(&service, "/readyz").expect_status(503);

    fs::remove_dir(&folder).unwrap();
    fs::rename(&elsewhere, &folder).unwrap();
    ask(&service, "/readyz").expect_status(200);
}
