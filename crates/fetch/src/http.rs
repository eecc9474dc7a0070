//! Fetches over http and https: redirects, and requests for a whole file or for its missing bytes.

use futures_util::{StreamExt, stream};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_DISPOSITION, HeaderMap, IF_RANGE, LOCATION, RANGE};
use reqwest::{Response, StatusCode};
use url::Url;

use super::answer::{self, Body};
use super::explain::explain;
use super::{Fault, Fetched, Fetcher, Resume, Validator};
use model::link::shown;

/// Twice the redirects that common mirrors need.
const MAX_REDIRECTS: usize = 10;

/// The longest link of a redirect, in bytes; it is kept with the file.
const MAX_LINK: usize = 8 << 10;

/// Requests the missing bytes of `url`, and the whole file if that fails.
pub(super) async fn fetch(fetcher: &Fetcher, url: &Url, from: Option<Resume>) -> Result<Fetched, Fault> {
    let mut started_over =
        from.as_ref().map(|_| "the source gave nothing by which the file could be recognised");
    if let Some(from) = from.filter(may_be_continued) {
        let answer = ask(fetcher, url, Some(&from)).await?;
        match answer::to_rest(answer.response.status(), answer.response.headers(), &from)? {
            Body::Rest(total) => return Ok(answer.continuing(&from, total)),
            Body::NothingMissing => return Ok(answer.completing(from)),
            Body::Complete(reason) => return Ok(answer.whole(reason)),
            Body::Useless(reason) => started_over = Some(reason),
        }
    }
    let answer = ask(fetcher, url, None).await?;
    answer::to_whole(answer.response.status(), answer.response.headers())?;
    Ok(answer.whole(started_over))
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

async fn ask(fetcher: &Fetcher, url: &Url, from: Option<&Resume>) -> Result<Answer, Fault> {
    let mut url = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let route = fetcher.route(&url).await?;
        let request = route.client.get(url.clone()).headers(request_headers(from)?);
        let response = request.send().await.map_err(|error| explain(&error, route.through_proxy))?;
        match target(&response, &url)? {
            Some(next) => url = next,
            None => return Ok(Answer { response, url, through_proxy: route.through_proxy }),
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

/// The link that an answer redirects to, if any (RFC 9110 §15.4).
fn target(response: &Response, url: &Url) -> Result<Option<Url>, Fault> {
    let follows = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(LOCATION).filter(|_| follows) else { return Ok(None) };
    let next = location.to_str().ok().and_then(|location| url.join(location).ok());
    let mut next =
        next.ok_or_else(|| Fault::Permanent("the web server redirects to what is not a link".into()))?;
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

impl Answer {
    fn whole(self, started_over: Option<&'static str>) -> Fetched {
        let validator = Validator::of(self.response.headers());
        let total = self.response.content_length();
        Fetched { started_over, ..self.fetched(0, total, validator) }
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
        let proposed_name = proposed_name.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let through_proxy = self.through_proxy;
        let chunks = self.response.bytes_stream();
        Fetched {
            start,
            total,
            validator,
            proposed_name,
            final_url: shown(&self.url),
            started_over: None,
            bytes: Box::pin(chunks.map(move |chunk| chunk.map_err(|error| explain(&error, through_proxy)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_with_their_server() {
        let redirected = |status: u16, location: &str| {
            let response = ::http::Response::builder().status(status).header(LOCATION, location);
            let response = Response::from(response.body("").expect("a response"));
            let url = "https://me:secret@a.example/x/y.iso".parse().expect("a link");
            target(&response, &url).expect("a redirect").map(String::from)
        };
        for (location, expected) in [
            ("/z.iso", "https://me:secret@a.example/z.iso"),
            ("https://a.example/z.iso", "https://me:secret@a.example/z.iso"),
            ("https://b.example/z.iso", "https://b.example/z.iso"),
            ("https://a.example:444/z.iso", "https://a.example:444/z.iso"),
            ("http://a.example/z.iso", "http://a.example/z.iso"),
            ("https://you@a.example/z.iso", "https://you@a.example/z.iso"),
        ] {
            assert_eq!(redirected(302, location).as_deref(), Some(expected), "{location}");
        }
        assert_eq!(redirected(200, "/z.iso"), None);
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
