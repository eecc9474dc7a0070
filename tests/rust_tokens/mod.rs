//! Just enough of Rust's lexical structure to find paths in a source: words and marks, without comments and
//! strings.

/// Words, `::` and single punctuation marks with their lines; comments, strings, characters and white space
/// are left out.
pub(crate) fn tokens(text: &str) -> Vec<(usize, String)> {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let mut found = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < bytes.len() {
        let rest = &text[at..];
        let length = skipped(rest).unwrap_or_else(|| {
            let word = rest.bytes().take_while(|byte| is_word(*byte)).count();
            let length = if word > 0 { word } else { 1 + usize::from(rest.starts_with("::")) };
            if !bytes[at].is_ascii_whitespace() {
                found.push((line, rest[..length].to_owned()));
            }
            length
        });
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

/// The length of the comment, string or character that `rest` starts with.
fn skipped(rest: &str) -> Option<usize> {
    let until =
        |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |found| from + found + end.len());
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    let prefix =
        ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| rest.starts_with(prefix)).unwrap_or_default();
    let body = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = body.bytes().take_while(|byte| *byte == b'#').count();
        let is_string = body[hashes..].starts_with('"');
        return is_string.then(|| until(&format!("\"{}", "#".repeat(hashes)), prefix.len() + hashes + 1));
    }
    if body.starts_with('"') {
        return Some(prefix.len() + quoted(body, b'"'));
    }
    // A lifetime has no closing quote behind its first character.
    let mut characters = body.chars();
    let is_character = characters.next() == Some('\'')
        && match characters.next() {
            Some('\\') => true,
            Some(_) => characters.next() == Some('\''),
            None => false,
        };
    is_character.then(|| prefix.len() + quoted(body, b'\''))
}

/// The length of a literal between two `quote`s with backslash escapes.
fn quoted(body: &str, quote: u8) -> usize {
    let bytes = body.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}
