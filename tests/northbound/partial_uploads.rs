//! Requests that bring a part of a file by a protocol that is not spoken here, or no bytes at all. None of
//! them becomes a file, and each is told so.

use harness::http::{self, Response};
use harness::problem::expect_problem;
use harness::remains::Remains;
use harness::{Service, images};
use serde_json::json;

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

fn post(service: &Service, fields: &[(&str, &str)], body: &str) -> Response {
    http::request("POST", &service.north("/uploads?name=a.iso"), fields, body)
}

#[test]
fn a_part_is_not_taken_for_the_file() {
    let service = Service::start(&json!({}));
    let before = Remains::of(&service);
    for part in [
        // Drafts of the IETF for resumable uploads.
        ("Upload-Complete", "?0"),
        ("Upload-Incomplete", "?1"),
        ("Content-Range", "bytes 0-4/10"),
    ] {
        for (method, target) in [
            ("PUT", "/iso?name=a.iso"),
            ("PUT", "/microkernel?name=a"),
            ("PUT", "/images?name=n&version=1&isoclient=a.iso"),
            ("POST", "/uploads?name=a.iso&size=10"),
        ] {
            let fields = [part, ("Upload-Draft-Interop-Version", "6")];
            let answer = http::request(method, &service.north(target), &fields, "bytes");
            expect_problem(&service, &answer, 400, "a part of a file");
        }
    }
    // Concatenation of tus: each part would become a file.
    for concat in ["partial", "final;/uploads/a /uploads/b"] {
        let answer = post(&service, &[TUS, ("Upload-Length", "5"), ("Upload-Concat", concat)], "");
        expect_problem(&service, &answer, 400, "Upload-Concat");
    }
    before.expect_again(&service, "parts of files");
    let created = post(&service, &[TUS, ("Upload-Defer-Length", "1")], "").expect_status(201);
    let upload = service.north(&format!("/{}", created.header("Location").unwrap()));
    for part in [("Upload-Complete", "?0"), ("Upload-Incomplete", "?1")] {
        let answer = http::request("PUT", &upload, &[part], "bytes");
        expect_problem(&service, &answer, 400, "a part of a file");
    }
    http::delete(&upload).expect_status(204);
    let whole = [("Upload-Complete", "?1"), ("Upload-Draft-Interop-Version", "6")];
    let url = service.north("/iso?name=a.iso");
    http::request("PUT", &url, &whole, images::pattern(1, 5000)).expect_status(200);
}

#[test]
fn bytes_of_an_unknown_type_are_not_passed_over() {
    let service = Service::start(&json!({}));
    let before = Remains::of(&service);
    let length = ("Upload-Length", "5");
    for other in ["application/x-www-form-urlencoded", "application/octet-stream", "application/json"] {
        let answer = post(&service, &[TUS, length, ("Content-Type", other)], "bytes");
        expect_problem(&service, &answer, 415, "application/offset+octet-stream");
    }
    before.expect_again(&service, "bytes of an unknown type");
    post(&service, &[TUS, length, ("Content-Type", "application/json")], "").expect_status(201);
    let piece = ("Content-Type", "Application/Offset+Octet-Stream; charset=utf-8");
    let answer = post(&service, &[TUS, length, piece], "bytes").expect_status(201);
    assert_eq!(answer.header("Upload-Offset"), Some("5"));
}

#[test]
fn an_upload_without_bytes_is_told_so_by_its_status() {
    let service = Service::start(&json!({}));
    let before = Remains::of(&service);
    for (target, status) in [
        ("/iso?name=a.iso", 400),
        ("/microkernel?name=a", 400),
        ("/images?name=n&version=1&isoclient=a.iso", 422),
    ] {
        let mut connection = http::Connection::open(&service.north(""));
        let head = format!("PUT {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write(head.as_bytes()).unwrap();
        expect_problem(&service, &connection.receive("PUT").unwrap(), status, "empty");
        let mut connection = http::Connection::open(&service.north(""));
        connection.send(&http::Request::new("PUT", target).header("Transfer-Encoding", "chunked")).unwrap();
        connection.write(b"0\r\n\r\n").unwrap();
        expect_problem(&service, &connection.receive("PUT").unwrap(), status, "empty");
    }
    before.expect_again(&service, "uploads without bytes");
}
