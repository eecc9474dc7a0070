//! What went wrong below http, in words that hold no link: the library's own texts have it whole, credentials included.

use std::error::Error;
use std::io;

use super::Fault;
use super::egress::Refusal;

/// The innermost cause is what people need.
pub(super) fn explain(error: &reqwest::Error, through_proxy: bool) -> Fault {
    let chain = || std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source());
    if let Some(refusal) = chain().find_map(|cause| cause.downcast_ref::<Refusal>()) {
        return refusal.clone().into();
    }
    let what = if error.is_connect() && through_proxy {
        "cannot connect through the proxy to the web server"
    } else if error.is_connect() {
        "cannot connect to the web server"
    } else if error.is_timeout() {
        "the web server sent nothing for too long"
    } else if error.is_body() || error.is_decode() {
        "the connection broke before the file was complete"
    } else {
        "cannot fetch from the web server"
    };
    // Where the cause is the library's error itself, its text is the one with the link.
    let text = match chain().last().filter(|cause| !cause.is::<reqwest::Error>()) {
        // The cause may list all the names that a server's certificate is for.
        Some(cause) => format!("{what} ({})", Fault::quoted(cause)),
        None => what.to_owned(),
    };
    if error.is_builder() || chain().any(is_about_trust) {
        Fault::Permanent(text)
    } else if error.is_connect() {
        Fault::Unreachable(text)
    } else {
        Fault::transient(text)
    }
}

/// Whether both sides will disagree on certificates or protocols the next time as well.
fn is_about_trust(cause: &(dyn Error + 'static)) -> bool {
    // An I/O error that wraps another passes it over in its chain of sources.
    let wrapped = cause.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
    let tls =
        wrapped.and_then(|error| error.downcast_ref()).or_else(|| cause.downcast_ref::<rustls::Error>());
    matches!(
        tls,
        Some(
            rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented
                | rustls::Error::PeerIncompatible(_)
                | rustls::Error::UnsupportedNameType
        )
    )
}
