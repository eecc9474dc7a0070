//! `isoweb`: the sources of an ISO, the name of its file, and the outcome of every fault on the way.

use harness::answering::Answering;
use harness::disk::SmallDisk;
use harness::ftp::{FtpOrigin, Transfer};
use harness::http::{self, Response};
use harness::problem::{expect_discreet, expect_problem};
use harness::remains::{Remains, expect_no_unfinished};
use harness::service::query;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin, refusing_port};
use harness::{Service, Setup, digest, images};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The time limit until a registration answers that the download continues: "a few seconds".
const FEW_SECONDS: Duration = Duration::from_secs(6);

fn installer() -> Vec<u8> {
    fs::read(images::installer()).unwrap()
}

#[track_caller]
fn put(service: &Service, name: &str, url: &str, headers: &[(&str, &str)]) -> Response {
    let parameters = query(&[("name", name), ("version", "1"), ("isoweb", url)]);
    http::request("PUT", &service.north(&format!("/images?{parameters}")), headers, "")
}

/// Registers an image and checks name, record, bytes in the store and bytes in the tree.
#[track_caller]
fn expect_fetched(service: &Service, name: &str, url: &str, iso: &str) {
    let image = put(service, name, url, &[("Prefer", "wait=20")]).expect_status(200).json();
    assert_eq!((&image["status"], &image["iso"]), (&json!("OK"), &json!(iso)), "{url}: {image}");
    assert_eq!(image["source"], "web", "{image}");
    let stored = service.path("static/iso").join(iso);
    assert_eq!(digest::of_file(&stored), digest::of_bytes(&installer()), "{url}");
    let kernel = http::get(&service.south(&format!("/{name}/1/images/pxeboot/vmlinuz"))).expect_status(200);
    assert!(kernel.body == images::pattern(1, 300_000), "{url}");
    let listed = http::get(&service.north(&format!("/iso?name={}", http::encode(iso)))).json();
    assert_eq!(listed[0]["sha256"], digest::of_bytes(&installer()), "{url}");
    assert!(listed[0]["upload"].is_string(), "{listed}");
}

#[test]
fn isos_come_over_http_and_ftp_and_around_corners() {
    let service = Service::start(&json!({}));
    let (origin, second, ftp) = (Origin::start(), Origin::start(), FtpOrigin::start());
    let bytes = installer();
    origin.on("/plain/direct.iso", Behaviour::Bytes(bytes.clone()));
    second.on("/elsewhere/target.iso", Behaviour::Bytes(bytes.clone()));
    origin.on("/to-other.iso", Behaviour::Redirect(second.url("/elsewhere/target.iso")));
    origin.on("/to-path.iso", Behaviour::Redirect("/plain/direct.iso".to_owned()));
    origin.on("/chain-0.iso", Behaviour::Redirect("/chain-1".to_owned()));
    for step in 1..5 {
        origin.on(&format!("/chain-{step}"), Behaviour::Redirect(format!("/chain-{}", step + 1)));
    }
    origin.on("/chain-5", Behaviour::Redirect("plain/direct.iso".to_owned()));
    origin.on("/no-length.iso", Behaviour::WithoutLength(bytes.clone()));
    origin.on("/with space.iso", Behaviour::Bytes(bytes.clone()));
    origin.on("/with%20space.iso", Behaviour::Bytes(bytes.clone()));
    ftp.on("/pub/by-ftp.iso", Transfer::Whole(bytes.clone()));
    ftp.on("/a b/odd name.iso", Transfer::Whole(bytes));
    for (name, url, iso) in [
        ("direct", origin.url("/plain/direct.iso"), "direct.iso"),
        ("query", origin.url("/plain/direct.iso?token=1#part"), "direct.iso"),
        ("other-server", origin.url("/to-other.iso"), "target.iso"),
        ("other-path", origin.url("/to-path.iso"), "direct.iso"),
        ("chain", origin.url("/chain-0.iso"), "direct.iso"),
        ("no-length", origin.url("/no-length.iso"), "no-length.iso"),
        ("escaped", origin.url("/with%20space.iso"), "with space.iso"),
        ("ftp", ftp.url("/pub/by-ftp.iso"), "by-ftp.iso"),
        ("ftp-escaped", ftp.url("/a%20b/odd%20name.iso"), "odd name.iso"),
    ] {
        // Some of these share a name in the store, which the first keeps only as long as its image exists.
        expect_fetched(&service, name, &url, iso);
        http::delete(&service.north(&format!("/images?name={name}&version=1"))).expect_status(200);
    }
    for seen in origin.seen() {
        let encoding = seen.headers.get("accept-encoding").map(String::as_str);
        assert!(matches!(encoding, None | Some("identity")), "{seen:?}");
    }
    expect_no_unfinished(&service);
}

#[test]
fn every_permanent_and_temporary_redirect_is_followed() {
    let service = Service::start(&json!({}));
    let origin = Origin::start();
    for status in [
        "300 Multiple Choices",
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let code = &status[..3];
        origin.on(&format!("/{code}.iso"), Behaviour::Bytes(installer()));
        let target = origin.url(&format!("/{code}.iso"));
        let head = format!("HTTP/1.1 {status}\nLocation: {target}\nContent-Length: 0\nConnection: close");
        let corner = Answering::start(&head, b"");
        expect_fetched(&service, &format!("image-{code}"), &corner.url("/get"), &format!("{code}.iso"));
    }
}

#[test]
fn a_name_is_found_for_every_link() {
    let service = Service::start(&json!({}));
    let origin = Origin::start();
    let bytes = installer();
    for (name, path, disposition, iso) in [
        ("proposed", "/download", Some("attachment; filename=\"proposed name.iso\""), "proposed name.iso"),
        ("extended", "/get", Some("attachment; filename=x.iso; filename*=UTF-8''%C3%BCber.iso"), "über.iso"),
        ("hostile", "/hostile", Some("attachment; filename=\"../../../etc/evil.iso\""), "evil.iso"),
        ("unusable", "/unusable", Some("attachment; filename=\"..\""), "unusable"),
        ("segment", "/no-extension", None, "no-extension"),
        ("nothing", "/", None, "nothing-1.iso"),
        ("slash", "/folder/", None, "slash-1.iso"),
        ("link-wins", "/link.iso", Some("attachment; filename=other.iso"), "link.iso"),
        ("upper", "/UPPER.ISO", None, "UPPER.ISO"),
    ] {
        let behaviour = match disposition {
            Some(value) => Behaviour::Disposition(value.to_owned(), bytes.clone()),
            None => Behaviour::Bytes(bytes.clone()),
        };
        origin.on(path, behaviour);
        expect_fetched(&service, name, &origin.url(&format!("{path}?id=5")), iso);
    }
    assert_eq!(service.images(&[("status", "OK")]).len(), 9);
    for stray in ["static/etc/evil.iso", "static/evil.iso", "etc/evil.iso"] {
        assert!(!service.path(stray).exists(), "{stray}");
    }
}

/// A failing download: what the link is, the link, the possible statuses, and a part of the message.
type Case = (&'static str, String, &'static [u16], &'static str);

/// Scripts every fault of a web server and an FTP server with the installer `bytes`.
fn script_faults(origin: &Origin, ftp: &FtpOrigin, bytes: &[u8]) {
    let half = bytes[..bytes.len() / 2].to_vec();
    let declared = u64::try_from(bytes.len()).unwrap();
    origin.on("/forbidden.iso", Behaviour::Status(403));
    origin.on("/broken.iso", Behaviour::Status(500));
    origin.on("/empty.iso", Behaviour::Bytes(Vec::new()));
    origin.on("/nothing.iso", Behaviour::Status(204));
    origin.on("/loop.iso", Behaviour::Redirect("/loop.iso".to_owned()));
    origin.on("/circle-a.iso", Behaviour::Redirect("/circle-b.iso".to_owned()));
    origin.on("/circle-b.iso", Behaviour::Redirect("/circle-a.iso".to_owned()));
    origin.on("/to-file.iso", Behaviour::Redirect("file:///etc/passwd".to_owned()));
    origin.on("/to-closed.iso", Behaviour::Redirect(format!("http://127.0.0.1:{}/x.iso", refusing_port())));
    origin.on("/html.iso", Behaviour::Html);
    origin.on("/text.iso", Behaviour::Bytes(b"This is no ISO.\n".repeat(10_000)));
    origin.on("/short.iso", Behaviour::Short { declared, bytes: half.clone() });
    origin.on("/truncated.iso", Behaviour::Bytes(half));
    origin.on("/endless.iso", Behaviour::Endless);
    origin.on("/announced-endless.iso", Behaviour::Short { declared: 1 << 40, bytes: Vec::new() });
    origin.on("/silent.iso", Behaviour::Silent);
    origin.on("/stall.iso", Behaviour::Stall(bytes.to_vec()));
    ftp.on("/cut.iso", Transfer::Cut { bytes: bytes.to_vec(), after: bytes.len() / 2 });
    ftp.on("/text.iso", Transfer::Whole(b"This is no ISO.\n".repeat(10_000)));
}

/// Servers of answers that `Origin` cannot give.
struct Odd {
    gzip: Answering,
    part: Answering,
    garbage: Answering,
    endless_image: Answering,
    cut_chunks: Answering,
}

impl Odd {
    fn start(bytes: &[u8]) -> Self {
        let declared = bytes.len();
        let chunks = [format!("{declared:x}\r\n").as_bytes(), &bytes[..declared / 2]].concat();
        Self {
            gzip: Answering::start(
                &format!(
                    "HTTP/1.1 200 OK\nTransfer-Encoding: gzip\nContent-Length: {declared}\nConnection: close"
                ),
                bytes,
            ),
            part: Answering::start(
                &format!(
                    "HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-9/{declared}\nContent-Length: 10\nConnection: close"
                ),
                &bytes[..10],
            ),
            garbage: Answering::start("SSH-2.0-OpenSSH_9.2", b""),
            // An endless file with a valid beginning: only `maxFileSize` ends it.
            endless_image: Answering::start(
                "HTTP/1.1 200 OK\nConnection: close",
                &[bytes, &vec![0; 32 << 20]].concat(),
            ),
            cut_chunks: Answering::start(
                "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close",
                &chunks,
            ),
        }
    }
}

fn failing_cases(origin: &Origin, ftp: &FtpOrigin, odd: &Odd) -> Vec<Case> {
    vec![
        ("closed port", format!("http://127.0.0.1:{}/x.iso", refusing_port()), &[422], "connect"),
        ("unknown host", "http://no-such-host.invalid/x.iso".to_owned(), &[422], "connect"),
        ("closed ftp port", format!("ftp://127.0.0.1:{}/x.iso", refusing_port()), &[422], ""),
        ("404", origin.url("/missing.iso"), &[404], "404"),
        ("403", origin.url("/forbidden.iso"), &[422], "403"),
        ("500", origin.url("/broken.iso"), &[422], "500"),
        ("204", origin.url("/nothing.iso"), &[422], "204"),
        ("206 unasked", odd.part.url("/part.iso"), &[422], "206"),
        ("empty", origin.url("/empty.iso"), &[422], ""),
        ("loop", origin.url("/loop.iso"), &[422], "redirects"),
        ("circle", origin.url("/circle-a.iso"), &[422], "redirects"),
        ("redirect to a file", origin.url("/to-file.iso"), &[422], ""),
        ("redirect to a closed port", origin.url("/to-closed.iso"), &[422], "connect"),
        ("web page", origin.url("/html.iso"), &[422], "web page"),
        ("text", origin.url("/text.iso"), &[422], "not an ISO"),
        ("short body", origin.url("/short.iso"), &[422], ""),
        ("cut chunks", odd.cut_chunks.url("/chunks.iso"), &[422], ""),
        ("truncated image", origin.url("/truncated.iso"), &[422], "not an ISO"),
        ("endless zeros", origin.url("/endless.iso"), &[413, 422], ""),
        ("endless image", odd.endless_image.url("/image.iso"), &[413], "30000000"),
        ("announced too large", origin.url("/announced-endless.iso"), &[413], "30000000"),
        ("silence", origin.url("/silent.iso"), &[422], "too long"),
        ("stall", origin.url("/stall.iso"), &[422], "too long"),
        ("gzip", odd.gzip.url("/gzip.iso"), &[422], "encoded"),
        ("not http", odd.garbage.url("/x.iso"), &[422], ""),
        ("missing by ftp", ftp.url("/missing.iso"), &[404], "no such file"),
        ("cut by ftp", ftp.url("/cut.iso"), &[422], ""),
        ("text by ftp", ftp.url("/text.iso"), &[422], "not an ISO"),
    ]
}

#[test]
fn what_fails_while_the_request_waits_leaves_nothing() {
    let service = Service::start(
        &json!({"maxFileSize": 30_000_000, "downloadStallTimeout": 1500, "downloadRetries": 0}),
    );
    let bytes = installer();
    let (origin, ftp, odd) = (Origin::start(), FtpOrigin::start(), Odd::start(&bytes));
    script_faults(&origin, &ftp, &bytes);
    let before = Remains::of(&service);
    for (what, url, statuses, part) in failing_cases(&origin, &ftp, &odd) {
        let started = Instant::now();
        let answer = put(&service, "failing", &url, &[("Prefer", "wait=20")]);
        assert!(statuses.contains(&answer.status), "{what}: {} {}", answer.head_text(), answer.text());
        let problem = expect_problem(&service, &answer, answer.status, part);
        assert_eq!(problem["parameter"], "isoweb", "{what}");
        assert!(started.elapsed() < Duration::from_secs(15), "{what}: {:?}", started.elapsed());
        before.expect_again(&service, what);
    }
    // Afterwards the same name works at once.
    origin.on("/good.iso", Behaviour::Bytes(bytes));
    expect_fetched(&service, "failing", &origin.url("/good.iso"), "good.iso");
}

#[test]
fn what_fails_after_the_answer_is_an_error_that_stays_listed() {
    let service = Service::start(&json!({"downloadStallTimeout": 1000, "downloadRetries": 0}));
    let origin = Origin::start();
    let bytes = installer();
    origin.on("/stall.iso", Behaviour::Stall(bytes));
    origin.on("/html.iso", Behaviour::Html);
    let before = Remains::of(&service);
    for (name, path, reason) in [
        ("missing", "/missing.iso", "404"),
        ("stall", "/stall.iso", "too long"),
        ("html", "/html.iso", "web page"),
    ] {
        let image =
            put(&service, name, &origin.url(path), &[("Prefer", "respond-async")]).expect_status(200).json();
        assert_eq!(image["status"], "downloading iso", "{image}");
        let failed = service.wait_for_status(name, "1", |status| status.starts_with("error: "));
        assert_eq!(failed["id"], image["id"]);
        assert!(failed["status"].as_str().unwrap().contains(reason), "{failed}");
        assert!(failed["progress"].is_null(), "{failed}");
        expect_discreet(&service, &failed.to_string());
        assert_eq!(http::get(&service.south(&format!("/{name}/1/README"))).status, 404);
        assert_eq!(http::get(&service.north("/iso")).text(), "[]");
        // The record keeps its position in the list until it is deleted.
        let gone =
            http::delete(&service.north(&format!("/images?name={name}&version=1"))).expect_status(200).json();
        assert_eq!(gone["id"], image["id"]);
    }
    before.expect_again(&service, "failed downloads that were deleted");
}

#[test]
fn a_running_download_shows_how_far_it_is_and_can_be_stopped() {
    let service = Service::start(&json!({}));
    let origin = Origin::start();
    let bytes = installer();
    let total = bytes.len();
    origin
        .on("/slow.iso", Behaviour::Dribble { bytes, piece: total / 40, pause: Duration::from_millis(250) });
    let before = Remains::of(&service);
    let started = Instant::now();
    let image = put(&service, "slow", &origin.url("/slow.iso"), &[]).expect_status(200).json();
    assert!(started.elapsed() < FEW_SECONDS, "{:?}", started.elapsed());
    assert_eq!(image["status"], "downloading iso", "{image}");
    let listed = || service.images(&[("name", "slow")]).remove(0);
    let received = |image: &Value| image["progress"]["received"].as_u64().unwrap();
    let first = listed();
    assert_eq!(first["progress"]["total"], total, "{first}");
    let later = eventually(Duration::from_secs(10), "progress", || {
        let now = listed();
        (received(&now) > received(&first)).then_some(now)
    });
    assert_eq!(later["status"], "downloading iso");
    assert!(received(&later) < u64::try_from(total).unwrap(), "{later}");
    // Neither tree nor file is served before the file is complete.
    assert_eq!(http::get(&service.south("/slow/1/README")).status, 404);
    assert_eq!(http::get(&service.south("/slow/1/")).status, 404);
    assert_eq!(http::get(&service.south("/iso/slow.iso")).status, 404);
    assert_eq!(http::get(&service.north("/iso")).text(), "[]");
    // The file's future name is taken, and so is the image's.
    expect_problem(&service, &http::put(&service.north("/iso?name=slow.iso"), "x"), 409, "slow.iso");
    expect_problem(&service, &put(&service, "slow", &origin.url("/slow.iso"), &[]), 409, "slow 1");

    let started = Instant::now();
    let gone = http::delete(&service.north("/images?name=slow&version=1")).expect_status(200).json();
    assert_eq!(gone["id"], image["id"]);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    before.expect_again(&service, "a cancelled download");
    let sent = origin.seen().len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(origin.seen().len(), sent, "a cancelled download is not begun again");
    http::put(&service.north("/iso?name=slow.iso"), "the name is free").expect_status(200);
}

#[test]
fn downloads_wait_for_a_place_and_block_nobody() {
    let service = Service::start(&json!({"maxDownloads": 1, "downloadStallTimeout": 20_000}));
    let origin = Origin::start();
    origin.on("/silent.iso", Behaviour::Silent);
    origin.on("/good.iso", Behaviour::Bytes(installer()));
    let asynchronous = [("Prefer", "respond-async")];
    put(&service, "first", &origin.url("/silent.iso"), &asynchronous).expect_status(200);
    eventually(Duration::from_secs(5), "the first request", || (!origin.seen().is_empty()).then_some(()));
    let waiting = put(&service, "second", &origin.url("/good.iso"), &asynchronous).expect_status(200).json();
    assert_eq!(waiting["status"], "downloading iso");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(origin.seen().len(), 1, "one at a time");
    // A waiting download can be deleted, and all else goes on meanwhile.
    service.upload_iso("uploaded.iso", &images::installer());
    service.register("uploaded", "1", "isostore", "uploaded.iso");
    http::delete(&service.north("/images?name=first&version=1")).expect_status(200);
    service.wait_for_status("second", "1", |status| status == "OK");
}

#[test]
fn credentials_in_a_link_are_used_and_never_shown() {
    let service =
        Service::start(&json!({"minLogLevel": 0, "downloadStallTimeout": 1000, "downloadRetries": 0}));
    let (origin, ftp) = (Origin::start(), FtpOrigin::start());
    origin.on("/private.iso", Behaviour::Bytes(installer()));
    origin.on("/stall.iso", Behaviour::Stall(installer()));
    origin.on("/loop.iso", Behaviour::Redirect("/loop.iso".to_owned()));
    ftp.on("/private-ftp.iso", Transfer::Whole(installer()));
    let with_secret = |url: String| url.replacen("://", "://operator:s3cr3t%21@", 1);
    let mut answers = Vec::new();
    for (name, url) in [
        ("web", with_secret(origin.url("/private.iso"))),
        ("ftp", with_secret(ftp.url("/private-ftp.iso"))),
        ("missing", with_secret(origin.url("/missing.iso"))),
        ("stall", with_secret(origin.url("/stall.iso"))),
        ("loop", with_secret(origin.url("/loop.iso"))),
        ("closed", with_secret(format!("http://127.0.0.1:{}/x.iso", refusing_port()))),
        ("closed-ftp", with_secret(format!("ftp://127.0.0.1:{}/x.iso", refusing_port()))),
        ("missing-ftp", with_secret(ftp.url("/missing.iso"))),
        ("https", with_secret(format!("https://127.0.0.1:{}/x.iso", refusing_port()))),
    ] {
        answers.push(put(&service, name, &url, &[("Prefer", "wait=10")]).text());
        // The same in the background, where the reason becomes the image's status.
        if !matches!(name, "web" | "ftp") {
            put(&service, name, &url, &[("Prefer", "respond-async")]).expect_status(200);
            service.wait_for_status(name, "1", |status| status.starts_with("error: "));
        }
    }
    answers.push(http::get(&service.north("/images")).text());
    answers.push(http::get(&service.north("/iso")).text());
    answers.push(service.log());
    for answer in answers {
        for secret in ["s3cr3t", "operator", "b3BlcmF0b3I6czNjcjN0IQ"] {
            assert!(!answer.contains(secret), "{secret} is shown: {answer}");
        }
    }
    let sent = origin.seen().into_iter().find(|seen| seen.target == "/private.iso").unwrap();
    assert_eq!(sent.headers.get("authorization").map(String::as_str), Some("Basic b3BlcmF0b3I6czNjcjN0IQ=="));
    assert!(ftp.commands().contains(&"USER operator".to_owned()), "{:?}", ftp.commands());
    assert!(ftp.commands().contains(&"PASS s3cr3t!".to_owned()), "{:?}", ftp.commands());
    assert_eq!(service.images(&[("name", "web")])[0]["url"], origin.url("/private.iso"));
    // The inventory, which holds the links, is readable by its owner alone.
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(service.path("inventory.json")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn a_source_that_trickles_does_not_keep_others_waiting() {
    let service =
        Service::start(&json!({"maxDownloads": 1, "downloadStallTimeout": 1000, "downloadRetries": 0}));
    let origin = Origin::start();
    origin.on(
        "/trickle.iso",
        Behaviour::Dribble { bytes: installer(), piece: 1, pause: Duration::from_millis(50) },
    );
    origin.on("/good.iso", Behaviour::Bytes(installer()));
    let asynchronous = [("Prefer", "respond-async")];
    put(&service, "trickle", &origin.url("/trickle.iso"), &asynchronous).expect_status(200);
    put(&service, "good", &origin.url("/good.iso"), &asynchronous).expect_status(200);
    service.wait_for_status("good", "1", |status| status == "OK");
    let failed = service.wait_for_status("trickle", "1", |status| status.starts_with("error: "));
    assert!(failed["status"].as_str().unwrap().contains("slow"), "{failed}");
}

#[test]
fn a_download_that_does_not_fit_changes_nothing() {
    let setup = Setup::new();
    let disk = SmallDisk::mount(&setup.path("static/iso"), 8);
    let service = setup.start();
    let origin = Origin::start();
    let large = [installer(), vec![0; 16 << 20]].concat();
    origin.on("/announced.iso", Behaviour::Bytes(large.clone()));
    origin.on("/not-announced.iso", Behaviour::WithoutLength(large));
    origin.on("/fits.iso", Behaviour::Bytes(installer()));
    let before = Remains::of(&service);
    for path in ["/announced.iso", "/not-announced.iso"] {
        let answer = put(&service, "large", &origin.url(path), &[("Prefer", "wait=20")]);
        expect_problem(&service, &answer, 507, "space");
        before.expect_again(&service, path);
    }
    expect_fetched(&service, "fits", &origin.url("/fits.iso"), "fits.iso");
    drop(service);
    drop(disk);
}

/// `openssl s_server` with a certificate of its own, serving the files of a folder.
struct Https {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Https {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &[&str]| {
            let mut command = Command::new("openssl");
            command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
            command
        };
        let made = openssl(&[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
        ])
        .args(["-days", "2", "-subj", "/CN=localhost"])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .output()
        .unwrap_or_else(|error| panic!("cannot run openssl, package openssl: {error}"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::copy(images::installer(), folder.path().join("secure.iso")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = openssl(&["s_server", "-WWW", "-cert", "cert.pem", "-key", "key.pem"])
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("ACCEPT")), "openssl s_server accepts");
        // Its output must be read, or the server would stop at a full pipe.
        std::thread::spawn(move || lines.count());
        Self { process, folder, port }
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn https_is_used_with_certificates_that_the_system_trusts() {
    let server = Https::start();
    let url = format!("https://127.0.0.1:{}/secure.iso", server.port);
    let service = Service::start(&json!({}));
    let before = Remains::of(&service);
    let refused = put(&service, "untrusted", &url, &[("Prefer", "wait=10")]);
    expect_problem(&service, &refused, 422, "certificate");
    before.expect_again(&service, "an untrusted certificate");

    let certificate = server.folder.path().join("cert.pem");
    let trusting = Setup::new().env("SSL_CERT_FILE", certificate.to_str().unwrap()).start();
    expect_fetched(&trusting, "trusted", &url, "secure.iso");
}

#[test]
fn a_system_without_certificates_can_do_all_but_https() {
    let none = Setup::new().env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent").start();
    let origin = Origin::start();
    origin.on("/plain.iso", Behaviour::Bytes(installer()));
    expect_fetched(&none, "plain", &origin.url("/plain.iso"), "plain.iso");
    let closed = format!("https://127.0.0.1:{}/a.iso", refusing_port());
    expect_problem(&none, &put(&none, "secure", &closed, &[]), 422, "cannot connect");
}

/// The system's texts for errors end in a number, which helps no reader.
#[test]
fn a_refused_connection_is_told_in_words() {
    let service = Service::start(&json!({}));
    for scheme in ["http", "https", "ftp"] {
        let url = format!("{scheme}://127.0.0.1:{}/a.iso", refusing_port());
        let refused = put(&service, scheme, &url, &[]);
        expect_problem(&service, &refused, 422, "(the connection was refused)");
        assert!(!refused.text().contains("os error"), "{}", refused.text());
    }
}
