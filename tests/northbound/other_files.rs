//! Files and bodies that people send by mistake, and names that change on their way: the answer says what it
//! is, and nothing is stored.

use harness::http;
use harness::problem::expect_problem;
use harness::remains::Remains;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::{Service, images};
use serde_json::json;
use std::fs;
use std::time::Duration;

/// Files that are no images, and the words that say so.
fn mistakes() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let installer = fs::read(images::installer()).unwrap();
    let with = |magic: &[u8]| [magic, &vec![0; 60_000]].concat();
    let disk = [&[0; 446][..], b"\x80\x01\x01\0\x83", &[0; 59], b"\x55\xaa", &vec![0; 60_000]].concat();
    vec![
        ("gzip", with(b"\x1f\x8b\x08\0"), "a gzip file"),
        ("xz", with(b"\xfd7zXZ\0"), "an xz file"),
        ("zstd", with(b"\x28\xb5\x2f\xfd"), "zstd"),
        ("zip", with(b"PK\x03\x04"), "a zip file"),
        ("qcow2", with(b"QFI\xfb\0\0\0\x03"), "a qcow2 disk"),
        ("vmdk", with(b"KDMV\x01\0\0\0"), "a VMDK disk"),
        ("disk", disk, "a raw disk image"),
        ("page", b"<!DOCTYPE html><title>Sign in</title>".to_vec(), "a web page"),
        ("short-zip", b"PK\x03\x04".to_vec(), "a zip file"),
        ("zeros", vec![0; installer.len()], "zeros"),
        ("empty", Vec::new(), "empty"),
    ]
}

#[test]
fn what_is_no_image_is_called_by_its_name() {
    let service = Service::start(&json!({}));
    let origin = Origin::start();
    for (kind, bytes, _) in mistakes() {
        service.write(&format!("elsewhere/{kind}.iso"), &bytes);
        service.write(&format!("static/iso/stored-{kind}.iso"), &bytes);
        origin.on(&format!("/{kind}.iso"), Behaviour::Bytes(bytes));
    }
    http::get(&service.north("/iso")).expect_status(200);
    let before = Remains::of(&service);
    for (kind, bytes, words) in mistakes() {
        let local = service.path(&format!("elsewhere/{kind}.iso")).to_str().unwrap().to_owned();
        let (stored, link) = (format!("stored-{kind}.iso"), origin.url(&format!("/{kind}.iso")));
        for (source, value) in [("isolocal", local), ("isostore", stored), ("isoweb", link)] {
            let answer = service.put_image(&[("name", "n"), ("version", "1"), (source, &value)]);
            let problem = expect_problem(&service, &answer, 422, words);
            assert_eq!(problem["parameter"], source, "{problem}");
        }
        let sent = http::put(&service.north("/images?name=n&version=1&isoclient=sent.iso"), bytes);
        assert!(matches!(sent.status, 400 | 422), "{kind}: {}", sent.head_text());
        expect_problem(&service, &sent, sent.status, words);
    }
    before.expect_again(&service, "files that are no images");
}

#[test]
fn a_form_is_refused_with_the_command_that_works() {
    let service = Service::start(&json!({}));
    let body = "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nbytes\r\n--x--\r\n";
    let upload = http::request("POST", &service.north("/uploads?name=a.iso&size=5"), &[], "");
    // Relative to the path of the request, so that it is right behind a proxy too.
    let upload = format!("/{}", upload.expect_status(201).header("Location").unwrap());
    let begun = Remains::of(&service);
    for form in ["multipart/form-data; boundary=x", "Multipart/Form-Data;boundary=x", "multipart/mixed"] {
        for (method, target, command) in [
            ("PUT", "/iso?name=x.iso", "/iso?name=x.iso'"),
            ("PUT", "/iso", "/iso?name=FILE'"),
            ("POST", "/iso?name=x.iso", "/iso?name=x.iso'"),
            ("PUT", "/microkernel?name=vmlinuz", "/microkernel?name=vmlinuz'"),
            ("PUT", "/images?name=n&version=1&isoclient=x.iso", "isoclient=x.iso'"),
            ("PUT", "/images", "isoclient=FILE'"),
            ("POST", "/uploads?name=x.iso&size=5", "URL"),
            ("PUT", &upload, &format!("{upload}'")),
        ] {
            let answer = http::request(method, &service.north(target), &[("Content-Type", form)], body);
            let problem = expect_problem(&service, &answer, 415, "curl -T FILE ");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(command), "{method} {target}: {detail}");
        }
    }
    begun.expect_again(&service, "forms");
    // The upload that a form was sent to goes on.
    http::put(&service.north(&upload), "bytes").expect_status(200);
    http::delete(&service.north("/iso?name=a.iso")).expect_status(200);
    let no_form = http::request("POST", &service.north("/iso?name=x.iso"), &[], body);
    expect_problem(&service, &no_form, 405, "PUT");
    // Other types say nothing about the bytes.
    for other in ["application/x-www-form-urlencoded", "text/html", "application/json"] {
        let url = service.north("/microkernel?name=kernel");
        http::request("PUT", &url, &[("Content-Type", other)], body).expect_status(200);
    }
}

#[test]
fn a_plus_in_a_query_never_changes_a_name() {
    let service = Service::start(&json!({}));
    let installer = fs::read(images::installer()).unwrap();
    let put = |query: &str| http::put(&service.north(&format!("/iso?{query}")), installer.clone());
    let names = || -> Vec<String> {
        let list = http::get(&service.north("/iso")).json();
        list.as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    };
    let refused = |method: &str, target: &str, parameter: &str| {
        let answer = http::request(method, &service.north(target), &[], "");
        let problem = expect_problem(&service, &answer, 400, "%2B");
        assert_eq!(problem["parameter"], parameter, "{method} {target}");
    };
    expect_problem(&service, &put("name=memtest86+x64.iso"), 400, "%2B");
    assert!(names().is_empty());
    put("name=memtest86%2Bx64.iso").expect_status(200);
    put("name=a%20b.iso").expect_status(200);
    put("name=g+(1).iso").expect_status(200);
    assert_eq!(names(), ["a b.iso", "g+(1).iso", "memtest86+x64.iso"]);
    for (method, target, parameter) in [
        ("DELETE", "/iso?name=memtest86+x64.iso", "name"),
        ("DELETE", "/images?name=a+b&version=1", "name"),
        ("PUT", "/images?name=m&version=1+2&isostore=x.iso", "version"),
        ("PUT", "/images?name=m&version=1&isostore=memtest86+x64.iso", "isostore"),
        ("PUT", "/images?name=m&version=1&isoclient=memtest86+x64.iso", "isoclient"),
        ("POST", "/uploads?name=a+b.iso&size=5", "name"),
        ("PUT", "/microkernel?name=a+b", "name"),
    ] {
        refused(method, target, parameter);
    }
    // A slash that is not escaped shows that the plus is one; an escaped one, that a form wrote a blank.
    let file = service.path("elsewhere/memtest86+x64.iso");
    service.write("elsewhere/memtest86+x64.iso", &installer);
    let typed = format!("/images?name=m&version=1&isolocal={}", file.to_str().unwrap());
    let gone = typed.replace("memtest86+x64", "g+h");
    let answer = http::request("PUT", &service.north(&gone), &[], "");
    expect_problem(&service, &answer, 404, "g+h.iso");
    http::delete(&service.north("/iso?name=memtest86%2Bx64.iso")).expect_status(200);
    http::request("PUT", &service.north(&typed), &[], "").expect_status(200);
    let form = format!("/images?name=a+b&version=1&isolocal={}", http::encode(file.to_str().unwrap()));
    let image = http::request("PUT", &service.north(&form), &[], "").expect_status(200).json();
    assert_eq!(image["name"], "a b");
    // A link is read as it was typed.
    let origin = Origin::start();
    origin.on("/memtest86+ia32.iso", Behaviour::Bytes(installer));
    let link = format!("/images?name=w&version=1&isoweb={}", origin.url("/memtest86+ia32.iso"));
    http::request("PUT", &service.north(&link), &[], "").expect_status(200);
    let found = eventually(Duration::from_secs(10), "the download", || {
        service.images(&[("name", "w"), ("status", "OK")]).pop()
    });
    assert_eq!(found["iso"], "memtest86+ia32.iso");
    // The words of statuses have blanks.
    http::get(&service.north("/images?status=downloading+iso")).expect_status(200);
}
