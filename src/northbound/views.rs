//! How records look from outside. The field names are fixed; scripts read them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::catalog::{Browsed, ListedFile};
use crate::jobs::{Progress, Shown};
use crate::model::image::{Image, Source};
use crate::model::job::{State, Work};
use crate::model::segment::{encoded, push_encoded};
use crate::model::size;
use crate::model::stored_file::{Origin, Shelf, StoredFile};
use crate::trees::{Findings, text};

/// An image, with the southbound path of its tree and, while its ISO is being fetched, how far that has come.
pub(super) fn image(image: &Image, download: Option<&Shown>, api_root: &str) -> Value {
    let mut view = json!({
        "id": image.id,
        "name": image.name,
        "version": image.version,
        "iso": image.iso,
        "status": image.status,
        "source": image.source.kind(),
        "path": path(image, api_root),
        "bytes": image.identity.map(|identity| identity.size),
        "created": milliseconds(image.created),
        "updated": milliseconds(image.updated),
        "sha256": image.sha256,
        "tree": tree(image),
    });
    if let Value::Object(members) = &mut view {
        if let Source::Web(web) = &image.source {
            members.insert("url".into(), json!(web.url));
            for (name, links) in [("mirrors", json!(web.mirrors)), ("checksum", json!(web.checksum))] {
                if !matches!(&links, Value::Null) && links != json!([]) {
                    members.insert(name.into(), links);
                }
            }
        }
        if let Some(download) = download {
            members.insert("job".into(), json!(download.job.id));
            if let Some(progress) = &download.progress {
                let mut shown = self::progress(progress);
                shown["received"] = progress.done.into();
                members.insert("progress".into(), shown);
            }
        }
    }
    view
}

/// The southbound path of an image's tree.
fn path(image: &Image, api_root: &str) -> String {
    let segment = |text: &str| encoded(text.as_bytes());
    format!("{api_root}/{}/{}/", segment(image.name.as_str()), segment(image.version.as_str()))
}

/// What is inside an image at `path`, from the line of this number on. Paths are as they stand in URLs, names are text.
pub(super) fn browsed(browsed: &Browsed, path: &[Vec<u8>], offset: u64, api_root: &str) -> Value {
    let here = folder(path);
    let entries = browsed.lines.iter().map(|line| {
        let entry = &line.entry;
        let is_file = entry.size.is_some();
        let slash = if is_file { "" } else { "/" };
        json!({
            "name": text(&entry.name),
            "path": format!("{here}{}{}{slash}", folder(&line.folder), encoded(&entry.name)),
            "kind": if is_file { "file" } else { "directory" },
            "size": entry.size,
            "modified": entry.modified.and_then(|time| Timestamp::try_from(time).ok()).map(milliseconds),
        })
    });
    let entries: Vec<Value> = entries.collect();
    let mut view = json!({
        "path": here,
        "url": format!("{}{here}", self::path(&browsed.image, api_root)),
        "total": browsed.total,
        "offset": offset,
        "entries": entries,
    });
    if let Some(complete) = browsed.complete {
        view["complete"] = complete.into();
    }
    view
}

/// The path of a folder as it stands in URLs: it ends in a slash, that of the root is empty.
fn folder(path: &[Vec<u8>]) -> String {
    let mut folder = String::new();
    for name in path {
        push_encoded(&mut folder, name);
        folder.push('/');
    }
    folder
}

/// A job, with how far it has come while it is not over. `log` belongs to one job alone, not to a list.
pub(super) fn job(shown: &Shown, with_log: bool) -> Value {
    let job = &shown.job;
    let mut view = json!({
        "id": job.id,
        "kind": job.work.kind(),
        "title": job.title,
        "state": job.state.word(),
        "attempts": job.attempts,
        "created": milliseconds(job.created),
        "updated": milliseconds(job.updated),
        "progress": shown.progress.as_ref().map(progress),
    });
    match &job.state {
        State::Waiting { until, reason } => {
            view["until"] = milliseconds(*until).into();
            view["reason"] = reason.as_str().into();
        }
        State::Failed { reason } => view["reason"] = reason.as_str().into(),
        State::Queued | State::Running | State::Done | State::Cancelled => {}
    }
    match &job.work {
        Work::Download { image } => view["image"] = json!(image),
        Work::Digest { shelf, name } => view["file"] = json!({"store": shelf, "name": name}),
        Work::Scrub => {}
    }
    if with_log {
        let lines = job.log.iter().map(|line| json!({"time": milliseconds(line.time), "text": line.text}));
        view["log"] = lines.collect();
    }
    view
}

fn progress(progress: &Progress) -> Value {
    json!({
        "done": progress.done,
        "total": progress.total,
        "rate": progress.rate,
        "secondsLeft": progress.left().map(|left| left.as_secs()),
    })
}

/// What was found in the ISO, and what was asked for; nothing as long as there is neither.
fn tree(image: &Image) -> Value {
    let mut tree = json!(image.tree);
    if let Some(asked) = image.asked_tree {
        tree["asked"] = asked.as_str().into();
    }
    tree
}

/// What was noticed in an image's ISO. Names need not be UTF-8; what is not is shown as in listings.
pub(super) fn findings(findings: &Findings) -> Value {
    let damaged: Vec<_> = findings.damaged.iter().map(|path| String::from_utf8_lossy(path)).collect();
    json!({"warnings": findings.warnings, "damaged": damaged})
}

/// A file of a store, with the images that need it.
pub(super) fn listed(shelf: Shelf, listed: &ListedFile) -> Value {
    let mut view = file(shelf, &listed.file);
    if !listed.shared_with.is_empty() {
        let others = listed.shared_with.iter().map(|(shelf, name)| json!({"store": shelf, "name": name}));
        view["sharedWith"] = others.collect();
    }
    if let (Shelf::Iso, Value::Object(members)) = (shelf, &mut view) {
        members.insert("images".into(), json!(listed.used_by));
    }
    view
}

/// A file of a store. `size` is for people and `bytes` for programs; isos also carry the spelling of the old README, `upload`.
pub(super) fn file(shelf: Shelf, file: &StoredFile) -> Value {
    let uploaded = file.uploaded.map(milliseconds);
    let mut view = json!({
        "name": file.name,
        "size": size::shown(file.identity.size),
        "uploaded": uploaded,
        "bytes": file.identity.size,
        "sha256": file.sha256,
        "local": file.local,
        "status": file.status,
        "origin": file.origin.as_ref().map(Origin::word),
        "verified": file.verified.map(milliseconds),
    });
    if let (Some(Origin::Download { url }), Value::Object(members)) = (&file.origin, &mut view) {
        members.insert("url".into(), url.as_str().into());
    }
    if let (Shelf::Iso, Value::Object(members)) = (shelf, &mut view) {
        members.insert("upload".into(), uploaded.into());
    }
    view
}

/// ISO 8601 with milliseconds, as JavaScript prints it.
fn milliseconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
