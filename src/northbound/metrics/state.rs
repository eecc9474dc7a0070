//! What the program has: stores, images, jobs and unfinished files. The inventory in memory has most of it.
//! Disks are asked for their space and for the ISOs of images, which may have gone; no folder is listed.

use std::collections::BTreeMap;
use std::time::Duration;

use blobs::FileSystem;
use futures_util::future::join_all;
use images::Snapshot;
use model::image::Status;
use model::stored_file::StoreKind;
use model::unfinished_file::Owner;

use super::exposition::Metric;
use crate::northbound::api::Northbound;

/// The longest time to wait for the disks. Figures without an answer are left out.
const DISK_TIMEOUT: Duration = Duration::from_secs(2);

const STORES: [(StoreKind, &str); 2] = [(StoreKind::Iso, "iso"), (StoreKind::Microkernel, "microkernel")];

/// The states that jobs may have, so that a state without jobs is 0 and not missing.
const STATES: [&str; 6] = ["queued", "running", "waiting", "done", "failed", "cancelled"];

pub(super) async fn metrics(api: &Northbound) -> Vec<Metric> {
    let snapshot = api.catalog.snapshot();
    let statuses = tokio::time::timeout(DISK_TIMEOUT, api.catalog.images.statuses());
    // All disks are asked at once, so the answer waits for one time limit and not for their sum.
    let (disks, statuses) = tokio::join!(disks(api), statuses);
    let mut all = of_files(&snapshot);
    all.extend(of_disks(&disks));
    if let Ok(Ok(statuses)) = statuses {
        all.push(of_images(&statuses));
    }
    all.push(of_jobs(api));
    all.extend(of_unfinished(api));
    all
}

fn of_files(snapshot: &Snapshot) -> Vec<Metric> {
    let mut files =
        Metric::new("image_service_store_files", "gauge", "Files of a store that the inventory knows.");
    let mut bytes = Metric::new("image_service_store_bytes", "gauge", "Bytes of these files.");
    for (kind, name) in STORES {
        let stored = || snapshot.files(kind).filter(|file| file.local.is_none());
        files = files.with(&[("store", name)], stored().count() as f64);
        let sum: u64 = stored().map(|file| file.identity.size).sum();
        bytes = bytes.with(&[("store", name)], sum as f64);
    }
    vec![files, bytes]
}

/// The file systems of the stores whose disks answer.
async fn disks(api: &Northbound) -> Vec<(&'static str, FileSystem)> {
    let ask = STORES.map(|(kind, name)| async move {
        let disk = tokio::time::timeout(DISK_TIMEOUT, api.catalog.files.disk_space(kind)).await;
        disk.ok()?.ok().map(|disk| (name, disk))
    });
    join_all(ask).await.into_iter().flatten().collect()
}

fn of_disks(disks: &[(&str, FileSystem)]) -> Vec<Metric> {
    let gauge = |name, help, value: fn(&FileSystem) -> u64| {
        let mut metric = Metric::new(name, "gauge", help);
        for (name, disk) in disks {
            metric = metric.with(&[("store", name)], value(disk) as f64);
        }
        metric
    };
    vec![
        gauge("image_service_store_size_bytes", "Size of a store's file system.", |disk| disk.total),
        gauge("image_service_store_free_bytes", "Free bytes of a store's file system.", |disk| disk.free),
        gauge("image_service_store_reserved_bytes", "Bytes of these that stay free.", |disk| disk.reserve),
        gauge(
            "image_service_store_promised_bytes",
            "Bytes of these that files on their way will need.",
            |disk| disk.promised,
        ),
    ]
}

fn of_images(statuses: &[Status]) -> Metric {
    let mut counts =
        BTreeMap::from(["downloading", "preparing", "ok", "error"].map(|status| (status, 0_u64)));
    for status in statuses {
        let status = match status {
            Status::Downloading => "downloading",
            Status::Preparing => "preparing",
            Status::Ok => "ok",
            Status::Error(_) => "error",
        };
        *counts.entry(status).or_default() += 1;
    }
    let metric = Metric::new("image_service_images", "gauge", "Images, by status.");
    counts
        .into_iter()
        .fold(metric, |metric, (status, count)| metric.with(&[("status", status)], count as f64))
}

fn of_jobs(api: &Northbound) -> Metric {
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for shown in api.jobs.all() {
        let kind = shown.job.work.kind.clone();
        for state in STATES {
            counts.entry((kind.clone(), state)).or_default();
        }
        *counts.entry((kind, shown.job.state.word())).or_default() += 1;
    }
    let metric = Metric::new("image_service_jobs", "gauge", "Jobs in the list, by kind and state.");
    if counts.is_empty() {
        // The metric is there before the first job.
        counts.insert(("download".into(), "running"), 0);
    }
    counts.into_iter().fold(metric, |metric, ((kind, state), count)| {
        metric.with(&[("kind", &kind), ("state", state)], count as f64)
    })
}

fn of_unfinished(api: &Northbound) -> Vec<Metric> {
    let unfinished = api.catalog.intakes.unfinished_files();
    let uploads = || unfinished.iter().filter(|(_, file)| file.plan.owner == Owner::Upload && !file.whole);
    vec![
        Metric::gauge(
            "image_service_uploads",
            "Unfinished uploads that clients can go on with.",
            uploads().count() as f64,
        ),
        Metric::gauge(
            "image_service_uploads_bytes",
            "Bytes of these so far.",
            uploads().map(|(_, file)| file.offset).sum::<u64>() as f64,
        ),
    ]
}
