//! Invalid names, parameters and sources: each ends in a clear 4xx and leaves nothing behind.

use harness::http::{self, Connection, Request};
use harness::problem::expect_problem;
use harness::remains::Remains;
use harness::{Service, Setup, images};
use serde_json::json;
use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

/// A service with an image, a file in each store, and all digests computed, so that nothing changes by
/// itself.
fn service(tweaks: &[(&str, serde_json::Value)]) -> Service {
    let setup = tweaks.iter().fold(Setup::new(), |setup, (key, value)| setup.set(key, value.clone()));
    let service = setup.start();
    service.upload_iso("good.iso", &images::installer());
    service.register("good", "1", "isostore", "good.iso");
    http::put(&service.north("/microkernel?name=vmlinuz"), images::pattern(71, 5000)).expect_status(200);
    service
}

/// Panics unless the image is served.
#[track_caller]
fn expect_well(service: &mut Service) {
    let kernel = http::get(&service.south("/good/1/images/pxeboot/vmlinuz")).expect_status(200);
    assert!(kernel.body == images::pattern(1, 300_000));
    assert!(service.is_alive());
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

#[test]
fn names_that_are_no_safe_segment_are_refused_everywhere() {
    let mut service = service(&[]);
    let before = Remains::of(&service);
    let long = "x".repeat(256);
    let longer = "x".repeat(300);
    let unsafe_names = [
        "",
        ".",
        "..",
        "/",
        "a/b",
        "../up",
        "/etc/passwd",
        "..\\up",
        "a\\b",
        "a\0b",
        "\0",
        "a\nb",
        "\r",
        "\t",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{85}",
        "-rf",
        "--help",
        &long,
        &longer,
    ];
    // Another program may have made such a file, but the API does not accept such a name.
    let unwise_names = [
        "a`id`", "$(id)", "$HOME", "a;b", "a|b", "a&b", "a>b", "a<b", "a*", "a?", "a\"b", "a'b", " ", " a",
        "a ",
    ];
    for name in unsafe_names.into_iter().chain(unwise_names) {
        let is_unsafe = unsafe_names.contains(&name);
        for (parameter, path) in [
            ("name", format!("/images?version=1&isostore=good.iso&name={}", http::encode(name))),
            ("version", format!("/images?name=n&isostore=good.iso&version={}", http::encode(name))),
            ("isostore", format!("/images?name=n&version=1&isostore={}", http::encode(name))),
            ("isoclient", format!("/images?name=n&version=1&isoclient={}", http::encode(name))),
            ("name", format!("/iso?name={}", http::encode(name))),
            ("name", format!("/microkernel?name={}", http::encode(name))),
        ] {
            let answer = http::put(&service.north(&path), "body");
            let status = if is_unsafe || parameter != "isostore" { 400 } else { 404 };
            let problem = expect_problem(&service, &answer, status, &format!("`{parameter}`"));
            assert_eq!(problem["parameter"], parameter, "{path}");
        }
        // As JSON, where nothing in the name can be taken for an encoding.
        let body = json!({"name": name, "version": "1", "isostore": "good.iso"});
        expect_problem(&service, &http::put_json(&service.north("/images"), &body), 400, "`name`");
        for path in ["/iso", "/microkernel"] {
            let answer = http::delete(&service.north(&format!("{path}?name={}", http::encode(name))));
            expect_problem(&service, &answer, if is_unsafe { 400 } else { 404 }, "name");
        }
    }
    for name in ["iso", "common", "gui", "ISO"] {
        let answer = service.put_image(&[("name", name), ("version", "1"), ("isostore", "good.iso")]);
        expect_problem(&service, &answer, 400, "`name`");
    }
    // Bytes that are not UTF-8, and truncated encodings.
    for raw in ["%ff", "%C3%28", "a%00b", "%2e%2e", "%2F", "..%2F..%2Fetc%2Fpasswd", "%252F%00"] {
        let answer = http::put(&service.north(&format!("/iso?name={raw}")), "body");
        expect_problem(&service, &answer, 400, "`name`");
    }
    before.expect_again(&service, "bad names");
    expect_well(&mut service);
}

#[test]
fn names_that_are_only_unusual_are_kept_as_they_are() {
    let service = service(&[]);
    let longest = "y".repeat(255);
    for name in [
        "a b",
        "UPPER",
        "upper",
        "ünïcödé",
        "日本語",
        "a+b",
        "100%",
        "a=b",
        "(x)",
        "[x]",
        "{x}",
        "~x",
        "#x",
        "x.",
        ".hidden",
        "%2F",
        "a:b",
        "...",
        &longest,
    ] {
        let encoded = http::encode(name);
        for (path, south) in [("/iso", "/iso"), ("/microkernel", "/common")] {
            let url = service.north(&format!("{path}?name={encoded}"));
            http::put(&url, format!("content of {name}")).expect_status(200);
            assert_eq!(http::get(&url).json()[0]["name"], name);
            let served = http::get(&service.south(&format!("{south}/{encoded}"))).expect_status(200);
            assert_eq!(served.text(), format!("content of {name}"));
            http::delete(&url).expect_status(200);
        }
        service.register(name, name, "isostore", "good.iso");
        let served = http::get(&service.south(&format!("/{encoded}/{encoded}/README"))).expect_status(200);
        assert_eq!(served.text(), "This is a fixture.\n");
    }
}

#[test]
fn files_that_others_named_unwisely_can_be_used_and_removed() {
    let service = service(&[]);
    let bytes = fs::read(images::installer()).unwrap();
    for (index, name) in ["it's a file.iso", "R&D $5.iso", "a;b|c.iso"].into_iter().enumerate() {
        service.write(&format!("static/iso/{name}"), &bytes);
        let target = service.north(&format!("/iso?name={}", http::encode(name)));
        assert_eq!(http::get(&target).expect_status(200).json()[0]["name"], name);
        let version = index.to_string();
        service.register("unwise", &version, "isostore", name);
        let served = http::get(&service.south(&format!("/iso/{}", http::encode(name)))).expect_status(200);
        assert!(served.body == bytes, "{name}");
        http::get(&service.south(&format!("/unwise/{version}/README"))).expect_status(200);
        expect_problem(&service, &http::delete(&target), 409, name);
        http::delete(&service.north("/images?name=unwise")).expect_status(200);
        http::delete(&target).expect_status(200);
    }
}

#[test]
fn parameters_that_are_missing_repeated_or_unknown_are_named() {
    let mut service = service(&[]);
    let before = Remains::of(&service);
    let ok = "name=n&version=1&isostore=good.iso";
    for (method, target, part) in [
        ("PUT", "/images".to_owned(), "`name`"),
        ("PUT", "/images?name=n".to_owned(), "`version`"),
        ("PUT", "/images?name=n&version=1".to_owned(), "isostore"),
        ("PUT", format!("/images?{ok}&name=m"), "`name`"),
        ("PUT", format!("/images?{ok}&isostore=good.iso"), "`isostore`"),
        ("PUT", format!("/images?{ok}&bogus=1"), "`bogus`"),
        ("PUT", format!("/images?{ok}&Name=1"), "`Name`"),
        ("PUT", format!("/images?{ok}&[]=1"), "`[]`"),
        ("GET", "/images?name=a&name=b".to_owned(), "`name`"),
        ("DELETE", "/images?name=good&name=good".to_owned(), "`name`"),
        ("DELETE", "/images?nmae=good".to_owned(), "`nmae`"),
        ("DELETE", "/iso?name=good.iso&name=x".to_owned(), "`name`"),
        ("PUT", "/iso".to_owned(), "`name`"),
        ("PUT", "/iso?name=a&name=b".to_owned(), "`name`"),
        ("PUT", "/microkernel?file=a".to_owned(), "`file`"),
    ] {
        let answer = http::request(method, &service.north(&target), &[], "");
        expect_problem(&service, &answer, 400, part);
    }
    for body in ["[1]", "5", "\"text\"", "true", "null", "{", "{\"name\"", "[[]]", "{} {}", "name=n", "\u{0}"]
    {
        for method in ["PUT", "DELETE"] {
            let headers = [("Content-Type", "application/json; charset=utf-8")];
            let answer = http::request(method, &service.north("/images"), &headers, body);
            expect_problem(&service, &answer, 400, "");
        }
    }
    for (body, part) in [
        (r#"{"name": ["n"], "version": "1", "isostore": "good.iso"}"#, "`name`"),
        (r#"{"name": {"a": 1}, "version": "1", "isostore": "good.iso"}"#, "`name`"),
        (r#"{"name": true, "version": "1", "isostore": "good.iso"}"#, "`name`"),
        (r#"{"name": "n", "name": "m", "version": "1", "isostore": "good.iso"}"#, "`name`"),
        (r#"{"name": "n", "version": "1", "isostore": "good.iso", "bogus": 1}"#, "`bogus`"),
        (r#"{"name": "n", "version": null, "isostore": "good.iso"}"#, "`version`"),
        (r#"{"name": "n", "version": "1", "isoclient": "new.iso"}"#, "`isoclient`"),
    ] {
        let headers = [("Content-Type", "application/json")];
        expect_problem(&service, &http::request("PUT", &service.north("/images"), &headers, body), 400, part);
    }
    // Nested too deep, and too long.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("{{\"name\": \"{}\"}}", "n".repeat(10 << 20));
    for body in [deep, wide] {
        let headers = [("Content-Type", "application/json"), ("Expect", "100-continue")];
        let mut connection = Connection::open(&service.north(""));
        let request = Request::new("PUT", "/images").headers(&headers).body(body);
        // The service may close the connection before it has read everything.
        let _ = connection.send(&request);
        if let Ok(answer) = connection.receive("PUT") {
            assert!((400..500).contains(&answer.status), "{}", answer.head_text());
        }
    }
    before.expect_again(&service, "bad parameters");
    expect_well(&mut service);
}

#[test]
fn what_is_not_an_image_is_refused_from_every_source() {
    let mut service = service(&[]);
    let installer = fs::read(images::installer()).unwrap();
    let kinds: Vec<(&str, Vec<u8>)> = vec![
        ("text", b"This is no ISO.\n".repeat(10_000)),
        ("empty", Vec::new()),
        ("zeros", vec![0; 200_000]),
        ("random", images::pattern(72, 200_000)),
        ("one-byte", vec![0]),
        ("only-descriptor", installer[..40_000].to_vec()),
        ("half", installer[..installer.len() / 2].to_vec()),
        ("sector-short", installer[..20 * 2048].to_vec()),
    ];
    for (kind, bytes) in &kinds {
        service.write(&format!("elsewhere/{kind}.iso"), bytes);
        service.write(&format!("static/iso/stored-{kind}.iso"), bytes);
    }
    // Digests of files from outside are computed in the background.
    http::get(&service.north("/iso")).expect_status(200);
    let before = Remains::of(&service);
    for (kind, bytes) in &kinds {
        let at = service.path(&format!("elsewhere/{kind}.iso")).to_str().unwrap().to_owned();
        let answer = service.put_image(&[("name", "n"), ("version", "1"), ("isolocal", &at)]);
        expect_problem(&service, &answer, 422, "not an ISO image");
        let stored = format!("stored-{kind}.iso");
        let answer = service.put_image(&[("name", "n"), ("version", "1"), ("isostore", &stored)]);
        expect_problem(&service, &answer, 422, "not an ISO image");
        for headers in [[("Accept", "application/json")], [("Accept", "*/*")]] {
            let url = service.north("/images?name=n&version=1&isoclient=sent.iso");
            let answer = http::request("PUT", &url, &headers, bytes.clone());
            assert!(matches!(answer.status, 400 | 422), "{kind}: {}", answer.head_text());
            expect_problem(&service, &answer, answer.status, "");
        }
        before.expect_again(&service, kind);
    }
    expect_well(&mut service);
}

#[test]
fn folders_pipes_sockets_and_devices_are_no_source() {
    let mut service = service(&[]);
    let folder = service.path("odd");
    fs::create_dir_all(folder.join("folder.iso")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("fifo.iso")).status().unwrap().success());
    let _socket = UnixListener::bind(folder.join("socket.iso")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("dangling.iso")).unwrap();
    std::os::unix::fs::symlink("loop.iso", folder.join("loop.iso")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.join("zero.iso")).unwrap();
    for name in ["folder.iso", "fifo.iso"] {
        let place = service.path("static/iso").join(name);
        if name == "fifo.iso" {
            assert!(Command::new("mkfifo").arg(place).status().unwrap().success());
        } else {
            fs::create_dir(place).unwrap();
        }
    }
    let before = Remains::of(&service);
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    for (path, statuses) in [
        (at("folder.iso"), [400, 422].as_slice()),
        (at("fifo.iso"), &[400, 422]),
        (at("socket.iso"), &[400, 422]),
        (at("zero.iso"), &[400, 422]),
        (at("dangling.iso"), &[404]),
        (at("loop.iso"), &[400, 404, 422]),
        (at("missing.iso"), &[404]),
        (at("missing/below.iso"), &[404]),
        (at("../inventory.json/below.iso"), &[400, 404]),
        ("/dev/zero".to_owned(), &[400, 422]),
        ("/dev/null".to_owned(), &[400, 422]),
        ("/dev/tty".to_owned(), &[400, 422]),
        ("/dev/stdin".to_owned(), &[400, 404, 422]),
        ("/proc/self/mem".to_owned(), &[400, 403, 422]),
        ("/proc/self/environ".to_owned(), &[400, 422]),
        ("/".to_owned(), &[400, 422]),
        ("relative.iso".to_owned(), &[400]),
        (format!("/{}", "x".repeat(300)), &[400, 404]),
        (format!("/{}", "x/".repeat(3000)), &[400, 404]),
        ("/tmp/a\0b.iso".to_owned(), &[400]),
    ] {
        let started = Instant::now();
        let answer = service.put_image(&[("name", "n"), ("version", "1"), ("isolocal", &path)]);
        assert!(statuses.contains(&answer.status), "{path}: {} {}", answer.head_text(), answer.text());
        expect_problem(&service, &answer, answer.status, "isolocal");
        assert!(started.elapsed() < Duration::from_secs(5), "{path}: {:?}", started.elapsed());
        before.expect_again(&service, &path);
    }
    for name in ["folder.iso", "fifo.iso"] {
        let answer = service.put_image(&[("name", "n"), ("version", "1"), ("isostore", name)]);
        expect_problem(&service, &answer, 404, "`isostore`");
        let answer = http::delete(&service.north(&format!("/iso?name={name}")));
        expect_problem(&service, &answer, 404, name);
        let answer = http::put(&service.north(&format!("/iso?name={name}")), "x");
        assert!((400..500).contains(&answer.status) || name == "fifo.iso", "{name}: {}", answer.head_text());
    }
    expect_well(&mut service);
}

#[test]
fn a_path_that_is_no_text_is_a_problem_as_any_other() {
    let service = service(&[]);
    for (method, path) in [
        ("GET", "/images/%ff"),
        ("PUT", "/images/%ff"),
        ("DELETE", "/images/%ff"),
        ("GET", "/images/%ff/tree"),
        ("GET", "/jobs/%ff"),
        ("GET", "/uploads/%ff"),
    ] {
        let answer = http::request(method, &service.north(path), &[], "");
        expect_problem(&service, &answer, 400, "UTF-8");
    }
}
