//! The southbound over HTTPS, on an endpoint beside plain HTTP: the same answers, in TLS 1.2 and 1.3. Bad
//! certificates are reported before anything is bound; renewed ones are loaded while the service runs.

use harness::curl::{self, Outcome};
use harness::http::{self, Connection};
use harness::wait::eventually;
use harness::{Service, Setup, images};
use serde_json::{Value, json};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// curl's options for each version of TLS.
const VERSIONS: [&[&str]; 2] = [&["--tls-max", "1.2"], &["--tlsv1.3"]];

/// Many TLS records, and not a multiple of their size.
const SIZE: usize = 3_000_017;

/// Makes a certificate of `name` and its key, `rsa` or `ec`, in a folder.
fn make_pair(folder: &Path, name: &str, algorithm: &str) {
    let key = match algorithm {
        "ec" => ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        _ => ["-newkey", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"],
    };
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.new", "-out", "cert.new"])
        .args(key)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("cannot run openssl, package openssl: {error}"));
    assert!(made.status.success(), "{made:?}");
    // As a renewal does: one file after the other, each by rename.
    for kind in ["cert", "key"] {
        fs::rename(folder.join(format!("{kind}.new")), folder.join(format!("{kind}.pem"))).unwrap();
    }
}

/// Northbound, southbound, and southbound again with these TLS settings.
fn endpoints(tls: &Value) -> Value {
    json!([
        { "address": "127.0.0.1", "port": 0, "routers": "northbound" },
        { "address": "127.0.0.1", "port": 0, "routers": "southbound" },
        { "address": "127.0.0.1", "port": 0, "routers": "southbound", "tls": tls },
    ])
}

fn setup(algorithm: &str) -> Setup {
    let setup = Setup::new()
        .set("httpEndpoints", endpoints(&json!({"certificate": "cert.pem", "key": "./key.pem"})))
        .file("static/plain.txt", "plain text\n")
        .file("static/big.bin", images::pattern(3, SIZE));
    make_pair(&setup.path(""), "first", algorithm);
    setup
}

/// The URL of a path on the endpoint with TLS.
fn secure(service: &Service, path: &str) -> String {
    let lines = service.start_lines();
    let line = lines.iter().find(|(label, url)| *label == "southbound" && url.starts_with("https://"));
    format!("{}{path}", line.expect("an HTTPS southbound").1.trim_end_matches('/'))
}

/// Host and port of the endpoint with TLS.
fn address(service: &Service) -> String {
    secure(service, "").trim_start_matches("https://").to_owned()
}

/// Runs curl, which trusts only the service's certificate.
#[track_caller]
fn trusting(service: &Service, arguments: &[&str]) -> Outcome {
    let certificate = service.path("cert.pem");
    curl::run(&[&["--cacert", certificate.to_str().unwrap()], arguments].concat())
}

#[track_caller]
fn expect_plain(service: &Service) {
    for version in VERSIONS {
        let answer = trusting(service, &[version, &[&secure(service, "/plain.txt")]].concat());
        assert_eq!((answer.code, answer.stdout.as_str()), (0, "plain text\n"), "{answer:?}");
    }
}

#[test]
fn files_arrive_whole_and_in_parts_with_either_version_and_either_kind_of_key() {
    for algorithm in ["rsa", "ec"] {
        let service = setup(algorithm).start();
        service.register("linux", "9", "isolocal", images::installer().to_str().unwrap());
        let bytes = images::pattern(3, SIZE);
        let out = service.path("out");
        let out = out.to_str().unwrap();
        for version in VERSIONS {
            let fetch = |path: &str, more: &[&str]| {
                let url = secure(&service, path);
                let fetched = trusting(&service, &[version, &["--fail", "-o", out, &url], more].concat());
                assert_eq!(fetched.code, 0, "{path} {more:?}: {}", fetched.stderr);
                fs::read(out).unwrap()
            };
            assert!(fetch("/big.bin", &[]) == bytes);
            assert!(fetch("/big.bin", &["-r", "100000-2099999"]) == bytes[100_000..2_100_000]);
            assert!(fetch("/big.bin", &["-r", "-5"]) == bytes[SIZE - 5..]);
            let parts = fetch("/big.bin", &["-r", "0-9,1000000-1000009"]);
            for part in [&bytes[..10], &bytes[1_000_000..1_000_010]] {
                assert!(parts.windows(10).any(|window| window == part), "{parts:?}");
            }
            let inside = "/linux/9/images/pxeboot/vmlinuz";
            let plain = http::get(&service.south(inside)).expect_status(200);
            assert!(fetch(inside, &[]) == plain.body, "not as over HTTP");
        }
    }
}

#[test]
fn heads_are_those_of_plain_http() {
    let service = setup("rsa").start();
    let head = |url: &str, more: &[&str]| {
        let answer = trusting(&service, &[&["--head", url], more].concat());
        assert_eq!(answer.code, 0, "{answer:?}");
        let is_date = |line: &&str| line.starts_with("Date: ");
        let lines = answer.stdout.lines().map(str::trim_end).filter(|line| !is_date(line));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for version in VERSIONS {
        let encrypted = head(&secure(&service, "/plain.txt"), version);
        assert_eq!(encrypted, head(&service.south("/plain.txt"), &[]));
        for line in ["HTTP/1.1 200 OK", "Content-Length: 11", "Accept-Ranges: bytes"] {
            assert!(encrypted.iter().any(|got| got == line), "no {line:?} in {encrypted:?}");
        }
    }
}

#[test]
fn a_connection_is_used_again_and_http_goes_on_beside_it() {
    let service = setup("rsa").start();
    let mut plain = Connection::open(&service.south("/"));
    plain.get("/plain.txt").expect_status(200);
    let url = secure(&service, "/plain.txt");
    for version in VERSIONS {
        let several = [&url, "-I", "--next", &url, "--next", &secure(&service, "/missing"), "--next", &url];
        let each = ["--http1.1", "-w", "[%{http_code} %{num_connects} %{http_version}]"];
        // Options before --next do not apply after it.
        let certificate = service.path("cert.pem");
        let options =
            [&["--cacert", certificate.to_str().unwrap(), "-o", "/dev/null"], version, &each].concat();
        let mut arguments = options.clone();
        for argument in several {
            arguments.push(argument);
            if argument == "--next" {
                arguments.extend(["--silent", "--noproxy", "*"]);
                arguments.extend(&options);
            }
        }
        let answer = curl::run(&arguments);
        assert_eq!(answer.stdout, "[200 1 1.1][200 0 1.1][404 0 1.1][200 0 1.1]", "{answer:?}");
    }
    plain.get("/plain.txt").expect_status(200);
}

#[test]
fn who_does_not_speak_tls_is_sent_away_and_harms_nobody() {
    let service = setup("rsa").start();
    let silent = TcpStream::connect(address(&service)).unwrap();
    for garbage in [b"GET /plain.txt HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(), &[0x16; 200], b"\r\n\r\n\r\n"] {
        let mut stream = TcpStream::connect(address(&service)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        // An alert has seven bytes.
        assert!(answer.len() <= 7, "{answer:?}");
    }
    expect_plain(&service);
    // Obsolete versions and ciphers are refused.
    let url = secure(&service, "/plain.txt");
    for old in [&["--tls-max", "1.1"] as &[&str], &["--tls-max", "1.2", "--ciphers", "AES128-SHA"]] {
        let answer = trusting(&service, &[old, &[&url]].concat());
        assert_eq!(answer.code, 35, "{old:?}: {answer:?}");
    }
    drop(silent);
}

/// The name in the certificate that the service presents.
fn shown(service: &Service) -> String {
    let answer = curl::run(&["-k", "-v", "-o", "/dev/null", &secure(service, "/plain.txt")]);
    let subject = answer.stderr.lines().find_map(|line| line.split_once("subject: CN="));
    subject.unwrap_or_else(|| panic!("no subject: {}", answer.stderr)).1.to_owned()
}

/// Not all firmware speaks TLS, so links for machines name the plain endpoint if there is one.
#[test]
fn machines_are_told_of_https_where_there_is_nothing_else() {
    let told = |service: &Service| {
        let about = http::get(&service.north("/about")).expect_status(200).json();
        about["southboundUrl"].as_str().unwrap().to_owned()
    };
    let list = endpoints(&json!({"certificate": "cert.pem", "key": "key.pem"}));
    let with =
        |order: &[usize]| Value::from(order.iter().map(|&index| list[index].clone()).collect::<Vec<_>>());
    let mut service = setup("ec").set("httpEndpoints", with(&[0, 2, 1])).start();
    let lines = service.start_lines();
    let plain = lines.iter().find(|(label, url)| *label == "southbound" && url.starts_with("http://"));
    assert_eq!(told(&service), plain.expect("a plain southbound").1);
    assert!(service.sigterm().success());
    service.reconfigure("httpEndpoints", with(&[0, 2]));
    service.spawn();
    assert_eq!(told(&service), secure(&service, "/"));
}

#[test]
fn a_renewed_certificate_is_taken_without_a_restart() {
    let limit = Duration::from_secs(30);
    let service = setup("rsa").start();
    assert_eq!(shown(&service), "first");
    // A transfer that began with the old certificate continues.
    let mut slow = Command::new("curl")
        .args(["-s", "-k", "--limit-rate", "500k", "--max-time", "60", "-o"])
        .arg(service.path("slow"))
        .arg(secure(&service, "/big.bin"))
        .spawn()
        .unwrap();
    make_pair(&service.path(""), "second", "ec");
    eventually(limit, "the second certificate", || (shown(&service) == "second").then_some(()));
    expect_plain(&service);
    // An unusable certificate is not loaded: the service keeps the current one, and logs that.
    fs::write(service.path("cert.pem"), "no certificate").unwrap();
    eventually(limit, "a word about the broken certificate", || {
        assert_eq!(shown(&service), "second");
        service.log().lines().find(|line| line.contains("cert.pem") && line.contains("stays")).map(drop)
    });
    make_pair(&service.path(""), "third", "rsa");
    eventually(limit, "the third certificate", || (shown(&service) == "third").then_some(()));
    assert!(slow.wait().unwrap().success());
    assert!(fs::read(service.path("slow")).unwrap() == images::pattern(3, SIZE));
}

#[test]
fn a_reload_takes_a_renewed_certificate_at_once() {
    let service = setup("ec").start();
    assert_eq!(shown(&service), "first");
    make_pair(&service.path(""), "second", "ec");
    http::request("POST", &service.north("/reload"), &[], "").expect_status(200);
    assert_eq!(shown(&service), "second");
}

#[test]
fn settings_that_cannot_work_are_told_with_key_and_value() {
    let cases: [(Value, &[&str]); 13] = [
        (json!(true), &["`tls` is true", "certificate, key"]),
        (json!({"certificate": "cert.pem"}), &["`tls` is", "cert.pem", "certificate, key"]),
        (json!({"certificate": "cert.pem", "key": "key.pem", "pin": 1}), &["unknown key `pin`"]),
        (
            json!({"certificate": "cert.pem", "key": "key.pem", "kernel": "no"}),
            &["`kernel` in `tls` is \"no\"", "false"],
        ),
        (json!({"certificate": 7, "key": "key.pem"}), &["`certificate` in `tls` is 7", "expected text"]),
        (
            json!({"certificate": "none.pem", "key": "key.pem"}),
            &["`certificate`", "none.pem", "No such file"],
        ),
        (json!({"certificate": "cert.pem", "key": "none.pem"}), &["`key`", "none.pem", "No such file"]),
        (json!({"certificate": "static", "key": "key.pem"}), &["`certificate`", "static", "not a file"]),
        (
            json!({"certificate": "key.pem", "key": "key.pem"}),
            &["`certificate`", "key.pem", "no certificate"],
        ),
        (json!({"certificate": "cert.pem", "key": "cert.pem"}), &["`key`", "cert.pem", "no private key"]),
        (json!({"certificate": "bad.pem", "key": "key.pem"}), &["`certificate`", "bad.pem"]),
        (
            json!({"certificate": "cert.pem", "key": "other/key.pem"}),
            &["`key`", "other/key.pem", "not that of"],
        ),
        (json!({"certificate": "cert.pem", "key": "static/key.pem"}), &["`key`", "static/key.pem", "served"]),
    ];
    for (tls, parts) in cases {
        let setup =
            setup("ec").file("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        fs::create_dir(setup.path("other")).unwrap();
        make_pair(&setup.path("other"), "other", "ec");
        fs::copy(setup.path("key.pem"), setup.path("static/key.pem")).unwrap();
        let failure = setup.set("httpEndpoints", endpoints(&tls)).try_start().err().expect("refused");
        assert_eq!(failure.status.code(), Some(2), "{tls}: {failure:?}");
        for part in parts.iter().chain([&"`httpEndpoints` is"]) {
            assert!(failure.stderr.contains(part), "{tls}: no {part:?} in {}", failure.stderr);
        }
        assert_eq!(failure.stderr.trim_end().lines().count(), 1, "{}", failure.stderr);
    }
}

#[test]
fn the_access_log_takes_no_place_of_a_key() {
    for (name, part) in [("key.pem", "is the `key`"), ("cert.pem", "is the `certificate`")] {
        let failure = setup("ec").set("accessLog", json!(name)).try_start().err().expect("refused");
        assert_eq!(failure.status.code(), Some(2), "{failure:?}");
        assert!(
            failure.stderr.contains("`accessLog`") && failure.stderr.contains(part),
            "{}",
            failure.stderr
        );
    }
}
