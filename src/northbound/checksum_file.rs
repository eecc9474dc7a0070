//! The parameters `checksum` and `signature`: a file on the web that lists the digests of other files, and
//! its OpenPGP signature.

use http_service::Problem;
use http_service::digest_fields::ExpectedDigests;
use http_service::parameters::Parameters;
use model::link::Link;
use url::Url;

use super::api::Northbound;
use super::problems::problem;

/// The parameters.
pub(super) const PARAMETERS: [&str; 2] = ["checksum", "signature"];

/// Links to the checksum file and its signature.
#[derive(Debug, Clone, Default)]
pub(super) struct ChecksumFile {
    pub(super) checksum: Option<Link>,
    pub(super) signature: Option<Link>,
}

impl ChecksumFile {
    /// Reads the parameters.
    pub(super) fn of(parameters: &Parameters) -> Result<Self, Problem> {
        let [checksum, signature] = PARAMETERS;
        let file = Self {
            checksum: parameters.optional(checksum, link)?,
            signature: parameters.optional(signature, link)?,
        };
        if file.signature.is_some() && file.checksum.is_none() {
            return Err(Problem::parameter(
                signature,
                "is the signature of a checksum file, which is not named",
            ));
        }
        Ok(file)
    }

    /// Adds to `digests` those that the checksum file lists for `name`.
    pub(super) async fn complete(
        &self,
        api: &Northbound,
        name: &str,
        digests: ExpectedDigests,
    ) -> Result<ExpectedDigests, Problem> {
        let Some(checksum) = &self.checksum else { return Ok(digests) };
        let promised = api.image_jobs.promised(checksum, self.signature.as_ref(), &[name]).await;
        let promised = promised.map_err(|error| problem(error).of_parameter(PARAMETERS[0]))?;
        digests.and(promised.expected, PARAMETERS[0])
    }
}

/// A link that downloads may follow.
pub(super) fn link(text: String) -> Result<Link, String> {
    let url: Url = text.parse().map_err(|error| format!("is not a link: {error}"))?;
    if !matches!(url.scheme(), "http" | "https" | "ftp") {
        return Err(format!("has the scheme '{}'; http, https and ftp are known", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("names no server".into());
    }
    Ok(url.into())
}
