#![doc = include_str!("../README.md")]

mod access;
mod attempts;
pub mod audit;
mod first_start;
mod identify;
mod principal;
mod scope;
mod secret;
mod settings;

pub use access::{Access, AccessError, NewToken, Token, Unusable};
pub use first_start::{AdminToken, FirstStartError, make_admin_token};
pub use identify::{Auth, Caller, Credential, Refused};
pub use principal::{Kind, Principal, Right};
pub use scope::{Scope, Scopes};
pub use secret::{NoRandomness, SecretHash, TokenText};
pub use settings::{Anonymous, AuthRules, AuthSettings, Mode};
