//! The name of a file from the web: where its link led to, else the server's proposal, else
//! `<name>-<version>.iso`.

use percent_encoding::percent_decode_str;
use url::Url;

use model::image::Image;
use model::link::Link;
use model::names::{FileName, ImageName, ImageVersion, NameError};

/// The extensions of images.
const EXTENSIONS: [&str; 6] = ["iso", "img", "squashfs", "sqfs", "sfs", "tar"];

/// Last segments that name what is done, not what is fetched.
const ACTIONS: [&str; 6] = ["download", "latest", "current", "stable", "file", "raw"];

/// The best name before the server has answered.
pub fn provisional_name(url: &Url, name: &ImageName, version: &ImageVersion) -> Result<FileName, NameError> {
    of_image(url).map_or_else(|| fallback(name.as_str(), version.as_str()), Ok)
}

/// What is known of a file when its source has answered.
#[derive(Debug)]
pub(super) struct Clues<'a> {
    /// Where the redirects led.
    pub(super) final_url: &'a Url,
    /// The link that was asked for.
    pub(super) typed: &'a Url,
    /// The `Content-Disposition`.
    pub(super) proposed: Option<&'a str>,
}

impl Clues<'_> {
    /// The names that the file may be stored under, the best first. A later one is for the case that the one
    /// before is another file's.
    ///
    /// People expect the extension of an image: of the last segment of the final link, of the server's
    /// proposal, or of the typed link. Without it, the proposal says more than a link like `/get?id=5`.
    pub(super) fn names(&self, image: &Image) -> Vec<FileName> {
        let fallback = fallback(image.name.as_str(), image.version.as_str());
        match self.certain().or_else(|| self.likely()) {
            Some(name) if is_image(&name) => vec![name],
            other => other.into_iter().chain(fallback).chain([image.iso.clone()]).collect(),
        }
    }

    /// The names by which a checksum file may list it.
    pub(super) fn listed(&self) -> Vec<FileName> {
        let links = [last_segment(self.final_url), last_segment(self.typed)];
        let all = [self.certain(), self.likely()].into_iter().chain(links).chain([self.proposal()]);
        all.flatten().collect()
    }

    /// A name with the extension of an image.
    fn certain(&self) -> Option<FileName> {
        stated(self.final_url).or_else(|| self.proposal().filter(is_image)).or_else(|| stated(self.typed))
    }

    fn likely(&self) -> Option<FileName> {
        let is_thing = |name: &FileName| !ACTIONS.contains(&name.as_str().to_ascii_lowercase().as_str());
        self.proposal()
            .or_else(|| of_image(self.final_url))
            .or_else(|| of_image(self.typed))
            .or_else(|| last_segment(self.final_url).filter(is_thing))
            .or_else(|| last_segment(self.typed).filter(is_thing))
    }

    fn proposal(&self) -> Option<FileName> {
        self.proposed.and_then(content_disposition).and_then(|name| FileName::new(name).ok())
    }
}

/// The names of a link's file by which a checksum file may list it.
pub(super) fn of_link(link: &Link) -> impl Iterator<Item = FileName> {
    let url = link.secret_url();
    of_image(url).into_iter().chain(last_segment(url))
}

/// The last segment of a link, if it has the extension of an image.
pub(super) fn stated(url: &Url) -> Option<FileName> {
    last_segment(url).filter(is_image)
}

/// The part of a link that has the extension of an image: its last segment, else one before it, as in
/// `/a.iso/download`, else a value of the query, as in `?file=a.iso`.
fn of_image(url: &Url) -> Option<FileName> {
    let segments = url.path_segments().into_iter().flat_map(Iterator::rev).filter_map(name_of_segment);
    let values = url
        .query_pairs()
        .filter_map(|(_, value)| FileName::new(value.rsplit('/').next().unwrap_or_default()).ok());
    segments.chain(values).find(is_image)
}

fn fallback(name: &str, version: &str) -> Result<FileName, NameError> {
    // Two names of 255 bytes do not fit into one, so the beginning of each has to do.
    let short = |text: &str| -> String { text.chars().take(30).collect() };
    FileName::new(format!("{}-{}.iso", short(name), short(version)))
}

fn last_segment(url: &Url) -> Option<FileName> {
    name_of_segment(url.path_segments()?.next_back()?)
}

fn name_of_segment(segment: &str) -> Option<FileName> {
    // Parameters, such as `;type=i` of ftp and `;jsessionid=` (RFC 3986 §3.3).
    let segment = segment.split_once(';').map_or(segment, |(name, _)| name);
    FileName::new(percent_decode_str(segment).decode_utf8().ok()?).ok()
}

fn is_image(name: &FileName) -> bool {
    let extension = name.as_str().rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// The file name of a `Content-Disposition` (RFC 6266): `filename*` in UTF-8 before `filename`.
fn content_disposition(header: &str) -> Option<String> {
    let parameters: Vec<(String, String)> = split_outside_quotes(header)
        .into_iter()
        .filter_map(|part| {
            part.trim()
                .split_once('=')
                .map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let value =
        |wanted: &str| parameters.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
    let extended = value("filename*").and_then(|value| {
        // Some servers quote it.
        let (charset, rest) = value.trim_matches('"').split_once('\'')?;
        let (_language, encoded) = rest.split_once('\'')?;
        let bytes: Vec<u8> = percent_decode_str(encoded).collect();
        match charset.to_ascii_lowercase().as_str() {
            "utf-8" => String::from_utf8(bytes).ok(),
            "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
            _ => None,
        }
    });
    let plain = || Some(unquoted(value("filename")?));
    // A server may propose a whole path; only its last segment is a name (RFC 6266 §4.3).
    extended.or_else(plain).and_then(|name| name.rsplit(['/', '\\']).next().map(str::to_owned))
}

/// The value of a quoted string, or a token as it is (RFC 9110 §5.6.4).
fn unquoted(value: &str) -> String {
    let Some(quoted) = value.strip_prefix('"') else { return value.to_owned() };
    let (mut plain, mut characters) = (String::new(), quoted.chars());
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            // Some servers write a Windows path, whose backslashes quote nothing.
            '\\' if characters.as_str().starts_with(['"', '\\']) => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

fn split_outside_quotes(header: &str) -> Vec<String> {
    let (mut parts, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for character in header.chars() {
        match character {
            '"' if !escaped => quoted = !quoted,
            ';' if !quoted => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = quoted && !escaped && character == '\\';
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(typed: &str, final_url: &str, proposed: Option<&str>) -> Vec<String> {
        let (typed, final_url) = (typed.parse().expect("a link"), final_url.parse().expect("a link"));
        let clues = Clues { final_url: &final_url, typed: &typed, proposed };
        let name = clues.certain().or_else(|| clues.likely());
        let is_last = name.as_ref().is_some_and(is_image);
        let fallback = fallback("centos", "7").ok().filter(|_| !is_last);
        name.into_iter().chain(fallback).map(|name| name.to_string()).collect()
    }

    #[test]
    fn the_final_link_names_the_file() {
        let other = Some("attachment; filename=other.iso");
        for (typed, final_url, proposed, expected) in [
            ("http://h/a.iso/download", "http://m/x/a-1.iso", None, &["a-1.iso"][..]),
            ("http://h/a.iso/download", "http://h/a.iso/download", None, &["a.iso"]),
            ("http://h/latest.iso", "http://m/a-1.iso", other, &["a-1.iso"]),
            ("http://h/latest.iso", "http://m/objects/5f3a", other, &["other.iso"]),
            ("http://h/latest.iso", "http://m/objects/5f3a", None, &["latest.iso"]),
            ("http://h/get.php?file=/x/a.iso", "http://h/get.php", None, &["a.iso"]),
            ("http://h/1/download", "http://h/1/download", None, &["centos-7.iso"]),
            (
                "http://h/1/download",
                "http://h/1/download",
                Some("inline; filename=x"),
                &["x", "centos-7.iso"],
            ),
            ("http://h/1/download", "http://m/5f3a", None, &["5f3a", "centos-7.iso"]),
            ("http://h/x", "ftp://m/a.iso;type=i", None, &["a.iso"]),
            ("http://h/x", "http://m/a.iso;jsessionid=5F3A.b?x=1", other, &["a.iso"]),
        ] {
            assert_eq!(named(typed, final_url, proposed), expected, "{typed} {final_url} {proposed:?}");
        }
    }

    #[test]
    fn a_name_is_found_for_every_link() {
        for (link, proposed, expected) in [
            ("http://h/a/b.iso", None, "b.iso"),
            ("http://h/a/b%20c.ISO?x=1#y", Some("attachment; filename=other.iso"), "b c.ISO"),
            ("http://h/live/filesystem.squashfs", Some("attachment; filename=x.iso"), "filesystem.squashfs"),
            ("http://h/rootfs.TAR", None, "rootfs.TAR"),
            ("http://h/get?id=5", Some("attachment; filename=\"real;1.iso\""), "get"),
            ("http://h/get?id=5", Some("attachment; filename=\"real 1.iso\""), "real 1.iso"),
            ("http://h/get", Some("attachment; filename=x.iso; filename*=UTF-8''%C3%A4.iso"), "ä.iso"),
            ("http://h/get", Some("attachment; filename*=iso-8859-1'en'%E4.iso"), "ä.iso"),
            ("http://h/get", Some("attachment; filename*=\"UTF-8''%C3%A4.iso\""), "ä.iso"),
            ("http://h/get", Some("attachment; filename=\"a\\\\b.iso\""), "b.iso"),
            ("http://h/get", Some("attachment; filename=\"C:\\x\\c.iso\"; size=5"), "c.iso"),
            ("http://h/get", Some("attachment; filename=../../etc/x.iso"), "x.iso"),
            ("http://h/get", Some("inline"), "get"),
            ("http://h/", None, "centos-7.iso"),
            ("ftp://h/a/b.iso;type=i", None, "b.iso"),
            ("http://h", Some("attachment; filename=\"\""), "centos-7.iso"),
            ("http://h/a%2Fb", None, "centos-7.iso"),
        ] {
            let names = named(link, link, proposed);
            assert_eq!(names.first().map(String::as_str), Some(expected), "{link} {proposed:?}");
        }
        assert!(fallback(&"x".repeat(255), &"y".repeat(255)).is_ok());
    }
}
