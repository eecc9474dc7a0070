//! Decodes a query. Its `+` is ambiguous: forms and `URLSearchParams` write a blank so, and an operator types
//! it into a link as itself. The rest of the query tells whether a program or an operator wrote it.

use url::form_urlencoded;

/// Parameters whose values are words of the service or text to search for. In them an unclear `+` is a blank.
const TEXTS: [&str; 3] = ["status", "search", "q"];

/// A parameter as the query has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) value: String,
    /// What the value is if a `+` of it is a blank, where it may be a plus as well.
    pub(crate) with_blanks: Option<String>,
}

/// The parameters of a query, in their order.
pub(crate) fn pairs(query: &str) -> Vec<Pair> {
    let meaning = meaning(query);
    let pluses = query.replace('+', "%2B");
    let blanks = form_urlencoded::parse(query.as_bytes());
    form_urlencoded::parse(pluses.as_bytes())
        .zip(blanks)
        .map(|((_, plus), (name, blank))| {
            let is_blank = meaning == Meaning::Blank || TEXTS.contains(&&*name);
            let is_unclear = meaning == Meaning::Unclear && !is_blank && plus != blank;
            let with_blanks = is_unclear.then(|| blank.clone().into_owned());
            let value = if is_blank { blank } else { plus };
            Pair { name: name.into_owned(), value: value.into_owned(), with_blanks }
        })
        .collect()
}

/// What a `+` of a query stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Plus,
    Blank,
    Unclear,
}

fn meaning(query: &str) -> Meaning {
    if !query.contains('+') {
        return Meaning::Blank;
    }
    // The serializer of forms leaves only these bytes, and writes a blank as `+` (URL Standard §5.2).
    let is_of_forms = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._~%+&=".contains(&byte);
    let escapes = || query.split('%').skip(1).filter_map(|rest| u8::from_str_radix(rest.get(..2)?, 16).ok());
    if !query.bytes().all(is_of_forms) || escapes().any(|byte| byte == b' ') {
        return Meaning::Plus;
    }
    // People escape no punctuation that a query may contain as it is.
    if escapes().any(|byte| b"/:+=,;@!$'()*?[]".contains(&byte)) { Meaning::Blank } else { Meaning::Unclear }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_means_what_the_rest_of_the_query_shows() {
        for (query, values) in [
            ("name=a", &[("a", false)][..]),
            ("name=a%20b&iso=c%2Bd", &[("a b", false), ("c+d", false)]),
            // Nothing tells what it is.
            ("name=memtest86+x64.iso", &[("memtest86+x64.iso", true)]),
            ("name=a+b&version=1", &[("a+b", true), ("1", false)]),
            ("status=downloading+iso", &[("downloading iso", false)]),
            // A form would have escaped the slash and the colon.
            ("isolocal=/usr/lib/memtest86+/x.iso", &[("/usr/lib/memtest86+/x.iso", false)]),
            ("name=a+b&isoweb=http://h/c+d.iso", &[("a+b", false), ("http://h/c+d.iso", false)]),
            // A form would have written the blank as a plus.
            ("name=a+b%20c", &[("a+b c", false)]),
            // A form escapes what people do not escape by hand.
            ("name=a%3Db+c", &[("a=b c", false)]),
            ("name=a+b&isolocal=%2Fx%2Fy+z.iso", &[("a b", false), ("/x/y z.iso", false)]),
            ("name=a+b%2Bc", &[("a b+c", false)]),
            ("name=%C3%BC+b", &[("ü+b", true)]),
            ("name=a+b%", &[("a+b%", true)]),
        ] {
            let found: Vec<_> =
                pairs(query).into_iter().map(|pair| (pair.value, pair.with_blanks.is_some())).collect();
            let expected: Vec<_> =
                values.iter().map(|(text, unclear)| ((*text).to_owned(), *unclear)).collect();
            assert_eq!(found, expected, "{query}");
        }
    }
}
