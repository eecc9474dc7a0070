use std::fs;
use std::path::{Path, PathBuf};

use super::file::{TrailFile, hash};
use super::*;
use crate::principal::Kind;

fn entry(target: &str) -> Entry {
    Entry {
        request: "r1".into(),
        principal: "ann".into(),
        kind: Kind::Token,
        address: "192.0.2.1".into(),
        action: Action::ImageRegister,
        target: target.into(),
        outcome: Outcome::Ok,
        status: 200,
        detail: String::new(),
    }
}

async fn trail(folder: &Path, targets: &[&str]) -> PathBuf {
    let path = folder.join("audit.jsonl");
    let audit = Audit::open(&path).expect("opens");
    for target in targets {
        audit.record(entry(target)).await.expect("recorded");
    }
    path
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("is there").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn each_line_has_the_hash_of_the_one_before_over_restarts() {
    let folder = tempfile::tempdir().expect("a folder");
    trail(folder.path(), &["a", "b"]).await;
    let path = trail(folder.path(), &["c"]).await;
    let lines = lines(&path);
    let entries: Vec<Recorded> = lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(entries[0].prev, "0".repeat(64));
    assert_eq!(entries[1].prev, hash(lines[0].as_bytes()));
    assert_eq!(entries[2].prev, hash(lines[1].as_bytes()));
    let keys = [
        "time",
        "id",
        "request",
        "principal",
        "kind",
        "address",
        "action",
        "target",
        "result",
        "status",
        "detail",
        "prev",
    ];
    let value: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&lines[0]).expect("an object");
    assert_eq!(value.keys().map(String::as_str).collect::<Vec<_>>(), keys);
    assert_eq!(verify(&path, None).expect("unchanged").id, 3);
}

#[tokio::test]
async fn what_was_changed_cut_out_or_cut_off_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = trail(folder.path(), &["a", "b", "c", "d"]).await;
    let head = verify(&path, None).expect("unchanged").hash;
    let whole = lines(&path);
    let with = |lines: &[String]| {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&path, text).expect("written");
        (verify(&path, None), verify(&path, Some(&head)))
    };
    assert!(matches!(with(&whole), (Ok(_), Ok(_))));
    for index in 0..3 {
        let mut changed = whole.clone();
        changed[index] = changed[index].replace("ann", "bob");
        assert!(matches!(with(&changed), (Err(Mismatch::Line { .. }), Err(_))), "{index}");
    }
    let mut changed = whole.clone();
    changed[3] = changed[3].replace("ann", "bob");
    assert!(matches!(with(&changed), (Ok(_), Err(Mismatch::Head(_)))), "only the value kept elsewhere tells");
    for index in 1..3 {
        let mut cut = whole.clone();
        cut.remove(index);
        assert!(with(&cut).0.is_err(), "{index}");
    }
    assert!(matches!(with(&whole[..3]), (Ok(_), Err(Mismatch::Head(_)))));
    let mut swapped = whole.clone();
    swapped.swap(1, 2);
    assert!(with(&swapped).0.is_err());
    fs::write(&path, whole.join("\n")).expect("written");
    assert!(verify(&path, None).is_err(), "the last line has no end");
}

#[tokio::test]
async fn a_torn_line_is_removed_and_an_odd_end_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = trail(folder.path(), &["a", "b"]).await;
    let text = fs::read(&path).expect("is there");
    for cut in 1..text.len() {
        fs::write(&path, &text[..cut]).expect("written");
        let left = TrailFile::open(&path).expect("opens").tail().id;
        assert_eq!(left, text[..cut].iter().filter(|byte| **byte == b'\n').count() as u64, "{cut}");
        verify(&path, None).expect("what is left is whole");
    }
    fs::write(&path, "no entry\n").expect("written");
    assert!(Audit::open(&path).is_err());
}

#[tokio::test]
async fn a_trail_goes_on_in_the_next_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = trail(folder.path(), &["a", "b"]).await;
    fs::rename(&path, folder.path().join("audit.jsonl.2")).expect("renamed");
    trail(folder.path(), &["c"]).await;
    fs::rename(&path, folder.path().join("audit.jsonl.3")).expect("renamed");
    trail(folder.path(), &["d", "e"]).await;
    assert_eq!(verify(&path, None).expect("unchanged").id, 5);
    for (after, limit, expected) in [
        (0, 100, vec![1, 2, 3, 4, 5]),
        (1, 3, vec![2, 3, 4]),
        (4, 9, vec![5]),
        (5, 9, vec![]),
        (0, 0, vec![]),
    ] {
        let page = AuditPage::read(&path, after, limit).expect("reads");
        assert_eq!(
            page.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(),
            expected,
            "{after} {limit}"
        );
    }
    fs::remove_file(folder.path().join("audit.jsonl.3")).expect("removed");
    assert!(verify(&path, None).is_err(), "a file in the middle is missing");
}

#[tokio::test]
async fn a_page_is_found_in_a_long_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    let audit = Audit::open(&path).expect("opens");
    let targets: Vec<String> = (0..3000).map(|number: usize| "x".repeat(number % 300)).collect();
    let records = targets.iter().map(|target| audit.record(entry(target)));
    for recorded in futures_util::future::join_all(records).await {
        recorded.expect("recorded");
    }
    for after in (0..3000).step_by(37) {
        let page = AuditPage::read(&path, after, 2).expect("reads");
        assert_eq!(page.entries.first().map(|entry| entry.id), Some(after + 1));
    }
    assert_eq!(verify(&path, None).expect("unchanged").id, 3000);
}

#[tokio::test]
async fn hostile_text_is_escaped_and_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let hostile = format!("a\n{{\u{202e}\u{2028}\u{85}\u{1b}[31m\"{}", "ü".repeat(5000));
    let path = trail(folder.path(), &[&hostile, "b"]).await;
    let text = fs::read_to_string(&path).expect("is there");
    assert_eq!(text.lines().count(), 2);
    assert!(
        !text.chars().any(|it| it != '\n' && (it.is_control() || model::names::is_invisible(it))),
        "{text}"
    );
    let page = AuditPage::read(&path, 0, 1).expect("reads");
    assert!(page.entries[0].target.starts_with("a\n{\u{202e}") && page.entries[0].target.ends_with('…'));
    verify(&path, None).expect("unchanged");
}
