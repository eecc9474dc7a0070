//! The first start makes a token with all rights: without one no caller could make another.

use std::io;
use std::path::PathBuf;

use crate::access::{AccessError, NewToken};
use crate::identify::Auth;
use crate::scope::Scopes;
use crate::secret::TokenText;
use crate::settings::Mode;

/// The token of the first start.
#[derive(Debug)]
pub struct AdminToken {
    /// The file that holds it. It is a copy: removing it removes nothing else.
    pub file: PathBuf,
    /// The token itself, for a terminal.
    pub text: TokenText,
}

/// The token of the first start cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FirstStartError {
    /// The file for the token cannot be written.
    #[error("cannot write the first token to {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The access file cannot be written.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Makes a token with all rights and writes it to `path`, readable by its owner alone, if credentials count,
/// and there is neither a token nor `adminTokenFile`.
///
/// The file is written first: a crash in between leaves a file with a text that is no token, and the next
/// start replaces it.
///
/// # Errors
///
/// The disk fails, or the system gives no random numbers.
pub fn make_admin_token(auth: &Auth, path: PathBuf) -> Result<Option<AdminToken>, FirstStartError> {
    if auth.mode() == Mode::Off || !auth.access.is_empty() || auth.rules().admin_token.is_some() {
        return Ok(None);
    }
    let text = TokenText::make().map_err(AccessError::from)?;
    records::write_private(&path, |file| writeln!(file, "{}", text.reveal()))
        .map_err(|source| FirstStartError::File { path: path.clone(), source })?;
    let new = NewToken { name: "first start".into(), scopes: Scopes::ADMIN, expires: None };
    auth.access.add_token(&text, &new)?;
    Ok(Some(AdminToken { file: path, text }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use model::settings::Live;

    use super::*;
    use crate::access::Access;
    use crate::settings::{AuthRules, AuthSettings};

    #[test]
    fn the_first_token_is_made_once_and_can_be_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (access_file, path) = (folder.path().join("access.json"), folder.path().join("admin.token"));
        let open = |mode| {
            let rules = Live::new(AuthRules::default());
            let settings = AuthSettings { mode, access_file: access_file.clone(), rules };
            Auth::new(Access::open(&access_file).expect("opens"), &settings)
        };
        assert!(make_admin_token(&open(Mode::Off), path.clone()).expect("no failure").is_none());
        // A start that was killed left a text that is no token.
        std::fs::write(&path, "old").expect("written");
        let auth = open(Mode::Auto);
        let token = make_admin_token(&auth, path.clone()).expect("no failure").expect("a token");
        let text = std::fs::read_to_string(&token.file).expect("is there");
        assert_eq!(text.trim_end(), token.text.reveal());
        let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(auth.access.of_token(token.text.reveal(), jiff::Timestamp::now()).is_some());
        drop(auth);
        std::fs::remove_file(&path).expect("removed");
        assert!(make_admin_token(&open(Mode::On), path.clone()).expect("no failure").is_none());
        assert!(!path.exists());
    }
}
