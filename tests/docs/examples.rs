//! The examples that show what commands print: they must print it, but for identifiers, digests and times.

use super::pages::{PAGES, blocks};
use harness::Setup;
use harness::web::closed_port;
use std::process::Command;

/// A command of a page with the output that it shows.
#[derive(Default)]
struct Example {
    command: String,
    output: String,
}

#[test]
fn examples_print_what_the_readme_says() {
    let mut registrations = 0;
    for page in PAGES {
        let examples = examples(page);
        if examples.is_empty() {
            continue;
        }
        let service = Setup::new().start();
        let authority = |url: String| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let ports = [
            ("localhost:7070", authority(service.north("/"))),
            ("localhost:9090", authority(service.south("/"))),
            ("8000", closed_port().to_string()),
        ];
        registrations +=
            examples.iter().filter(|example| example.command.contains("localhost:7070/images?")).count();
        for example in examples {
            let replace =
                |text: &str| ports.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
            let ran = Command::new("bash").args(["-ec", &replace(&example.command)]).output().unwrap();
            let printed = String::from_utf8(ran.stdout).unwrap();
            assert!(ran.status.success(), "{page}: {}\n{printed}", example.command);
            assert_eq!(steady(&printed), steady(&replace(&example.output)), "{page}: {}", example.command);
        }
    }
    assert_eq!(registrations, 5, "one example for each source, and one for the choice of a tree");
}

/// All blocks marked `console`: lines that begin with `$ ` are commands, the others what they print.
fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in blocks(page).iter().filter(|block| block.language == "console") {
        for line in block.text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                examples.push(Example { command: command.to_owned(), output: String::new() });
            } else {
                examples.last_mut().unwrap().output += &(line.to_owned() + "\n");
            }
        }
    }
    examples
}

/// Replaces what differs each time: identifiers, digests, times and the tags made of them.
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
