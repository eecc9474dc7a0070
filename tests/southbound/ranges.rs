//! Ranges, RFC 9110 §14, on plain files, whole ISOs and files inside ISOs.

use harness::http::{self, Connection, Request, Response};
use harness::iso::{self, Maker};
use harness::samples::{self, Sample, ask, check_part};
use harness::{Setup, images};

#[test]
fn single_ranges() {
    let (service, samples) = samples::serve();
    let mut connection = Connection::open(&service.south("/"));
    for Sample { target, content } in &samples {
        let end = content.len() - 1;
        let cases = [
            ("bytes=0-0".to_owned(), 0, 0),
            ("bytes=0-".to_owned(), 0, end),
            ("bytes=1-1000".to_owned(), 1, 1000),
            (format!("bytes={end}-"), end, end),
            (format!("bytes={end}-{end}"), end, end),
            (format!("bytes=100-{}", end + 1), 100, end),
            ("bytes=100-18446744073709551615".to_owned(), 100, end),
            ("bytes=-1".to_owned(), end, end),
            ("bytes=-500".to_owned(), end - 499, end),
            (format!("bytes=-{}", content.len()), 0, end),
            (format!("bytes=-{}", content.len() * 2), 0, end),
            // Across the extents' borders of `split.bin`, at 6144 and 16384 bytes, and across sectors
            // elsewhere.
            ("bytes=6143-6144".to_owned(), 6143, 6144),
            ("bytes=6144-6144".to_owned(), 6144, 6144),
            ("bytes=6000-16500".to_owned(), 6000, 16500),
            ("bytes=16383-16384".to_owned(), 16383, 16384),
            ("bytes=16384-".to_owned(), 16384, end),
        ];
        for (range, first, last) in cases {
            let answer = ask(&mut connection, target, &[("Range", &range)]);
            check_part(&answer, content, first, last);
        }
        for first in (0..content.len()).step_by(content.len() / 40) {
            let last = (first + 4097).min(end);
            let answer = ask(&mut connection, target, &[("Range", &format!("bytes={first}-{last}"))]);
            check_part(&answer, content, first, last);
        }
    }
}

#[test]
fn unsatisfiable_ranges_are_416_with_the_length() {
    let (service, samples) = samples::serve();
    let mut connection = Connection::open(&service.south("/"));
    for Sample { target, content } in &samples {
        let length = content.len();
        let ranges = [
            format!("bytes={length}-"),
            format!("bytes={length}-{}", length + 10),
            "bytes=99999999999-".to_owned(),
            "bytes=18446744073709551615-".to_owned(),
            "bytes=-0".to_owned(),
            format!("bytes={length}-,{}-", length + 5),
        ];
        for range in ranges {
            let answer = ask(&mut connection, target, &[("Range", &range)]).expect_status(416);
            assert_eq!(
                answer.header("Content-Range"),
                Some(format!("bytes */{length}").as_str()),
                "{target} {range}"
            );
            assert!(answer.body.len() < 200, "{target} {range}: {}", answer.text());
            assert_eq!(answer.reason, "Range Not Satisfiable");
        }
    }
}

#[test]
fn ranges_that_are_not_understood_are_ignored() {
    let (service, samples) = samples::serve();
    let mut connection = Connection::open(&service.south("/"));
    for Sample { target, content } in &samples {
        for range in [
            "bytes=abc",
            "bytes=",
            "bytes=-",
            "bytes=9-5",
            "bytes=0-5,9-5",
            "bytes=0-5,x",
            "bytes=--5",
            "bytes=0x10-0x20",
            "bytes=u-u",
            "bytes=1-2-3",
            "bytes 0-5",
            "items=0-5",
            "0-5",
            "bytes=+1-+5",
            "bytes=1.5-3",
        ] {
            let answer = ask(&mut connection, target, &[("Range", range)]).expect_status(200);
            assert!(answer.body == *content, "{target} {range}");
            assert_eq!(answer.header("Content-Range"), None, "{target} {range}");
        }
    }
}

/// The parts of a multipart/byteranges body, RFC 9110 §14.6, as first byte, last byte and bytes.
#[track_caller]
fn parts(answer: &Response, length: usize) -> Vec<(usize, usize, Vec<u8>)> {
    assert_eq!(answer.status, 206, "{}", answer.head_text());
    assert_eq!(answer.header("Content-Range"), None, "it belongs into the parts");
    let kind = answer.header("Content-Type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap_or_else(|| panic!("{kind}"));
    let boundary = boundary.trim_matches('"');
    assert_eq!(answer.content_length(), Some(u64::try_from(answer.body.len()).unwrap()));
    let mut rest = answer.body.as_slice();
    let mut found = Vec::new();
    loop {
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        rest = rest.strip_prefix(format!("--{boundary}").as_bytes()).expect("a boundary");
        if rest.starts_with(b"--") {
            assert!(matches!(rest, b"--" | b"--\r\n"), "something follows the last boundary");
            return found;
        }
        rest = rest.strip_prefix(b"\r\n").expect("a line end after the boundary");
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").expect("the end of a part's head");
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        assert!(head.split("\r\n").any(|line| line.starts_with("Content-Type: ")), "{head}");
        let range = head.split("\r\n").find_map(|line| line.strip_prefix("Content-Range: bytes "));
        let (range, total) = range.unwrap_or_else(|| panic!("{head}")).split_once('/').unwrap();
        assert_eq!(total, length.to_string());
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let (bytes, after) = rest[end + 4..].split_at(last - first + 1);
        found.push((first, last, bytes.to_vec()));
        rest = after;
    }
}

#[test]
fn several_ranges_come_as_parts_in_the_order_asked() {
    let (service, samples) = samples::serve();
    let mut connection = Connection::open(&service.south("/"));
    for Sample { target, content } in &samples {
        let length = content.len();
        let spread: Vec<(usize, usize)> = (0..256).map(|index| (index * 60, index * 60 + 20)).collect();
        let cases: [Vec<(usize, usize)>; 5] = [
            vec![(0, 99), (5000, 5099)],
            vec![(5000, 5099), (0, 99)],
            vec![(6100, 6200), (16300, 16500), (0, 0), (length - 1, length - 1)],
            spread.clone(),
            spread.into_iter().rev().collect(),
        ];
        for wanted in cases {
            let list: Vec<String> = wanted.iter().map(|(first, last)| format!("{first}-{last}")).collect();
            let range = format!("bytes={}", list.join(","));
            let answer = ask(&mut connection, target, &[("Range", &range)]);
            let found = parts(&answer, length);
            let order: Vec<(usize, usize)> = found.iter().map(|(first, last, _)| (*first, *last)).collect();
            assert_eq!(order, wanted, "{target}");
            for (first, last, bytes) in found {
                assert!(bytes == content[first..=last], "{target}: the bytes of {first}-{last} differ");
            }
        }
        // White space around the commas and empty elements are legal, RFC 9110 §5.6.1. Ranges beyond the end
        // are omitted.
        let range = format!("bytes=0-4 , , 10-14,{length}-,-3");
        let answer = ask(&mut connection, target, &[("Range", &range)]);
        let order: Vec<(usize, usize)> =
            parts(&answer, length).iter().map(|(first, last, _)| (*first, *last)).collect();
        assert_eq!(order, [(0, 4), (10, 14), (length - 3, length - 1)], "{target}");
    }
}

/// Overlapping ranges may be joined, but every requested byte must arrive, at its offset.
#[test]
fn overlapping_ranges_lose_nothing() {
    let (service, samples) = samples::serve();
    let mut connection = Connection::open(&service.south("/"));
    for Sample { target, content } in &samples {
        for range in ["bytes=0-99,50-149", "bytes=100-199,0-149,120-300", "bytes=0-,0-,0-9"] {
            let answer = ask(&mut connection, target, &[("Range", range)]);
            let found = match answer.status {
                200 => vec![(0, content.len() - 1, answer.body.clone())],
                _ if answer.header("Content-Range").is_some() => {
                    let text = answer.header("Content-Range").unwrap();
                    let (first, rest) = text.strip_prefix("bytes ").unwrap().split_once('-').unwrap();
                    let last = rest.split('/').next().unwrap();
                    vec![(first.parse().unwrap(), last.parse().unwrap(), answer.body.clone())]
                }
                _ => parts(&answer, content.len()),
            };
            let mut covered = vec![false; content.len()];
            for (first, last, bytes) in found {
                assert!(bytes == content[first..=last], "{target} {range}: {first}-{last} differ");
                covered[first..=last].fill(true);
            }
            assert!(covered[..100].iter().all(|&covered| covered), "{target} {range}");
        }
    }
}

/// An endless list of ranges costs no memory and does no harm.
#[test]
fn thousands_of_ranges_are_bounded() {
    let (service, samples) = samples::serve();
    let Sample { target, content } = &samples[2];
    let range = format!("bytes={}", vec!["0-"; 2500].join(","));
    let mut connection = Connection::open(&service.south("/"));
    if connection.send(&Request::new("GET", target).header("Range", &range)).is_ok()
        && let Ok(answer) = connection.receive_head()
    {
        assert!(matches!(answer.status, 200 | 206 | 400 | 416 | 431), "{}", answer.head_text());
        let limit = u64::try_from(content.len()).unwrap() * 3;
        assert!(answer.content_length().unwrap() < limit, "{}", answer.head_text());
    }
    http::get(&service.south("/plain.bin")).expect_status(200);
}

/// 32-bit iPXE prints offsets beyond 2 GiB as negative numbers.
#[test]
fn ipxe_ranges_of_signed_32_bits_are_understood() {
    const LENGTH: u64 = 3 << 30;
    let content = images::pattern(9, 20_000);
    let (high, border) = (2_754_093_056, (1 << 31) - 1024);
    let setup = Setup::new();
    iso::sparse_file(&setup.path("static/disc.iso"), LENGTH, &[(border, &content), (high, &content)]);
    iso::sparse_file(&setup.path("static/iso/disc.iso"), LENGTH, &[(border, &content), (high, &content)]);
    let service = setup.start();
    let mut connection = Connection::open(&service.south("/"));
    // The range as iPXE prints it, the first byte it means, and that byte's offset in `content`.
    let cases = [
        ("bytes=-1540874240--1540857857", high, 16384, 0),
        ("bytes=-1540873728--1540873217", high + 512, 512, 512),
        ("bytes=2147483136--2147483137", border + 512, 1024, 512),
        ("bytes=2147482624-2147483135", border, 512, 0),
    ];
    for target in ["/disc.iso", "/iso/disc.iso"] {
        for (range, first, length, offset) in cases {
            let answer = ask(&mut connection, target, &[("Range", range)]).expect_status(206);
            let last = first + u64::try_from(length).unwrap() - 1;
            let expected = format!("bytes {first}-{last}/{LENGTH}");
            assert_eq!(answer.header("Content-Range"), Some(expected.as_str()), "{target} {range}");
            assert!(answer.body == content[offset..][..length], "{target} {range}");
        }
        let suffix = ask(&mut connection, target, &[("Range", "bytes=-512")]).expect_status(206);
        let expected = format!("bytes {}-{}/{LENGTH}", LENGTH - 512, LENGTH - 1);
        assert_eq!(suffix.header("Content-Range"), Some(expected.as_str()), "{target}");
    }
}

#[test]
fn head_ignores_ranges() {
    let (service, samples) = samples::serve();
    let mut connection = Connection::open(&service.south("/"));
    for Sample { target, content } in &samples {
        for range in ["bytes=0-9", "bytes=0-1,5-6", "bytes=99999999999-"] {
            let request = Request::new("HEAD", target).header("Range", range);
            let answer = connection.exchange(&request).unwrap().expect_status(200);
            assert_eq!(
                answer.content_length(),
                Some(u64::try_from(content.len()).unwrap()),
                "{target} {range}"
            );
            assert_eq!(answer.header("Content-Range"), None, "{target} {range}");
        }
    }
}

#[test]
fn empty_files_have_no_ranges() {
    let setup = Setup::new().file("static/empty.bin", "");
    let service = setup.start();
    service.register("rock", "1", "isolocal", images::rock_ridge(Maker::Xorriso).to_str().unwrap());
    for target in ["/empty.bin", "/rock/1/empty"] {
        let url = service.south(target);
        let answer = http::get_with(&url, &[("Range", "bytes=0-")]).expect_status(416);
        assert_eq!(answer.header("Content-Range"), Some("bytes */0"), "{target}");
        assert_eq!(http::get(&url).expect_status(200).content_length(), Some(0), "{target}");
    }
}

/// Two images of equal bytes may have different tags; the same file in one image has one tag.
#[test]
fn parts_carry_the_tag_and_time_of_the_whole() {
    let (service, samples) = samples::serve();
    let mut connection = Connection::open(&service.south("/"));
    for Sample { target, .. } in &samples {
        let whole = connection.get(target).expect_status(200);
        for range in ["bytes=0-9", "bytes=0-9,20-29"] {
            let part = ask(&mut connection, target, &[("Range", range)]).expect_status(206);
            for name in ["ETag", "Last-Modified", "Accept-Ranges"] {
                assert_eq!(part.header(name), whole.header(name), "{target} {range}: {name}");
            }
        }
    }
}
