//! Which requests of browsers are refused: those that call a foreign name, and those of pages elsewhere.

use harness::http::{self, Connection, Request, Response};
use harness::problem::expect_problem;
use harness::{Service, Setup};
use serde_json::json;

const PANEL: &str = "https://panel.example";
const EVIL: &str = "https://evil.example";

/// The answer to a request whose fields are exactly these.
fn ask(service: &Service, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
    let request = Request::new(method, target).without_host().headers(fields);
    Connection::open(&service.north("/")).exchange(&request).unwrap()
}

/// Host and port of the northbound.
fn own(service: &Service) -> String {
    service.north("").trim_start_matches("http://").to_owned()
}

#[test]
fn the_northbound_answers_to_its_own_names_alone() {
    let settings = [
        ("allowedHosts", json!(["boot.example", "*.lab.example", "complete.example."])),
        ("southboundUrl", json!("http://files.example:9090/")),
    ];
    let service =
        settings.into_iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, value)).start();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let mut known: Vec<&str> = vec![
        "127.0.0.1",
        "127.0.0.1:7070",
        "192.0.2.7:80",
        "[::1]:7070",
        "[fe80::1]",
        "localhost",
        "LocalHost:7070",
        "localhost.",
        "boot.example",
        "Boot.Example:7070",
        "a.lab.example",
        "complete.example",
        "files.example",
    ];
    known.extend((name.trim() != "localhost").then_some(name.trim()));
    for host in known {
        ask(&service, "GET", "/images", &[("Host", host)]).expect_status(200);
    }
    for host in
        ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "lab.example", "xboot.example"]
    {
        for (method, path) in [
            ("GET", "/images"),
            ("GET", "/"),
            ("DELETE", "/images?name=x"),
            ("OPTIONS", "/images"),
            ("GET", "/nothing"),
        ] {
            let answer = ask(&service, method, path, &[("Host", host)]);
            let problem = expect_problem(&service, &answer, 421, "`allowedHosts`");
            assert!(problem["message"].as_str().unwrap().contains(host), "{problem}");
        }
    }
    // Machines call the southbound by any name.
    let south = Request::new("GET", "/").without_host().header("Host", "evil.example");
    Connection::open(&service.south("/")).exchange(&south).unwrap().expect_status(200);
}

#[test]
fn a_request_names_one_host() {
    let service = Service::start(&json!({}));
    let own = own(&service);
    let elsewhere = "http://elsewhere.example/images";
    let here = format!("http://{own}/images");
    for (target, fields, part) in [
        ("/images", vec![], "Host"),
        ("/images", vec![("Host", "127.0.0.1"), ("Host", "127.0.0.1")], "one field Host"),
        ("/images", vec![("Host", "")], "Host"),
        ("/images", vec![("Host", "user@127.0.0.1")], "Host"),
        ("/images", vec![("Host", "127.0.0.1:x")], "Host"),
        ("/images", vec![("Host", "127.0.0.1:+7070")], "Host"),
        (elsewhere, vec![("Host", own.as_str())], "different hosts"),
        (&here, vec![("Host", "localhost")], "different hosts"),
        (&here, vec![], "Host"),
    ] {
        expect_problem(&service, &ask(&service, "GET", target, &fields), 400, part);
    }
    ask(&service, "GET", &here, &[("Host", &own)]).expect_status(200);
    let old = Request::new("GET", "/images").http10().without_host();
    Connection::open(&service.north("/")).exchange(&old).unwrap().expect_status(200);
    // Of the southbound's requests only two names are refused.
    let south = |fields: &[(&str, &str)]| {
        let request = Request::new("GET", "/").without_host().headers(fields);
        Connection::open(&service.south("/")).exchange(&request).unwrap().status
    };
    assert_eq!((south(&[]), south(&[("Host", "a"), ("Host", "b")])), (200, 400));
}

#[test]
fn pages_of_other_origins_change_nothing() {
    let service = Setup::new().set("corsOrigins", json!([PANEL])).start();
    let own = service.north("");
    let own = own.as_str();
    let (host, port) = own.rsplit_once(':').unwrap();
    let other_scheme = own.replace("http://", "https://");
    let sibling = format!("{host}:{}", port.parse::<u16>().unwrap() ^ 1);
    let refused: [&[(&str, &str)]; 11] = [
        &[("Origin", EVIL)],
        &[("Origin", "null")],
        &[("Origin", &sibling)],
        &[("Origin", &other_scheme)],
        &[("Origin", EVIL), ("Sec-Fetch-Site", "same-origin")],
        &[("Origin", own), ("Sec-Fetch-Site", "cross-site")],
        &[("Origin", &sibling), ("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", PANEL), ("Origin", EVIL)],
        &[("Origin", "https://panel.example.evil.example")],
    ];
    let guarded = [
        ("POST", "/uploads?name=planted.iso&size=1000"),
        ("PUT", "/images?name=a&version=1&isostore=a.iso"),
        ("PUT", "/iso?name=a.iso"),
        ("DELETE", "/images?name=a"),
        ("PATCH", "/uploads/x"),
        ("GET", "/uploads/x"),
        ("HEAD", "/uploads/x"),
        ("GET", "/events"),
        ("POST", "/jobs/x/retry"),
    ];
    for (method, path) in guarded {
        for fields in refused {
            let answer = http::request(method, &service.north(path), fields, "").expect_status(403);
            if method != "HEAD" {
                expect_problem(&service, &answer, 403, "`corsOrigins`");
            }
        }
        for fields in [
            &[("Origin", own)] as &[(&str, &str)],
            &[("Origin", own), ("Sec-Fetch-Site", "same-origin")],
            &[("Sec-Fetch-Site", "none")],
            &[("Origin", PANEL), ("Sec-Fetch-Site", "cross-site")],
            &[],
        ] {
            let mut connection = Connection::open(&service.north("/"));
            connection.send(&Request::new(method, path).headers(fields)).unwrap();
            assert_ne!(connection.receive_head().unwrap().status, 403, "{method} {path} {fields:?}");
        }
    }
    // Reading is left to the browser, which shows no other page the answer.
    let read =
        http::get_with(&service.north("/images"), &[("Origin", EVIL), ("Sec-Fetch-Site", "cross-site")]);
    assert_eq!(read.expect_status(200).header("Access-Control-Allow-Origin"), None);
    // A method in a field counts as much as that of the request.
    let hidden = [("Origin", EVIL), ("X-HTTP-Method-Override", "DELETE")];
    http::request("GET", &service.north("/images"), &hidden, "").expect_status(403);
    assert_eq!(
        http::get(&service.north("/uploads"))
            .json()
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["name"] == "planted.iso")
            .count(),
        5
    );
}

/// A page that is refused learns it before it has sent a byte.
#[test]
fn foreign_pages_are_refused_before_the_body() {
    let service = Service::start(&json!({}));
    let mut connection = Connection::open(&service.north("/"));
    let fields = [("Origin", EVIL), ("Expect", "100-continue"), ("Content-Length", "1000000")];
    connection.send(&Request::new("PUT", "/iso?name=a.iso").headers(&fields)).unwrap();
    assert_eq!(connection.receive_head().unwrap().status, 403, "no 100 before it");
}

#[test]
fn every_answer_tells_browsers_to_keep_away() {
    let service = Service::start(&json!({}));
    for (method, path) in [
        ("GET", "/images"),
        ("HEAD", "/iso"),
        ("OPTIONS", "/images"),
        ("GET", "/nothing"),
        ("PATCH", "/images"),
        ("GET", "/gui"),
        ("GET", "/metrics"),
        ("GET", "/gui/"),
        ("POST", "/uploads?name=a&size=5"),
        ("DELETE", "/images"),
        ("GET", "/openapi.json"),
    ] {
        let answer = http::request(method, &service.north(path), &[], "");
        for (name, value) in [
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Frame-Options", "DENY"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{method} {path}");
        }
        let policy = answer.header("Content-Security-Policy").unwrap();
        let is_page = path == "/gui/";
        assert_eq!(policy == "default-src 'none'; frame-ancestors 'none'", !is_page, "{policy}");
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"),
            "{policy}"
        );
        for name in ["Server", "Strict-Transport-Security", "Access-Control-Allow-Origin"] {
            assert_eq!(answer.header(name), None, "{method} {path}");
        }
    }
    for (refusal, status) in
        [([("Host", "evil.example")], 421), ([("Host", "a b")], 400), ([("Host", "user@a")], 400)]
    {
        let answer = ask(&service, "GET", "/images", &refusal).expect_status(status);
        assert_eq!(answer.header("X-Frame-Options"), Some("DENY"));
        assert!(answer.header("X-Request-Id").is_some());
    }
}

#[test]
fn every_answer_names_its_request() {
    let service = Service::start(&json!({}));
    let id = |given: &[(&str, &str)]| {
        let answer = http::get_with(&service.north("/images"), given);
        answer.header("X-Request-Id").unwrap().to_owned()
    };
    assert_eq!(id(&[("X-Request-Id", "Rack_7.node-3")]), "Rack_7.node-3");
    let longest = "x".repeat(64);
    assert_eq!(id(&[("X-Request-Id", &longest)]), longest);
    let too_long = "x".repeat(65);
    let mut made = vec![id(&[]), id(&[("X-Request-Id", "a"), ("X-Request-Id", "b")])];
    made.extend(
        [too_long.as_str(), "a b", "a/b", "", "<script>"].map(|given| id(&[("X-Request-Id", given)])),
    );
    for id in &made {
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 7);
}

#[test]
fn allowed_origins_read_from_both_apis() {
    let settings = |origins| Setup::new().file("static/a.txt", "text").set("corsOrigins", origins).start();
    let listed = settings(json!([PANEL]));
    let allowed = |answer: &Response| answer.header("Access-Control-Allow-Origin").map(str::to_owned);
    for url in [listed.north("/images"), listed.south("/a.txt"), listed.south("/"), listed.south("/missing")]
    {
        for method in ["GET", "HEAD"] {
            let answer = http::request(method, &url, &[("Origin", PANEL)], "");
            assert_eq!(allowed(&answer).as_deref(), Some(PANEL), "{url}");
            assert_eq!(answer.header("Cross-Origin-Resource-Policy"), Some("cross-origin"), "{url}");
            assert!(answer.header("Access-Control-Expose-Headers").is_some(), "{url}");
            for other in [&[("Origin", EVIL)] as &[_], &[]] {
                let answer = http::request(method, &url, other, "");
                assert_eq!(allowed(&answer), None, "{url}");
                assert_ne!(answer.header("Cross-Origin-Resource-Policy"), Some("cross-origin"), "{url}");
                assert!(answer.header("Vary").unwrap().contains("Origin"), "a cache tells them apart: {url}");
            }
        }
        let preflight = |origin| {
            let fields = [
                ("Origin", origin),
                ("Access-Control-Request-Method", "GET"),
                ("Access-Control-Request-Headers", "x-own"),
            ];
            http::request("OPTIONS", &url, &fields, "")
        };
        let answer = preflight(PANEL).expect_status(204);
        assert_eq!(allowed(&answer).as_deref(), Some(PANEL));
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{url}");
        assert_eq!(answer.header("Access-Control-Allow-Headers"), Some("x-own"));
        assert!(answer.header("Access-Control-Allow-Methods").unwrap().starts_with("GET, HEAD"));
        assert_eq!(allowed(&preflight(EVIL)), None);
    }
    let south = listed.south("/a.txt");
    http::request("OPTIONS", &south, &[("Origin", EVIL), ("Access-Control-Request-Method", "GET")], "")
        .expect_status(405);
    http::request("OPTIONS", &south, &[("Origin", PANEL)], "").expect_status(405);
    http::request("PUT", &south, &[("Origin", PANEL)], "").expect_status(405);

    let open = settings(json!(["*"]));
    for url in [open.north("/images"), open.south("/a.txt")] {
        assert_eq!(allowed(&http::get_with(&url, &[("Origin", EVIL)])).as_deref(), Some("*"));
    }
    let begin = |origin| {
        http::request("POST", &open.north("/uploads?name=a&size=5"), &[("Origin", origin)], "").status
    };
    assert_eq!((begin(EVIL), begin("null")), (201, 403), "a page in a sandbox has no origin");
    let closed = settings(json!([]));
    let answer = http::get_with(&closed.south("/a.txt"), &[("Origin", PANEL)]);
    assert_eq!(
        (allowed(&answer), answer.header("Vary"), answer.header("Cross-Origin-Resource-Policy")),
        (None, None, None)
    );
}

/// Pages out of an image come from the origin of the API where both share an endpoint.
#[test]
fn pages_out_of_files_have_no_rights() {
    let endpoints = json!([{ "address": "127.0.0.1", "port": 0, "routers": ["northbound", "southbound"] }]);
    let service = Setup::new()
        .file("static/index.html", "<p>a page")
        .file("static/docs/a.HTM", "<p>a page")
        .file("static/iso/page.html", "<p>a page")
        .file("static/a.svg", "<svg onload='x'>")
        .set("httpEndpoints", endpoints)
        .start();
    for page in ["/index.html", "/", "/docs/a.HTM", "/docs/a.htm", "/iso/page.html"] {
        let answer = http::get(&service.south(page)).expect_status(200);
        assert_eq!(answer.header("Content-Type"), Some("text/html"), "{page}");
        assert_eq!(answer.header("Content-Security-Policy"), Some("sandbox"), "{page}");
        let part = http::get_with(&service.south(page), &[("Range", "bytes=0-3")]).expect_status(206);
        assert_eq!(part.header("Content-Security-Policy"), Some("sandbox"), "{page}");
    }
    for path in ["/a.svg", "/index.html", "/docs/", "/missing", "/iso/page.html"] {
        assert_eq!(
            http::get(&service.south(path)).header("X-Content-Type-Options"),
            Some("nosniff"),
            "{path}"
        );
    }
    // Each path has the rules of the API that answers it.
    let foreign = |path| {
        let request = Request::new("GET", path).without_host().header("Host", "evil.example");
        Connection::open(&service.north("/")).exchange(&request).unwrap().status
    };
    assert_eq!((foreign("/images"), foreign("/index.html")), (421, 200));
}
