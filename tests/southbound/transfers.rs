//! During transfers: many clients at once, clients that stop reading, and files that change or vanish.

use harness::http::{self, Connection, Request};
use harness::{Setup, digest, images, iso};
use std::fs;
use std::time::{Duration, Instant};

const MEGABYTE: u64 = 1 << 20;

#[test]
fn many_clients_get_every_byte() {
    let service = Setup::new().start();
    service.register("linux", "1", "isolocal", images::installer().to_str().unwrap());
    let expected = digest::of_bytes(&images::pattern(2, 1_200_001));
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let mut connection = Connection::open(&service.south("/"));
                for _ in 0..5 {
                    let answer = connection.get("/linux/1/images/pxeboot/initrd.img").expect_status(200);
                    assert_eq!(digest::of_bytes(&answer.body), expected);
                }
            });
        }
    });
}

/// Three hundred machines that were switched off during their download must not keep the next from booting.
#[test]
fn clients_that_stop_reading_do_not_block_others() {
    let setup = Setup::new().file("static/plain", "plain\n");
    iso::sparse_file(&setup.path("static/big.bin"), 1024 * MEGABYTE, &[]);
    let service = setup.start();
    let stalled: Vec<Connection> = (0..300)
        .map(|_| {
            let mut connection = Connection::open(&service.south("/"));
            connection.send(&Request::new("GET", "/big.bin")).unwrap();
            connection
        })
        .collect();
    let idle: Vec<Connection> = (0..100).map(|_| Connection::open(&service.south("/"))).collect();
    let start = Instant::now();
    assert_eq!(http::get(&service.south("/plain")).expect_status(200).text(), "plain\n");
    http::get(&service.north("/images")).expect_status(200);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop((stalled, idle));
    http::get(&service.south("/plain")).expect_status(200);
}

/// The announced length is no longer there: the connection is cut off, so that the client notices.
#[test]
fn a_file_that_shrinks_under_a_download_cuts_it() {
    let setup = Setup::new();
    let path = setup.path("static/shrinks.bin");
    iso::sparse_file(&path, 512 * MEGABYTE, &[]);
    let service = setup.start();
    let mut connection = Connection::open(&service.south("/"));
    connection.send(&Request::new("GET", "/shrinks.bin")).unwrap();
    let head = connection.receive_head().unwrap();
    assert_eq!(head.content_length(), Some(512 * MEGABYTE));
    connection.read_some(1000).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(MEGABYTE).unwrap();
    // The end may be orderly or a reset; it must come early.
    if let Ok(rest) = connection.read_to_end() {
        assert!(u64::try_from(rest.len()).unwrap() < 511 * MEGABYTE, "{} bytes came", rest.len());
    }
    let answer = http::get(&service.south("/shrinks.bin")).expect_status(200);
    assert_eq!(answer.content_length(), Some(MEGABYTE));
}

/// A new microkernel replaces the old one by a rename: transfers of the old one complete.
#[test]
fn a_download_survives_the_replacement_of_its_file() {
    let setup = Setup::new();
    let path = setup.path("static/common/initrd");
    let length = 64 * MEGABYTE;
    iso::sparse_file(&path, length, &[(length - 5, b"old.\n")]);
    let service = setup.start();
    let mut connection = Connection::open(&service.south("/"));
    connection.send(&Request::new("GET", "/common/initrd")).unwrap();
    connection.receive_head().unwrap();
    connection.read_some(1000).unwrap();
    let answer = http::put(&service.north("/microkernel?name=initrd"), "new\n").expect_status(200);
    assert!(answer.text().contains("Upload finished!"), "{}", answer.text());
    assert_eq!(http::get(&service.south("/common/initrd")).expect_status(200).text(), "new\n");
    let rest = connection.read_some(usize::try_from(length - 1000).unwrap()).unwrap();
    assert!(rest.ends_with(b"old.\n"), "the download changed horses");
}

/// A deleted image is no longer served, but running transfers complete.
#[test]
fn a_download_survives_the_removal_of_its_image() {
    let service = Setup::new().start();
    service.register("many", "1", "isolocal", images::many_files().to_str().unwrap());
    let iso = fs::read(images::many_files()).unwrap();
    let url = service.south("/iso/");
    let name = images::many_files().file_name().unwrap().to_str().unwrap().to_owned();
    let mut connection = Connection::open(&url);
    connection.send(&Request::new("GET", &format!("/iso/{name}"))).unwrap();
    assert_eq!(
        connection.receive_head().unwrap().expect_status(200).content_length(),
        u64::try_from(iso.len()).ok()
    );
    http::delete(&service.north("/images?name=many&version=1")).expect_status(200);
    let body = connection.read_some(iso.len()).unwrap();
    assert!(body == iso, "the bytes differ");
    assert!(images::many_files().exists(), "a local ISO was deleted");
}

/// The body of a refused request must not be read as the next request.
#[test]
fn a_refused_body_does_not_disturb_the_connection() {
    let service = Setup::new().file("static/plain", "plain\n").start();
    let smuggled = "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000);
    let mut connection = Connection::open(&service.south("/"));
    connection.send(&Request::new("PUT", "/plain").body(smuggled)).unwrap();
    connection.receive("PUT").unwrap().expect_status(405);
    // The connection is either closed or ready for the next request.
    if connection.send(&Request::new("GET", "/missing")).is_ok()
        && let Ok(answer) = connection.receive("GET")
    {
        answer.expect_status(404);
    }
}
