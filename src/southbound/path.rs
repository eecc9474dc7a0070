//! From a request target to the path components of the look-up. `//` collapses, `%XX` is decoded once, `+` is
//! a plus. Dot segments are removed (RFC 3986 §5.2.4), and never lead above the root.

use component::LookupRequest;
use percent_encoding::percent_decode;

/// Bytes of a decoded path. Longer paths cannot name anything on Linux (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// Splits the path of a request below `api_root`. `None` if it lies outside or cannot be a path.
pub(super) fn parse(path: &str, api_root: &str) -> Option<LookupRequest> {
    if path.len() > MAX_PATH * 3 {
        return None;
    }
    let mut request = LookupRequest::default();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let decoded: Vec<u8> = percent_decode(segment.as_bytes()).collect();
        match decoded.as_slice() {
            b"." => {}
            b".." => {
                request.raw.pop()?;
                request.decoded.pop();
            }
            _ => {
                request.raw.push(segment.as_bytes().to_vec());
                request.decoded.push(decoded);
            }
        }
    }
    let prefix: Vec<&[u8]> =
        api_root.split('/').filter(|segment| !segment.is_empty()).map(str::as_bytes).collect();
    let inside = request.decoded.len() >= prefix.len()
        && prefix.iter().zip(&request.decoded).all(|(wanted, found)| wanted == found);
    if !inside {
        return None;
    }
    request.raw.drain(..prefix.len());
    request.decoded.drain(..prefix.len());
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(path: &str) -> Option<String> {
        let joined = parse(path, "")?.decoded.join(&b"|"[..]);
        Some(String::from_utf8_lossy(&joined).into_owned())
    }

    #[test]
    fn paths_are_read_as_boot_clients_mean_them() {
        for (path, expected) in [
            ("/", Some("")),
            ("", Some("")),
            ("/a//b///c/", Some("a|b|c")),
            ("/a%20b", Some("a b")),
            ("/a%2520b", Some("a%20b")),
            ("/a+b", Some("a+b")),
            ("/a%2Fb", Some("a/b")),
            ("/a%zzb%", Some("a%zzb%")),
            ("/a/./b", Some("a|b")),
            ("/a/../b", Some("b")),
            ("/a/%2e%2E/b", Some("b")),
            ("/..", None),
            ("/a/../../b", None),
        ] {
            assert_eq!(decoded(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn only_what_lies_below_the_api_root_is_served() {
        for (path, inside) in [
            ("/files/v1/a", true),
            ("/files/v1", true),
            ("//files/v1/", true),
            ("/files/a", false),
            ("/", false),
            ("/filesv1", false),
        ] {
            assert_eq!(parse(path, "/files/v1").is_some(), inside, "{path}");
        }
        assert_eq!(parse("/files/v1/a", "/files/v1").expect("inside").raw, [b"a"]);
        assert!(parse("/files/v1/../../etc", "/files/v1").is_none());
    }
}
