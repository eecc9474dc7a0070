//! The digests that bytes must have: from the parameters `sha256` and `sha512`, and from the fields
//! `Repr-Digest` and `Content-Digest` (RFC 9530). A digest that stands in several places must be the same in
//! all.

use std::fmt::Display;

use http::StatusCode;
use http::header::HeaderMap;
use model::digest::{Expected, Sha256, Sha512};

use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::structured::{self, MemberValue};

/// The parameters that state the digests of a file.
pub const PARAMETERS: [&str; 2] = ["sha256", "sha512"];

/// The fields that state the digests of a body. For a complete file both mean the same bytes (RFC 9530 §3).
const FIELDS: [&str; 2] = ["Repr-Digest", "Content-Digest"];

/// The digests that a file must have, and the parameters and fields that state them.
#[derive(Debug, Clone, Default)]
pub struct ExpectedDigests {
    sha256: Option<Stated<Sha256>>,
    sha512: Option<Stated<Sha512>>,
}

/// A digest, and the names of the parameters and fields that state it.
type Stated<T> = (T, Vec<&'static str>);

impl ExpectedDigests {
    /// The digests in the parameters.
    ///
    /// # Errors
    ///
    /// 400 for a parameter that is no such digest.
    pub fn of_parameters(parameters: &Parameters) -> Result<Self, Problem> {
        let mut digests = Self::default();
        let [sha256, sha512] = PARAMETERS;
        if parameters.get(sha256).is_some() {
            digests.sha256 = Some((parameters.required(sha256, Sha256::try_from)?, vec![sha256]));
        }
        if parameters.get(sha512).is_some() {
            digests.sha512 = Some((parameters.required(sha512, Sha512::try_from)?, vec![sha512]));
        }
        Ok(digests)
    }

    /// The digests in the parameters, and in the fields of a request whose content is a complete file.
    ///
    /// # Errors
    ///
    /// 400 for a parameter or field that is no such digest, or for two that differ.
    pub fn of_upload(parameters: &Parameters, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut digests = Self::of_parameters(parameters)?;
        for name in FIELDS {
            let found = field(headers, name)?;
            agree(&mut digests.sha256, found.sha256, name)?;
            agree(&mut digests.sha512, found.sha512, name)?;
        }
        Ok(digests)
    }

    /// Adds the digests that `name` states.
    ///
    /// # Errors
    ///
    /// 400 if they differ from those known already.
    pub fn and(mut self, stated: Expected, name: &'static str) -> Result<Self, Problem> {
        agree(&mut self.sha256, stated.sha256, name)?;
        agree(&mut self.sha512, stated.sha512, name)?;
        Ok(self)
    }

    /// The digests.
    pub fn expected(&self) -> Expected {
        Expected {
            sha256: self.sha256.as_ref().map(|stated| stated.0),
            sha512: self.sha512.as_ref().map(|stated| stated.0),
        }
    }

    /// Adds to the problem of a mismatch the names of the parameters and fields that state the expected
    /// digest.
    pub fn attribute(&self, problem: Problem) -> Problem {
        let stated = self.sha256.iter().flat_map(|stated| &stated.1);
        let stated = stated.chain(self.sha512.iter().flat_map(|stated| &stated.1));
        let mut names: Vec<&str> = Vec::new();
        for name in stated {
            if !names.contains(name) {
                names.push(name);
            }
        }
        problem.of_names(&names, &PARAMETERS)
    }
}

fn agree<T: PartialEq + Display>(
    known: &mut Option<Stated<T>>,
    found: Option<T>,
    name: &'static str,
) -> Result<(), Problem> {
    let Some(found) = found else { return Ok(()) };
    match known {
        None => *known = Some((found, vec![name])),
        Some((value, names)) if *value == found => names.push(name),
        Some((value, names)) => {
            let detail = format!("`{}` says {value}, but `{name}` says {found}", names.join("` and `"));
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
    }
    Ok(())
}

/// The digests in one field. A client may name several algorithms for the recipient to choose from (RFC 9530
/// §2), so unknown ones are ignored.
fn field(headers: &HeaderMap, name: &str) -> Result<Expected, Problem> {
    let refuse = |what: &str| Problem::new(StatusCode::BAD_REQUEST, format!("the field `{name}` {what}"));
    // Several lines are one list (RFC 9110 §5.3).
    let lines: Result<Vec<&str>, _> = headers.get_all(name).iter().map(|line| line.to_str()).collect();
    let text = lines.map_err(|_| refuse("is not plain text"))?.join(", ");
    let members = structured::dictionary(&text).ok_or_else(|| {
        refuse("is not a dictionary with byte sequences, such as sha-256=:…: with base64 between the colons (RFC 9530)")
    })?;
    let mut expected = Expected::default();
    // Of several members with one key the last counts (RFC 9651 §4.2.2).
    for (key, value) in members {
        let MemberValue::Bytes(bytes) = value else {
            if matches!(key, "sha-256" | "sha-512") {
                return Err(refuse(&format!(
                    "has a {key} that is not a byte sequence, base64 between colons"
                )));
            }
            continue;
        };
        let wrong_length = |_| refuse(&format!("has a {key} of another length than such a digest has"));
        match key {
            "sha-256" => expected.sha256 = Some(Sha256(bytes.try_into().map_err(wrong_length)?)),
            "sha-512" => expected.sha512 = Some(Sha512(bytes.try_into().map_err(wrong_length)?)),
            _ => {}
        }
    }
    Ok(expected)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use http::header::{HeaderName, HeaderValue};

    use super::*;

    fn encoded(byte: u8, length: usize) -> String {
        STANDARD.encode(vec![byte; length])
    }

    fn digests(query: &str, fields: &[(&'static str, String)]) -> Result<Expected, String> {
        let request = http::Request::builder().uri(format!("/iso?{query}")).body(()).expect("a request");
        let (parts, ()) = request.into_parts();
        let parameters =
            Parameters::of_query(&parts, &PARAMETERS).map_err(|problem| format!("{problem:?}"))?;
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
        }
        let digests =
            ExpectedDigests::of_upload(&parameters, &headers).map_err(|problem| format!("{problem:?}"))?;
        Ok(digests.expected())
    }

    #[test]
    fn digests_are_read_wherever_they_stand() {
        let one = Expected { sha256: Some(Sha256([1; 32])), sha512: None };
        let both = Expected { sha512: Some(Sha512([2; 64])), ..one };
        let (sha256, sha512) = (encoded(1, 32), encoded(2, 64));
        let hex = "01".repeat(32);
        for (query, fields, expected) in [
            (String::new(), vec![], Expected::default()),
            (format!("sha256={hex}"), vec![], one),
            (format!("sha256={hex}&sha512={}", "02".repeat(64)), vec![], both),
            (String::new(), vec![("repr-digest", format!("sha-256=:{sha256}:"))], one),
            (
                String::new(),
                vec![("content-digest", format!("sha-256=:{sha256}:, sha-512=:{sha512}:"))],
                both,
            ),
            // Two lines are one list, and both fields mean the same bytes.
            (
                format!("sha256={hex}"),
                vec![
                    ("repr-digest", format!("md5=:AAAA:, sha-256=:{sha256}:;q=1")),
                    ("repr-digest", format!("sha-512=:{sha512}:")),
                    ("content-digest", format!("sha-512=:{sha512}:, unixsum=\"a, b\"")),
                ],
                both,
            ),
            // The last of several counts.
            (
                String::new(),
                vec![("repr-digest", format!("sha-256=:{}:, sha-256=:{sha256}:", encoded(9, 32)))],
                one,
            ),
            (
                String::new(),
                vec![("content-digest", "crc32c=:AAAA:, future=(1 2)".into())],
                Expected::default(),
            ),
        ] {
            assert_eq!(digests(&query, &fields), Ok(expected), "{query} {fields:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let (sha256, hex) = (encoded(1, 32), "01".repeat(32));
        let field = |name, value: &str| vec![(name, value.to_owned())];
        for (query, fields, parts) in [
            ("sha256=xyz".to_owned(), vec![], vec!["`sha256`", "64 hexadecimal digits"]),
            (format!("sha512={hex}"), vec![], vec!["`sha512`", "128 hexadecimal digits"]),
            (String::new(), field("repr-digest", "sha-256=abc"), vec!["`Repr-Digest`", "sha-256", "base64"]),
            (String::new(), field("repr-digest", "sha-256"), vec!["`Repr-Digest`", "byte sequence"]),
            (String::new(), field("content-digest", "sha-256=:AAAA:"), vec!["`Content-Digest`", "length"]),
            (String::new(), field("content-digest", "sha-512=:AAAA:"), vec!["`Content-Digest`", "length"]),
            (
                String::new(),
                field("content-digest", &format!("SHA-256={sha256}")),
                vec!["`Content-Digest`", "RFC 9530"],
            ),
            (
                format!("sha256={}", "02".repeat(32)),
                field("repr-digest", &format!("sha-256=:{sha256}:")),
                vec!["`sha256` says 0202", "`Repr-Digest` says 0101"],
            ),
            (
                String::new(),
                vec![
                    ("repr-digest", format!("sha-256=:{sha256}:")),
                    ("content-digest", format!("sha-256=:{}:", encoded(3, 32))),
                ],
                vec!["`Repr-Digest` says 0101", "`Content-Digest` says 0303"],
            ),
        ] {
            let problem = digests(&query, &fields).expect_err("must be refused");
            for part in parts {
                assert!(problem.contains(part), "{part} is not in {problem}");
            }
        }
    }
}
