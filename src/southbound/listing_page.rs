//! The listing as a page: one document without scripts, images or requests of its own, for phones, wide screens and the dark.

use std::fmt::Write;
use std::time::SystemTime;

use jiff::Timestamp;

use super::listing::shown;
use crate::model::segment::encoded;
use crate::model::size;
use crate::trees::Entry;

const STYLE: &str = include_str!("listing_page.css");

/// Renders the page of the directory at `path`, whose entries are sorted. Links are absolute, so it does not matter whether the page was
/// asked for with a closing slash.
pub(super) fn render(entries: &[Entry], api_root: &str, path: &[Vec<u8>]) -> String {
    let title =
        path.iter().map(|name| shown(name)).fold(String::from("/"), |title, name| title + &name + "/");
    let base = path.iter().fold(format!("{api_root}/"), |base, name| base + &encoded(name) + "/");
    let mut page = String::with_capacity(2048 + entries.len() * 192);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escaped(&title)
    );
    breadcrumbs(&mut page, api_root, path);
    page.push_str("<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\" class=\"n\">Size</th><th scope=\"col\" class=\"t\">Modified (UTC)</th></tr></thead>\n<tbody>\n");
    if let Some((_, above)) = path.split_last() {
        let above = above.iter().fold(format!("{api_root}/"), |base, name| base + &encoded(name) + "/");
        let _ = writeln!(
            page,
            "<tr><td class=\"d up\"><a href=\"{above}\">Parent folder</a></td><td class=\"n\"></td><td class=\"t\"></td></tr>"
        );
    }
    for entry in entries {
        row(&mut page, &base, entry);
    }
    page.push_str("</tbody>\n</table>\n");
    summary(&mut page, entries);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn breadcrumbs(page: &mut String, api_root: &str, path: &[Vec<u8>]) {
    let mut target = format!("{api_root}/");
    let _ =
        write!(page, "<nav aria-label=\"Path\"><h1><a href=\"{target}\" aria-label=\"Root folder\">⌂</a>");
    for (index, name) in path.iter().enumerate() {
        target = target + &encoded(name) + "/";
        let here = if index + 1 == path.len() { " aria-current=\"page\"" } else { "" };
        let _ = write!(
            page,
            "<span aria-hidden=\"true\">/</span><wbr><a href=\"{target}\"{here}>{}</a>",
            escaped(&shown(name))
        );
    }
    page.push_str("</h1></nav>\n");
}

fn row(page: &mut String, base: &str, entry: &Entry) {
    let (class, slash) = if entry.size.is_some() { ("f", "") } else { ("d", "/") };
    let name = escaped(&shown(&entry.name));
    let (size, bytes) =
        entry.size.map(|bytes| (size::shown(bytes), format!(" title=\"{bytes} bytes\""))).unwrap_or_default();
    let time = entry.modified.and_then(stamp).unwrap_or_default();
    let _ = writeln!(
        page,
        "<tr><td class=\"{class}\"><a href=\"{base}{}{slash}\">{name}{slash}</a></td><td class=\"n\"{bytes}>{size}</td><td class=\"t\">{time}</td></tr>",
        encoded(&entry.name)
    );
}

fn summary(page: &mut String, entries: &[Entry]) {
    let files = entries.iter().filter(|entry| entry.size.is_some()).count();
    let bytes: u64 = entries.iter().filter_map(|entry| entry.size).fold(0, u64::saturating_add);
    let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let _ = write!(page, "<p>{}, {}", counted(entries.len() - files, "folder"), counted(files, "file"));
    if files > 0 {
        let _ = write!(page, ", {}", size::shown(bytes));
    }
    page.push_str("</p>\n");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn stamp(time: SystemTime) -> Option<String> {
    let time = Timestamp::try_from(time).ok()?;
    Some(format!(
        "<time datetime=\"{}\">{}</time>",
        time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        time.strftime("%Y-%m-%d %H:%M")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
