//! The text of one line. Names and texts in it may come from clients, from other servers and out of images,
//! so everything is escaped that could end the line or change how a terminal shows it.

use std::fmt::{self, Debug, Write};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::settings::LogFormat;

/// The line of an event. `colour` is for terminals.
pub(super) fn of_event(event: &Event<'_>, format: LogFormat, colour: bool) -> String {
    let level = event.metadata().level();
    match format {
        LogFormat::Human => {
            let mut words = Words::default();
            event.record(&mut words);
            human(*level, &words, colour)
        }
        LogFormat::Json => {
            let mut fields = Fields::begin();
            fields.0.insert("level".into(), level.as_str().into());
            event.record(&mut fields);
            fields.line()
        }
    }
}

/// The line of a request in the access log: a JSON object.
pub(super) fn of_access(event: &Event<'_>) -> String {
    let mut fields = Fields::begin();
    event.record(&mut fields);
    fields.line()
}

/// A warning of the log about itself.
pub(super) fn warning(message: &str, lost: u64, format: LogFormat, colour: bool) -> String {
    match format {
        LogFormat::Human => {
            human(Level::WARN, &Words { message: message.into(), others: String::new() }, colour)
        }
        LogFormat::Json => {
            let mut fields = Fields::begin();
            fields.0.insert("level".into(), Level::WARN.as_str().into());
            fields.0.insert("message".into(), message.into());
            fields.0.insert("dropped".into(), lost.into());
            fields.line()
        }
    }
}

/// A warning of the access log about itself.
pub(super) fn access_warning(message: &str, lost: u64) -> String {
    let mut fields = Fields::begin();
    fields.0.insert("message".into(), message.into());
    fields.0.insert("dropped".into(), lost.into());
    fields.line()
}

fn human(level: Level, words: &Words, colour: bool) -> String {
    let (on, off) = match level {
        _ if !colour => ("", ""),
        Level::ERROR => ("\x1b[31m", "\x1b[0m"),
        Level::WARN => ("\x1b[33m", "\x1b[0m"),
        Level::INFO => ("\x1b[32m", "\x1b[0m"),
        _ => ("\x1b[34m", "\x1b[0m"),
    };
    let (now, Words { message, others }) = (Timestamp::now(), words);
    format!("{now:.6} {on}{:>5}{off} {message}{others}\n", level.as_str())
}

/// The message of an event and its other fields, for people.
#[derive(Default)]
struct Words {
    message: String,
    others: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(Escaped(&mut self.message), "{value:?}"),
            name if is_of_the_library(name) => Ok(()),
            name => {
                let _ = write!(self.others, " {name}=");
                write!(Escaped(&mut self.others), "{value:?}")
            }
        };
    }
}

/// The fields of an event as members of a JSON object.
struct Fields(Map<String, Value>);

impl Fields {
    fn begin() -> Self {
        Self(Map::from_iter([("timestamp".into(), format!("{:.6}", Timestamp::now()).into())]))
    }

    fn insert(&mut self, field: &Field, value: Value) {
        if !is_of_the_library(field.name()) {
            self.0.insert(field.name().to_owned(), value);
        }
    }

    fn line(self) -> String {
        let text = Value::Object(self.0).to_string();
        let mut line = String::with_capacity(text.len() + 1);
        for character in text.chars() {
            // JSON has escaped what is below U+0020. All others of these have four digits.
            let _ = if must_be_escaped(character) {
                write!(line, "\\u{:04x}", u32::from(character))
            } else {
                line.write_char(character)
            };
        }
        line.push('\n');
        line
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }
}

/// Fields of events that come through the crate `log`: where in the source they are.
fn is_of_the_library(name: &str) -> bool {
    name.starts_with("log.")
}

/// Writes text with escapes.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if must_be_escaped(character) {
                write!(self.0, "{}", character.escape_default())?;
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

/// Whether a character ends a line, controls a terminal, or changes the order in which others are shown:
/// controls (C0, C1), separators of lines and paragraphs, bidirectional marks, embeddings and isolates.
fn must_be_escaped(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str =
        "a\nb\r\t\u{1b}[31m\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2066}\u{200f}é\u{61c}";

    #[test]
    fn hostile_text_stays_in_its_line_and_in_its_order() {
        let mut words = Words::default();
        write!(Escaped(&mut words.message), "{HOSTILE}").expect("a string");
        let line = human(Level::WARN, &words, false);
        let shown = "a\\nb\\r\\t\\u{1b}[31m\\u{7f}\\u{85}\\u{9b}\\u{2028}\\u{2029}\\u{202e}\\u{2066}\\u{200f}é\\u{61c}\n";
        assert!(line.ends_with(&format!("  WARN {shown}")), "{line:?}");

        let mut fields = Fields::begin();
        fields.0.insert("path".into(), HOSTILE.into());
        let line = fields.line();
        assert!(!line.trim_end_matches('\n').contains(must_be_escaped), "{line:?}");
        let read: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read["path"], HOSTILE);
    }

    #[test]
    fn a_time_has_microseconds() {
        let line = human(Level::INFO, &Words::default(), false);
        let time = line.split(' ').next().expect("a time");
        assert!(time.len() == "2026-11-30T21:44:46.123456Z".len() && time.ends_with('Z'), "{line}");
    }
}
