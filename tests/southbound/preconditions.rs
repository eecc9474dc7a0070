//! Entity tags and preconditions, RFC 9110 §13, on plain files, whole ISOs and files inside ISOs.

use harness::http::{self, Connection, Request};
use harness::samples::{self, Sample, ask, check_part};
use harness::wait::eventually;
use harness::{Service, Setup, iso};
use std::time::{Duration, SystemTime};

const EARLIER: &str = "Sun, 02 Feb 2020 04:05:06 GMT";
const LATER: &str = "Tue, 04 Feb 2020 04:05:06 GMT";

/// The precedence of RFC 9110 §13.2.2: If-Match, else If-Unmodified-Since; If-None-Match, else
/// If-Modified-Since; then Range with If-Range. `TAG` stands for the current entity tag, `WEAK` for its weak
/// form.
const PRECONDITIONS: [(&[(&str, &str)], u16); 47] = [
    (&[("If-None-Match", "TAG")], 304),
    (&[("If-None-Match", "*")], 304),
    (&[("If-None-Match", "WEAK")], 304),
    (&[("If-None-Match", "\"a\", TAG, \"b\"")], 304),
    (&[("If-None-Match", "\"other\"")], 200),
    (&[("If-None-Match", "\"a\", \"b, c\"")], 200),
    (&[("If-Modified-Since", iso::MODIFIED_TEXT)], 304),
    (&[("If-Modified-Since", LATER)], 304),
    (&[("If-Modified-Since", EARLIER)], 200),
    (&[("If-Modified-Since", "yesterday")], 200),
    (&[("If-Modified-Since", "Monday, 03-Feb-20 04:05:06 GMT")], 304),
    (&[("If-Modified-Since", "Mon Feb  3 04:05:06 2020")], 304),
    (&[("If-None-Match", "\"other\""), ("If-Modified-Since", LATER)], 200),
    (&[("If-None-Match", "TAG"), ("If-Modified-Since", EARLIER)], 304),
    (&[("If-Match", "TAG")], 200),
    (&[("If-Match", "*")], 200),
    (&[("If-Match", "\"a\", TAG")], 200),
    (&[("If-Match", "\"other\"")], 412),
    (&[("If-Match", "WEAK")], 412),
    (&[("If-Unmodified-Since", iso::MODIFIED_TEXT)], 200),
    (&[("If-Unmodified-Since", LATER)], 200),
    (&[("If-Unmodified-Since", EARLIER)], 412),
    (&[("If-Unmodified-Since", "yesterday")], 200),
    (&[("If-Match", "TAG"), ("If-Unmodified-Since", EARLIER)], 200),
    (&[("If-Match", "\"other\""), ("If-Unmodified-Since", LATER)], 412),
    (&[("If-Match", "\"other\""), ("If-None-Match", "TAG")], 412),
    (&[("If-Match", "TAG"), ("If-None-Match", "TAG")], 304),
    (&[("If-Unmodified-Since", EARLIER), ("If-None-Match", "TAG")], 412),
    (&[("Range", "bytes=0-9"), ("If-Match", "TAG")], 206),
    (&[("Range", "bytes=0-9"), ("If-Match", "\"other\"")], 412),
    (&[("Range", "bytes=0-9"), ("If-None-Match", "TAG")], 304),
    (&[("Range", "bytes=0-9"), ("If-None-Match", "\"other\"")], 206),
    (&[("Range", "bytes=0-9"), ("If-Modified-Since", LATER)], 304),
    (&[("Range", "bytes=0-9"), ("If-Unmodified-Since", EARLIER)], 412),
    (&[("Range", "bytes=99999999999-"), ("If-Match", "\"other\"")], 412),
    (&[("Range", "bytes=99999999999-"), ("If-None-Match", "TAG")], 304),
    (&[("Range", "bytes=0-9"), ("If-Range", "TAG")], 206),
    (&[("Range", "bytes=0-9"), ("If-Range", "\"other\"")], 200),
    (&[("Range", "bytes=0-9"), ("If-Range", "WEAK")], 200),
    (&[("Range", "bytes=0-9"), ("If-Range", iso::MODIFIED_TEXT)], 206),
    (&[("Range", "bytes=0-9"), ("If-Range", LATER)], 200),
    (&[("Range", "bytes=0-9"), ("If-Range", EARLIER)], 200),
    (&[("Range", "bytes=0-9"), ("If-Range", "yesterday")], 200),
    (&[("Range", "bytes=99999999999-"), ("If-Range", "TAG")], 416),
    (&[("Range", "bytes=99999999999-"), ("If-Range", "\"other\"")], 200),
    (&[("Range", "nonsense"), ("If-Range", "TAG")], 200),
    (&[("If-Range", "\"other\"")], 200),
];

#[test]
fn preconditions_have_their_precedence() {
    let (service, samples) = samples::serve();
    let mut connection = Connection::open(&service.south("/"));
    for Sample { target, content } in &samples {
        let plain = connection.get(target).expect_status(200);
        let tag = plain.header("ETag").unwrap().to_owned();
        // The time of an ISO in the store is its file's; the others are made with the same time.
        assert_eq!(plain.header("Last-Modified"), Some(iso::MODIFIED_TEXT), "{target}");
        for (headers, status) in PRECONDITIONS {
            let headers: Vec<(&str, String)> = headers
                .iter()
                .map(|(name, value)| (*name, value.replace("TAG", &tag).replace("WEAK", &format!("W/{tag}"))))
                .collect();
            let borrowed: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = ask(&mut connection, target, &borrowed);
            assert_eq!(answer.status, status, "{target} with {headers:?}\n{}", answer.head_text());
            match status {
                200 => assert!(answer.body == *content, "{target} with {headers:?}"),
                206 => check_part(&answer, content, 0, 9),
                304 => {
                    assert_eq!(answer.header("ETag"), Some(tag.as_str()), "{target} with {headers:?}");
                    assert!(answer.body.is_empty());
                }
                _ => assert!(answer.body.len() < 200, "{target} with {headers:?}: {}", answer.text()),
            }
            if status != 416 && !(status == 206 && headers.iter().any(|(name, _)| *name == "If-Range")) {
                let head = connection.exchange(&Request::new("HEAD", target).headers(&borrowed)).unwrap();
                let expected = if status == 206 { 200 } else { status };
                assert_eq!(head.status, expected, "HEAD {target} with {headers:?}");
            }
        }
    }
}

#[test]
fn a_missing_file_stays_404_whatever_the_conditions() {
    let (service, _) = samples::serve();
    let conditions: [&[(&str, &str)]; 4] = [
        &[("If-None-Match", "*")],
        &[("If-Match", "*")],
        &[("Range", "bytes=0-9")],
        &[("If-Modified-Since", LATER)],
    ];
    for headers in conditions {
        http::get_with(&service.south("/missing"), headers).expect_status(404);
        http::get_with(&service.south("/rock/1/missing"), headers).expect_status(404);
    }
}

#[test]
fn entity_tags_are_strong_and_survive_a_restart() {
    let (mut service, samples) = samples::serve();
    let tags = |service: &Service| -> Vec<String> {
        let mut connection = Connection::open(&service.south("/"));
        let tag = |sample: &Sample| connection.get(sample.target).header("ETag").unwrap().to_owned();
        samples.iter().map(tag).collect()
    };
    let before = tags(&service);
    for tag in &before {
        assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        assert!(!tag[1..tag.len() - 1].contains('"'), "{tag}");
    }
    assert_eq!(tags(&service), before);
    service.restart();
    assert_eq!(tags(&service), before);
    service.kill9();
    service.spawn();
    assert_eq!(tags(&service), before);
    let mut unique = before.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), before.len(), "two files share a tag: {before:?}");
}

#[test]
fn the_entity_tag_follows_the_content() {
    let service = Setup::new().file("static/file.bin", "one").start();
    let url = service.south("/file.bin");
    let tag = || http::get(&url).expect_status(200).header("ETag").unwrap().to_owned();
    let first = tag();
    let path = service.path("static/file.bin");
    let change = |content: &str, seconds: u64| {
        std::fs::write(&path, content).unwrap();
        let time = SystemTime::now() + Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    };
    change("two", 0);
    let second = tag();
    assert_ne!(first, second, "same length, another time");
    change("longer", 5);
    let third = tag();
    assert_ne!(second, third);
    assert_eq!(
        http::get_with(&url, &[("Range", "bytes=0-1"), ("If-Range", &second)]).expect_status(200).text(),
        "longer"
    );
    std::fs::rename(service.path("static/file.bin"), service.path("static/other.bin")).unwrap();
    // A recently requested file may be answered from the cache for a moment.
    eventually(Duration::from_secs(1), "a 404", || (http::get(&url).status == 404).then_some(()));
}
