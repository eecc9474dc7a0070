//! The blocks of commands on all pages, run as they stand.

use super::pages::{PAGES, block, blocks};
use super::shell::Shell;
use harness::digest;
use harness::images::{installer, pattern};
use harness::source::Source;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin};
use harness::{Setup, http};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// The blocks that tests of this program run.
const RUN_HERE: [(&str, &str); 13] = [
    ("README.md", "register"),
    ("README.md", "stores"),
    ("README.md", "fetch"),
    ("README.md", "look"),
    ("README.md", "remove"),
    ("docs/booting.md", "image"),
    ("docs/booting.md", "loaders"),
    ("docs/configuration.md", "check"),
    ("docs/images.md", "download"),
    ("docs/operation.md", "watch"),
    ("docs/operation.md", "reload"),
    ("docs/uploads.md", "put"),
    ("docs/uploads.md", "digest"),
];

/// The blocks that others run, and what does.
const RUN_ELSEWHERE: [(&str, &str, &str); 9] = [
    ("README.md", "start", "./check is what runs this test"),
    ("docs/booting.md", "grub", "tests/boot/ways"),
    ("docs/operation.md", "install", "the step packaging"),
    ("docs/operation.md", "kills", "the step e2e, with fewer kills"),
    ("docs/performance.md", "inventory", "a minute, after a build for release"),
    ("docs/performance.md", "bench", "a quarter of an hour on an idle machine"),
    ("docs/performance.md", "bench-mtu", "minutes on an idle machine"),
    ("docs/performance.md", "ui", "the step ui"),
    ("docs/uploads.md", "resume", "a_broken_upload_is_resumed"),
];

#[test]
fn every_block_of_commands_is_run() {
    let mut known: BTreeSet<(String, String)> = BTreeSet::new();
    known.extend(RUN_HERE.map(|(page, name)| (page.to_owned(), name.to_owned())));
    known.extend(RUN_ELSEWHERE.map(|(page, name, _)| (page.to_owned(), name.to_owned())));
    let mut found = BTreeSet::new();
    for page in PAGES {
        for block in blocks(page) {
            match block.language.as_str() {
                "sh" => {
                    let new = found.insert((page.to_owned(), block.name.clone()));
                    assert!(new, "{page}: two {}", block.name);
                }
                // Run by `examples_print_what_the_readme_says`, whatever the page.
                "console" | "json" | "text" => {}
                // Run by `the_proxy_of_the_page_works`.
                "nginx" => {}
                other => panic!("{page}: no test knows blocks of {other}"),
            }
        }
    }
    assert_eq!(found, known);
}

#[test]
fn the_requests_of_the_readme_succeed() {
    let bytes = fs::read(installer()).unwrap();
    let shell = Shell::new().with("debian.iso", &bytes).with("vmlinuz", "a kernel");
    shell.origin.on("/debian-12.iso", Behaviour::Bytes(bytes));
    shell.run(&block("README.md", "register"));
    for version in ["12", "sent", "local", "stored"] {
        shell.service.wait_for_status("debian", version, |status| status == "OK");
    }
    shell.run(&block("README.md", "stores"));
    shell.run(&block("README.md", "fetch"));
    assert_eq!(fs::read(shell.path("head")).unwrap(), pattern(1, 300_000)[..512]);
    assert_eq!(fs::read(shell.path("vmlinuz")).unwrap(), b"a kernel");
    look(&shell, &block("README.md", "look"));
    shell.run(&block("README.md", "remove"));
    http::get(&shell.service.south("/debian/12/")).expect_status(404);
    http::get(&shell.service.south("/iso/debian-12.iso")).expect_status(404);
}

#[test]
fn the_requests_that_watch_a_service_succeed() {
    look(&Shell::new(), &block("docs/operation.md", "watch"));
}

#[test]
fn a_reload_tells_what_changed() {
    let told = Shell::new().run(&block("docs/operation.md", "reload"));
    assert_eq!(told, r#"{"changed":[],"needsRestart":[]}"#);
}

/// Runs requests one by one. The stream of events does not end by itself.
fn look(shell: &Shell, requests: &str) {
    for line in requests.lines() {
        if line.ends_with("/events") {
            let ran = shell.try_run(&format!("{line} --max-time 1"));
            let said = String::from_utf8(ran.stdout).unwrap();
            assert_eq!(ran.status.code(), Some(28), "{line}\n{said}");
            assert!(said.contains("event: hello"), "{said}");
        } else {
            assert!(!shell.run(line).is_empty(), "{line}");
        }
    }
}

#[test]
fn uploads_arrive_with_and_without_a_digest() {
    let bytes = pattern(5, 300_000);
    let shell = Shell::new().with("big.iso", fs::read(installer()).unwrap()).with("vmlinuz", &bytes);
    let said = shell.run(&block("docs/uploads.md", "put"));
    assert_eq!(said.matches("Upload finished!").count(), 2, "{said}");
    assert_eq!(http::get(&shell.service.south("/common/vmlinuz")).body, bytes);
    let command = block("docs/uploads.md", "digest");
    shell.run(&command);
    let wrong = shell.try_run(&command.replace("second.iso", "third.iso").replace("<big.iso", "<vmlinuz"));
    assert_eq!(wrong.status.code(), Some(22), "{wrong:?}");
    http::get(&shell.service.south("/iso/second.iso")).expect_status(200);
    http::get(&shell.service.south("/iso/third.iso")).expect_status(404);
}

#[test]
fn a_broken_upload_is_resumed() {
    let bytes = fs::read(installer()).unwrap();
    let shell = Shell::new().with("big.iso", &bytes);
    // The first attempt ends after a tenth of a second, at a rate that leaves most of the file.
    let first = "\
        attempts=$((${attempts:-0} + 1)); limit=; [ $attempts -gt 1 ] || limit='--limit-rate 500K --max-time 1'";
    let script = block("docs/uploads.md", "resume");
    let script = script.replace("    curl -sS -C", &format!("    {first}\n    curl $limit -sS -C"));
    let said = shell.run(&format!("{script}echo attempts $attempts"));
    assert!(said.ends_with("attempts 2\n"), "{said}");
    assert_eq!(http::get(&shell.service.south("/iso/big.iso")).expect_status(200).body, bytes);
}

#[test]
fn five_lines_download_watch_stop_go_on_and_verify() {
    let block = block("docs/images.md", "download");
    let lines: Vec<&str> = block.lines().collect();
    let [download, watch, cancel, retry, verify] = lines[..] else { panic!("five lines: {lines:?}") };
    let (service, origin) = (Setup::new().start(), Origin::start());
    let bytes = fs::read(installer()).unwrap();
    let half = Source::new(bytes.clone()).cut_after(bytes.len() / 2);
    origin.on("/linux.iso", Behaviour::Each(vec![Behaviour::Source(half), Behaviour::Silent]));
    let sums = format!("{}  linux.iso\n", digest::of_bytes(&bytes));
    origin.on("/SHA256SUMS", Behaviour::Bytes(sums.into_bytes()));
    let run = |line: &str, job: &str| {
        let api = service.north("");
        let (link, sums) = (origin.url("/linux.iso"), origin.url("/SHA256SUMS"));
        let script = format!("api={api} link={link} sums={sums} job={job}\n{line}");
        let ran = Command::new("bash").args(["-ec", &script]).output().unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    let job = run(&format!("{download}\nprintf %s $job"), "");
    assert_eq!(job.len(), 36, "{job}");
    eventually(Duration::from_secs(20), "the second request", || {
        let asked = origin.seen().iter().filter(|seen| seen.target == "/linux.iso").count();
        (asked == 2).then_some(())
    });
    let stopped = run(cancel, &job);
    assert!(stopped.contains("\"state\":\"cancelled\""), "{stopped}");
    origin.on("/linux.iso", Behaviour::Source(Source::new(bytes.clone())));
    // The stream has no end by itself.
    let watched = std::thread::scope(|scope| {
        let watching = scope.spawn(|| run(&watch.replace("curl ", "curl --max-time 5 "), &job));
        std::thread::sleep(Duration::from_millis(500));
        run(retry, &job);
        watching.join().unwrap()
    });
    assert!(watched.contains("event: job") && watched.contains("\"state\":\"done\""), "{watched}");
    let range = origin.seen().last().unwrap().headers.get("range").cloned();
    assert_eq!(range, Some(format!("bytes={}-", bytes.len() / 2)));
    let stored = run(verify, &job);
    assert!(stored.contains(&digest::of_bytes(&bytes)) && stored.contains("\"status\":\"OK\""), "{stored}");
}
