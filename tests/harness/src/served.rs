//! Compares a served tree with the folder that it was made of.

use super::Service;
use super::digest::{self, Entry};
use super::http::{self, Connection, Request};
use std::collections::{BTreeMap, BTreeSet};

/// Compares everything below `base` with the oracle's tree, on one connection.
pub fn compare_tree(service: &Service, base: &str, truth: &BTreeMap<Vec<u8>, Entry>) {
    let mut connection = Connection::open(&service.south("/"));
    compare_listing(&mut connection, base, b"", truth);
    for (path, entry) in truth {
        // Every byte is escaped, so that a name like `a%20b` stays distinct from `a b`.
        let escaped = |segment: &[u8]| segment.iter().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let segments: Vec<String> = path.split(|&byte| byte == b'/').map(escaped).collect();
        let target = format!("{base}/{}", segments.join("/"));
        match entry {
            Entry::File(length, expected) => {
                let answer = connection.get(&target).expect_status(200);
                assert_eq!(answer.content_length(), Some(*length), "{target}");
                assert_eq!(digest::of_bytes(&answer.body), *expected, "{target}");
            }
            Entry::Folder => compare_listing(&mut connection, base, path, truth),
            Entry::Link(_) => {}
        }
    }
}

/// Checks that a listing holds every file and folder of the oracle and nothing else; links are optional.
fn compare_listing(connection: &mut Connection, base: &str, folder: &[u8], truth: &BTreeMap<Vec<u8>, Entry>) {
    let target = format!("{base}/{}", http::encode_path(folder));
    let request = Request::new("GET", &target).header("Accept", "application/json");
    let answer = connection.exchange(&request).unwrap().expect_status(200);
    let names: Vec<String> = serde_json::from_slice(&answer.body).unwrap();
    let listed: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(listed.len(), names.len(), "{target} lists a name twice: {names:?}");
    let children = truth.iter().filter_map(|(path, entry)| {
        let (parent, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], &path[..]),
        };
        (parent == folder).then(|| (String::from_utf8_lossy(name).into_owned(), entry))
    });
    let (mut all, mut needed) = (BTreeSet::new(), BTreeSet::new());
    for (name, entry) in children {
        if !matches!(entry, Entry::Link(_)) {
            needed.insert(name.clone());
        }
        all.insert(name);
    }
    assert_eq!(needed.difference(&listed).next(), None, "{target} lacks it");
    assert_eq!(listed.difference(&all).next(), None, "{target} has it in addition");
}
