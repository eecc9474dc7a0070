//! The process itself, under the names that all clients of Prometheus give it.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::exposition::Metric;

/// The metrics of this process. `started` is when it began: a sandbox may hide the time of the system's
/// start, from which it could be computed. What the system does not tell is left out.
pub(super) fn metrics(started: SystemTime) -> Vec<Metric> {
    let mut all = Vec::new();
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    all.push(Metric::gauge(
        "process_start_time_seconds",
        "Start of the process, in seconds since 1970.",
        started,
    ));
    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        all.extend(of_stat(&stat).unwrap_or_default());
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // The listing itself has one open.
        let open = entries.count().saturating_sub(1);
        all.push(Metric::gauge("process_open_fds", "Open file descriptors.", open as f64));
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current {
        all.push(Metric::gauge("process_max_fds", "The most open file descriptors.", limit as f64));
    }
    all
}

/// The fields of `/proc/self/stat` (proc_pid_stat(5)).
fn of_stat(stat: &str) -> Option<Vec<Metric>> {
    // The second field, the name of the program, may hold blanks and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // The first field of the rest is the third of all.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ticks = clock_ticks_per_second().max(1) as f64;
    let seconds = (number(14)? + number(15)?) as f64 / ticks;
    let resident = number(24)?.saturating_mul(page_size() as u64);
    Some(vec![
        Metric::counter("process_cpu_seconds_total", "Processor time used, in seconds.", seconds),
        Metric::gauge("process_threads", "Threads.", number(20)? as f64),
        Metric::gauge("process_virtual_memory_bytes", "Virtual memory.", number(23)? as f64),
        Metric::gauge("process_resident_memory_bytes", "Resident memory.", resident as f64),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_moves_no_field() {
        let stat = "7 (a) b (c) S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 11 0 99 4096000 10 0 0";
        let metrics = of_stat(stat).expect("all fields");
        let text: String = metrics.iter().map(ToString::to_string).collect();
        let seconds = 200.0 / clock_ticks_per_second() as f64;
        for line in [
            format!("process_cpu_seconds_total {seconds}"),
            "process_threads 11".into(),
            "process_virtual_memory_bytes 4096000".into(),
            format!("process_resident_memory_bytes {}", 10 * page_size()),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(of_stat("7 (a) S 1").is_none());
    }
}
