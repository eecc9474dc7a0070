//! The name of a file from the web: the link's last segment, else the server's proposal, else
//! `<name>-<version>.iso`.

use percent_encoding::percent_decode_str;
use url::Url;

use model::image::Image;
use model::link::Link;
use model::names::{FileName, ImageName, ImageVersion, NameError};

/// The extensions of images.
const EXTENSIONS: [&str; 6] = ["iso", "img", "squashfs", "sqfs", "sfs", "tar"];

/// The best name before the server has answered.
pub fn provisional_name(url: &Url, name: &ImageName, version: &ImageVersion) -> Result<FileName, NameError> {
    from_link(url).filter(is_image).map_or_else(|| fallback(name.as_str(), version.as_str()), Ok)
}

/// The name to store the file under. People expect a last segment with the extension of an image. For a link
/// like `/download?id=5` the server's proposal says more.
pub(super) fn choose(url: &Url, proposed: Option<&str>, image: &Image) -> FileName {
    let link = from_link(url);
    let proposed = || proposed.and_then(content_disposition).and_then(|name| FileName::new(name).ok());
    link.clone().filter(is_image).or_else(proposed).or(link).unwrap_or_else(|| image.iso.clone())
}

/// The last segment of a link, if it is a name.
pub(super) fn of_link(link: &Link) -> Option<FileName> {
    from_link(link.secret_url())
}

fn fallback(name: &str, version: &str) -> Result<FileName, NameError> {
    // Two names of 255 bytes do not fit into one, so the beginning of each has to do.
    let short = |text: &str| -> String { text.chars().take(30).collect() };
    FileName::new(format!("{}-{}.iso", short(name), short(version)))
}

fn from_link(url: &Url) -> Option<FileName> {
    let segment = url.path_segments()?.next_back()?;
    let segment = segment.split_once(";type=").map_or(segment, |(name, _)| name);
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
        let (charset, rest) = value.split_once('\'')?;
        let (_language, encoded) = rest.split_once('\'')?;
        let decoded =
            charset.eq_ignore_ascii_case("utf-8").then(|| percent_decode_str(encoded).decode_utf8().ok())?;
        decoded.map(std::borrow::Cow::into_owned)
    });
    let plain = || Some(value("filename")?.trim_matches('"').replace("\\\"", "\""));
    // A server may propose a whole path; only its last segment is a name (RFC 6266 §4.3).
    extended.or_else(plain).and_then(|name| name.rsplit(['/', '\\']).next().map(str::to_owned))
}

fn split_outside_quotes(header: &str) -> Vec<String> {
    let (mut parts, mut quoted) = (vec![String::new()], false);
    for character in header.chars() {
        match character {
            '"' => quoted = !quoted,
            ';' if !quoted => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(link: &str, proposed: Option<&str>) -> String {
        let url: Url = link.parse().expect("a link");
        let link = from_link(&url);
        let proposed = || proposed.and_then(content_disposition).and_then(|name| FileName::new(name).ok());
        let name = link
            .clone()
            .filter(is_image)
            .or_else(proposed)
            .or(link)
            .map_or_else(|| fallback("centos", "7"), Ok);
        name.expect("a name").to_string()
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
            ("http://h/get", Some("attachment; filename=../../etc/x.iso"), "x.iso"),
            ("http://h/get", Some("inline"), "get"),
            ("http://h/", None, "centos-7.iso"),
            ("ftp://h/a/b.iso;type=i", None, "b.iso"),
            ("http://h", Some("attachment; filename=\"\""), "centos-7.iso"),
            ("http://h/a%2Fb", None, "centos-7.iso"),
        ] {
            assert_eq!(named(link, proposed), expected, "{link} {proposed:?}");
        }
        assert!(fallback(&"x".repeat(255), &"y".repeat(255)).is_ok());
    }
}
