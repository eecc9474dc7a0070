//! What the program tells of itself: its counters, its transfers, and what the kernel knows of the process.

use super::wait::eventually;
use super::{Service, http};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::time::Duration;

/// A figure of `GET /metrics`, by its name without the prefix of the program, labels included.
#[track_caller]
pub fn figure(service: &Service, name: &str) -> u64 {
    figure_at(&service.north("/metrics"), name)
}

/// As `figure`, for a program that is known by the URL of its metrics.
#[track_caller]
pub fn figure_at(url: &str, name: &str) -> u64 {
    let text = http::get(url).expect_status(200).text();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("image_service_")?.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

/// Waits until a figure satisfies `wanted`, and returns it.
#[track_caller]
pub fn await_figure(service: &Service, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
    let mut last = 0;
    eventually(Duration::from_secs(20), name, || {
        last = figure(service, name);
        wanted(last).then_some(last)
    })
}

/// The transfers that run, the oldest first.
#[track_caller]
pub fn running(service: &Service) -> Vec<Value> {
    transfers(service, "running")
}

/// The transfers that ended lately, the last first.
#[track_caller]
pub fn recent(service: &Service) -> Vec<Value> {
    transfers(service, "recent")
}

#[track_caller]
fn transfers(service: &Service, which: &str) -> Vec<Value> {
    let all = http::get(&service.north("/transfers")).expect_status(200).json();
    all[which].as_array().unwrap_or_else(|| panic!("no {which} in {all}")).clone()
}

/// Open descriptors of a process.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The limit under which a process may open so many descriptors more. Those that it has need not have the lowest numbers.
pub fn limit_with_free(pid: u32, free: usize) -> u64 {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let number = |entry: fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
    let taken: HashSet<u64> = entries.map_while(Result::ok).filter_map(number).collect();
    (0..).filter(|number| !taken.contains(number)).nth(free).unwrap()
}

/// What the open descriptors of a process lead to.
pub fn open_files(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    // A descriptor may go while the folder is being read.
    let target = |entry: fs::DirEntry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned());
    entries.map_while(Result::ok).filter_map(target).collect()
}

/// Bytes of memory that a process has to itself; what it shares with files is not counted.
pub fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// How often the threads of a process have woken up by themselves or been woken.
pub fn wake_ups(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_thread = |thread: fs::DirEntry| {
        // A thread may end while the folder is being read.
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<u64>().ok()
    };
    threads.map_while(Result::ok).filter_map(of_thread).sum()
}

/// Whether a process that this one started has ended; it waits for somebody to ask for its status.
pub fn has_ended(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains("State:\tZ")
}
