//! Lists page by page: every member once, whatever comes and goes between two pages.

use harness::http::{self, Response};
use harness::problem::expect_problem;
use harness::{Service, Setup, images};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

/// A service with one ISO and the files `f00` to `f19` of the store of microkernels.
fn service() -> Service {
    let mut setup = Setup::new().file("static/iso/a.iso", fs::read(images::installer()).unwrap());
    for number in 0..20 {
        setup = setup.file(&format!("static/common/f{number:02}"), vec![0; 100 - number]);
    }
    setup.start()
}

fn put(service: &Service, id: &str, name: &str, labels: &Value) {
    let body = json!({"name": name, "version": "1", "isostore": "a.iso", "labels": labels});
    let url = service.north(&format!("/images/{id}"));
    let answer = http::request("PUT", &url, &[("Content-Type", "application/json")], body.to_string());
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
}

fn delete(service: &Service, id: &str) {
    http::delete(&service.north(&format!("/images/{id}"))).expect_status(200);
}

/// The query of the next page, from `<?…>; rel="next"`.
fn next(page: &Response) -> Option<String> {
    let link = page.header("Link")?;
    let query = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    let query = query.unwrap_or_else(|| panic!("{link}"));
    assert!(query.starts_with('?'), "{link}");
    Some(query.to_owned())
}

fn members(page: &Response, member: &str) -> Vec<String> {
    let list = page.json();
    list.as_array().unwrap().iter().map(|entry| entry[member].as_str().unwrap().to_owned()).collect()
}

/// Follows the links of a list to its end. `between` is called after each page.
fn walk(service: &Service, path: &str, query: &str, member: &str, between: impl Fn(usize)) -> Vec<String> {
    let mut query = query.to_owned();
    let mut all = Vec::new();
    for page in 0..100 {
        let answer = http::get(&service.north(&format!("{path}{query}"))).expect_status(200);
        all.extend(members(&answer, member));
        match next(&answer) {
            Some(next) => query = next,
            None => return all,
        }
        between(page);
    }
    panic!("{path} has no last page");
}

#[test]
fn pages_have_every_member_once_while_others_come_and_go() {
    let service = service();
    for number in 0..9 {
        put(&service, &format!("i{number}"), &format!("n {number}+é"), &json!({}));
    }
    for sort in ["name", "version", "iso", "status", "bytes", "created", "updated", "id"] {
        for order in ["asc", "desc"] {
            let query = format!("?limit=2&sort={sort}&order={order}");
            let whole = members(&http::get(&service.north("/images")), "id");
            let sorted = members(
                &http::get(&service.north(&format!("/images?sort={sort}&order={order}"))).expect_status(200),
                "id",
            );
            assert_eq!(walk(&service, "/images", &query, "id", |_| {}), sorted, "{query}");
            let both = [whole, sorted].map(BTreeSet::from_iter);
            assert_eq!(both[0], both[1], "{query}");
        }
    }
    // The last image of the first page is deleted, and so is one that was seen; others come on both sides.
    let seen = walk(&service, "/images", "?limit=3", "id", |page| {
        if page == 0 {
            delete(&service, "i2");
            delete(&service, "i0");
            put(&service, "early", "a", &json!({}));
            put(&service, "late", "z", &json!({}));
        }
    });
    assert_eq!(seen, ["i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "late"]);
    let after = http::get(&service.north("/images?after=i7")).expect_status(200);
    assert_eq!(members(&after, "id"), ["i8", "late"]);
    // By id, and by name of files, the id alone tells the place.
    let after = http::get(&service.north("/images?sort=id&after=i2&limit=1")).expect_status(200);
    assert_eq!(members(&after, "id"), ["i3"]);
    for (query, first) in
        [("?limit=7", "f00"), ("?limit=3&sort=bytes", "f19"), ("?limit=20&order=desc", "f19")]
    {
        let files = walk(&service, "/microkernel", query, "name", |_| {});
        assert_eq!((files.len(), files[0].as_str()), (20, first), "{query}");
    }
    let answer = http::get(&service.north("/microkernel?after=f17a")).expect_status(200);
    assert_eq!(members(&answer, "name"), ["f18", "f19"]);
    for version in 0..3 {
        let query = format!("name=web&version={version}&wait=0&isoweb=http://localhost:1/{version}.iso");
        http::put(&service.north(&format!("/images?{query}")), "").expect_status(200);
    }
    let jobs = members(&http::get(&service.north("/jobs?kind=download")).expect_status(200), "id");
    assert_eq!(jobs.len(), 3);
    let paged = walk(&service, "/jobs", "?limit=1&kind=download", "id", |_| {});
    assert_eq!(BTreeSet::from_iter(paged), BTreeSet::from_iter(jobs));
}

#[test]
fn lists_are_searched_by_name_and_label() {
    let service = service();
    put(&service, "a", "Ubuntu", &json!({"team": "blue", "arch": "x86"}));
    put(&service, "b", "ubuntu-server", &json!({"team": "red"}));
    put(&service, "c", "debian", &json!({"team": "blue"}));
    for (query, ids) in [
        ("", &["a", "c", "b"][..]),
        ("?q=UBUNTU", &["a", "b"]),
        ("?q=a.iso", &["a", "c", "b"]),
        ("?q=", &["a", "c", "b"]),
        ("?q=nothing", &[]),
        ("?label=team=blue", &["a", "c"]),
        ("?label=team", &["a", "c", "b"]),
        ("?label=team%3Dblue&label=arch", &["a"]),
        ("?label=team=blue&q=deb&limit=1", &["c"]),
        ("?order=desc&name=Ubuntu", &["a"]),
    ] {
        let answer = http::get(&service.north(&format!("/images{query}"))).expect_status(200);
        assert_eq!(members(&answer, "id"), ids, "{query}");
        assert_eq!(answer.header("X-Total-Count"), Some(ids.len().to_string().as_str()), "{query}");
        assert_eq!(answer.header("Link"), None, "{query}");
    }
    let page = http::get(&service.north("/images?limit=1&label=team=blue&q=u")).expect_status(200);
    assert_eq!((page.header("X-Total-Count"), page.header("Link")), (Some("1"), None));
    let page = http::get(&service.north("/images?label=team=blue&limit=1")).expect_status(200);
    assert_eq!(page.header("X-Total-Count"), Some("2"));
    let rest = http::get(&service.north(&format!("/images{}", next(&page).unwrap()))).expect_status(200);
    assert_eq!((members(&rest, "id"), rest.header("Link")), (vec!["c".to_owned()], None));
    let answer = http::get(&service.north("/microkernel?q=F1&limit=3")).expect_status(200);
    assert_eq!(answer.header("X-Total-Count"), Some("10"));
    let answer = http::get(&service.north("/iso?label=team=blue")).expect_status(200);
    assert_eq!(answer.json(), json!([]));
}

/// A client that kept the last page learns that another follows now, although its members are the same.
#[test]
fn the_tag_of_a_page_covers_its_link() {
    let service = service();
    put(&service, "a", "a", &json!({}));
    put(&service, "b", "b", &json!({}));
    let ask =
        |tag: &str| http::request("GET", &service.north("/images?limit=2"), &[("If-None-Match", tag)], "");
    let tag = ask("\"none\"").expect_status(200).header("ETag").unwrap().to_owned();
    ask(&tag).expect_status(304);
    put(&service, "c", "c", &json!({}));
    let changed = ask(&tag).expect_status(200);
    assert_eq!(
        (members(&changed, "id"), changed.header("X-Total-Count")),
        (vec!["a".into(), "b".into()], Some("3"))
    );
    let again = ask(changed.header("ETag").unwrap()).expect_status(304);
    assert_eq!(next(&again), next(&changed));
}

#[test]
fn parameters_of_pages_that_cannot_be_used_are_named() {
    let service = service();
    let long = "x".repeat(257);
    for path in ["/images", "/iso", "/microkernel", "/jobs"] {
        for (name, values) in [
            ("limit", &["", "0", "-1", "10001", "ten", "1.5", "99999999999999999999"][..]),
            ("sort", &["", "NAME", "labels"]),
            ("order", &["", "up", "ASC"]),
            ("q", &[&long]),
            ("afterKey", &["x"]),
            ("limit", &["1&limit=2"]),
        ] {
            for value in values {
                let answer = http::get(&service.north(&format!("{path}?{name}={value}")));
                expect_problem(&service, &answer, 400, &format!("`{name}`"));
            }
        }
    }
    for path in ["/images", "/iso"] {
        for value in ["", "a%20b", "=x", "a=b=c", &format!("a={long}")] {
            let answer = http::get(&service.north(&format!("{path}?label={value}")));
            expect_problem(&service, &answer, 400, "`label`");
        }
        let many = "label=a&".repeat(65);
        expect_problem(&service, &http::get(&service.north(&format!("{path}?{many}"))), 400, "`label`");
    }
    for path in ["/images?after=none", "/jobs?after=none", "/iso?sort=bytes&after=none"] {
        expect_problem(&service, &http::get(&service.north(path)), 400, "`after`");
    }
    let q = http::get(&service.north(&format!("/images?q={}", "%C3%A9".repeat(256))));
    assert_eq!(q.expect_status(200).json(), json!([]));
}
