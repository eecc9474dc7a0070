//! Texts for errors of the HTTP library. Its own texts contain the whole link, credentials included.

use std::error::Error;
use std::io;

use model::io_words::{in_words, without_numbers};

use super::Fault;
use super::egress::Refusal;

/// The fault for an error, with the text of its innermost cause.
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
    // Where the cause is the library's own error, its text contains the link.
    let text = match chain().last().filter(|cause| !cause.is::<reqwest::Error>()) {
        // The cause may list all the names that a server's certificate is for.
        Some(cause) => {
            let words = cause.downcast_ref().map_or_else(|| without_numbers(&cause.to_string()), in_words);
            format!("{what} ({})", Fault::quoted(words))
        }
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

/// Whether the cause is a certificate or a protocol, so that another attempt fails as well.
fn is_about_trust(cause: &(dyn Error + 'static)) -> bool {
    // An I/O error does not list the error that it wraps among its sources.
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
