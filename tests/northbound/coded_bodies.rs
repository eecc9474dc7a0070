//! Bodies in a coded form are refused by every request that has a body, before a byte of it is read, and
//! nothing is stored.

use harness::http::{self, Connection, Request, Response};
use harness::problem::expect_problem;
use harness::remains::Remains;
use harness::{Service, digest};
use serde_json::json;
use std::fs;

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
const PIECE: (&str, &str) = ("Content-Type", "application/offset+octet-stream");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Begins an upload of five bytes and returns its path.
fn upload(service: &Service, name: &str) -> String {
    let url = service.north(&format!("/uploads?name={name}&size=5"));
    let begun = http::request("POST", &url, &[], "").expect_status(201);
    format!("/uploads/{}", begun.header("Location").unwrap().rsplit('/').next().unwrap())
}

/// Sends a head whose client waits for `100 Continue`, and returns the first answer.
fn ask(service: &Service, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
    let mut connection = Connection::open(&service.north(""));
    let request = Request::new(method, target).headers(fields).header("Expect", "100-continue");
    connection.send(&request).unwrap();
    let mut answer = connection.receive_head().unwrap();
    let length = answer.content_length().unwrap_or(0);
    answer.body = connection.read_some(usize::try_from(length).unwrap()).unwrap();
    answer
}

#[test]
fn every_coded_body_is_refused_and_nothing_is_stored() {
    let service = Service::start(&json!({}));
    let (patched, put) = (upload(&service, "patched.iso"), upload(&service, "put.iso"));
    let before = Remains::of(&service);
    let requests = [
        ("PUT", "/iso?name=a.iso", vec![]),
        ("PUT", "/microkernel?name=a", vec![]),
        ("PUT", "/images?name=a&version=1&isoclient=a.iso", vec![]),
        ("PUT", "/images", vec![JSON]),
        ("DELETE", "/images", vec![JSON]),
        ("DELETE", "/iso", vec![JSON]),
        ("POST", "/uploads?name=a.iso&size=5", vec![PIECE]),
        ("PATCH", &patched, vec![TUS, PIECE, ("Upload-Offset", "0")]),
        ("POST", &patched, vec![TUS, PIECE, ("Upload-Offset", "0"), ("X-HTTP-Method-Override", "PATCH")]),
        ("PUT", &put, vec![]),
    ];
    for (method, target, fields) in requests {
        for (coding, status) in [
            ([("Content-Encoding", "gzip"), ("Content-Length", "5")], 415),
            ([("Content-Encoding", "identity, br"), ("Transfer-Encoding", "chunked")], 415),
            ([("Transfer-Encoding", "gzip, chunked"), ("X-Other", "")], 501),
        ] {
            let answer = ask(&service, method, target, &[&fields[..], &coding[..]].concat());
            let part = if status == 415 { "Content-Encoding" } else { "Transfer-Encoding" };
            expect_problem(&service, &answer, status, part);
        }
    }
    before.expect_again(&service, "coded bodies");
}

#[test]
fn a_body_that_is_not_coded_is_taken_whatever_its_client_calls_that() {
    let service = Service::start(&json!({}));
    for (number, value) in ["identity", "Identity", "", "identity,identity"].into_iter().enumerate() {
        let fields = [("Content-Encoding", value), ("Accept", "application/json")];
        let url = service.north(&format!("/iso?name={number}.iso"));
        let stored = http::request("PUT", &url, &fields, "bytes").expect_status(200).json();
        assert_eq!(stored["sha256"], digest::of_bytes(b"bytes"), "{value}");
        let name = format!("u{number}.iso");
        let path = upload(&service, &name);
        http::request("PUT", &service.north(&path), &fields[..1], "bytes").expect_status(200);
        assert_eq!(fs::read(service.path("static/iso").join(name)).unwrap(), b"bytes");
    }
    // Without a body there is nothing to decode.
    let url = service.north("/images");
    http::request("GET", &url, &[("Content-Encoding", "gzip")], "").expect_status(200);
}
