//! Confinement: no request reaches files outside the root or the image, whatever its spelling, or anything
//! but regular files.

use harness::http::{self, Connection, Request};
use harness::{Service, Setup, images};
use rustix::fs::{CWD, FileType, Mode};
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::Duration;

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

/// Parent segments in every spelling, over raw sockets, since clients normalise them.
#[test]
fn parent_segments_never_leave_the_root_or_the_image() {
    let setup = Setup::new().file("outside.txt", "SECRET\n").file("static/plain", "plain\n");
    fs::create_dir_all(setup.path("static/folder/deep")).unwrap();
    let service = setup.start();
    register(&service, "linux", &images::installer());
    let here = service.path("");
    let here = here.to_str().unwrap().trim_end_matches('/');
    let mut targets = vec![
        "/../outside.txt".to_owned(),
        "/../../../../../../../../etc/passwd".to_owned(),
        "../outside.txt".to_owned(),
        "//../outside.txt".to_owned(),
        "/./../outside.txt".to_owned(),
        format!("//{here}/outside.txt"),
        format!("/..{here}/outside.txt"),
        "http://x/../outside.txt".to_owned(),
        "/%00/../outside.txt".to_owned(),
        "/..\\outside.txt".to_owned(),
        "/..%5coutside.txt".to_owned(),
    ];
    for prefix in [
        "",
        "/folder",
        "/folder/deep",
        "/linux",
        "/linux/1",
        "/linux/1/images",
        "/iso",
        "/common",
        "/missing",
    ] {
        for up in ["..", "%2e%2e", ".%2E", "%2e.", "..%2f..", "%2e%2e%2f%2e%2e"] {
            for depth in 1..=5 {
                targets.push(format!("{prefix}{}/outside.txt", format!("/{up}").repeat(depth)));
                targets.push(format!("{prefix}{}/etc/passwd", format!("/{up}").repeat(depth * 4)));
            }
        }
        targets.push(format!("{prefix}/%2e%2e%2foutside.txt"));
        targets.push(format!("{prefix}/%252e%252e/outside.txt"));
    }
    for target in targets {
        let mut connection = Connection::open(&service.south("/"));
        connection
            .write(format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let answer = connection.receive("GET").unwrap();
        assert!(matches!(answer.status, 400 | 404), "{target}\n{}{}", answer.head_text(), answer.text());
        assert!(!answer.text().contains("SECRET") && !answer.text().contains("root:"), "{target}");
    }
}

#[test]
fn links_on_disk_stay_inside_the_root() {
    let setup = Setup::new()
        .file("outside/secret.txt", "SECRET\n")
        .file("static/real/file.txt", "inside\n")
        .file("static/common/kernel", "kernel\n");
    let link = |target: &str, path: &str| symlink(target, setup.path(path)).unwrap();
    link("real/file.txt", "static/to-file");
    link("real", "static/to-folder");
    link("../real/file.txt", "static/real/up-and-down");
    link("../static/real/file.txt", "static/through-the-parent");
    link("../outside/secret.txt", "static/leaves");
    link("../outside", "static/leaves-folder");
    link("/etc/passwd", "static/leaves-absolute");
    link("/proc/self/root/etc/passwd", "static/leaves-proc");
    link("leaves-folder/secret.txt", "static/leaves-by-two");
    link("nowhere", "static/dangling");
    link("loop-b", "static/loop-a");
    link("loop-a", "static/loop-b");
    link("../../outside/secret.txt", "static/common/leaves");
    link("kernel", "static/common/current");
    let absolute = setup.path("static/real/file.txt");
    symlink(absolute, setup.path("static/absolute-inside")).unwrap();
    let service = setup.start();
    check(
        &service,
        &[
            ("/to-file", Some("inside\n")),
            ("/to-folder/file.txt", Some("inside\n")),
            ("/real/up-and-down", Some("inside\n")),
            ("/common/current", Some("kernel\n")),
            ("/leaves", None),
            ("/leaves-folder/", None),
            ("/leaves-folder/secret.txt", None),
            ("/leaves-absolute", None),
            ("/leaves-proc", None),
            ("/leaves-by-two", None),
            ("/dangling", None),
            ("/loop-a", None),
            ("/loop-a/x", None),
            ("/common/leaves", None),
        ],
    );
    // A link that leaves the root and comes back, or names the root itself, may be served or not, but never
    // as other bytes.
    for target in ["/through-the-parent", "/absolute-inside"] {
        let answer = http::get(&service.south(target));
        assert!(answer.status == 404 || answer.text() == "inside\n", "{target}: {}", answer.text());
    }
    let listing = http::get_with(&service.south("/"), &[("Accept", "text/plain")]).expect_status(200).text();
    assert!(listing.contains("to-file"), "{listing}");
}

#[test]
fn only_regular_files_are_opened() {
    let setup = Setup::new().file("static/plain", "plain\n");
    let mode = Mode::from_raw_mode(0o644);
    for folder in ["static", "static/common", "static/iso"] {
        rustix::fs::mknodat(CWD, setup.path(&format!("{folder}/fifo")), FileType::Fifo, mode, 0).unwrap();
    }
    let _socket = UnixListener::bind(setup.path("static/socket")).unwrap();
    symlink("/dev/zero", setup.path("static/zero")).unwrap();
    // A device node needs privileges; without them the link above stands for it.
    let device = rustix::fs::makedev(1, 5);
    let _ = rustix::fs::mknodat(CWD, setup.path("static/device"), FileType::CharacterDevice, mode, device);
    let service = setup.start();
    for target in ["/fifo", "/common/fifo", "/iso/fifo", "/socket", "/zero", "/device", "/fifo/below"] {
        for method in ["GET", "HEAD"] {
            let mut connection = Connection::open(&service.south("/"));
            connection.set_silence(Duration::from_secs(5));
            let answer = connection.exchange(&Request::new(method, target)).unwrap();
            assert_eq!(answer.status, 404, "{method} {target}\n{}", answer.head_text());
        }
    }
    http::get(&service.south("/")).expect_status(200);
    http::get(&service.south("/common/")).expect_status(200);
    http::get(&service.south("/plain")).expect_status(200);
}

#[test]
fn very_long_and_very_deep_paths_are_refused_calmly() {
    let service = Setup::new().file("static/plain", "plain\n").start();
    register(&service, "linux", &images::installer());
    for target in [
        format!("/{}", "n".repeat(300)),
        format!("/linux/1/{}", "n".repeat(5000)),
        "/x".repeat(3000),
        format!("/linux/1{}", "/ubuntu".repeat(500)),
        format!("/{}", "%41".repeat(2000)),
        "/%00".to_owned(),
        "/plain%00.txt".to_owned(),
        "/linux/1/README%00".to_owned(),
        "/linux/1/README%0d%0aX-Injected:%20yes".to_owned(),
    ] {
        let answer = http::get(&service.south(&target));
        let shown = &target[..target.len().min(40)];
        assert!(matches!(answer.status, 400 | 404 | 414 | 431), "{shown}…: {}", answer.status);
        assert_eq!(answer.header("X-Injected"), None);
    }
    http::get(&service.south("/plain")).expect_status(200);
}
