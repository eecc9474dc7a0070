//! How a value is taken out of a small file or a label.

use crate::profiles::contents::Contents;

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// Here.
    Is(&'static str),
    /// In a file.
    In(&'static str, Take),
    /// The name that labels like this one stand for.
    LabelName,
    /// The number in such a label.
    LabelVersion,
}

/// How a value is taken out of a text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Take {
    /// The line of this number, from 0 on.
    Line(usize),
    /// The value of a key in a section of an INI file.
    Setting(&'static str, &'static str),
    /// The value of a variable of a shell, perhaps in quotes.
    Variable(&'static str),
    /// The text behind this, up to a blank, a dash or a quote.
    Behind(&'static str),
    /// The words before the first that begins with a digit, in the line of this number: `Ubuntu-Server` of
    /// `Ubuntu-Server 24.04.1 LTS`.
    Title(usize),
    /// The number that follows them.
    Number(usize),
    /// The first number with a dot anywhere.
    Dotted,
    /// The second text, if the first is anywhere in the file.
    When(&'static str, &'static str),
}

/// A label that names its system. `*` before the beginning means anywhere; case does not count.
pub(super) struct Label {
    pub(super) begins: &'static str,
    pub(super) name: &'static str,
    /// How many numbers of the label make the version: `RHEL-9-4-0-BaseOS` is 9.4 of two. Of none, because it
    /// is a date, there is none.
    pub(super) numbers: usize,
}

impl Rule {
    /// The value; `labels` are those that are known.
    pub(super) fn apply(self, contents: &impl Contents, labels: &[Label]) -> Option<String> {
        let like = || label_like(contents.label(), labels);
        match self {
            Self::Is(text) => Some(text.to_owned()),
            Self::In(path, take) => take.out_of(&contents.read(path)?),
            Self::LabelName => Some(like()?.name.to_owned()),
            Self::LabelVersion => label_version(contents.label(), like()?.numbers),
        }
    }
}

impl Take {
    fn out_of(self, text: &str) -> Option<String> {
        let line = |number| text.lines().nth(number);
        match self {
            Self::Line(number) => line(number).map(str::to_owned),
            Self::Setting(section, key) => setting(text, section, key),
            Self::Variable(key) => text.lines().find_map(|line| {
                let value = line.trim().strip_prefix(key)?.strip_prefix('=')?;
                Some(value.trim_matches(['"', '\'']).to_owned())
            }),
            Self::Behind(before) => {
                let rest = text.split_once(before)?.1;
                let end = rest.find(|letter: char| letter.is_whitespace() || "-\"'".contains(letter));
                Some(rest[..end.unwrap_or(rest.len())].to_owned())
            }
            Self::Title(number) => Some(titled(line(number)?).0),
            Self::Number(number) => titled(line(number)?).1,
            Self::Dotted => {
                let numbers = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
                let trimmed = numbers.map(|number| number.trim_matches('.'));
                trimmed.into_iter().find(|number| number.contains('.')).map(str::to_owned)
            }
            Self::When(part, text_then) => text.contains(part).then(|| text_then.to_owned()),
        }
    }
}

fn setting(text: &str, section: &str, key: &str) -> Option<String> {
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            is_inside = name.trim() == section;
        } else if is_inside
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            return Some(value.trim().to_owned());
        }
    }
    None
}

/// A title and the number behind it. Code names in quotes and remarks behind a dash belong to neither.
fn titled(line: &str) -> (String, Option<String>) {
    let words = line.trim().trim_start_matches("Official ").split_whitespace();
    let mut title: Vec<&str> = Vec::new();
    for word in words {
        match word.chars().next() {
            Some(first) if first.is_ascii_digit() => {
                let end = word.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
                return (title.join(" "), Some(word[..end.unwrap_or(word.len())].to_owned()));
            }
            Some('"' | '-') => break,
            // openSUSE lists its product behind the folder that it lies in.
            _ if word == "/" => {}
            _ => title.push(word),
        }
    }
    (title.join(" "), None)
}

fn label_like<'a>(label: &str, labels: &'a [Label]) -> Option<&'a Label> {
    let label = label.to_lowercase();
    labels.iter().find(|like| match like.begins.strip_prefix('*') {
        Some(part) => label.contains(part),
        None => label.starts_with(like.begins),
    })
}

/// The first numbers in a row, with dots between them.
fn label_version(label: &str, numbers: usize) -> Option<String> {
    let others = numbers.checked_sub(1)?;
    // `x86_64` is the only architecture with a number of its own between such marks.
    let label = label.to_lowercase().replace("x86_64", "");
    let words = label.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.');
    let begins_with_digit = |word: &&str| word.starts_with(|letter: char| letter.is_ascii_digit());
    let is_number = |word: &&str| word.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
    let mut words = words.skip_while(|word| !begins_with_digit(word));
    let first = words.next()?;
    let mut version = first.to_uppercase();
    if is_number(&first) {
        for next in words.take(others).take_while(|word| !word.is_empty() && is_number(word)) {
            version = format!("{version}.{next}");
        }
    }
    Some(version)
}

/// The architecture that a text names by one of the `words`, as Linux calls it.
pub(super) fn architecture(text: &str, words: &[(&'static str, &'static str)]) -> Option<&'static str> {
    let text = text.to_lowercase();
    let stands_alone = |at: usize, word: &str| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    };
    let is_named = |word: &str| text.match_indices(word).any(|(at, word)| stands_alone(at, word));
    words.iter().find(|(word, _)| is_named(word)).map(|(_, architecture)| *architecture)
}
