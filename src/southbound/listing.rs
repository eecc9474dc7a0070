//! Directory listings: the form that a client prefers, and the entries as names, objects or lines.

use std::borrow::Cow;

use http::header::{ACCEPT, HeaderMap};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use component::Entry;
use images::trees::text;
use model::media_range::rank;
use model::segment::encoded;

/// The forms of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// A page for people.
    Page,
    /// A JSON array of names.
    Names,
    /// A JSON array of objects.
    Objects,
    /// One name a line.
    Lines,
}

impl Form {
    /// The form that `?format=` asks for, whatever the client accepts.
    pub(super) fn asked(query: Option<&str>) -> Option<Self> {
        let mut pairs = url::form_urlencoded::parse(query?.as_bytes());
        match &*pairs.find(|(key, _)| key == "format")?.1 {
            "html" => Some(Self::Page),
            "names" | "json" => Some(Self::Names),
            "full" => Some(Self::Objects),
            "text" => Some(Self::Lines),
            _ => None,
        }
    }

    /// The form that the client prefers (RFC 9110 §12.5.1). Between equals, a named type wins over a
    /// wildcard, then the type that is named first. A client without preference gets the page.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let accept: Vec<&str> =
            headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let accept = accept.join(",");
        let candidates = [
            ("text", "html", Self::Page),
            ("application", "json", Self::Names),
            ("text", "plain", Self::Lines),
        ];
        let ranked =
            candidates.into_iter().filter_map(|(main, sub, form)| Some((rank(&accept, main, sub)?, form)));
        ranked
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map_or(Self::Page, |(_, form)| form)
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Page => "text/html; charset=utf-8",
            Self::Names | Self::Objects => "application/json",
            Self::Lines => "text/plain; charset=utf-8",
        }
    }
}

/// A JSON array of names.
pub(super) fn names(entries: &[&Entry]) -> String {
    json(entries.iter().map(|entry| text(&entry.name)))
}

/// A JSON array of objects. Their URLs begin with `folder`, the folder's own.
pub(super) fn objects(entries: &[&Entry], folder: &str) -> String {
    json(entries.iter().map(|entry| Object::of(entry, folder)))
}

/// One name a line.
pub(super) fn lines(entries: &[&Entry]) -> String {
    entries.iter().flat_map(|entry| [shown(&entry.name), "\n".into()]).collect()
}

/// A name for lines and pages. Control characters, which would break a line, become U+FFFD too.
pub(super) fn shown(name: &[u8]) -> Cow<'_, str> {
    let text = text(name);
    if text.contains(char::is_control) { text.replace(char::is_control, "\u{fffd}").into() } else { text }
}

/// When an entry was modified.
pub(super) fn modified(entry: &Entry) -> Option<Timestamp> {
    Timestamp::try_from(entry.modified?).ok()
}

/// An entry in JSON.
#[derive(Serialize)]
struct Object<'a> {
    name: Cow<'a, str>,
    /// A name alone does not always lead to its file: in `name`, bytes that are not UTF-8 are U+FFFD.
    url: String,
    r#type: &'static str,
    size: Option<u64>,
    #[serde(serialize_with = "in_seconds")]
    modified: Option<Timestamp>,
}

impl<'a> Object<'a> {
    fn of(entry: &'a Entry, folder: &str) -> Self {
        let slash = if entry.size.is_some() { "" } else { "/" };
        Self {
            name: text(&entry.name),
            url: format!("{folder}{}{slash}", encoded(&entry.name)),
            r#type: if entry.size.is_some() { "file" } else { "directory" },
            size: entry.size,
            modified: modified(entry),
        }
    }
}

/// ISO 8601, in whole seconds like the times of ISOs.
fn in_seconds<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&format_args!("{time:.0}")),
        None => serializer.serialize_none(),
    }
}

/// Writes a JSON array on one line.
fn json(items: impl Iterator<Item = impl Serialize>) -> String {
    // Writing texts and numbers to a string cannot fail.
    serde_json::to_string(&items.collect::<Vec<_>>()).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use jiff::SignedDuration;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use images::trees::sorted;

    #[test]
    fn the_form_follows_the_clients_preference() {
        for (accept, expected) in [
            (None, Form::Page),
            (Some("*/*"), Form::Page),
            (Some(""), Form::Page),
            (Some("image/png"), Form::Page),
            (Some("application/json"), Form::Names),
            (Some("application/json, text/plain, */*"), Form::Names),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Form::Page),
            (Some("text/plain"), Form::Lines),
            (Some("text/html;q=0.5, application/json;q=0.6"), Form::Names),
            (Some("text/html;q=0, text/plain;q=0.1"), Form::Lines),
            (Some("text/*;q=0.3, text/html;q=0.2, application/json;q=0.25"), Form::Lines),
            (Some("APPLICATION/JSON"), Form::Names),
        ] {
            let headers = accept.map(|accept| (ACCEPT, accept.parse().expect("a value")));
            assert_eq!(Form::accepted(&headers.into_iter().collect()), expected, "{accept:?}");
        }
        assert_eq!(Form::asked(Some("x=1&format=full")), Some(Form::Objects));
        assert_eq!(Form::asked(Some("format=pdf")), None);
        assert_eq!(Form::asked(None), None);
    }

    #[test]
    fn entries_are_sorted_and_safe_to_print() {
        let entry =
            |name: &[u8], size| Entry { name: name.to_vec(), size, modified: Some(SystemTime::UNIX_EPOCH) };
        let entries = vec![
            entry(b"b", Some(1)),
            entry(b"A", Some(2)),
            entry(b"z", None),
            entry(b"a\nb\xff", Some(3)),
            entry(b".t", Some(4)),
        ];
        let entries = sorted(&entries);
        assert_eq!(lines(&entries), "z\n.t\nA\na\u{fffd}b\u{fffd}\nb\n");
        assert_eq!(names(&entries), "[\"z\",\".t\",\"A\",\"a\\nb\u{fffd}\",\"b\"]\n");
        let objects: serde_json::Value = serde_json::from_str(&objects(&entries, "/at/")).expect("JSON");
        assert_eq!(
            objects[0],
            json!({
                "name": "z", "url": "/at/z/", "type": "directory", "size": null,
                "modified": "1970-01-01T00:00:00Z"
            })
        );
        assert_eq!(objects[3]["url"], "/at/a%0Ab%FF");
        assert_eq!(objects[4]["size"], 1);
    }

    /// Names in which case, order and length of the lower-case text are not those of the bytes.
    fn any_name() -> impl Strategy<Value = Vec<u8>> {
        let text = "[aAbBkKzZ_~.0-9 \u{130}\u{131}\u{212a}\u{3a3}\u{3c3}\u{3c2}ßẞÉé\u{301}日😀\u{1}]{1,6}";
        prop_oneof![text.prop_map(String::into_bytes), prop::collection::vec(1_u8.., 1..5)]
    }

    proptest! {
        #[test]
        fn what_is_shown_keeps_to_its_line(name in any_name()) {
            let replaced = |character: char| if character.is_control() { '\u{fffd}' } else { character };
            let expected: String = String::from_utf8_lossy(&name).chars().map(replaced).collect();
            prop_assert_eq!(shown(&name), expected);
        }

        #[test]
        fn objects_tell_whole_seconds(
            seconds in -62_167_219_200..253_402_207_200_i64, nanoseconds in 0..1_000_000_000_i32
        ) {
            let time = Timestamp::new(seconds, 0).expect("a time") + SignedDuration::new(0, nanoseconds);
            let entry = Entry { name: b"x".to_vec(), size: Some(1), modified: Some(time.into()) };
            let shown = time.strftime("%Y-%m-%dT%H:%M:%SZ");
            prop_assert_eq!(
                objects(&[&entry], "/"),
                format!("[{{\"name\":\"x\",\"url\":\"/x\",\"type\":\"file\",\"size\":1,\"modified\":\"{shown}\"}}]\n")
            );
        }
    }
}
