//! Every southbound answer on the wire. Firmware compares header names exactly, rejects chunked bodies and
//! heads above 2 KiB, and reuses the connection of its HEAD.

use harness::http::{self, Connection, Request, Response};
use harness::served_digest::{repr_digest, wait_for_digest};
use harness::{Service, Setup, images, iso};
use std::time::{Duration, Instant};

/// The longest head that U-Boot's legacy client accepts.
const LONGEST_HEAD: usize = 2048;

/// A service with every kind of content: a plain file, both stores, an image and an empty folder.
fn service() -> Service {
    let setup = Setup::new()
        .file("static/plain.txt", "plain text\n")
        .file("static/empty.bin", "")
        .file("static/folder/one.cfg", "one\n")
        .file("static/common/initrd.img", images::pattern(7, 5000));
    for file in ["static/plain.txt", "static/folder/one.cfg", "static/common/initrd.img"] {
        iso::set_modified(&setup.path(file));
    }
    std::fs::create_dir(setup.path("static/void")).unwrap();
    let installer = images::installer();
    std::fs::copy(&installer, setup.path("static/iso/installer.iso")).unwrap();
    let service = setup.start();
    service.register("linux", "9", "isolocal", installer.to_str().unwrap());
    // Stored files are sent with their digests, once these are known.
    wait_for_digest(&service, "microkernel", "initrd.img");
    wait_for_digest(&service, "iso", "installer.iso");
    service
}

/// Files of every kind with their lengths.
fn files() -> Vec<(&'static str, u64)> {
    let installer = std::fs::metadata(images::installer()).unwrap().len();
    vec![
        ("/plain.txt", 11),
        ("/empty.bin", 0),
        ("/common/initrd.img", 5000),
        ("/iso/installer.iso", installer),
        ("/linux/9/README", 19),
        ("/linux/9/images/pxeboot/vmlinuz", 300_000),
        ("/linux/9/empty", 0),
    ]
}

const FOLDERS: [&str; 8] =
    ["/", "/void/", "/folder/", "/folder", "/iso/", "/common/", "/linux/", "/linux/9/images/"];

const MISSING: [&str; 7] = [
    "/missing",
    "/missing/deeper/still",
    "/plain.txt/below",
    "/linux/10/README",
    "/linux/9/missing",
    "/linux/9/README/below",
    "/iso/missing.iso",
];

/// Panics unless the response follows the rules for every status.
#[track_caller]
fn check_head(answer: &Response) {
    let text = answer.head_text();
    assert!(answer.head.len() < LONGEST_HEAD, "{} bytes of head:\n{text}", answer.head.len());
    assert_eq!(answer.version, "HTTP/1.1", "{text}");
    assert!(!answer.reason.is_empty(), "no reason phrase:\n{text}");
    assert!(answer.head.is_ascii(), "{text}");
    for line in text.trim_end().split("\r\n").skip(1) {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} lacks `: `"));
        assert!(!value.starts_with(' ') && !value.ends_with(' '), "{line:?}");
        for word in name.split('-') {
            assert!(
                word.starts_with(|first: char| first.is_ascii_uppercase()),
                "{line:?} is not in title case"
            );
            let rest = word[1..].replace("Tag", "tag");
            assert_eq!(rest, rest.to_ascii_lowercase(), "{line:?} is not in title case");
        }
    }
    assert_eq!(answer.header("Transfer-Encoding"), None, "{text}");
    assert_eq!(answer.header("Content-Encoding"), None, "{text}");
    assert_eq!(answer.header("Location"), None, "{text}");
    if answer.status != 304 {
        let length = answer.content_length().unwrap_or_else(|| panic!("no Content-Length:\n{text}"));
        assert_eq!(answer.raw_line("Content-Length"), Some(format!("Content-Length: {length}")), "{text}");
    }
}

#[test]
fn header_names_are_spelled_as_firmware_expects() {
    let service = service();
    let mut connection = Connection::open(&service.south("/"));
    for (target, length) in files() {
        let answer = connection.get(target).expect_status(200);
        check_head(&answer);
        assert_eq!(answer.content_length(), Some(length), "{target}");
        assert_eq!(answer.reason, "OK", "{target}");
        for name in ["Content-Length", "Content-Type", "Last-Modified", "Accept-Ranges", "Date"] {
            assert!(answer.raw_line(name).is_some(), "{target} lacks {name}:\n{}", answer.head_text());
        }
        assert_eq!(answer.raw_line("Accept-Ranges").unwrap(), "Accept-Ranges: bytes", "{target}");
        let tag = answer.header("ETag").unwrap();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 4, "{target}: {tag}");
    }
    for target in FOLDERS.into_iter().chain(MISSING) {
        check_head(&connection.get(target));
    }
    let request = Request::new("GET", "/linux/9/README").header("Range", "bytes=2-5");
    let part = connection.exchange(&request).unwrap().expect_status(206);
    check_head(&part);
    assert_eq!(part.raw_line("Content-Range").unwrap(), "Content-Range: bytes 2-5/19");
    assert_eq!(part.reason, "Partial Content");
    let request = Request::new("GET", "/linux/9/README").header("Range", "bytes=19-");
    let beyond = connection.exchange(&request).unwrap().expect_status(416);
    check_head(&beyond);
    assert_eq!(beyond.raw_line("Content-Range").unwrap(), "Content-Range: bytes */19");
    let request = Request::new("GET", "/linux/9/README").header("If-None-Match", "*");
    check_head(&connection.exchange(&request).unwrap().expect_status(304));
    let request = Request::new("GET", "/linux/9/README").header("If-Match", "\"other\"");
    check_head(&connection.exchange(&request).unwrap().expect_status(412));
}

/// Checks the form of values that differ from run to run, and puts them into an expected head.
#[track_caller]
fn fill(expected: &str, answer: &Response) -> String {
    let text = answer.head_text();
    let date = answer.header("Date").unwrap_or_else(|| panic!("no Date:\n{text}"));
    assert!(date.len() == 29 && date.ends_with(" GMT") && date.as_bytes()[3] == b',', "{date:?}");
    let tag = answer.header("Etag").unwrap_or_default();
    let boundary = answer.header("Content-Type").and_then(|value| value.split("boundary=").nth(1));
    expected
        .replace('\n', "\r\n")
        .replace("TAG", tag)
        .replace("BOUNDARY", boundary.unwrap_or_default())
        .replace("LENGTH", &answer.content_length().unwrap_or_default().to_string())
        .replace("TIME", iso::MODIFIED_TEXT)
        .replace("DATE", date)
}

/// Complete heads, byte for byte: fields, their order and spelling, one space, CRLF, nothing superfluous.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn heads_have_exactly_these_bytes() {
    let service = service();
    let validators = "Accept-Ranges: bytes\nEtag: TAG\nLast-Modified: TIME\n";
    let file = format!("{validators}X-Content-Type-Options: nosniff\n");
    let octets = format!("Content-Type: application/octet-stream\n{file}");
    let ok = "HTTP/1.1 200 OK\n";
    let short = "Content-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff\n";
    let page = "Content-Type: text/html; charset=utf-8\nVary: Accept\nX-Content-Type-Options: nosniff\nContent-Security-Policy: sandbox allow-downloads \
                allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\n";
    let plain = || Request::new("GET", "/plain.txt");
    let initrd = format!(
        "Vary: User-Agent\nRepr-Digest: {}\nContent-Length: 5000\n",
        repr_digest(&images::pattern(7, 5000))
    );
    let cases: Vec<(Request, String)> = vec![
        (plain(), format!("{ok}{octets}Content-Length: 11\n")),
        (Request::new("HEAD", "/plain.txt"), format!("{ok}{octets}Content-Length: 11\n")),
        (Request::new("GET", "/common/initrd.img"), format!("{ok}{octets}{initrd}")),
        (
            Request::new("HEAD", "/common/initrd.img").header("User-Agent", "UefiHttpBoot/1.0"),
            format!("{ok}Content-Type: application/vnd.efi-img\n{file}{initrd}"),
        ),
        (Request::new("GET", "/linux/9/README"), format!("{ok}{octets}Content-Length: 19\n")),
        (Request::new("GET", "/linux/9/empty"), format!("{ok}{octets}Content-Length: 0\n")),
        (Request::new("HEAD", "/linux/9/empty"), format!("{ok}{octets}Content-Length: 0\n")),
        (
            Request::new("HEAD", "/linux/9/EFI/BOOT/BOOTX64.EFI"),
            format!("{ok}Content-Type: application/efi\n{file}Content-Length: 70000\n"),
        ),
        (
            plain().header("Range", "bytes=2-5"),
            format!("HTTP/1.1 206 Partial Content\n{octets}Content-Length: 4\nContent-Range: bytes 2-5/11\n"),
        ),
        (
            plain().header("Range", "bytes=0-0,5-6"),
            format!(
                "HTTP/1.1 206 Partial Content\nContent-Type: multipart/byteranges; boundary=BOUNDARY\n{file}\
                 Content-Length: LENGTH\n"
            ),
        ),
        (
            plain().header("If-None-Match", "*"),
            format!("HTTP/1.1 304 Not Modified\nX-Content-Type-Options: nosniff\n{validators}"),
        ),
        (
            plain().header("If-Match", "\"other\""),
            format!("HTTP/1.1 412 Precondition Failed\n{short}Content-Length: 20\n{validators}"),
        ),
        (
            plain().header("Range", "bytes=11-"),
            format!(
                "HTTP/1.1 416 Range Not Satisfiable\n{short}Content-Length: 22\nContent-Range: bytes */11\n{validators}"
            ),
        ),
        (Request::new("GET", "/missing"), format!("HTTP/1.1 404 Not Found\n{short}Content-Length: 10\n")),
        (Request::new("HEAD", "/missing"), format!("HTTP/1.1 404 Not Found\n{short}Content-Length: 10\n")),
        (
            Request::new("DELETE", "/plain.txt"),
            format!("HTTP/1.1 405 Method Not Allowed\n{short}Content-Length: 19\nAllow: GET, HEAD\n"),
        ),
        (Request::new("GET", "/folder/"), format!("{ok}{page}Content-Length: LENGTH\n")),
        (Request::new("HEAD", "/folder/"), format!("{ok}{page}Content-Length: LENGTH\n")),
        (
            Request::new("GET", "/folder/").header("Accept", "application/json"),
            format!(
                "{ok}Content-Type: application/json\nVary: Accept\nX-Content-Type-Options: nosniff\nContent-Length: 12\n"
            ),
        ),
        (
            Request::new("HEAD", "/folder/").header("Accept", "text/plain"),
            format!(
                "{ok}Content-Type: text/plain; charset=utf-8\nVary: Accept\nX-Content-Type-Options: nosniff\nContent-Length: 8\n"
            ),
        ),
        // These two end the connection, so each has one of its own.
        (
            plain().header("Connection", "close"),
            format!("{ok}{octets}Content-Length: 11\nConnection: close\n"),
        ),
        (plain().http10().without_host(), format!("HTTP/1.0 200 OK\n{octets}Content-Length: 11\n")),
        (
            plain().http10().without_host().header("Connection", "keep-alive"),
            format!("HTTP/1.0 200 OK\n{octets}Content-Length: 11\nConnection: keep-alive\n"),
        ),
    ];
    let mut connection = Connection::open(&service.south("/"));
    let mut left = cases.len();
    for (request, expected) in cases {
        let answer = connection.exchange(&request).unwrap_or_else(|error| panic!("{request:?}: {error}"));
        let expected = fill(&format!("{expected}Date: DATE\n\n"), &answer);
        assert_eq!(answer.head_text(), expected, "{request:?}");
        left -= 1;
        if left <= 2 {
            connection = Connection::open(&service.south("/"));
        }
    }
}

/// A request that cannot be parsed is refused with a text, and the connection ends.
#[test]
fn refusals_have_exactly_these_bytes() {
    let service = service();
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(70_000));
    let many = format!("GET /plain.txt HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(200));
    for (bytes, status) in [
        ("GET /plain.txt\r\n\r\n", "400 Bad Request"),
        ("GET /plain.txt HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400 Bad Request"),
        (&long, "414 URI Too Long"),
        (&many, "431 Request Header Fields Too Large"),
    ] {
        let mut connection = Connection::open(&service.south("/"));
        // The service may close the connection before it has read everything.
        let _ = connection.write(bytes.as_bytes());
        let answer = connection.receive_head().unwrap_or_else(|error| panic!("{status}: {error}"));
        let expected = format!("HTTP/1.1 {status}\nConnection: close\nContent-Length: 0\nDate: DATE\n\n");
        assert_eq!(answer.head_text(), fill(&expected, &answer));
    }
}

#[test]
fn times_are_those_of_the_files() {
    let service = service();
    for target in ["/plain.txt", "/common/initrd.img", "/linux/9/README", "/linux/9/images/pxeboot/vmlinuz"] {
        let answer = http::get(&service.south(target)).expect_status(200);
        assert_eq!(answer.header("Last-Modified"), Some(iso::MODIFIED_TEXT), "{target}");
    }
}

#[test]
fn http_1_0_without_a_host_is_served_and_closed() {
    let service = service();
    for target in ["/linux/9/README", "/plain.txt", "/", "/missing"] {
        let mut connection = Connection::open(&service.south("/"));
        connection.send(&Request::new("GET", target).http10().without_host()).unwrap();
        let answer = connection.receive("GET").unwrap();
        assert_eq!(answer.status, if target == "/missing" { 404 } else { 200 }, "{target}");
        assert!(answer.content_length().is_some(), "{target}:\n{}", answer.head_text());
        assert_eq!(answer.header("Transfer-Encoding"), None, "{target}");
        assert!(answer.head.len() < LONGEST_HEAD, "{target}");
        assert_eq!(connection.read_to_end().unwrap(), b"", "{target}: more than the answer came");
    }
}

#[test]
fn the_connection_stays_open_after_head() {
    let service = service();
    let mut connection = Connection::open(&service.south("/"));
    for (target, length) in files() {
        for method in ["HEAD", "GET", "HEAD", "HEAD"] {
            let answer = connection.exchange(&Request::new(method, target)).unwrap().expect_status(200);
            assert_eq!(answer.content_length(), Some(length), "{method} {target}");
            assert_ne!(answer.header("Connection").map(str::to_ascii_lowercase), Some("close".to_owned()));
        }
    }
    for target in MISSING.into_iter().chain(FOLDERS) {
        for method in ["HEAD", "GET"] {
            let answer = connection.exchange(&Request::new(method, target)).unwrap();
            assert!(matches!(answer.status, 200 | 404), "{method} {target}: {}", answer.status);
        }
    }
    let length = connection.get("/linux/9/images/pxeboot/initrd.img").expect_status(200).body.len();
    assert_eq!(length, 1_200_001);
}

#[test]
fn connection_close_is_honoured() {
    let service = service();
    let mut connection = Connection::open(&service.south("/"));
    connection.send(&Request::new("GET", "/plain.txt").header("Connection", "close")).unwrap();
    assert_eq!(connection.receive("GET").unwrap().expect_status(200).text(), "plain text\n");
    assert_eq!(connection.read_to_end().unwrap(), b"");
}

#[test]
fn head_answers_the_headers_of_get() {
    let service = service();
    let mut connection = Connection::open(&service.south("/"));
    let variants: [&[(&str, &str)]; 5] = [
        &[],
        &[("Accept", "application/json")],
        &[("Accept", "text/plain")],
        &[("User-Agent", "UefiHttpBoot/1.0")],
        &[("If-Match", "\"other\"")],
    ];
    let targets = files().into_iter().map(|(target, _)| target).chain(FOLDERS).chain(MISSING);
    for target in targets {
        for headers in variants {
            let mut heads = ["GET", "HEAD"].map(|method| {
                let request = Request::new(method, target).headers(headers);
                let answer = connection.exchange(&request).unwrap();
                check_head(&answer);
                (answer.status, answer.headers)
            });
            for (_, headers) in &mut heads {
                headers.retain(|(name, _)| name != "Date");
            }
            assert_eq!(heads[0], heads[1], "{target} with {headers:?}");
        }
    }
}

#[test]
fn nothing_is_ever_compressed() {
    let text = "all work and no play\n".repeat(10_000);
    let service = Setup::new().file("static/text.txt", &text).start();
    for target in ["/text.txt", "/", "/missing"] {
        let url = service.south(target);
        let plain = http::get(&url);
        let asked = http::get_with(&url, &[("Accept-Encoding", "gzip, deflate, br, zstd")]);
        check_head(&asked);
        assert_eq!(asked.body, plain.body, "{target}");
        assert!(!asked.header("Vary").unwrap_or_default().to_lowercase().contains("encoding"), "{target}");
    }
    assert_eq!(http::get(&service.south("/text.txt")).text(), text);
}

#[test]
fn other_methods_are_not_allowed() {
    let service = service();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "FOO"] {
        for target in ["/plain.txt", "/linux/9/README", "/iso/installer.iso", "/", "/folder/"] {
            let answer = http::request(method, &service.south(target), &[], Vec::new()).expect_status(405);
            check_head(&answer);
            let allow =
                answer.raw_line("Allow").unwrap_or_else(|| panic!("no Allow:\n{}", answer.head_text()));
            let mut allowed: Vec<&str> = allow["Allow: ".len()..].split(", ").collect();
            allowed.sort_unstable();
            assert_eq!(allowed, ["GET", "HEAD"], "{method} {target}");
            assert_eq!(answer.reason, "Method Not Allowed");
        }
    }
    let body = images::pattern(1, 100_000);
    http::put(&service.south("/plain.txt"), body).expect_status(405);
    assert_eq!(std::fs::read(service.path("static/plain.txt")).unwrap(), b"plain text\n");
    assert_eq!(http::get(&service.south("/plain.txt")).text(), "plain text\n");
}

#[test]
fn what_is_missing_is_a_plain_short_404() {
    let service = service();
    for target in MISSING {
        for accept in ["*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"] {
            let answer = http::get_with(&service.south(target), &[("Accept", accept)]).expect_status(404);
            check_head(&answer);
            assert_eq!(answer.reason, "Not Found", "{target}");
            assert!(answer.header("Content-Type").unwrap().starts_with("text/plain"), "{target}");
            assert!((1..=200).contains(&answer.body.len()), "{target}: {:?}", answer.text());
            assert!(!answer.text().contains('<'), "{target}: {:?}", answer.text());
            let here = service.path("").display().to_string();
            assert!(!answer.text().contains(here.trim_end_matches('/')), "{target}: {:?}", answer.text());
            assert_eq!(answer.header("Retry-After"), None, "{target}");
        }
    }
}

/// apt sends ten requests at once on one connection.
#[test]
fn ten_pipelined_requests_are_answered_in_order() {
    let service = service();
    let mut connection = Connection::open(&service.south("/"));
    let kernel = http::get(&service.south("/linux/9/images/pxeboot/vmlinuz")).expect_status(200).body;
    let requests: [(&str, &str, u16, Vec<u8>); 10] = [
        ("GET", "/plain.txt", 200, b"plain text\n".to_vec()),
        ("HEAD", "/linux/9/images/pxeboot/vmlinuz", 200, Vec::new()),
        ("GET", "/linux/9/README", 200, b"This is a fixture.\n".to_vec()),
        ("GET", "/linux/9/images/pxeboot/vmlinuz", 200, kernel.clone()),
        ("GET", "/empty.bin", 200, Vec::new()),
        ("HEAD", "/missing", 404, Vec::new()),
        ("GET", "/common/initrd.img", 200, images::pattern(7, 5000)),
        ("GET", "/folder/one.cfg", 200, b"one\n".to_vec()),
        ("GET", "/linux/9/images/pxeboot/vmlinuz", 200, kernel),
        ("GET", "/linux/9/empty", 200, Vec::new()),
    ];
    let authority = service.south("").replace("http://", "");
    let bytes: Vec<u8> = requests
        .iter()
        .flat_map(|(method, target, ..)| Request::new(method, target).to_bytes(&authority))
        .collect();
    connection.write(&bytes).unwrap();
    for (method, target, status, body) in requests {
        let answer = connection.receive(method).unwrap().expect_status(status);
        assert!(answer.body == body, "{method} {target}: {} bytes came", answer.body.len());
    }
}

/// EDK2 waits five seconds for the first byte, even of an image that no client has requested before.
#[test]
fn the_first_byte_of_a_cold_image_comes_in_time() {
    let image = images::many_files();
    let mut service = Setup::new().start();
    service.register("many", "1", "isolocal", image.to_str().unwrap());
    service.restart();
    let start = Instant::now();
    http::get(&service.south("/many/1/pool/00/package-00000.rpm")).expect_status(200);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn nonsense_on_the_wire_is_refused_and_harms_nobody() {
    let service = service();
    let long = format!("GET /plain.txt HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET /plain.txt HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(5000));
    let nonsense: [&[u8]; 8] = [
        b"\r\n\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /plain.txt HTTP/9.9\r\n\r\n",
        b"GET /plain.txt HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /plain\0.txt HTTP/1.1\r\nHost: x\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for bytes in nonsense {
        let mut connection = Connection::open(&service.south("/"));
        // The service may close the connection before it has read everything.
        let _ = connection.write(bytes);
        connection.finish_sending();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        match connection.read_to_end() {
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer);
                let refused =
                    text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.1 505");
                assert!(refused, "{shown:?}: {text}");
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{shown:?}: {error}"),
        }
        http::get(&service.south("/plain.txt")).expect_status(200);
    }
}
