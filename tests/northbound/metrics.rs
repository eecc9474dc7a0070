//! `GET /metrics`: the figures that operators ask for, in the form that Prometheus reads. The step `metrics`
//! of `./check` has promtool read them as well.

use harness::disk::{HangingDisk, SmallDisk};
use harness::http::{self, Connection, Request};
use harness::wait::eventually;
use harness::{Service, Setup, images};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

/// The values by name and labels. Panics at a line out of form.
fn figures(service: &Service) -> BTreeMap<String, f64> {
    let answer = http::get(&service.north("/metrics")).expect_status(200);
    assert_eq!(answer.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let (mut found, mut families, mut current) = (BTreeMap::new(), BTreeSet::new(), None);
    for line in answer.text().lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            assert!(!words.is_empty(), "{line}");
            current = Some((name.to_owned(), String::new()));
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, of) = current.as_mut().unwrap();
            *of = kind.strip_prefix(&format!("{name} ")).unwrap().to_owned();
            assert_eq!(of == "counter", name.ends_with("_total"), "{line}");
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let (name, kind) = current.as_ref().unwrap();
            let own = key.split('{').next().unwrap();
            let parts: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(parts.iter().any(|part| *own == format!("{name}{part}")), "{line} is not of {name}");
            assert!(found.insert(key.to_owned(), value.parse().unwrap()).is_none(), "{key} comes twice");
        }
    }
    found
}

#[test]
fn the_figures_that_operators_ask_for_are_there() {
    let service = Setup::new().start();
    http::put(&service.north("/microkernel?name=a"), "four").expect_status(200);
    http::put(&service.north("/images?name=a&version=1&isostore=none.iso"), "").expect_status(404);
    let figures = eventually(Duration::from_secs(20), "the file's record", || {
        let figures = figures(&service);
        (figures["image_service_store_files{store=\"microkernel\"}"] == 1.0).then_some(figures)
    });
    for (name, value) in [
        (format!("image_service_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0),
        ("image_service_store_bytes{store=\"microkernel\"}".into(), 4.0),
        ("image_service_store_files{store=\"iso\"}".into(), 0.0),
        ("image_service_store_reserved_bytes{store=\"iso\"}".into(), 0.0),
        ("image_service_images{status=\"ok\"}".into(), 0.0),
        ("image_service_images{status=\"error\"}".into(), 0.0),
        ("image_service_uploads".into(), 0.0),
        ("image_service_log_lines_dropped_total".into(), 0.0),
        ("image_service_config_reload_success".into(), 1.0),
    ] {
        assert_eq!(figures.get(&name), Some(&value), "{name}");
    }
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_threads",
        "image_service_store_size_bytes{store=\"iso\"}",
        "image_service_store_free_bytes{store=\"iso\"}",
    ] {
        assert!(figures[name] > 0.0, "{name}");
    }
    let started = std::time::UNIX_EPOCH + Duration::from_secs_f64(figures["process_start_time_seconds"]);
    assert!(started.elapsed().unwrap() < Duration::from_secs(600));
    assert!(figures.keys().any(|name| name.starts_with("image_service_jobs{")));
}

#[test]
fn an_image_whose_iso_has_gone_is_counted_as_it_is_listed() {
    let service = Setup::new().start();
    service.upload_iso("a.iso", &images::installer());
    service.register("a", "1", "isostore", "a.iso");
    let counts = || {
        let figures = figures(&service);
        ["ok", "error"].map(|status| figures[&format!("image_service_images{{status=\"{status}\"}}")])
    };
    assert_eq!(counts(), [1.0, 0.0]);
    fs::remove_file(service.path("static/iso/a.iso")).unwrap();
    let listed = service.images(&[("name", "a")]);
    assert_eq!(listed[0]["status"], "error: its ISO a.iso is missing");
    assert_eq!(counts(), [0.0, 1.0]);
}

#[test]
fn northbound_requests_are_counted_by_route_and_never_by_path() {
    let service = Setup::new().start();
    for path in ["/jobs/first", "/jobs/second", "/nowhere/at-all"] {
        http::get(&service.north(path)).expect_status(404);
    }
    http::request("INVENTED", &service.north("/images"), &[], Vec::new());
    let figures = figures(&service);
    let name = "image_service_northbound_request_duration_seconds";
    let labels = "route=\"/jobs/{id}\",method=\"GET\",status=\"4xx\"";
    assert_eq!(figures[&format!("{name}_count{{{labels}}}")], 2.0);
    assert_eq!(figures[&format!("{name}_bucket{{{labels},le=\"+Inf\"}}")], 2.0);
    assert!(figures[&format!("{name}_sum{{{labels}}}")] > 0.0);
    assert!(
        figures
            .keys()
            .all(|key| !key.contains("first") && !key.contains("at-all") && !key.contains("INVENTED"))
    );
    assert!(figures.keys().any(|key| key.contains("method=\"other\"")));
}

/// An operator sees errors in the figures, whichever part of the program answers them.
#[test]
fn requests_that_the_rules_refuse_are_counted() {
    let service = Setup::new().start();
    let images = service.north("/images");
    let foreign = Request::new("GET", "/images").without_host().header("Host", "foreign.example");
    Connection::open(&images).exchange(&foreign).unwrap().expect_status(421);
    http::request("DELETE", &images, &[("Origin", "http://foreign.example")], "").expect_status(403);
    let figures = figures(&service);
    for method in ["GET", "DELETE"] {
        let labels = format!("route=\"/images\",method=\"{method}\",status=\"4xx\"");
        let name = format!("image_service_northbound_request_duration_seconds_count{{{labels}}}");
        assert_eq!(figures.get(&name), Some(&1.0), "{name}");
    }
}

#[test]
fn figures_of_a_disk_that_hangs_are_left_out_and_take_no_threads() {
    let setup = Setup::new();
    // A disk of its own for the other store.
    let _other = SmallDisk::mount(&setup.path("static/common"), 1);
    let service = setup.start();
    let before = figures(&service)["process_threads"];
    let _disk = HangingDisk::mount(&service.path("static/iso"));
    let figures = std::thread::scope(|scope| {
        let all: Vec<_> = (0..60).map(|_| scope.spawn(|| figures(&service))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).last().unwrap()
    });
    assert!(!figures.contains_key("image_service_store_free_bytes{store=\"iso\"}"));
    assert!(figures["image_service_store_free_bytes{store=\"microkernel\"}"] > 0.0);
    assert!(figures["process_threads"] < before + 40.0, "{before}: {}", figures["process_threads"]);
}
