//! What is written beside an unfinished file, so that it can be continued after a restart. Links may hold
//! credentials, so their digests stand for them.

use fetch::Validator;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Digest;

use model::digest::Sha256;
use model::link::Link;

/// Where the bytes of an unfinished file came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResumeData {
    pub(super) link: Sha256,
    /// The entity tag or date by which that link's file can be recognised.
    pub(super) validator: Option<Validator>,
    /// Whether there are bytes that no source promised to be of one and the same file.
    #[serde(default)]
    pub(super) is_mixed: bool,
}

impl ResumeData {
    pub(super) fn of(link: &Link, validator: Option<Validator>) -> Self {
        Self { link: digest(link), validator, is_mixed: false }
    }

    /// `None` if it was not written by this program.
    pub(super) fn read(value: &Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok()
    }

    pub(super) fn written(&self) -> Value {
        serde_json::json!(self)
    }

    /// Whether the bytes came from this link.
    pub(super) fn is_of(&self, link: &Link) -> bool {
        self.link == digest(link)
    }

    /// Which of `links` the bytes came from.
    pub(super) fn link_among(&self, links: &[&Link]) -> Option<usize> {
        links.iter().position(|link| self.is_of(link))
    }
}

fn digest(link: &Link) -> Sha256 {
    Sha256(sha2::Sha256::digest(link.secret_url().as_str().as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_knows_its_link_and_holds_no_credentials() {
        let link = |text: &str| Link::from(text.parse::<url::Url>().expect("a link"));
        let (one, other) = (link("http://host/a.iso"), link("http://me:secret@host/a.iso?token=secret"));
        let links = [&one, &other];
        let data = ResumeData::of(&other, Some(Validator::EntityTag("\"1\"".into())));
        let written = data.written();
        assert!(!written.to_string().contains("secret"), "{written}");
        let read = ResumeData::read(&written).expect("resume data");
        assert_eq!((read.link_among(&links), &read), (Some(1), &data));
        assert_eq!(read.link_among(&links[..1]), None);
        assert!(ResumeData::read(&serde_json::json!({"of": "another program"})).is_none());
    }
}
