//! The cookies of one download (RFC 6265): some servers set one, redirect to the same link, and send the file
//! only to a client that has it. They are kept for the redirects of one request and forgotten after it.

use std::time::SystemTime;

use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::{Host, Url};

/// The most cookies, the first ones that come; §6.1 asks for 50 of one server.
const MAX_COOKIES: usize = 50;

/// The longest cookie with its attributes, in bytes, and the longest field of a request.
const MAX_BYTES: usize = 4 << 10;
const MAX_FIELD: usize = 16 << 10;

/// What servers have set so far.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Whether it goes to the server `domain` alone, and not to those below it as well.
    is_host_only: bool,
    path: String,
    is_secure: bool,
}

impl Cookies {
    /// Takes the cookies of an answer from `url` (§5.3).
    pub(super) fn take(&mut self, url: &Url, headers: &HeaderMap) {
        for field in headers.get_all(SET_COOKIE) {
            let field = std::str::from_utf8(field.as_bytes()).ok().filter(|field| field.len() <= MAX_BYTES);
            let Some((cookie, is_expired)) = field.and_then(|field| read(url, field)) else { continue };
            let is_same = |other: &Cookie| {
                (&other.name, &other.domain, &other.path) == (&cookie.name, &cookie.domain, &cookie.path)
            };
            self.0.retain(|other| !is_same(other));
            if !is_expired && self.0.len() < MAX_COOKIES {
                self.0.push(cookie);
            }
        }
    }

    /// The field of a request for `url` (§5.4); `None` without a cookie for it.
    pub(super) fn field(&self, url: &Url) -> Option<HeaderValue> {
        let mut fitting: Vec<&Cookie> = self.0.iter().filter(|cookie| cookie.fits(url)).collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut field = String::new();
        for Cookie { name, value, .. } in fitting {
            let separator = if field.is_empty() { "" } else { "; " };
            if field.len() + separator.len() + name.len() + 1 + value.len() <= MAX_FIELD {
                field = format!("{field}{separator}{name}={value}");
            }
        }
        let mut field = HeaderValue::from_bytes(field.as_bytes()).ok().filter(|field| !field.is_empty())?;
        field.set_sensitive(true);
        Some(field)
    }
}

impl Cookie {
    fn fits(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let fits_host = if self.is_host_only { host == self.domain } else { is_below(host, &self.domain) };
        fits_host && path_fits(url.path(), &self.path) && (!self.is_secure || url.scheme() == "https")
    }
}

/// Reads a field (§5.2), and whether it removes the cookie. `None` if the server may not set it.
fn read(url: &Url, field: &str) -> Option<(Cookie, bool)> {
    let mut parts = field.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let host = url.host_str()?;
    let (mut domain, mut path, mut is_secure) = (None, None, false);
    let (mut max_age, mut expires) = (None, None);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" => domain = Some(value.trim_start_matches('.').to_ascii_lowercase()),
            "path" => path = Some(value).filter(|path| path.starts_with('/')),
            "secure" => is_secure = true,
            "max-age" => max_age = value.parse::<i64>().ok(),
            "expires" => expires = httpdate::parse_http_date(value).ok(),
            _ => {}
        }
    }
    let domain = domain.filter(|domain| !domain.is_empty() && domain != host);
    let is_host_only = domain.is_none();
    if let Some(domain) = &domain {
        // A name without a dot is a whole top-level domain.
        let is_name = matches!(url.host(), Some(Host::Domain(_))) && domain.contains('.');
        if !is_name || !is_below(host, domain) {
            return None;
        }
    }
    if name.trim().is_empty() || (is_secure && url.scheme() != "https") {
        return None;
    }
    let is_expired = match max_age {
        Some(seconds) => seconds <= 0,
        None => expires.is_some_and(|time| time <= SystemTime::now()),
    };
    let cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        domain: domain.unwrap_or_else(|| host.to_owned()),
        is_host_only,
        path: path.unwrap_or_else(|| default_path(url.path())).to_owned(),
        is_secure,
    };
    Some((cookie, is_expired))
}

/// Whether a host is `domain` or below it (§5.1.3).
fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The folder of a path (§5.1.4).
fn default_path(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder })
}

/// Whether a path is `folder` or below it (§5.1.4).
fn path_fits(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || folder.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect("a link")
    }

    fn sent(from: &str, fields: &[&str], to: &str) -> Option<String> {
        let mut cookies = Cookies::default();
        for field in fields {
            cookies.take(&url(from), &HeaderMap::from_iter([(SET_COOKIE, field.parse().expect("a value"))]));
        }
        let field = cookies.field(&url(to))?;
        Some(field.to_str().expect("text").to_owned())
    }

    #[test]
    fn a_cookie_goes_only_where_it_may() {
        let home = "https://a.example.org/x/y.iso";
        for (fields, to, expected) in [
            (&["p=1; Path=/"][..], home, Some("p=1")),
            (&["p=1"], home, Some("p=1")),
            (&["p=1"], "https://a.example.org/x/z/w", Some("p=1")),
            (&["p=1"], "https://a.example.org/z", None),
            (&["p=1; path=/x"], "https://a.example.org/xy", None),
            // Ports and schemes are the same server's (§8.5).
            (&["p=1"], "http://a.example.org:8080/x/", Some("p=1")),
            (&["p=1; Secure"], "http://a.example.org/x/", None),
            (&["p=1; Secure; HttpOnly; SameSite=Lax"], home, Some("p=1")),
            (&["p=1; Path=/"], "https://b.example.org/x/", None),
            (&["p=1; Path=/"], "https://b.a.example.org/", None),
            (&["p=1; Path=/; Domain=example.org"], "https://b.example.org/", Some("p=1")),
            (&["p=1; Path=/; Domain=.Example.org"], "https://example.org/", Some("p=1")),
            (&["p=1; Path=/; Domain=example.org"], "https://badexample.org/", None),
            (&["p=1; Path=/; Domain=org"], home, None),
            (&["p=1; Path=/; Domain=other.org"], "https://other.org/", None),
            (&["p=1; Path=/; Domain=b.a.example.org"], home, None),
            (&["p=1", "p=2"], home, Some("p=2")),
            (&["p=1", "q=2; Path=/", "r=a=b"], home, Some("p=1; r=a=b; q=2")),
            (&["p=1", "p=; Max-Age=0"], home, None),
            (&["p=1", "p=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], home, None),
            (&["p=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], home, Some("p=1")),
            (&["p", "=1", ""], home, None),
        ] {
            assert_eq!(sent(home, fields, to).as_deref(), expected, "{fields:?} {to}");
        }
        let address = ["p=1; Path=/", "q=1; Domain=0.0.1"];
        assert_eq!(sent("http://127.0.0.1:1/", &address, "http://127.0.0.1:2/").as_deref(), Some("p=1"));
        assert_eq!(sent("http://127.0.0.1/", &address, "http://127.0.0.2/"), None);
    }

    #[test]
    fn their_number_and_size_are_limited() {
        let home = "http://a.example/";
        let many: Vec<String> = (0..100).map(|number| format!("c{number}={}", "x".repeat(1000))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(sent(home, &many, home).expect("some").len() <= MAX_FIELD);
        assert_eq!(sent(home, &[&format!("p={}", "x".repeat(MAX_BYTES))], home), None);
    }
}
