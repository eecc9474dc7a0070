//! What an installed service meets: a root that is read-only but for one folder, and the unit's filters.

use harness::program::{binary, finish};
use serde_json::json;
use std::fs;
use std::process::Command;

/// Checks a configuration in `folder` whose store lies below `store`, which is mounted read-only.
fn check(invocation: Option<&str>) -> harness::program::Finished {
    let folder = tempfile::tempdir().unwrap();
    let (store, config) = (folder.path().join("store"), folder.path().join("config.json"));
    fs::create_dir(&store).unwrap();
    fs::write(&config, json!({"isoDir": store.join("iso")}).to_string()).unwrap();
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && exec \"$2\" --config \"$3\" check-config";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(&store).arg(binary()).arg(&config);
    command.current_dir(folder.path()).env_remove("INVOCATION_ID");
    if let Some(id) = invocation {
        command.env("INVOCATION_ID", id);
    }
    finish(command)
}

#[test]
fn a_store_that_the_sandbox_forbids_is_told_in_one_sentence() {
    let by_hand = check(None);
    assert_eq!(by_hand.code, Some(2), "{by_hand:?}");
    assert!(by_hand.stderr.contains("`isoDir`") && by_hand.stderr.contains("Read-only"), "{by_hand:?}");
    assert!(!by_hand.stderr.contains("ReadWritePaths"), "{by_hand:?}");
    let installed = check(Some("4d6b3a5f"));
    assert_eq!(installed.code, Some(2), "{installed:?}");
    assert!(installed.stderr.contains("`ReadWritePaths=`"), "{installed:?}");
    assert_eq!(installed.stderr.trim_end().lines().count(), 1, "{installed:?}");
}

#[test]
fn the_unit_reloads_and_leaves_the_scrub_its_low_priority() {
    let unit = fs::read_to_string("packaging/image-service.service").unwrap();
    assert!(unit.contains("\nExecReload=/bin/kill -HUP $MAINPID\n"));
    let filters: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    let refused = filters.iter().position(|filter| filter.starts_with('~') && filter.contains("@resources"));
    let allowed =
        filters.iter().rposition(|filter| filter.split(' ').any(|name| name == "sched_setscheduler"));
    assert!(allowed > refused, "{filters:?}");
}
