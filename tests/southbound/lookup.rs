//! How a request path finds its bytes: slashes, escapes, case, versions, prefixes, and precedence.

use harness::http::{self, Connection, Request};
use harness::iso::Maker;
use harness::web::{Behaviour, Origin};
use harness::{Service, Setup, images};
use serde_json::json;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// Requests every target on one connection; `None` expects a 404 in plain text.
#[track_caller]
fn check(service: &Service, cases: &[(&str, Option<&str>)]) {
    let mut connection = Connection::open(&service.south("/"));
    for (target, expected) in cases {
        let answer = connection.get(target);
        if let Some(text) = expected {
            assert_eq!(answer.status, 200, "{target}\n{}{}", answer.head_text(), answer.text());
            assert_eq!(answer.text(), *text, "{target}");
        } else {
            assert_eq!(answer.status, 404, "{target}\n{}{}", answer.head_text(), answer.text());
            assert!(answer.header("Content-Type").unwrap().starts_with("text/plain"), "{target}");
        }
    }
}

fn register(service: &Service, name: &str, image: &std::path::Path) {
    service.register(name, "1", "isolocal", image.to_str().unwrap());
}

#[test]
fn slashes_collapse_without_a_redirect() {
    let service = Setup::new().file("static/a/b/c.txt", "disk\n").file("static/common/d/e", "e\n").start();
    register(&service, "linux", &images::installer());
    let readme = Some("This is a fixture.\n");
    check(
        &service,
        &[
            ("/linux/1/README", readme),
            ("//linux/1/README", readme),
            ("/linux//1/README", readme),
            ("/linux/1//README", readme),
            ("///linux///1////README", readme),
            ("/a//b///c.txt", Some("disk\n")),
            ("/common//d//e", Some("e\n")),
        ],
    );
    let kernel = http::get(&service.south("/linux/1/images//pxeboot//vmlinuz")).expect_status(200);
    assert_eq!(kernel.body, images::pattern(1, 300_000));
}

#[test]
fn escapes_are_decoded_once() {
    let setup = Setup::new();
    for (name, text) in [
        ("a%20b", "three characters\n"),
        ("a b", "a space\n"),
        ("c d", "only with a space\n"),
        ("plus+plus", "plus\n"),
        ("tilde~", "tilde\n"),
        ("100%.txt", "per cent\n"),
        ("question?mark#hash&amp", "reserved\n"),
        ("Übergröße", "umlauts\n"),
        ("%zz", "no escape\n"),
        ("back\\slash", "backslash\n"),
    ] {
        fs::write(setup.path(&format!("static/{name}")), text).unwrap();
    }
    fs::write(setup.path("static").join(OsStr::from_bytes(images::LATIN_NAME)), "coffee\n").unwrap();
    let service = setup.start();
    register(&service, "rock", &images::rock_ridge(Maker::Xorriso));
    register(&service, "latin", &images::latin_names());
    check(
        &service,
        &[
            // The decoded name wins over the one that stands in the URL.
            ("/a%20b", Some("a space\n")),
            ("/%61%20b", Some("a space\n")),
            ("/a%2520b", Some("three characters\n")),
            ("/c%20d", Some("only with a space\n")),
            ("/c%2520d", None),
            ("/c+d", None),
            ("/plus+plus", Some("plus\n")),
            ("/plus%2bplus", Some("plus\n")),
            ("/plus%2Bplus", Some("plus\n")),
            ("/plus%20plus", None),
            ("/tilde%7e", Some("tilde\n")),
            ("/tilde~", Some("tilde\n")),
            ("/100%.txt", Some("per cent\n")),
            ("/100%25.txt", Some("per cent\n")),
            ("/%zz", Some("no escape\n")),
            ("/%25zz", Some("no escape\n")),
            ("/question%3Fmark%23hash&amp", Some("reserved\n")),
            ("/%C3%9Cbergr%C3%B6%C3%9Fe", Some("umlauts\n")),
            ("/back%5Cslash", Some("backslash\n")),
            ("/caf%E9.txt", Some("coffee\n")),
            ("/caf%C3%A9.txt", None),
            ("/rock/1/odd/a%20b", Some("a space\n")),
            ("/rock/1/odd/a%2520b", Some("three characters, not a space\n")),
            ("/rock/1/odd/%61%20b", Some("a space\n")),
            ("/rock/1/odd/plus+plus", Some("plus\n")),
            ("/rock/1/odd/plus%2bplus", Some("plus\n")),
            ("/rock/1/odd/100%.txt", Some("a per cent sign\n")),
            ("/rock/1/odd/100%25.txt", Some("a per cent sign\n")),
            ("/rock/1/odd/question%3Fmark%23hash%26amp", Some("reserved in URLs\n")),
            ("/rock/1/odd/semi;1", Some("not a version\n")),
            ("/rock/1/odd/semi%3B1", Some("not a version\n")),
            ("/rock/1/odd/back%5cslash", Some("a backslash\n")),
            ("/rock/1/MixedCase/File%20Name.TXT", Some("mixed\n")),
            ("/rock/1/MixedCase/File+Name.TXT", None),
            (
                "/rock/1/unicode/%E6%97%A5%E6%9C%AC%E8%AA%9E/%E3%83%95%E3%82%A1%E3%82%A4%E3%83%AB",
                Some("Japanese\n"),
            ),
            ("/rock/1/unicode/%F0%9F%98%80", Some("beyond the basic plane\n")),
            ("/latin/1/caf%e9.txt", Some("coffee\n")),
            ("/%72ock/%31/odd/plus+plus", Some("plus\n")),
        ],
    );
}

/// Old clients and scripts send bytes above 127 unescaped.
#[test]
fn raw_bytes_in_the_path_are_taken_as_they_are() {
    let service = Setup::new().file("static/Größe.txt", "size\n").start();
    let mut connection = Connection::open(&service.south("/"));
    connection.write("GET /Größe.txt HTTP/1.1\r\nHost: x\r\n\r\n".as_bytes()).unwrap();
    assert_eq!(connection.receive("GET").unwrap().expect_status(200).text(), "size\n");
}

#[test]
fn queries_are_ignored_and_dot_files_served() {
    let service =
        Setup::new().file("static/.hidden/.file", "hidden\n").file("static/plain", "plain\n").start();
    register(&service, "linux", &images::installer());
    register(&service, "rock", &images::rock_ridge(Maker::Genisoimage));
    check(
        &service,
        &[
            ("/plain?", Some("plain\n")),
            ("/plain?x=1&y=%zz", Some("plain\n")),
            ("/plain?format=json", Some("plain\n")),
            ("/plain?a=/../..", Some("plain\n")),
            ("/linux/1/README?x", Some("This is a fixture.\n")),
            ("/.hidden/.file", Some("hidden\n")),
            ("/linux/1/.treeinfo", Some("[release]\nname = Fixture Linux\nversion = 9\n")),
            ("/rock/1/dots/.hidden", Some("hidden\n")),
            ("/rock/1/dots/..also", Some("not the parent\n")),
        ],
    );
}

#[test]
fn folders_are_answered_with_and_without_their_slash() {
    let service = Setup::new().file("static/folder/sub/file", "x\n").start();
    register(&service, "linux", &images::installer());
    let mut connection = Connection::open(&service.south("/"));
    for folder in ["/folder", "/folder/sub", "/linux", "/linux/1", "/linux/1/images", "/iso", "/common"] {
        let mut bodies = Vec::new();
        for target in [folder.to_owned(), format!("{folder}/")] {
            let request = Request::new("GET", &target).header("Accept", "text/plain");
            let answer = connection.exchange(&request).unwrap().expect_status(200);
            assert_eq!(answer.header("Location"), None, "{target}");
            bodies.push(answer.text());
        }
        assert_eq!(bodies[0], bodies[1], "{folder}");
    }
}

#[test]
fn nothing_lies_below_a_file() {
    let service = Setup::new().file("static/plain", "plain\n").file("static/common/kernel", "k\n").start();
    register(&service, "linux", &images::installer());
    check(
        &service,
        &[
            ("/plain/below", None),
            ("/plain/below/deeper", None),
            ("/common/kernel/below", None),
            ("/linux/1/README/below", None),
            ("/linux/1/kernel/below", None),
            ("/linux/1/images/pxeboot/vmlinuz/x/y", None),
        ],
    );
}

#[test]
fn case_is_a_last_resort_and_must_be_unambiguous() {
    let service = Setup::new()
        .file("static/Boot/BCD", "bcd\n")
        .file("static/Twins/One", "upper\n")
        .file("static/twins/one", "lower\n")
        .start();
    register(&service, "bare", &images::bare(Maker::Xorriso));
    register(&service, "joliet", &images::joliet(Maker::Genisoimage));
    register(&service, "rock", &images::rock_ridge(Maker::Xorriso));
    check(
        &service,
        &[
            ("/bare/1/boot.cfg", Some("kernel=/b.b00\n")),
            ("/bare/1/BOOT.CFG", Some("kernel=/b.b00\n")),
            ("/bare/1/Boot.Cfg", Some("kernel=/b.b00\n")),
            ("/bare/1/A/b/C/d/E/f/Deep.TXT", Some("seven levels and a file\n")),
            ("/joliet/1/mixedcase.txt", Some("mixed\n")),
            ("/joliet/1/A/B/C/D/DEEP.TXT", Some("deep\n")),
            ("/joliet/1/long%20file%20name%20with%20spaces.DOCUMENT", Some("long\n")),
            // With Rock Ridge case is significant where both spellings exist, and ignored where one does.
            ("/rock/1/MixedCase/File%20Name.TXT", Some("mixed\n")),
            ("/rock/1/mixedcase/other", Some("another folder, the same letters\n")),
            ("/rock/1/MixedCase/other", None),
            ("/rock/1/MIXEDCASE/other", None),
            ("/rock/1/DOTS/.HIDDEN", Some("hidden\n")),
            ("/boot/bcd", Some("bcd\n")),
            ("/BOOT/BCD", Some("bcd\n")),
            ("/Twins/One", Some("upper\n")),
            ("/twins/one", Some("lower\n")),
            ("/TWINS/one", None),
            ("/bare/1/boot.cfg2", None),
        ],
    );
}

#[test]
fn versions_and_final_dots_are_dropped_last() {
    let service = Setup::new().start();
    register(&service, "bare", &images::bare(Maker::Genisoimage));
    register(&service, "rock", &images::rock_ridge(Maker::Xorriso));
    check(
        &service,
        &[
            ("/bare/1/BOOT.CFG;1", Some("kernel=/b.b00\n")),
            ("/bare/1/boot.cfg;1", Some("kernel=/b.b00\n")),
            ("/bare/1/boot.cfg%3B1", Some("kernel=/b.b00\n")),
            ("/bare/1/NODOT.;1", Some("no extension\n")),
            ("/bare/1/nodot.", Some("no extension\n")),
            ("/bare/1/nodot", Some("no extension\n")),
            ("/rock/1/odd/semi;1", Some("not a version\n")),
            ("/rock/1/odd/semi", None),
            ("/rock/1/dots/trailing.", Some("a name with a final dot\n")),
        ],
    );
}

#[test]
fn the_southbound_may_live_below_a_prefix() {
    for prefix in ["/boot", "/boot/", "/deep/boot/"] {
        let service = Setup::new()
            .file("static/plain", "plain\n")
            .file("static/common/kernel", "kernel\n")
            .set("httpFileServiceApiRoot", json!(prefix))
            .start();
        register(&service, "linux", &images::installer());
        let base = format!("/{}", prefix.trim_matches('/'));
        let mut connection = Connection::open(&service.south("/").replace(&base, ""));
        for (target, text) in [
            ("/plain", "plain\n"),
            ("//plain", "plain\n"),
            ("/common/kernel", "kernel\n"),
            ("/linux/1/README", "This is a fixture.\n"),
        ] {
            assert_eq!(
                connection.get(&format!("{base}{target}")).expect_status(200).text(),
                text,
                "{prefix}"
            );
            connection.get(target).expect_status(404);
        }
        for target in [base.clone(), format!("{base}/")] {
            let page = connection.get(&target).expect_status(200);
            assert!(page.text().contains("linux"), "{prefix}: {}", page.text());
        }
        connection.get(&format!("{base}ing/plain")).expect_status(404);
    }
}

#[test]
fn the_stores_may_lie_outside_the_root() {
    let setup = Setup::new()
        .file("elsewhere/isos/readme.txt", "an iso folder\n")
        .file("elsewhere/kernels/vmlinuz", "kernel\n")
        .file("static/iso/hidden.iso", "not this one\n")
        .set("isoDir", json!("elsewhere/isos"))
        .set("microkernelDir", json!("elsewhere/kernels"));
    fs::copy(images::fragmented(), setup.path("elsewhere/isos/fragmented.iso")).unwrap();
    let service = setup.start();
    service.register("fragmented", "1", "isostore", "fragmented.iso");
    check(
        &service,
        &[
            ("/common/vmlinuz", Some("kernel\n")),
            ("/fragmented/1/one.txt", Some("one\n")),
            ("/iso/hidden.iso", None),
            ("/iso/../../config.json", None),
        ],
    );
    let answer = http::get(&service.south("/iso/fragmented.iso")).expect_status(200);
    assert_eq!(answer.body, fs::read(images::fragmented()).unwrap());
    let names = http::get_with(&service.south("/"), &[("Accept", "application/json")]).json();
    for name in ["common", "fragmented", "iso"] {
        assert!(names.as_array().unwrap().contains(&json!(name)), "{names}");
    }
}

#[test]
fn an_image_is_served_only_while_it_is_ok() {
    let origin = Origin::start();
    let bytes = fs::read(images::installer()).unwrap();
    origin.on("/stall.iso", Behaviour::Stall(bytes));
    origin.on("/page.iso", Behaviour::Html);
    let service = Setup::new().start();
    register(&service, "fine", &images::installer());
    for (name, path) in [("stalled", "/stall.iso"), ("page", "/page.iso")] {
        service.put_image(&[("name", name), ("version", "1"), ("isoweb", &origin.url(path))]);
    }
    for target in [
        "/stalled/1/",
        "/stalled/1",
        "/stalled/1/README",
        "/page/1/",
        "/page/1/README",
        "/stalled/",
        "/stalled",
    ] {
        for method in ["GET", "HEAD"] {
            let answer = http::request(method, &service.south(target), &[], Vec::new());
            assert_eq!(answer.status, 404, "{method} {target}\n{}", answer.head_text());
        }
    }
    let names = http::get_with(&service.south("/"), &[("Accept", "application/json")]).json();
    let names: Vec<&str> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(names.contains(&"fine") && !names.contains(&"stalled") && !names.contains(&"page"), "{names:?}");
    http::head(&service.south("/fine/1/")).expect_status(200);
    http::delete(&service.north("/images?name=fine&version=1")).expect_status(200);
    for target in ["/fine/1/", "/fine/1", "/fine/1/README", "/fine/"] {
        assert_eq!(http::head(&service.south(target)).status, 404, "{target}");
    }
}

#[test]
fn an_image_comes_before_the_disk() {
    let service = Setup::new()
        .file("static/linux/1/README", "on disk\n")
        .file("static/linux/1/only-on-disk", "on disk\n")
        .file("static/linux/0/README", "another version\n")
        .file("static/plain", "plain\n")
        .start();
    check(&service, &[("/linux/1/README", Some("on disk\n"))]);
    register(&service, "linux", &images::installer());
    check(
        &service,
        &[
            ("/linux/1/README", Some("This is a fixture.\n")),
            ("/linux/1/only-on-disk", None),
            ("/linux/0/README", Some("another version\n")),
        ],
    );
    let names = |target: &str| {
        let answer = http::get_with(&service.south(target), &[("Accept", "text/plain")]).expect_status(200);
        answer.text().lines().map(|line| line.trim_end_matches('/').to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("/"), ["common", "iso", "linux", "plain"]);
    assert_eq!(names("/linux/"), ["0", "1"]);
    http::delete(&service.north("/images?name=linux&version=1")).expect_status(200);
    check(&service, &[("/linux/1/README", Some("on disk\n"))]);
}
