//! A sample of every kind of content that the southbound serves: a plain file, a whole ISO, a file inside an
//! ISO, and a file inside an ISO in several extents.

use super::http::{Connection, Request, Response};
use super::iso::{self, Maker};
use super::{Service, Setup, images};

/// A served path and its expected bytes.
pub struct Sample {
    /// Its path southbound.
    pub target: &'static str,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A service with a sample of every kind of content.
pub fn serve() -> (Service, Vec<Sample>) {
    let plain = images::pattern(5, 70_001);
    let setup = Setup::new().file("static/plain.bin", &plain);
    let fragmented = images::fragmented();
    std::fs::copy(&fragmented, setup.path("static/iso/fragmented.iso")).unwrap();
    iso::set_modified(&setup.path("static/plain.bin"));
    iso::set_modified(&setup.path("static/iso/fragmented.iso"));
    let service = setup.start();
    service.register("fragmented", "1", "isostore", "fragmented.iso");
    service.register("rock", "1", "isolocal", images::rock_ridge(Maker::Xorriso).to_str().unwrap());
    let samples = vec![
        Sample { target: "/plain.bin", content: plain },
        Sample { target: "/iso/fragmented.iso", content: std::fs::read(fragmented).unwrap() },
        Sample { target: "/rock/1/megabytes", content: images::pattern(14, 3_000_001) },
        Sample { target: "/fragmented/1/split.bin", content: images::fragmented_content() },
    ];
    (service, samples)
}

/// GET of a target with headers, on a connection that stays open.
#[track_caller]
pub fn ask(connection: &mut Connection, target: &str, headers: &[(&str, &str)]) -> Response {
    connection.exchange(&Request::new("GET", target).headers(headers)).unwrap()
}

/// Checks a single-part 206 for the bytes `first..=last`.
#[track_caller]
pub fn check_part(answer: &Response, content: &[u8], first: usize, last: usize) {
    assert_eq!(answer.status, 206, "{}", answer.head_text());
    let range = format!("bytes {first}-{last}/{}", content.len());
    assert_eq!(answer.header("Content-Range"), Some(range.as_str()));
    assert_eq!(answer.content_length(), Some(u64::try_from(last - first + 1).unwrap()));
    assert!(answer.body == content[first..=last], "the bytes of {range} differ");
}
