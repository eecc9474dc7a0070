//! Dictionaries of structured fields (RFC 9651 §3.2), as far as digests need them: byte sequences are
//! decoded, all other values are only parsed to be skipped.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Lenient about padding and trailing bits, which parsers may accept (§4.2.7).
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A member's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberValue {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Something else.
    Other,
}

/// Reads a dictionary (§4.2.2), in the order in which its members came; `None` if it is not one.
pub fn dictionary(text: &str) -> Option<Vec<(&str, MemberValue)>> {
    let mut input = Input(text.trim_matches(' '));
    let mut members = Vec::new();
    while !input.0.is_empty() {
        let key = input.key()?;
        // A key alone means `?1`.
        let value = if input.skip('=') { input.member()? } else { MemberValue::Other };
        input.parameters()?;
        members.push((key, value));
        input.skip_while(|character| matches!(character, ' ' | '\t'));
        if input.0.is_empty() {
            break;
        }
        if !input.skip(',') {
            return None;
        }
        input.skip_while(|character| matches!(character, ' ' | '\t'));
        // A comma has something behind it.
        if input.0.is_empty() {
            return None;
        }
    }
    Some(members)
}

/// The text that is not parsed yet.
struct Input<'a>(&'a str);

impl<'a> Input<'a> {
    fn first(&self) -> Option<char> {
        self.0.chars().next()
    }

    fn skip(&mut self, wanted: char) -> bool {
        let rest = self.0.strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Takes characters as long as they belong, perhaps none.
    fn skip_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|character| !belongs(character)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    /// Takes the text up to `end`, and `end`.
    fn until(&mut self, end: char) -> Option<&'a str> {
        let (taken, rest) = self.0.split_once(end)?;
        self.0 = rest;
        Some(taken)
    }

    fn key(&mut self) -> Option<&'a str> {
        self.first().filter(|first| matches!(first, 'a'..='z' | '*'))?;
        let belongs = |character| matches!(character, 'a'..='z' | '0'..='9' | '_' | '-' | '.' | '*');
        Some(self.skip_while(belongs))
    }

    fn parameters(&mut self) -> Option<()> {
        while self.skip(';') {
            self.skip_while(|character| character == ' ');
            self.key()?;
            if self.skip('=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn member(&mut self) -> Option<MemberValue> {
        if !self.skip('(') {
            return self.item();
        }
        loop {
            self.skip_while(|character| character == ' ');
            if self.skip(')') {
                return Some(MemberValue::Other);
            }
            self.item()?;
            self.parameters()?;
            self.first().filter(|next| matches!(next, ' ' | ')'))?;
        }
    }

    fn item(&mut self) -> Option<MemberValue> {
        let first = self.first()?;
        match first {
            ':' => {
                self.skip(':');
                return BASE64.decode(self.until(':')?).ok().map(MemberValue::Bytes);
            }
            '"' => {
                self.skip('"');
                self.rest_of_string()?;
            }
            // A display string, in which a quote is percent-encoded (§4.2.10).
            '%' => {
                self.skip('%');
                (self.skip('"') && self.until('"')?.chars().all(is_printable)).then_some(())?;
            }
            '?' => {
                self.skip('?');
                (self.skip('0') || self.skip('1')).then_some(())?;
            }
            '@' => {
                self.skip('@');
                self.number()?;
            }
            '-' | '0'..='9' => self.number()?,
            'a'..='z' | 'A'..='Z' | '*' => {
                let belongs = |character: char| {
                    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(character)
                };
                self.skip_while(belongs);
            }
            _ => return None,
        }
        Some(MemberValue::Other)
    }

    fn number(&mut self) -> Option<()> {
        self.skip('-');
        let digits = |input: &mut Self| !input.skip_while(|character| character.is_ascii_digit()).is_empty();
        (digits(self) && (!self.skip('.') || digits(self))).then_some(())
    }

    fn rest_of_string(&mut self) -> Option<()> {
        loop {
            self.skip_while(|character| is_printable(character) && !matches!(character, '"' | '\\'));
            if self.skip('"') {
                return Some(());
            }
            (self.skip('\\') && (self.skip('"') || self.skip('\\'))).then_some(())?;
        }
    }
}

fn is_printable(character: char) -> bool {
    matches!(character, ' '..='~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dictionaries_are_read_as_the_standard_says() {
        let bytes = |text: &str| MemberValue::Bytes(text.into());
        let cases: [(&str, &[(&str, MemberValue)]); 12] = [
            ("", &[]),
            ("a=:aGk=:", &[("a", bytes("hi"))]),
            ("  a=:aGk:  ", &[("a", bytes("hi"))]),
            ("a=:aGl=:", &[("a", bytes("hi"))]),
            ("a=::", &[("a", bytes(""))]),
            ("a=:aGk=:, b=:aG8=:", &[("a", bytes("hi")), ("b", bytes("ho"))]),
            ("a=:aGk=: \t,\tb=1", &[("a", bytes("hi")), ("b", MemberValue::Other)]),
            ("a=:aGk=:;x;y=\"a,b=:c:\\\"\\\\\";z=?0", &[("a", bytes("hi"))]),
            ("a;b=1,sha-256=:aGk=:", &[("a", MemberValue::Other), ("sha-256", bytes("hi"))]),
            ("a=(1 \"b)\" :aGk=:;q=1.5 );w, b=-2", &[("a", MemberValue::Other), ("b", MemberValue::Other)]),
            ("a=*tok/en:1, *b.c_d-=@-12", &[("a", MemberValue::Other), ("*b.c_d-", MemberValue::Other)]),
            ("a=%\"f%c3%bc, r\", b=()", &[("a", MemberValue::Other), ("b", MemberValue::Other)]),
        ];
        for (text, expected) in cases {
            assert_eq!(dictionary(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_dictionary_is_told() {
        for text in [
            "A=:aGk=:",
            "SHA-256=:aGk=:",
            "a=",
            "a=:aGk=",
            "a=aGk=:",
            "a=:a:",
            "a=:aG k:",
            "a=:aGk_:",
            "a=:aGk=:,",
            ",a=1",
            "a=1,,b=1",
            "a=1 b=2",
            "a=\"x",
            "a=\"\\x\"",
            "a=\"ü\"",
            "a=(1",
            "a=(1,2)",
            "a=(1\"b\")",
            "a=?2",
            "a=@x",
            "a=1.",
            "a=-",
            "a=1;",
            "a=1;B",
            "a = 1",
            "=:aGk=:",
            "ü=1",
            "a=%x",
            "\ta=1",
        ] {
            assert_eq!(dictionary(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(text in r#"[ab=:;,()"\\ ?@%*0-9.\tü-]{0,40}"#) {
            let _ = dictionary(&text);
        }
    }
}
