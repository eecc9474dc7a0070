//! How interrupted files are resumed, on servers that do it well, badly or not at all.

use fetch::EgressPolicy;
use fetch::{Fault, Fetched, Fetcher, Resume, Validator, fetch, small};
use futures_util::TryStreamExt;
use harness::ftp::{FtpOrigin, FtpSource, Rest, Transfer};
use harness::source::{Ranges, Source};
use harness::web::{Behaviour, Origin, refusing_port};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

const SIZE: usize = 300_000;
const OFFSET: usize = 100_000;
const OLD: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
const OLDER: &str = "Tue, 20 Oct 2015 07:28:00 GMT";

/// The bytes of a file; two files differ at every offset.
fn content(file: u8) -> Vec<u8> {
    (0..SIZE).map(|index| u8::try_from(index % 251).unwrap().wrapping_add(file)).collect()
}

fn fetcher() -> Fetcher {
    Fetcher::new(EgressPolicy::default(), Duration::from_secs(2)).unwrap()
}

async fn get(url: &str, from: Option<Resume>) -> Result<Fetched, Fault> {
    fetch(&fetcher(), &url.parse().unwrap(), from).await
}

/// All bytes until the end, and the fault that ended them.
async fn drain(mut fetched: Fetched) -> (Vec<u8>, Option<Fault>) {
    let mut all = Vec::new();
    loop {
        match fetched.bytes.try_next().await {
            Ok(Some(chunk)) => all.extend_from_slice(&chunk),
            Ok(None) => return (all, None),
            Err(fault) => return (all, Some(fault)),
        }
    }
}

fn resume(validator: Option<Validator>) -> Resume {
    Resume { offset: OFFSET as u64, validator, total: Some(SIZE as u64), verified_later: false }
}

fn tag(text: &str) -> Option<Validator> {
    Some(Validator::EntityTag(text.to_owned()))
}

#[tokio::test]
async fn a_file_is_continued_only_where_it_is_the_same() {
    let origin = Origin::start();
    let source = Source::new(content(1));
    let dated = source.clone().tag(None).modified(OLD);
    let date = |date: &str| Some(Validator::LastModified(date.to_owned()));
    let verified = Resume { verified_later: true, ..resume(None) };
    let other_size = Resume { total: Some(SIZE as u64 + 1), ..resume(tag("\"one\"")) };
    let beyond = Resume { offset: SIZE as u64 + 5, ..resume(tag("\"one\"")) };
    for (what, source, from, continues) in [
        ("same tag", source.clone(), resume(tag("\"one\"")), true),
        ("other tag", source.clone().tag(Some("\"two\"")), resume(tag("\"one\"")), false),
        ("same date", dated.clone(), resume(date(OLD)), true),
        ("other date", dated.clone(), resume(date(OLDER)), false),
        ("no mark", source.clone().tag(None), resume(None), false),
        ("no mark but a digest", source.clone().tag(None), verified.clone(), true),
        ("200 to a range", source.clone().ranges(Ranges::Ignored), resume(tag("\"one\"")), false),
        ("200 to a range with a digest", source.clone().ranges(Ranges::Ignored), verified.clone(), false),
        ("another part", source.clone().ranges(Ranges::Shifted), resume(tag("\"one\"")), false),
        ("another size", source.clone().ranges(Ranges::Longer), resume(tag("\"one\"")), false),
        ("several parts", source.clone().ranges(Ranges::Multipart), resume(tag("\"one\"")), false),
        (
            "If-Range ignored",
            source.clone().tag(Some("\"two\"")).ranges(Ranges::Careless),
            resume(tag("\"one\"")),
            false,
        ),
        ("another size before", source.clone(), other_size, false),
        ("more than there is", source.clone(), beyond, false),
    ] {
        origin.on("/a", Behaviour::Source(source));
        let fetched =
            get(&origin.url("/a"), Some(from)).await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        let start = if continues { OFFSET } else { 0 };
        assert_eq!((fetched.start, fetched.total), (start as u64, Some(SIZE as u64)), "{what}");
        assert_eq!(fetched.started_over.is_some(), !continues, "{what}");
        let (bytes, fault) = drain(fetched).await;
        assert_eq!(fault, None, "{what}");
        assert!(bytes == content(1)[start..], "{what}: other bytes");
    }
    // A range is requested only with the file's validator, or where a digest will tell.
    for seen in origin.seen().into_iter().filter(|seen| seen.headers.contains_key("range")) {
        let mark = seen.headers.get("if-range").map(String::as_str);
        assert!(matches!(mark, None | Some("\"one\"" | OLD | OLDER)), "{seen:?}");
    }
    let marked = origin.seen().iter().filter(|seen| seen.headers.contains_key("if-range")).count();
    assert_eq!(marked, 11);
    origin.on("/whole", Behaviour::Source(source.tag(None)));
    get(&origin.url("/whole"), Some(resume(None))).await.unwrap();
    let seen = origin.seen().pop().unwrap();
    assert!(!seen.headers.contains_key("range"), "{seen:?}");
    assert_eq!(seen.headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn what_is_complete_already_is_known_to_be() {
    let origin = Origin::start();
    origin.on("/a", Behaviour::Source(Source::new(content(1))));
    let all = Resume { offset: SIZE as u64, total: None, ..resume(tag("\"one\"")) };
    let fetched = get(&origin.url("/a"), Some(all.clone())).await.unwrap();
    assert_eq!((fetched.start, fetched.total), (SIZE as u64, Some(SIZE as u64)));
    assert_eq!(drain(fetched).await, (Vec::new(), None));
    // Another file of the same size is not resumed.
    origin.on("/a", Behaviour::Source(Source::new(content(2)).tag(Some("\"two\""))));
    let fetched = get(&origin.url("/a"), Some(all)).await.unwrap();
    assert_eq!(fetched.start, 0);
    assert!(drain(fetched).await.0 == content(2));
}

#[tokio::test]
async fn a_file_comes_in_pieces_over_connections_that_always_break() {
    let origin = Origin::start();
    origin.on("/a", Behaviour::Source(Source::new(content(1)).cut_after(70_000)));
    let (mut all, mut from) = (Vec::new(), None);
    for _ in 0..10 {
        let fetched = get(&origin.url("/a"), from).await.unwrap();
        assert_eq!(fetched.start, all.len() as u64);
        let (validator, total) = (fetched.validator.clone(), fetched.total);
        let (bytes, fault) = drain(fetched).await;
        all.extend(bytes);
        let Some(fault) = fault else { break };
        assert!(fault.is_worth_retrying() && fault.to_string().contains("broke"), "{fault}");
        from = Some(Resume { offset: all.len() as u64, validator, total, verified_later: false });
    }
    assert!(all == content(1), "{} bytes", all.len());
    assert_eq!(origin.seen().len(), 5);
}

#[tokio::test]
async fn faults_tell_whether_to_come_again() {
    let origin = Origin::start();
    origin.on("/busy", Behaviour::Each(vec![Behaviour::Busy("7".into()), Behaviour::Bytes(content(1))]));
    origin.on("/loop", Behaviour::Redirect("/loop".into()));
    origin.on("/forbidden", Behaviour::Status(403));
    origin.on("/gone", Behaviour::Status(410));
    origin.on("/silent", Behaviour::Silent);
    let closed = format!("http://127.0.0.1:{}/x", refusing_port());
    let closed_ftp = format!("ftp://127.0.0.1:{}/x", refusing_port());
    let ftp = FtpOrigin::start();
    for (url, worth, unreachable) in [
        (origin.url("/busy"), true, false),
        (origin.url("/loop"), false, false),
        (origin.url("/forbidden"), false, false),
        (origin.url("/gone"), false, false),
        (origin.url("/silent"), true, false),
        (closed, true, true),
        ("http://no-such-host.invalid/x".to_owned(), true, true),
        (closed_ftp, true, true),
        ("ftp://no-such-host.invalid/x".to_owned(), true, true),
        (ftp.url("/missing"), false, false),
        ("http://169.254.169.254/x".to_owned(), false, false),
    ] {
        let fault = get(&url, None).await.err().unwrap_or_else(|| panic!("{url}"));
        assert_eq!(fault.is_worth_retrying(), worth, "{url}: {fault:?}");
        assert_eq!(matches!(fault, Fault::Unreachable(_)), unreachable, "{url}: {fault:?}");
        assert_eq!(matches!(fault, Fault::Refused(_)), url.contains("169.254"), "{url}: {fault:?}");
        let wait = url.ends_with("/busy").then_some(Duration::from_secs(7));
        assert_eq!(fault.retry_after(), wait, "{url}");
    }
    assert!(drain(get(&origin.url("/busy"), None).await.unwrap()).await.0 == content(1));
}

#[tokio::test]
async fn credentials_stay_with_their_server() {
    let (origin, other) = (Origin::start(), Origin::start());
    origin.on("/a", Behaviour::Redirect("/b".into()));
    origin.on("/b", Behaviour::Redirect(origin.url("/c")));
    origin.on("/c", Behaviour::Redirect(other.url("/d?token=secret")));
    other.on("/d", Behaviour::Bytes(content(1)));
    let url = origin.url("/a").replacen("://", "://operator:secret@", 1);
    let fetched = get(&url, None).await.unwrap();
    assert_eq!(fetched.final_url.as_str(), other.url("/d"));
    let seen = origin.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|seen| seen.headers.contains_key("authorization")), "{seen:?}");
    let seen = other.seen();
    assert!(!seen[0].headers.contains_key("authorization"), "{seen:?}");
    assert!(!seen[0].headers.contains_key("referer"), "{seen:?}");
}

#[tokio::test]
async fn ftp_continues_what_has_the_same_time_and_size() {
    let ftp = FtpOrigin::start();
    let source = FtpSource::new(content(1));
    let time = |time: &str| Some(Validator::FtpTime(time.to_owned()));
    let same = resume(time("2024-01-31 23:59:59"));
    for (what, source, from, continues) in [
        ("same", source.clone(), same.clone(), true),
        ("other time", FtpSource { modified: Some("20240201000000"), ..source.clone() }, same.clone(), false),
        ("other size", source.clone(), Resume { total: Some(SIZE as u64 - 1), ..same.clone() }, false),
        ("no time", FtpSource { modified: None, ..source.clone() }, resume(None), false),
        (
            "no time but a digest",
            FtpSource { modified: None, ..source.clone() },
            Resume { verified_later: true, ..resume(None) },
            true,
        ),
        ("no REST", FtpSource { rest: Rest::Refused, ..source.clone() }, same.clone(), false),
    ] {
        ftp.on("/a", Transfer::Source(source));
        let fetched = get(&ftp.url("/a"), Some(from)).await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        let start = if continues { OFFSET } else { 0 };
        assert_eq!((fetched.start, fetched.total), (start as u64, Some(SIZE as u64)), "{what}");
        assert_eq!(fetched.started_over.is_some(), !continues, "{what}");
        let (bytes, fault) = drain(fetched).await;
        assert_eq!(fault, None, "{what}");
        assert!(bytes == content(1)[start..], "{what}: other bytes");
    }
    // A server that claims to continue and starts anew is detected when it sends too many bytes.
    ftp.on("/a", Transfer::Source(FtpSource { rest: Rest::Ignored, ..source.clone() }));
    let (bytes, fault) = drain(get(&ftp.url("/a"), Some(same.clone())).await.unwrap()).await;
    assert!(matches!(fault, Some(Fault::Changed(_))), "{} bytes, {fault:?}", bytes.len());
    ftp.on("/a", Transfer::Source(FtpSource { cut_after: Some(70_000), ..source }));
    let (mut all, mut from) = (Vec::new(), None);
    for _ in 0..10 {
        let fetched = get(&ftp.url("/a"), from).await.unwrap();
        assert_eq!(fetched.start, all.len() as u64);
        let (validator, total) = (fetched.validator.clone(), fetched.total);
        let (bytes, fault) = drain(fetched).await;
        all.extend(bytes);
        let Some(fault) = fault else { break };
        assert!(fault.is_worth_retrying(), "{fault}");
        from = Some(Resume { offset: all.len() as u64, validator, total, verified_later: false });
    }
    assert!(all == content(1), "{} bytes", all.len());
}

#[tokio::test]
async fn small_files_are_small() {
    let origin = Origin::start();
    origin.on("/announced", Behaviour::Bytes(content(1)));
    origin.on("/not-announced", Behaviour::WithoutLength(content(1)));
    for path in ["/announced", "/not-announced"] {
        let url = origin.url(path).parse().unwrap();
        assert!(small(&fetcher(), &url, SIZE).await.unwrap() == content(1));
        let fault = small(&fetcher(), &url, SIZE - 1).await.unwrap_err();
        assert!(matches!(fault, Fault::Permanent(_)), "{fault:?}");
    }
}

/// A server whose reply after `word` never ends; the thread returns whether the client disconnected.
fn trickling(word: &'static str) -> (String, JoinHandle<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = format!("ftp://{}/a", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut control, _) = listener.accept().unwrap();
        let lines = BufReader::new(control.try_clone().unwrap()).lines().map_while(Result::ok);
        let passive = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = passive.local_addr().unwrap().port();
        let entering = format!("227 Entering Passive Mode (127,0,0,1,{},{})\r\n", port >> 8, port & 255);
        for line in std::iter::once("CONNECT".to_owned()).chain(lines) {
            let verb = line.split(' ').next().unwrap();
            let answer = match verb {
                "CONNECT" => "220 here\r\n",
                "USER" => "331 who?\r\n",
                "PASS" => "230 welcome\r\n",
                "TYPE" => "200 fine\r\n",
                "PASV" => &entering,
                "RETR" => "150 it comes\r\n",
                _ => "502 not here\r\n",
            };
            if verb == word && verb == "CONNECT" {
                break;
            }
            control.write_all(answer.as_bytes()).unwrap();
            if verb == "RETR" {
                passive.accept().unwrap().0.write_all(b"all").unwrap();
                break;
            }
        }
        (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            control.write_all(b"226-and\r\n").is_err()
        })
    });
    (link, server)
}

#[tokio::test]
async fn an_ftp_server_that_trickles_its_words_is_hung_up_on() {
    let fetcher = Fetcher::new(EgressPolicy::default(), Duration::from_millis(500)).unwrap();
    let (link, server) = trickling("CONNECT");
    let fault = fetch(&fetcher, &link.parse().unwrap(), None).await.map(|_| ()).unwrap_err();
    assert!(fault.is_worth_retrying() && fault.to_string().contains("too slowly"), "{fault}");
    assert!(server.join().unwrap(), "it still speaks");
    let (link, server) = trickling("RETR");
    let (bytes, fault) = drain(fetch(&fetcher, &link.parse().unwrap(), None).await.unwrap()).await;
    let fault = fault.expect("an endless reply must end in a fault");
    assert!(fault.is_worth_retrying() && fault.to_string().contains("too slowly"), "{fault}");
    assert_eq!(bytes, b"all");
    assert!(server.join().unwrap(), "it still speaks");
}

#[tokio::test]
async fn a_cancelled_download_hangs_up_on_an_ftp_server() {
    let (link, server) = trickling("CONNECT");
    let url = link.parse().unwrap();
    let fetcher = Fetcher::new(EgressPolicy::default(), Duration::from_secs(60)).unwrap();
    let begun = tokio::time::timeout(Duration::from_millis(300), fetch(&fetcher, &url, None)).await;
    assert!(begun.is_err());
    assert!(server.join().unwrap(), "it still speaks");
}
