//! The README's examples, run as they are written: what they print must be what the README says, but for identifiers and times.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use harness::source::Source;
use harness::wait::eventually;
use harness::web::{Behaviour, Origin, closed_port};
use harness::{Setup, digest};
use std::process::Command;
use std::time::Duration;

/// A command of the README with the output that it shows.
#[derive(Default)]
struct Example {
    command: String,
    output: String,
}

#[test]
fn examples_print_what_the_readme_says() {
    let service = Setup::new().start();
    let authority = |url: String| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let ports = [
        ("localhost:7070", authority(service.north("/"))),
        ("localhost:9090", authority(service.south("/"))),
        ("8000", closed_port().to_string()),
    ];
    let examples = examples(include_str!("../README.md"));
    let registrations =
        examples.iter().filter(|example| example.command.contains("localhost:7070/images?")).count();
    assert_eq!(registrations, 5, "one example for each source, and one for the choice of a tree");
    for example in examples {
        let replace =
            |text: &str| ports.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let ran = Command::new("bash").args(["-ec", &replace(&example.command)]).output().unwrap();
        let printed = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success(), "{}\n{printed}", example.command);
        assert_eq!(steady(&printed), steady(&replace(&example.output)), "{}", example.command);
    }
}

#[test]
fn five_lines_download_watch_stop_go_on_and_verify() {
    let readme = include_str!("../README.md");
    let block = readme.split("```sh\n").find(|block| block.starts_with("job=$(")).unwrap();
    let lines: Vec<&str> = block.split("```").next().unwrap().lines().collect();
    let [download, watch, cancel, retry, verify] = lines[..] else { panic!("five lines: {lines:?}") };
    let (service, origin) = (Setup::new().start(), Origin::start());
    let bytes = std::fs::read(harness::images::installer()).unwrap();
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

/// All blocks marked `console`: lines that begin with `$ ` are commands, the others what they print.
fn examples(readme: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            examples.push(Example { command: command.to_owned(), output: String::new() });
        } else if inside {
            examples.last_mut().unwrap().output += &(line.to_owned() + "\n");
        }
    }
    examples
}

/// Puts a mark in place of what is different each time: identifiers, digests, times and the tags made of them.
fn steady(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once(": ") {
        Some((name @ ("Etag" | "Date" | "Last-Modified"), _)) => format!("{name}: #"),
        _ => line
            .split('"')
            .map(|part| if is_changing(part) { "#" } else { part })
            .collect::<Vec<_>>()
            .join("\""),
    });
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn is_changing(value: &str) -> bool {
    let dashes = value.matches('-').count();
    let is_identifier = value.len() == 36 && dashes == 4;
    let is_digest = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_time = value.len() == 24 && dashes == 2 && value.ends_with('Z');
    is_identifier || is_digest || is_time
}
