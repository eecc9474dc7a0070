//! Many images: a start opens none of their ISOs, each is opened by its first request, and not all stay open.

use harness::figures::open_files;
use harness::http::{self, Connection};
use harness::images::{self, pattern};
use harness::wait::eventually;
use harness::{Service, Setup};
use serde_json::json;
use std::fs;
use std::time::Duration;

const IMAGES: usize = 60;

/// The number of trees that the tree cache holds, each counted as at least 64 KiB.
const KEPT: usize = 16;

fn open_isos(service: &Service) -> usize {
    open_files(service.pid()).iter().filter(|target| target.ends_with(".iso")).count()
}

#[test]
fn a_start_opens_no_iso_and_not_all_stay_open() {
    let setup = Setup::new().set("treeCacheBytes", json!(1 << 20));
    let first = setup.path("static/iso/0.iso");
    fs::copy(images::installer(), &first).unwrap();
    for number in 1..IMAGES {
        fs::hard_link(&first, setup.path(&format!("static/iso/{number}.iso"))).unwrap();
    }
    let mut service = setup.start();
    for number in 0..IMAGES {
        service.register("linux", &number.to_string(), "isostore", &format!("{number}.iso"));
    }
    eventually(Duration::from_secs(60), "all digests", || {
        let files = http::get(&service.north("/iso")).json();
        files.as_array().unwrap().iter().all(|file| !file["sha256"].is_null()).then_some(())
    });
    service.restart();
    assert!(service.start_lines().contains(&("images", "60 restored")), "{:?}", service.start_lines());
    assert_eq!(open_isos(&service), 0, "{:?}", open_files(service.pid()));
    assert_eq!(service.images(&[]).len(), IMAGES);
    assert_eq!(open_isos(&service), 0, "a list opens none either");
    for _ in 0..2 {
        let mut connection = Connection::open(&service.south("/"));
        for number in 0..IMAGES {
            let kernel =
                connection.get(&format!("/linux/{number}/images/pxeboot/vmlinuz")).expect_status(200);
            assert!(kernel.body == pattern(1, 300_000), "image {number}");
        }
        // A recently answered request keeps its file open for the next.
        let open = eventually(Duration::from_secs(10), "few open ISOs", || {
            Some(open_isos(&service)).filter(|open| *open <= KEPT)
        });
        assert!(open > 0, "those asked for last stay open");
    }
}
