//! Rules of every northbound path: parameters in query and body, methods, CORS, and the form of a refusal.

use harness::curl_answer::{answer, ask};
use harness::http::{self, Response};
use harness::problem::{expect_discreet, expect_problem, expect_problem_text};
use harness::remains::Remains;
use harness::wait::eventually;
use harness::{Service, Setup, images};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A service whose store holds `stored.iso`, and a folder with `local.iso`.
fn service() -> Service {
    let installer = fs::read(images::installer()).unwrap();
    Setup::new().file("static/iso/stored.iso", &installer).file("elsewhere/local.iso", &installer).start()
}

fn local(service: &Service) -> String {
    service.path("elsewhere/local.iso").to_str().unwrap().to_owned()
}

fn names_of(images: &Value) -> Vec<String> {
    let name =
        |image: &Value| format!("{} {}", image["name"].as_str().unwrap(), image["version"].as_str().unwrap());
    let mut names: Vec<String> = images.as_array().expect("an array").iter().map(name).collect();
    names.sort();
    names
}

#[test]
fn parameters_come_in_the_query_and_in_json() {
    let service = service();
    let put = |target: &str, content_type: &str, body: &str| {
        http::request("PUT", &service.north(target), &[("Content-Type", content_type)], body)
    };
    for (index, content_type) in [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
    ]
    .into_iter()
    .enumerate()
    {
        let version = index.to_string();
        let body = json!({"name": "json", "version": version, "isostore": "stored.iso"});
        let answer = put("/images", content_type, &body.to_string()).expect_status(200);
        assert_eq!(answer.json()["name"], "json", "{content_type}");
        service.wait_for_status("json", &version, |status| status == "OK");
        // The query overrides the body, member by member.
        let body = json!({"name": "ignored", "version": format!("mixed-{index}"), "isostore": "stored.iso"});
        let answer = put("/images?name=query", content_type, &body.to_string()).expect_status(200);
        assert_eq!(answer.json()["name"], "query", "{content_type}");
        assert_eq!(answer.json()["version"], format!("mixed-{index}"), "{content_type}");
    }
    // Scripts write versions as numbers.
    let body = r#"{"name": "numbers", "version": 7, "isostore": "stored.iso"}"#;
    assert_eq!(put("/images", "application/json", body).expect_status(200).json()["version"], "7");
    // A number keeps its spelling or is refused: Ubuntu 14.10 is not 14.1.
    let answer = put(
        "/images",
        "application/json",
        r#"{"name": "ubuntu", "version": 14.10, "isostore": "stored.iso"}"#,
    );
    if answer.status == 200 {
        assert_eq!(answer.json()["version"], "14.10");
    } else {
        expect_problem(&service, &answer, 400, "`version`");
    }
    // A body of any other type is raw bytes, not parameters.
    let raw = "name=raw&version=1&isostore=stored.iso";
    expect_problem(&service, &put("/images", "application/x-www-form-urlencoded", raw), 400, "`name`");
    // The extra parts of RackHD's requests disturb neither method.
    let whole = "/images?name=rackhd&version=1&isostore=stored.iso";
    put(whole, "application/json", "{}").expect_status(200);
    let delete = |target: &str, body: &str| {
        http::request("DELETE", &service.north(target), &[("Content-Type", "application/json")], body)
    };
    assert_eq!(delete("/images?name=rackhd&version=1", "[]").expect_status(200).json()["name"], "rackhd");
    assert_eq!(delete("/images?name=numbers", "{}").expect_status(200).json()[0]["name"], "numbers");
    assert_eq!(
        delete("/images", r#"{"name": "json", "version": "0"}"#).expect_status(200).json()["version"],
        "0"
    );
    assert_eq!(
        delete("/images?version=1", r#"{"name": "json", "version": "2"}"#).expect_status(200).json()["version"],
        "1"
    );
    assert_eq!(names_of(&json!(service.images(&[("name", "json")]))), ["json 2", "json 3"]);
}

#[test]
fn every_path_knows_its_methods() {
    let service = service();
    service.register("centos", "7", "isostore", "stored.iso");
    // A digest that is computed between two requests would change the length of the answer.
    eventually(Duration::from_secs(10), "the digest of the ISO", || {
        let file = &http::get(&service.north("/iso")).json()[0];
        (!file["sha256"].is_null() && !service.images(&[])[0]["sha256"].is_null()).then_some(())
    });
    for path in ["/images", "/iso", "/microkernel", "/images?name=centos", "/iso?name=stored.iso"] {
        let (get, head) = (http::get(&service.north(path)), http::head(&service.north(path)));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(get.status, 200);
        for header in ["Content-Type", "Content-Length"] {
            assert_eq!(head.header(header), get.header(header), "{path}: {header}");
        }
        let options = http::request("OPTIONS", &service.north(path), &[], "");
        assert!(matches!(options.status, 200..=204), "{path}: {}", options.head_text());
        let allowed: Vec<&str> = options.header("Allow").expect("Allow").split(", ").collect();
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            assert!(allowed.contains(&method), "{path}: {allowed:?}");
        }
        for method in ["POST", "PATCH", "TRACE", "PROPFIND"] {
            let refused = http::request(method, &service.north(path), &[], "");
            assert_eq!(
                refused.header("Allow").map(|allow| allow.split(", ").collect()),
                Some(allowed.clone()),
                "{path}"
            );
            expect_problem(&service, &refused, 405, "GET");
        }
    }
    for path in ["/nothing", "/images/none/below", "/iso/", "//images"] {
        let answer = http::get(&service.north(path));
        if answer.status != 200 {
            expect_problem(&service, &answer, 404, "");
        }
    }
    expect_problem(&service, &http::get(&service.north("/images/no-such-id")), 404, "no image");
}

#[test]
fn browsers_of_other_origins_are_let_in_as_configured() {
    const PANEL: &str = "https://panel.example";
    const OTHER: &str = "https://other.example";
    let preflight = |service: &Service, origin: &str, method: &str| {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "content-type"),
        ];
        http::request("OPTIONS", &service.north("/images"), &headers, "")
    };
    let allowed = |answer: &Response| answer.header("Access-Control-Allow-Origin").map(str::to_owned);
    let get =
        |service: &Service, origin: &str| http::get_with(&service.north("/images"), &[("Origin", origin)]);

    let closed = Service::start(&json!({}));
    assert_eq!(allowed(&get(&closed, PANEL).expect_status(200)), None);
    assert_eq!(allowed(&preflight(&closed, PANEL, "DELETE")), None);

    let listed = Service::start(&json!({"corsOrigins": [PANEL]}));
    assert_eq!(allowed(&get(&listed, PANEL).expect_status(200)).as_deref(), Some(PANEL));
    assert_ne!(allowed(&get(&listed, OTHER)).as_deref(), Some(OTHER));
    // Scripts must be able to read errors too.
    let error =
        http::request("DELETE", &listed.north("/images"), &[("Origin", PANEL)], "").expect_status(400);
    assert_eq!(allowed(&error).as_deref(), Some(PANEL));
    for method in ["PUT", "DELETE"] {
        let answer = preflight(&listed, PANEL, method);
        assert!(matches!(answer.status, 200..=204), "{}", answer.head_text());
        assert_eq!(allowed(&answer).as_deref(), Some(PANEL));
        assert!(answer.header("Access-Control-Allow-Methods").unwrap().contains(method));
        assert!(answer.header("Access-Control-Allow-Headers").is_some());
        assert_ne!(allowed(&preflight(&listed, OTHER, method)).as_deref(), Some(OTHER));
    }

    let open = Service::start(&json!({"corsOrigins": ["*"]}));
    assert!(matches!(allowed(&get(&open, OTHER)).as_deref(), Some("*" | OTHER)));
}

#[test]
fn refusals_name_the_parameter_and_nothing_of_the_server() {
    let service = service();
    fs::write(service.path("elsewhere/text-file.iso"), "This is no ISO.\n".repeat(5000)).unwrap();
    fs::write(service.path("static/iso/text.iso"), "This is no ISO.\n".repeat(5000)).unwrap();
    let path = |name: &str| service.path("elsewhere").join(name).to_str().unwrap().to_owned();
    let (missing, folder, text) = (path("missing.iso"), path(""), path("text-file.iso"));
    let before = Remains::of(&service);
    let full = |source, value| vec![("name", "n"), ("version", "v"), (source, value)];
    for (parameters, statuses, part) in [
        (vec![("version", "v"), ("isostore", "stored.iso")], [400].as_slice(), "`name`"),
        (vec![("name", "n"), ("isostore", "stored.iso")], &[400], "`version`"),
        (vec![("name", "n"), ("version", "v")], &[400], "isostore"),
        (vec![("name", ""), ("version", "v"), ("isostore", "stored.iso")], &[400], "`name`"),
        (vec![("name", "n"), ("version", ""), ("isostore", "stored.iso")], &[400], "`version`"),
        (vec![("name", "n"), ("version", "v"), ("isostor", "stored.iso")], &[400], "`isostor`"),
        (full("isostore", ""), &[400], "`isostore`"),
        (full("isostore", "missing.iso"), &[404], "`isostore`"),
        (full("isostore", "text.iso"), &[422], "`isostore`"),
        (full("isostore", "../iso/stored.iso"), &[400], "`isostore`"),
        (full("isolocal", ""), &[400], "`isolocal`"),
        (full("isolocal", "relative.iso"), &[400], "`isolocal`"),
        (full("isolocal", &missing), &[404], "`isolocal`"),
        (full("isolocal", &folder), &[400, 422], "`isolocal`"),
        (full("isolocal", &text), &[422], "`isolocal`"),
        (full("isolocal", "/dev/null"), &[400, 422], "`isolocal`"),
        (full("isolocal", "/"), &[400, 422], "`isolocal`"),
        (full("isoweb", "not a link"), &[400], "`isoweb`"),
        (full("isoweb", "file:///etc/passwd"), &[400], "`isoweb`"),
        (full("isoweb", "gopher://host/x.iso"), &[400], "`isoweb`"),
        (full("isoweb", "http://"), &[400], "`isoweb`"),
        (full("isoclient", ""), &[400], "`isoclient`"),
        (full("isoclient", "a/b.iso"), &[400], "`isoclient`"),
        (
            vec![("name", "n"), ("version", "v"), ("isoweb", "http://h/x.iso"), ("wait", "soon")],
            &[400],
            "`wait`",
        ),
    ] {
        let answer = service.put_image(&parameters);
        assert!(
            statuses.contains(&answer.status),
            "{parameters:?}: {} {}",
            answer.head_text(),
            answer.text()
        );
        let problem = expect_problem(&service, &answer, answer.status, part);
        if part.starts_with('`') {
            assert_eq!(problem["parameter"], part.trim_matches('`'), "{parameters:?}");
        }
        before.expect_again(&service, &format!("{parameters:?}"));
    }
}

#[test]
fn curl_shows_problems_as_they_are() {
    let service = service();
    let url = service.north("/images?name=n&version=v&isostore=missing.iso");
    let refused = ask("PUT", &url, &[]);
    expect_problem_text(
        &service,
        refused.status,
        refused.content_type.as_deref(),
        &refused.text,
        404,
        "missing.iso",
    );
    expect_discreet(&service, &refused.stderr);
    assert_eq!(answer(&["--fail", "--request", "PUT", &url]).code, 22);
    assert!(Path::new(&local(&service)).exists());
}
