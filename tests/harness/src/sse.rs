//! A reader of server-sent events (HTML §9.2) that returns each block of lines.

use super::http::{Connection, Request, Response, SILENCE, split};
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::time::Instant;

/// A block of lines up to an empty line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    /// The event's name; empty where there is no event.
    pub name: String,
    /// Its id.
    pub id: Option<String>,
    /// Its data, if there is any.
    pub data: Option<String>,
    /// Milliseconds until a client should reconnect.
    pub retry: Option<u64>,
    /// Comment lines.
    pub comments: usize,
}

impl Event {
    /// The data as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let data = self.data.as_deref().unwrap_or_else(|| panic!("no data: {self:?}"));
        serde_json::from_str(data).unwrap_or_else(|error| panic!("no JSON ({error}): {data}"))
    }

    /// The number in its id.
    #[track_caller]
    pub fn number(&self) -> u64 {
        let id = self.id.as_deref().unwrap_or_else(|| panic!("no id: {self:?}"));
        id.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or_else(|| panic!("{id}"))
    }
}

/// An open stream of events.
pub struct Events {
    connection: Connection,
    /// The head of the answer.
    pub head: Response,
    unread: String,
    waiting: VecDeque<Event>,
}

impl Events {
    /// Requests a stream. Panics unless the answer is one.
    #[track_caller]
    pub fn open(url: &str, headers: &[(&str, &str)]) -> Self {
        let (_, target) = split(url);
        let mut connection = Connection::open(url);
        connection.send(&Request::new("GET", target).headers(headers)).unwrap();
        let head = connection.receive_head().unwrap();
        assert_eq!(head.status, 200, "{}", head.head_text());
        assert_eq!(head.header("Content-Type"), Some("text/event-stream"), "{}", head.head_text());
        Self { connection, head, unread: String::new(), waiting: VecDeque::new() }
    }

    /// The next block; `None` at the orderly end of the stream.
    pub fn read(&mut self) -> io::Result<Option<Event>> {
        while self.waiting.is_empty() {
            let Some(chunk) = self.connection.read_chunk()? else { return Ok(None) };
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((block, rest)) = self.unread.split_once("\n\n") {
                self.waiting.push_back(parse(block));
                self.unread = rest.to_owned();
            }
        }
        Ok(self.waiting.pop_front())
    }

    /// The next event; blocks without data are skipped. Panics when none arrives within `SILENCE`.
    #[track_caller]
    pub fn expect_event(&mut self) -> Event {
        let deadline = Instant::now() + SILENCE;
        loop {
            let event = self.read().unwrap_or_else(|error| panic!("no event: {error}"));
            let event = event.expect("the stream has ended");
            if event.data.is_some() {
                return event;
            }
            assert!(Instant::now() < deadline, "no event within {SILENCE:?}");
        }
    }

    /// Reads events until `wanted` is true of one; returns all of them, that one last.
    #[track_caller]
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let deadline = Instant::now() + SILENCE;
        let mut found: Vec<Event> = Vec::new();
        while !found.last().is_some_and(&wanted) {
            assert!(Instant::now() < deadline, "not within {SILENCE:?}: {what}; {found:#?}");
            found.push(self.expect_event());
        }
        found
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => event.comments += 1,
            "event" => event.name = value.to_owned(),
            "id" => event.id = Some(value.to_owned()),
            "data" => event.data = Some(value.to_owned()),
            "retry" => event.retry = value.parse().ok(),
            _ => panic!("unknown field in {block:?}"),
        }
    }
    event
}
