//! What browsers may do. A page anywhere can send requests to each address that its reader reaches, so a
//! request is admitted by the name that it calls and by the page that it comes from, before its body is read.

mod called;
mod hosts;
mod layers;
mod origins;
mod rules;

pub use called::{Called, host_field};
pub use hosts::AllowedHosts;
pub use layers::Layers;
pub(crate) use layers::{admit, describe};
pub use origins::AllowedOrigins;
pub use rules::{BrowserRules, Browsers};
