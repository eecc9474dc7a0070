//! The listing as an HTML page: one document without scripts, images or further requests. It fits phones and
//! wide screens, in light and dark colours.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

use super::listing::{modified, shown};
use component::Entry;
use model::segment::{plain, push_encoded};
use model::size;

const STYLE: &str = include_str!("listing_page.css");

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
    <meta name=\"color-scheme\" content=\"light dark\">\n<title>";

const TABLE: &str = "<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\" class=\"n\">Size</th>\
    <th scope=\"col\" class=\"t\">Modified (UTC)</th></tr></thead>\n<tbody>\n";

/// Renders the page of the directory at `path`, whose entries are sorted. Links are absolute, so they work
/// with and without a closing slash in the request.
pub(super) fn render<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    api_root: &str,
    path: &[Vec<u8>],
) -> String {
    let entries: Vec<&Entry> = entries.into_iter().collect();
    let base = link(api_root, path);
    // A row is about 192 bytes, besides the folder's path and twice the name.
    let names: usize = entries.iter().map(|entry| entry.name.len()).sum();
    let mut page = String::with_capacity(2048 + STYLE.len() + entries.len() * (192 + base.len()) + 2 * names);
    page.push_str(HEAD);
    page.push('/');
    for name in path {
        push_text(&mut page, name);
        page.push('/');
    }
    page.extend(["</title>\n<style>", STYLE, "</style>\n</head>\n<body>\n<main>\n"]);
    breadcrumbs(&mut page, api_root, path);
    page.push_str(TABLE);
    if let Some((_, above)) = path.split_last() {
        let above = link(api_root, above);
        page.extend(["<tr><td class=\"d up\"><a href=\"", &above, "\">Parent folder</a></td>"]);
        page.push_str("<td class=\"n\"></td><td class=\"t\"></td></tr>\n");
    }
    for entry in &entries {
        row(&mut page, &base, entry);
    }
    page.push_str("</tbody>\n</table>\n");
    summary(&mut page, &entries);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// The link to the folder at `path`, from the root of the server.
pub(super) fn link(api_root: &str, path: &[Vec<u8>]) -> String {
    let mut link = format!("{api_root}/");
    for name in path {
        push_encoded(&mut link, name);
        link.push('/');
    }
    link
}

fn breadcrumbs(page: &mut String, api_root: &str, path: &[Vec<u8>]) {
    let root = link(api_root, &[]);
    page.extend(["<nav aria-label=\"Path\"><h1><a href=\"", &root, "\" aria-label=\"Root folder\">⌂</a>"]);
    for (index, name) in path.iter().enumerate() {
        let target = link(api_root, &path[..=index]);
        let here = if index + 1 == path.len() { " aria-current=\"page\"" } else { "" };
        page.extend(["<span aria-hidden=\"true\">/</span><wbr><a href=\"", &target, "\"", here, ">"]);
        push_text(page, name);
        page.push_str("</a>");
    }
    page.push_str("</h1></nav>\n");
}

/// A row of the table. There can be many thousands, so each is written straight into the page.
fn row(page: &mut String, base: &str, entry: &Entry) {
    let (class, slash) = if entry.size.is_some() { ("f", "") } else { ("d", "/") };
    page.push_str("<tr><td class=\"");
    page.push_str(class);
    page.push_str("\"><a href=\"");
    page.push_str(base);
    if let Some(name) = plain(&entry.name) {
        page.push_str(name);
        page.push_str(slash);
        page.push_str("\">");
        page.push_str(name);
    } else {
        push_encoded(page, &entry.name);
        page.push_str(slash);
        page.push_str("\">");
        push_text(page, &entry.name);
    }
    page.push_str(slash);
    page.push_str("</a></td><td class=\"n\"");
    if let Some(bytes) = entry.size {
        page.push_str(" title=\"");
        size::push_number(page, bytes);
        page.push_str(" bytes\"");
    }
    page.push('>');
    if let Some(bytes) = entry.size {
        size::push(page, bytes);
    }
    page.push_str("</td><td class=\"t\">");
    if let Some(time) = modified(entry) {
        push_time(page, time);
    }
    page.push_str("</td></tr>\n");
}

/// Times in whole seconds.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(0));

/// `2020-02-03T04:05:06Z` for programs, `2020-02-03 04:05` for people.
fn push_time(page: &mut String, time: Timestamp) {
    page.push_str("<time datetime=\"");
    let start = page.len();
    // Writing to a string cannot fail.
    let _ = PRINTER.print_timestamp(&time, &mut *page);
    let minute = page.len() - ":06Z".len();
    let day = minute - "T04:05".len();
    page.push_str("\">");
    page.extend_from_within(start..day);
    page.push(' ');
    page.extend_from_within(day + 1..minute);
    page.push_str("</time>");
}

/// Appends a name as HTML text.
fn push_text(page: &mut String, name: &[u8]) {
    for character in shown(name).chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            other => page.push(other),
        }
    }
}

fn summary(page: &mut String, entries: &[&Entry]) {
    let files = entries.iter().filter(|entry| entry.size.is_some()).count();
    let bytes: u64 = entries.iter().filter_map(|entry| entry.size).fold(0, u64::saturating_add);
    let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    // Writing to a string cannot fail.
    let _ = write!(page, "<p>{}, {}", counted(entries.len() - files, "folder"), counted(files, "file"));
    if files > 0 {
        let _ = write!(page, ", {}", size::shown(bytes));
    }
    page.push_str("</p>\n");
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use model::segment::encoded;

    #[test]
    fn hostile_names_stay_text_and_links_lead_back_to_them() {
        let name = b"<img src=x onerror=alert(1)>\"'&%#?\n\xff".to_vec();
        let entries = [Entry { name, size: Some(5), modified: None }];
        let page = render(&entries, "/files", &[b"a b".to_vec()]);
        assert!(!page.contains("<img"), "{page}");
        assert!(
            page.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;%#?\u{fffd}\u{fffd}"),
            "{page}"
        );
        assert!(
            page.contains(
                "href=\"/files/a%20b/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%22%27%26%25%23%3F%0A%FF\""
            ),
            "{page}"
        );
        assert!(page.contains("<a href=\"/files/\">Parent folder</a>"), "{page}");
    }

    #[test]
    fn a_line_tells_name_size_and_time() {
        let modified = Some(SystemTime::UNIX_EPOCH + Duration::new(1_580_702_706, 999_999_999));
        let lines = |name: &[u8], size, path: &[Vec<u8>]| {
            let page = render(&[Entry { name: name.to_vec(), size, modified }], "", path);
            let (_, rest) = page.split_once("<tbody>\n").expect("a table");
            rest.split_once("</tbody>").expect("its end").0.to_owned()
        };
        assert_eq!(
            lines(b"a.rpm", Some(4_104), &[]),
            "<tr><td class=\"f\"><a href=\"/a.rpm\">a.rpm</a></td><td class=\"n\" title=\"4104 bytes\">4.10 KB</td>\
             <td class=\"t\"><time datetime=\"2020-02-03T04:05:06Z\">2020-02-03 04:05</time></td></tr>\n"
        );
        assert_eq!(
            lines(b"R&D", None, &[b"x".to_vec(), b"y z".to_vec()]),
            "<tr><td class=\"d up\"><a href=\"/x/\">Parent folder</a></td><td class=\"n\"></td><td class=\"t\"></td></tr>\n\
             <tr><td class=\"d\"><a href=\"/x/y%20z/R%26D/\">R&amp;D/</a></td><td class=\"n\"></td>\
             <td class=\"t\"><time datetime=\"2020-02-03T04:05:06Z\">2020-02-03 04:05</time></td></tr>\n"
        );
    }

    proptest! {
        #[test]
        fn text_is_escaped_and_plain_names_need_no_escape(
            name in prop_oneof![
                "[a-z&<>\"'.+ é\u{1}]{1,8}".prop_map(String::into_bytes),
                prop::collection::vec(1_u8.., 1..4),
            ]
        ) {
            let expected = shown(&name)
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;")
                .replace('\'', "&#39;");
            let mut text = String::new();
            push_text(&mut text, &name);
            prop_assert_eq!(&text, &expected);
            let link = encoded(&name);
            prop_assert_eq!(plain(&name), (link.as_bytes() == name).then_some(&*link));
            prop_assert!(plain(&name).is_none_or(|plain| plain == expected));
        }

        #[test]
        fn times_are_told_to_the_second_and_shown_to_the_minute(
            seconds in -62_167_219_200..253_402_207_200_i64, nanoseconds in 0..1_000_000_000_i32
        ) {
            let time = Timestamp::new(seconds, 0).expect("a time") + SignedDuration::new(0, nanoseconds);
            let mut text = String::new();
            push_time(&mut text, time);
            let expected = time.strftime("<time datetime=\"%Y-%m-%dT%H:%M:%SZ\">%Y-%m-%d %H:%M</time>");
            prop_assert_eq!(text, expected.to_string());
        }
    }
}
