//! Resumable uploads, by tus and by curl.

use harness::http::{self, Connection, Request, Response};
use harness::problem::expect_problem;
use harness::remains::{expect_no_unfinished, unfinished};
use harness::wait::eventually;
use harness::{Service, digest, images};
use serde_json::json;
use std::fs;
use std::process::Command;
use std::time::Duration;

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
const PIECE: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

/// Creates an upload with these fields and returns its path.
fn create(service: &Service, query: &str, headers: &[(&str, &str)]) -> String {
    let answer = http::request("POST", &service.north(&format!("/uploads{query}")), headers, "");
    path_of(&answer.expect_status(201))
}

/// The path that `Location` leads to, which is relative to `/uploads`.
fn path_of(created: &Response) -> String {
    let location = created.header("Location").unwrap();
    assert!(location.starts_with("uploads/"), "{location}");
    format!("/{location}")
}

fn patch(service: &Service, upload: &str, offset: usize, bytes: &[u8], more: &[(&str, &str)]) -> Response {
    let offset = offset.to_string();
    let headers = [&[TUS, PIECE, ("Upload-Offset", &offset)], more].concat();
    http::request("PATCH", &service.north(upload), &headers, bytes)
}

fn offset(service: &Service, upload: &str) -> usize {
    let answer = http::request("HEAD", &service.north(upload), &[TUS], "").expect_status(200);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    answer.header("Upload-Offset").unwrap().parse().unwrap()
}

fn stored(service: &Service, name: &str) -> Vec<u8> {
    fs::read(service.path(&format!("static/iso/{name}"))).unwrap()
}

/// Sends a request with the beginning of its body. The connection stays open.
fn begin(service: &Service, upload: &str, offset: usize, length: usize, sent: &[u8]) -> Connection {
    let mut connection = Connection::open(&service.north(""));
    let request = Request::new("PATCH", upload)
        .headers(&[TUS, PIECE])
        .header("Upload-Offset", &offset.to_string())
        .header("Content-Length", &length.to_string());
    connection.send(&request).unwrap();
    connection.write(sent).unwrap();
    connection
}

#[test]
fn tus_creates_continues_and_finishes() {
    let service = Service::start(&json!({}));
    let body = images::pattern(1, 3_000_000);
    let length = body.len().to_string();
    let options = http::request("OPTIONS", &service.north("/uploads"), &[], "").expect_status(204);
    assert_eq!(options.header("Tus-Version"), Some("1.0.0"));
    for extension in ["creation", "creation-with-upload", "checksum", "termination", "expiration"] {
        assert!(options.header("Tus-Extension").unwrap().split(',').any(|found| found == extension));
    }
    assert_eq!(options.header("Tus-Checksum-Algorithm"), Some("sha1,sha256,sha512"));

    // "a b.iso", "iso"
    let metadata = ("Upload-Metadata", "filename YSBiLmlzbw==,store aXNv,filetype eA==");
    let upload = create(&service, "", &[TUS, ("Upload-Length", &length), metadata]);
    assert_eq!(offset(&service, &upload), 0);
    let answer = patch(&service, &upload, 0, &body[..1_000_000], &[]).expect_status(204);
    assert_eq!(answer.header("Upload-Offset"), Some("1000000"));
    assert_eq!(answer.header("Tus-Resumable"), Some("1.0.0"));
    assert!(answer.header("Upload-Expires").unwrap().ends_with("GMT"));
    let wrong = patch(&service, &upload, 5, &body[..10], &[]);
    expect_problem(&service, &wrong, 409, "1000000");
    assert_eq!(http::get(&service.north("/iso")).json(), json!([]));
    let list = http::get(&service.north("/uploads")).expect_status(200).json();
    assert_eq!(
        (&list[0]["name"], &list[0]["offset"], &list[0]["size"]),
        (&json!("a b.iso"), &json!(1_000_000), &json!(3_000_000))
    );
    assert_eq!(list[0]["store"], "iso");
    let too_much = patch(&service, &upload, 1_000_000, &vec![0; 2_000_001], &[]);
    expect_problem(&service, &too_much, 413, "3000000");
    let answer = patch(&service, &upload, 1_000_000, &body[1_000_000..], &[]).expect_status(204);
    assert_eq!(answer.header("Upload-Offset"), Some(length.as_str()));
    assert_eq!(stored(&service, "a b.iso"), body);
    // A client that lost the answer asks again.
    assert_eq!(offset(&service, &upload), body.len());
    patch(&service, &upload, body.len(), b"", &[]).expect_status(204);
    expect_problem(&service, &patch(&service, &upload, 0, b"more", &[]), 409, "whole");
    assert_eq!(http::get(&service.north("/uploads")).json(), json!([]));
    let listed = http::get(&service.north("/iso")).json();
    assert_eq!(listed[0]["sha256"], digest::of_bytes(&body));
}

/// `Upload-Metadata` of tus-js-client, Uppy, tusd's command line and others.
#[test]
fn metadata_is_understood_in_all_the_ways_of_clients() {
    let service = Service::start(&json!({}));
    let post = |metadata: &str| {
        let fields = [TUS, ("Upload-Length", "5"), ("Upload-Metadata", metadata)];
        http::request("POST", &service.north("/uploads"), &fields, "")
    };
    let long = format!("relativePath {},filename bG9uZy5pc28=", "eHh4".repeat(1000));
    for (metadata, name) in [
        ("filename Y29tbWEuaXNv, filetype YXBwbGljYXRpb24veC1pc28=", "comma.iso"),
        ("filename Z,is_confidential,name ZmxhZy5pc28=", ""),
        ("is_confidential,name ZmxhZy5pc28=", "flag.iso"),
        ("name ZW1wdHkuaXNv,note ,store ", "empty.iso"),
        ("name bm8tcGFkZGluZy5pc28", "no-padding.iso"),
        ("filename c8WCb8WEY2UuaXNv", "słońce.iso"),
        // Uppy with its defaults.
        ("relativePath bnVsbA==,name dXBweS5pc28=,type eA==,filetype eA==,filename dXBweS5pc28=", "uppy.iso"),
        // Values that are no text are none of our business.
        ("thumbnail gA==,broken ???,name b3RoZXJzLmlzbw==", "others.iso"),
        (&long, "long.iso"),
    ] {
        let answer = post(metadata);
        if name.is_empty() {
            expect_problem(&service, &answer, 400, "filename");
            continue;
        }
        answer.expect_status(201);
        let listed = http::get(&service.north("/uploads")).json();
        let found = listed.as_array().unwrap().iter().any(|upload| upload["name"] == name);
        assert!(found, "{metadata}: {listed}");
    }
    expect_problem(&service, &post("name YS5pc28=,filename Yi5pc28="), 400, "differ");
    expect_problem(&service, &post("name YS5pc28=,name Yi5pc28="), 400, "`name`");
    expect_problem(&service, &post("filename,type eA=="), 400, "`name`");
    expect_problem(&service, &post("name YS5pc28=,sha256 ???"), 400, "sha256");
}

#[test]
fn a_name_that_is_shown_as_another_one_is_refused() {
    let service = Service::start(&json!({}));
    service.write("static/iso/old-\u{202e}osi.exe", "bytes");
    for name in ["new-%E2%80%AEosi.exe", "a%E2%81%A6.iso", "%E2%80%8Fa.iso", "a%E2%80%A8b.iso"] {
        for (method, target) in [
            ("PUT", format!("/iso?name={name}")),
            ("PUT", format!("/microkernel?name={name}")),
            ("POST", format!("/uploads?name={name}&size=5")),
            ("PUT", format!("/images?name={name}&version=1&isoclient=a.iso")),
            ("PUT", format!("/images?name=a&version={name}&isoclient=a.iso")),
            ("PUT", format!("/images?name=a&version=1&isoclient={name}")),
        ] {
            let answer = http::request(method, &service.north(&target), &[], "bytes");
            expect_problem(&service, &answer, 400, "U+20");
        }
    }
    // What lies in the store already is served.
    http::get(&service.south("/iso/old-%E2%80%AEosi.exe")).expect_status(200);
    http::delete(&service.north("/iso?name=old-%E2%80%AEosi.exe")).expect_status(200);
}

/// As clients of tus are configured for most servers.
#[test]
fn a_final_slash_changes_nothing() {
    let service = Service::start(&json!({}));
    let url = service.north("/uploads/?name=a.iso&size=5");
    let created = http::request("POST", &url, &[TUS], "").expect_status(201);
    // Relative to the URL with the slash.
    let upload = format!("/uploads/{}", created.header("Location").unwrap());
    patch(&service, &upload, 0, b"hello", &[]).expect_status(204);
    assert_eq!(stored(&service, "a.iso"), b"hello");
    http::request("OPTIONS", &service.north("/uploads/"), &[], "").expect_status(204);
    assert_eq!(http::get(&service.north("/uploads/")).json(), json!([]));
}

#[test]
fn what_is_wrong_is_refused() {
    let service = Service::start(&json!({"maxFileSize": 5_000_000}));
    let post = |query: &str, headers: &[(&str, &str)]| {
        http::request("POST", &service.north(&format!("/uploads{query}")), headers, "")
    };
    let old = ("Tus-Resumable", "0.2.2");
    let answer = post("?name=a&size=5", &[old]);
    expect_problem(&service, &answer, 412, "1.0.0");
    assert_eq!(answer.header("Tus-Version"), Some("1.0.0"));
    expect_problem(&service, &post("?size=5", &[]), 400, "`name`");
    expect_problem(&service, &post("?name=../a&size=5", &[]), 400, "`name`");
    expect_problem(&service, &post("?name=a&size=5&store=attic", &[]), 400, "`store`");
    expect_problem(&service, &post("?name=a&size=0", &[]), 400, "empty");
    expect_problem(&service, &post("?name=a&size=x", &[]), 400, "`size`");
    expect_problem(&service, &post("?name=a&size=5000001", &[]), 413, "maxFileSize");
    expect_problem(&service, &post("?name=a", &[TUS]), 400, "Upload-Length");
    expect_problem(&service, &post("?name=a&size=5&sha256=00", &[]), 400, "`sha256`");
    assert!(unfinished(&service).is_empty());

    let upload = create(&service, "?name=a&size=5", &[]);
    let bare = |headers: &[(&str, &str)]| http::request("PATCH", &service.north(&upload), headers, "abcde");
    expect_problem(&service, &bare(&[PIECE, ("Upload-Offset", "0")]), 412, "1.0.0");
    expect_problem(&service, &bare(&[TUS, ("Upload-Offset", "0")]), 415, "offset+octet-stream");
    expect_problem(&service, &bare(&[TUS, PIECE]), 400, "Upload-Offset");
    for path in ["/uploads/none", "/uploads/..", "/uploads/a.part"] {
        assert_eq!(patch(&service, path, 0, b"abcde", &[]).status, 404, "{path}");
    }
    let ranged =
        |range: &str| http::request("PUT", &service.north(&upload), &[("Content-Range", range)], "abcde");
    expect_problem(&service, &ranged("bytes 0-3/5"), 400, "Content-Range");
    expect_problem(&service, &ranged("bytes 0-4/6"), 400, "5 bytes");
    expect_problem(&service, &ranged("bytes 1-5/*"), 409, "0 bytes");
    ranged("bytes 0-4/5").expect_status(200);
    assert_eq!(stored(&service, "a"), b"abcde");

    // The file of an image is not replaced, neither at the beginning nor at the end of an upload.
    service.upload_iso("used.iso", &images::installer());
    let late = create(&service, "?name=late.iso&size=5", &[]);
    service.register("n", "1", "isostore", "used.iso");
    expect_problem(&service, &post("?name=used.iso&size=5", &[]), 409, "used.iso");
    service.upload_iso("late.iso", &images::installer());
    service.register("n", "2", "isostore", "late.iso");
    expect_problem(&service, &patch(&service, &late, 0, b"abcde", &[]), 409, "late.iso");

    // Bytes with another digest than the announced one are discarded.
    let expected = format!("?name=digest&size=5&sha256={}", digest::of_bytes(b"other"));
    let upload = create(&service, &expected, &[]);
    expect_problem(&service, &patch(&service, &upload, 0, b"abcde", &[]), 422, "SHA-256");
    assert_eq!(http::request("HEAD", &service.north(&upload), &[TUS], "").status, 404);
    http::request("DELETE", &service.north(&late), &[TUS], "").expect_status(204);
    expect_problem(&service, &http::delete(&service.north(&late)), 404, "no such upload");
    assert!(!service.path("static/iso/digest").exists());
    let left = unfinished(&service);
    assert!(left.iter().all(|path| path.ends_with(".json")), "{left:?}");
}

#[test]
fn a_refused_body_removes_no_byte() {
    let service = Service::start(&json!({}));
    let upload = create(&service, "?name=a&size=6", &[]);
    patch(&service, &upload, 0, b"abc", &[]).expect_status(204);
    let put = |bytes: &str| http::put(&service.north(&upload), bytes);
    expect_problem(&service, &put("other"), 400, "6 bytes");
    expect_problem(&service, &put(""), 400, "6 bytes");
    assert_eq!(offset(&service, &upload), 3);
    put("ABCDEF").expect_status(200);
    assert_eq!(stored(&service, "a"), b"ABCDEF");
}

#[test]
fn a_checksum_takes_its_bytes_back() {
    let service = Service::start(&json!({}));
    let upload = create(&service, "?name=a.iso&size=10", &[]);
    patch(&service, &upload, 0, b"hello", &[("Upload-Checksum", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=")])
        .expect_status(204);
    for wrong in ["sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", "sha256 AAAA", "sha512 AAAA"] {
        let answer = patch(&service, &upload, 5, b"wrong", &[("Upload-Checksum", wrong)]);
        expect_problem(&service, &answer, 460, "checksum");
        assert_eq!(offset(&service, &upload), 5, "{wrong}");
    }
    let unknown = patch(&service, &upload, 5, b"world", &[("Upload-Checksum", "md5 AAAA")]);
    expect_problem(&service, &unknown, 400, "sha1");
    // An upload that breaks off cannot match its checksum.
    let mut broken = Connection::open(&service.north(""));
    let request = Request::new("PATCH", &upload).headers(&[
        TUS,
        PIECE,
        ("Upload-Offset", "5"),
        ("Content-Length", "5"),
        ("Upload-Checksum", "sha256 AAAA"),
    ]);
    broken.send(&request).unwrap();
    broken.write(b"wo").unwrap();
    drop(broken);
    assert_eq!(offset(&service, &upload), 5);
    patch(&service, &upload, 5, b"world", &[]).expect_status(204);
    assert_eq!(stored(&service, "a.iso"), b"helloworld");
}

#[test]
fn the_first_bytes_may_come_with_the_creation() {
    let service = Service::start(&json!({}));
    let headers = [TUS, PIECE, ("Upload-Length", "10")];
    let answer =
        http::request("POST", &service.north("/uploads?name=a.iso"), &headers, "hello").expect_status(201);
    assert_eq!(answer.header("Upload-Offset"), Some("5"));
    let upload = path_of(&answer);
    let method = ("X-HTTP-Method-Override", "PATCH");
    let headers = [TUS, PIECE, method, ("Upload-Offset", "5")];
    http::request("POST", &service.north(&upload), &headers, "world").expect_status(204);
    assert_eq!(stored(&service, "a.iso"), b"helloworld");
    let headers = [TUS, PIECE, ("Upload-Length", "10"), ("Upload-Checksum", "sha1 AAAA")];
    let answer = http::request("POST", &service.north("/uploads?name=c.iso"), &headers, "hello");
    expect_problem(&service, &answer, 460, "checksum");
    assert_eq!(http::get(&service.north("/uploads")).json(), json!([]), "no client knows its id");
    // The size may be sent later.
    let upload = create(&service, "?name=b.iso", &[TUS, ("Upload-Defer-Length", "1")]);
    patch(&service, &upload, 0, b"hello", &[]).expect_status(204);
    patch(&service, &upload, 5, b"world", &[("Upload-Length", "10")]).expect_status(204);
    assert_eq!(stored(&service, "b.iso"), b"helloworld");
}

#[test]
fn what_came_outlasts_broken_connections_restarts_and_crashes() {
    let mut service = Service::start(&json!({}));
    let body = images::pattern(2, 8_000_000);
    let query = format!("?name=a.iso&size={}&sha256={}", body.len(), digest::of_bytes(&body));
    let upload = create(&service, &query, &[]);
    let mut have = 0;
    for step in ["cut", "restart", "kill", "cut"] {
        let connection = begin(&service, &upload, have, body.len() - have, &body[have..have + 1_500_000]);
        let path = upload.rsplit('/').next().unwrap();
        let part = service.path(&format!("static/iso/.incoming/{path}.part"));
        eventually(Duration::from_secs(10), "the bytes", || {
            (fs::metadata(&part).unwrap().len() >= (have + 1_500_000) as u64).then_some(())
        });
        match step {
            "cut" => drop(connection),
            "restart" => service.restart(),
            _ => {
                // The last checkpoint is kept; there is one every two seconds.
                eventually(Duration::from_secs(10), "a note", || {
                    let list = http::get(&service.north("/uploads")).json();
                    (list[0]["offset"] == have + 1_500_000).then_some(())
                });
                service.kill9();
                service.spawn();
            }
        }
        have = offset(&service, &upload);
        assert!(have >= 1_500_000 && have % 1_500_000 == 0, "{step}: {have}");
    }
    assert_eq!(have, 6_000_000);
    patch(&service, &upload, have, &body[have..], &[]).expect_status(204);
    assert_eq!(digest::of_file(&service.path("static/iso/a.iso")), digest::of_bytes(&body));
    service.kill9();
    service.spawn();
    assert_eq!(offset(&service, &upload), body.len());
}

/// A whole file that is refused takes the place of no byte.
#[test]
fn what_came_outlasts_a_whole_file_that_is_too_large() {
    let service = Service::start(&json!({"maxFileSize": 1000}));
    let upload = create(&service, "?name=a.iso", &[TUS, ("Upload-Defer-Length", "1")]);
    patch(&service, &upload, 0, b"hello", &[]).expect_status(204);
    let refused = http::request("PUT", &service.north(&upload), &[], vec![7; 2000]);
    expect_problem(&service, &refused, 413, "1000");
    assert_eq!(offset(&service, &upload), 5);
    patch(&service, &upload, 5, b"world", &[("Upload-Length", "10")]).expect_status(204);
    assert_eq!(stored(&service, "a.iso"), b"helloworld");
}

#[test]
fn a_newer_request_takes_over() {
    let service = Service::start(&json!({}));
    let body = images::pattern(3, 4_000_000);
    let upload = create(&service, &format!("?name=a.iso&size={}", body.len()), &[]);
    // The connection hangs, unnoticed by the service.
    let _stale = begin(&service, &upload, 0, body.len(), &body[..1_000_000]);
    let have = eventually(Duration::from_secs(10), "the bytes", || {
        let list = http::get(&service.north("/uploads")).json();
        list[0]["offset"].as_u64().filter(|offset| *offset == 1_000_000)
    });
    assert_eq!(offset(&service, &upload), usize::try_from(have).unwrap());
    let _stale = begin(&service, &upload, 1_000_000, 3_000_000, &body[1_000_000..2_000_000]);
    let have = eventually(Duration::from_secs(10), "more bytes", || {
        let list = http::get(&service.north("/uploads")).json();
        list[0]["offset"].as_u64().filter(|offset| *offset == 2_000_000)
    });
    let have = usize::try_from(have).unwrap();
    patch(&service, &upload, have, &body[have..], &[]).expect_status(204);
    assert_eq!(stored(&service, "a.iso"), body);
    let upload = create(&service, "?name=b.iso&size=10", &[]);
    let _stale = begin(&service, &upload, 0, 10, b"abc");
    http::delete(&service.north(&upload)).expect_status(204);
    assert_eq!(http::get(&service.north("/uploads")).json(), json!([]));
}

#[test]
fn nobody_waits_for_ever_for_an_upload() {
    let mut service = Service::start(&json!({"uploadExpiry": 1500}));
    let upload = create(&service, "?name=a.iso&size=10", &[]);
    patch(&service, &upload, 0, b"hello", &[]).expect_status(204);
    service.restart();
    assert_eq!(offset(&service, &upload), 5);
    eventually(Duration::from_secs(10), "the end", || {
        (http::request("HEAD", &service.north(&upload), &[TUS], "").status == 404).then_some(())
    });
    expect_no_unfinished(&service);
}

#[test]
fn curl_goes_on_where_it_stopped() {
    let service = Service::start(&json!({}));
    let body = images::pattern(4, 5_000_000);
    fs::write(service.path("a.iso"), &body).unwrap();
    // The command of docs/uploads.md, over a connection that is cut every second.
    let page = include_str!("../../docs/uploads.md");
    let block = page.split("```sh resume\n").find(|block| block.contains("/uploads?name=big.iso")).unwrap();
    let script = block.split("```").next().unwrap().replace("localhost:7070", "$NORTH");
    let script = script.replace(" -C ", " --limit-rate 2M --max-time 1 -C ").replace("big.iso", "a.iso");
    let script = format!("set -u; curl() {{ echo >>calls; command curl \"$@\"; }}\n{script}");
    let north = service.north("");
    let output = Command::new("bash")
        .arg("-c")
        .arg(script)
        .env("NORTH", &north)
        .current_dir(service.path(""))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let calls = fs::read_to_string(service.path("calls")).unwrap().lines().count();
    assert!(calls > 4, "it was never cut");
    assert_eq!(stored(&service, "a.iso"), body);
    assert!(told.contains(&digest::of_bytes(&body)), "{told}");
}

#[test]
fn pages_of_allowed_origins_may_upload() {
    let service = Service::start(&json!({"corsOrigins": ["http://ui.example"]}));
    let origin = ("Origin", "http://ui.example");
    let asked = [origin, ("Access-Control-Request-Method", "PATCH")];
    let answer = http::request("OPTIONS", &service.north("/uploads/x"), &asked, "");
    assert!(
        answer.header("Access-Control-Allow-Methods").unwrap().contains("PATCH"),
        "{}",
        answer.head_text()
    );
    let answer = http::request("POST", &service.north("/uploads?name=a&size=5"), &[origin, TUS], "")
        .expect_status(201);
    let exposed = answer.header("Access-Control-Expose-Headers").unwrap().to_ascii_lowercase();
    assert!(exposed.contains("upload-offset") && exposed.contains("location"), "{exposed}");
}
