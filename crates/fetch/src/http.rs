//! Fetches over http and https: redirects, and requests for a whole file or for its missing bytes.

use futures_util::{StreamExt, stream};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_DISPOSITION, COOKIE, HeaderMap, IF_RANGE, LOCATION, RANGE};
use reqwest::{Response, StatusCode};
use url::Url;

use super::answer::{self, Body, Coding};
use super::cookies::Cookies;
use super::explain::explain;
use super::gzip::{self, Labelled};
use super::{Fault, Fetched, Fetcher, Resume, Validator, ftp, length};
use model::link::shown;

/// As many redirects as browsers follow (Fetch Standard §4.4).
const MAX_REDIRECTS: usize = 20;

/// The longest link of a redirect, in bytes; it is kept with the file.
const MAX_LINK: usize = 8 << 10;

/// Requests the missing bytes of `url`, and the whole file if that fails.
pub(super) async fn fetch(fetcher: &Fetcher, url: &Url, from: Option<Resume>) -> Result<Fetched, Fault> {
    let mut started_over =
        from.as_ref().map(|_| "the source gave nothing by which the file could be recognised");
    let mut cookies = Cookies::default();
    if let Some(from) = from.clone().filter(may_be_continued) {
        let answer = match ask(fetcher, url, Some(&from), &mut cookies).await? {
            Asked::Answered(answer) => answer,
            Asked::LedToFtp(url) => return ftp::fetch(fetcher, &url, Some(from)).await,
        };
        match answer::to_rest(answer.response.status(), answer.response.headers(), &from)? {
            Body::Rest(total) => return Ok(answer.continuing(&from, total)),
            Body::NothingMissing => return Ok(answer.completing(from)),
            Body::Complete(reason) => return answer.whole(reason).await,
            Body::Useless(reason) => started_over = Some(reason),
        }
    }
    match ask(fetcher, url, None, &mut cookies).await? {
        Asked::Answered(answer) => {
            answer::to_whole(answer.response.status(), answer.response.headers())?;
            answer.whole(started_over).await
        }
        Asked::LedToFtp(url) => ftp::fetch(fetcher, &url, from).await,
    }
}

/// Without a validator, the bytes of two files could be joined, which only a digest would detect.
fn may_be_continued(from: &Resume) -> bool {
    from.verified_later || from.validator.as_ref().is_some_and(|validator| validator.if_range().is_some())
}

/// An answer that is no redirect.
struct Answer {
    response: Response,
    url: Url,
    through_proxy: bool,
}

/// Where the redirects end.
enum Asked {
    Answered(Answer),
    /// At a link of another protocol.
    LedToFtp(Url),
}

async fn ask(
    fetcher: &Fetcher,
    url: &Url,
    from: Option<&Resume>,
    cookies: &mut Cookies,
) -> Result<Asked, Fault> {
    let mut url = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let route = fetcher.route(&url).await?;
        let mut headers = request_headers(from)?;
        headers.extend(cookies.field(&url).map(|field| (COOKIE, field)));
        let request = route.client.get(url.clone()).headers(headers);
        let response = request.send().await.map_err(|error| explain(&error, route.through_proxy))?;
        cookies.take(&url, response.headers());
        match target(&response, &url)? {
            Some(next) if next.scheme() == "ftp" => return Ok(Asked::LedToFtp(next)),
            Some(next) => url = next,
            None => {
                return Ok(Asked::Answered(Answer { response, url, through_proxy: route.through_proxy }));
            }
        }
    }
    Err(Fault::Permanent("the web server redirects too often or in a circle".into()))
}

fn request_headers(from: Option<&Resume>) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    let unusable =
        |_| Fault::Permanent("the file cannot be asked for: its mark holds control characters".into());
    // The bytes must arrive unchanged.
    headers.insert(ACCEPT_ENCODING, reqwest::header::HeaderValue::from_static("identity"));
    if let Some(from) = from {
        headers.insert(RANGE, format!("bytes={}-", from.offset).parse().map_err(unusable)?);
        if let Some(mark) = from.validator.as_ref().and_then(Validator::if_range) {
            headers.insert(IF_RANGE, mark.parse().map_err(unusable)?);
        }
    }
    Ok(headers)
}

/// The link that an answer redirects to, if any (RFC 9110 §15.4). Of the choices of a 300 the preferred one
/// counts.
fn target(response: &Response, url: &Url) -> Result<Option<Url>, Fault> {
    let status = response.status();
    let follows = matches!(
        status,
        StatusCode::MULTIPLE_CHOICES
            | StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    // A link that is empty would lead to itself.
    let location = response.headers().get(LOCATION).map(|value| value.as_bytes().trim_ascii());
    let Some(location) = location.filter(|location| follows && !location.is_empty()) else { return Ok(None) };
    let mut next = joined(url, location)
        .ok_or_else(|| Fault::Permanent("the web server redirects to what is not a link".into()))?;
    if next.as_str().len() > MAX_LINK {
        return Err(Fault::Permanent(format!(
            "the web server redirects to a link longer than {MAX_LINK} bytes"
        )));
    }
    if next.origin() != url.origin() || !next.username().is_empty() || next.password().is_some() {
        return Ok(Some(next));
    }
    // The credentials are for this server only. Both calls fail only for links without a host.
    let _ = next.set_username(url.username());
    let _ = next.set_password(url.password());
    Ok(Some(next))
}

/// A link relative to `url`. Servers write characters beyond ASCII as they are, mostly in UTF-8; other bytes
/// are escaped.
fn joined(url: &Url, location: &[u8]) -> Option<Url> {
    match std::str::from_utf8(location) {
        Ok(text) => url.join(text).ok(),
        Err(_) => {
            let byte = |byte: &u8| match byte {
                0..0x80 => char::from(*byte).to_string(),
                other => format!("%{other:02X}"),
            };
            url.join(&location.iter().map(byte).collect::<String>()).ok()
        }
    }
}

/// A field in UTF-8, which most servers write, or in ISO 8859-1 (RFC 9110 §5.5).
fn text(bytes: &[u8]) -> String {
    let latin = |_| bytes.iter().copied().map(char::from).collect();
    std::str::from_utf8(bytes).map_or_else(latin, str::to_owned)
}

impl Answer {
    async fn whole(self, started_over: Option<&'static str>) -> Result<Fetched, Fault> {
        let coding = answer::coding(self.response.headers());
        let validator = Validator::of(self.response.headers());
        let unencoded = answer::unencoded_length(self.response.headers());
        let total = self.response.content_length().or(unencoded);
        let fetched = Fetched { started_over, ..self.fetched(0, total, validator) };
        match coding {
            Coding::None => Ok(fetched),
            // curl takes such bytes as they are. If they are coded indeed, they are no image.
            Coding::Other(coding) => Ok(Fetched { coding: Some(coding), ..fetched }),
            Coding::Gzip => match gzip::begin(fetched.bytes).await? {
                // Length and validator are those of the encoded bytes, so the file cannot be continued.
                Labelled::Gzip(bytes) => Ok(Fetched { total: None, validator: None, bytes, ..fetched }),
                Labelled::Plain(bytes) => Ok(Fetched { bytes, ..fetched }),
            },
        }
    }

    fn continuing(self, from: &Resume, total: Option<u64>) -> Fetched {
        let validator = Validator::of(self.response.headers()).or_else(|| from.validator.clone());
        self.fetched(from.offset, total, validator)
    }

    fn completing(self, from: Resume) -> Fetched {
        let fetched = self.fetched(from.offset, Some(from.offset), from.validator);
        // The body of a 416 is a page for people.
        Fetched { bytes: Box::pin(stream::empty()), ..fetched }
    }

    fn fetched(self, start: u64, total: Option<u64>, validator: Option<Validator>) -> Fetched {
        let proposed_name = self.response.headers().get(CONTENT_DISPOSITION);
        let proposed_name = proposed_name.map(|value| text(value.as_bytes()));
        let through_proxy = self.through_proxy;
        let unencoded = answer::unencoded_length(self.response.headers());
        let chunks = self.response.bytes_stream();
        let chunks = chunks.map(move |chunk| chunk.map_err(|error| explain(&error, through_proxy)));
        Fetched {
            start,
            total,
            validator,
            proposed_name,
            final_url: shown(&self.url),
            started_over: None,
            coding: None,
            bytes: match unencoded {
                Some(length) => length::first(Box::pin(chunks), length),
                None => Box::pin(chunks),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(status: u16, location: &[u8]) -> Result<Option<String>, Fault> {
        let location = ::http::HeaderValue::from_bytes(location).expect("a value");
        let response = ::http::Response::builder().status(status).header(LOCATION, location);
        let response = Response::from(response.body("").expect("a response"));
        let url = "https://me:secret@a.example/x/y.iso?q=1#part".parse().expect("a link");
        Ok(target(&response, &url)?.map(String::from))
    }

    #[test]
    fn credentials_stay_with_their_server() {
        for (location, expected) in [
            ("/z.iso", "https://me:secret@a.example/z.iso"),
            ("https://a.example/z.iso", "https://me:secret@a.example/z.iso"),
            ("https://b.example/z.iso", "https://b.example/z.iso"),
            ("//b.example/z.iso", "https://b.example/z.iso"),
            ("https://a.example:444/z.iso", "https://a.example:444/z.iso"),
            ("http://a.example/z.iso", "http://a.example/z.iso"),
            ("https://you@a.example/z.iso", "https://you@a.example/z.iso"),
            ("ftp://a.example/z.iso", "ftp://a.example/z.iso"),
        ] {
            assert_eq!(redirected(302, location.as_bytes()), Ok(Some(expected.into())), "{location}");
        }
        for status in [200, 201, 304, 305, 404] {
            assert_eq!(redirected(status, b"/z.iso"), Ok(None), "{status}");
        }
    }

    #[test]
    fn links_are_followed_as_servers_write_them() {
        let home = "https://me:secret@a.example";
        for (location, expected) in [
            ("/d\u{e9}p%C3%B4t/a b.iso".as_bytes(), "/d%C3%A9p%C3%B4t/a%20b.iso"),
            (b"/d\xe9p/a.iso", "/d%E9p/a.iso"),
            (b"?q=2", "/x/y.iso?q=2"),
            (b"../z.iso#part", "/z.iso#part"),
            (b"  z.iso\t", "/x/z.iso"),
            (b"//me:secret@a.example/z", "/z"),
        ] {
            assert_eq!(redirected(302, location), Ok(Some(format!("{home}{expected}"))), "{location:?}");
        }
        assert_eq!(redirected(300, b"z.iso"), Ok(Some(format!("{home}/x/z.iso"))));
        assert_eq!(redirected(302, b" "), Ok(None));
        assert_eq!(
            redirected(302, "//b\u{fc}cher.example/".as_bytes()),
            Ok(Some("https://xn--bcher-kva.example/".into()))
        );
        assert!(redirected(302, b"http://").is_err());
    }

    #[test]
    fn fields_are_read_in_both_encodings() {
        for bytes in [&b"\xc3\xa4.iso"[..], b"\xe4.iso"] {
            assert_eq!(text(bytes), "\u{e4}.iso");
        }
    }

    #[test]
    fn a_resume_names_the_file_that_it_continues() {
        let validator = Some(Validator::EntityTag("\"a\"".into()));
        let from = Resume { offset: 5, validator, total: None, verified_later: false };
        let headers = request_headers(Some(&from)).expect("headers");
        assert_eq!(headers[RANGE], "bytes=5-");
        assert_eq!(headers[IF_RANGE], "\"a\"");
        assert_eq!(headers[ACCEPT_ENCODING], "identity");
        assert!(may_be_continued(&from) && !may_be_continued(&Resume { validator: None, ..from }));
    }
}
