//! What the program reports about itself, its metrics and transfers, and what the kernel reports about the
//! process.

use super::wait::eventually;
use super::{Service, http};
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::time::Duration;

/// A value of `GET /metrics`, by its name without the program's prefix, labels included.
#[track_caller]
pub fn figure(service: &Service, name: &str) -> u64 {
    figure_at(&service.north("/metrics"), name)
}

/// As `figure`, from the URL of a program's metrics.
#[track_caller]
pub fn figure_at(url: &str, name: &str) -> u64 {
    let text = http::get(url).expect_status(200).text();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("image_service_")?.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

/// Waits until a value satisfies `wanted`, and returns it.
#[track_caller]
pub fn await_figure(service: &Service, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
    let mut last = 0;
    eventually(Duration::from_secs(20), name, || {
        last = figure(service, name);
        wanted(last).then_some(last)
    })
}

/// The running transfers, the oldest first.
#[track_caller]
pub fn running(service: &Service) -> Vec<Value> {
    transfers(service, "running")
}

/// The transfers that ended recently, the latest first.
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

/// The descriptor limit that leaves a process `free` more. Its open descriptors may have gaps between their
/// numbers.
pub fn limit_with_free(pid: u32, free: usize) -> u64 {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let number = |entry: fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
    let taken: HashSet<u64> = entries.map_while(Result::ok).filter_map(number).collect();
    (0..).filter(|number| !taken.contains(number)).nth(free).unwrap()
}

/// The targets of a process's open descriptors.
pub fn open_files(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    // A descriptor may be closed while the folder is read.
    let target = |entry: fs::DirEntry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned());
    entries.map_while(Result::ok).filter_map(target).collect()
}

/// Anonymous memory of a process in bytes; file mappings are not counted.
pub fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Voluntary context switches of all threads of a process: how often they have woken.
pub fn wake_ups(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_thread = |thread: fs::DirEntry| {
        // A thread may end while the folder is read.
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<u64>().ok()
    };
    threads.map_while(Result::ok).filter_map(of_thread).sum()
}

/// Whether a child of this process has ended and is a zombie.
pub fn has_ended(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains("State:\tZ")
}
