//! The names by which a service may be called. A page can have its own name mean any address (DNS rebinding)
//! and is then of the same origin, but its requests still carry that name.

use file_transport::Tls;
use http::StatusCode;
use model::host_pattern::HostPattern;
use url::Host;

use crate::problem::Problem;

/// The names by which a service may be called, besides `localhost` and addresses, which no page can rebind.
#[derive(Debug, Default)]
pub struct AllowedHosts {
    names: Vec<HostPattern>,
    certificates: Vec<Tls>,
}

impl AllowedHosts {
    /// These names, and those that the certificates have at the time of a request.
    pub fn new(names: Vec<HostPattern>, certificates: Vec<Tls>) -> Self {
        Self { names, certificates }
    }

    /// Refuses a request that calls another name.
    pub(crate) fn check(&self, host: &Host) -> Result<(), Problem> {
        let Host::Domain(name) = host else { return Ok(()) };
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_known = name == "localhost"
            || self.names.iter().any(|pattern| pattern.fits(name))
            || self.certificates.iter().any(|tls| is_in_certificate(tls, name));
        if is_known {
            return Ok(());
        }
        let shown: String = name.chars().take(253).collect();
        Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            format!(
                "this service is not known by the name {shown}; if it is to be, add the name to `allowedHosts`"
            ),
        ))
    }
}

fn is_in_certificate(tls: &Tls, name: &str) -> bool {
    tls.dns_names().iter().filter_map(|known| HostPattern::new(known)).any(|pattern| pattern.fits(name))
}
