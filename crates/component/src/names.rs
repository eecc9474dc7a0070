//! The names that components take: each belongs to one of them alone.

use std::collections::BTreeSet;

use crate::component::ComponentType;
use crate::content::ContentSource;

/// The routers of the program itself.
const ROUTERS: [&str; 3] = ["northbound", "southbound", "health"];

/// The folders of the program itself southbound: the two stores, and the web UI where both share an endpoint.
const FOLDERS: [&str; 3] = ["iso", "common", "gui"];

/// A component takes a name that is taken. Only a change of the program mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Two components have the same name, and so the same section of the settings.
    #[error("two components have the name \"{0}\"")]
    Component(&'static str),
    /// A router belongs to the program or to another component.
    #[error("the component \"{component}\" has the router \"{router}\", which is taken")]
    Router {
        /// The component.
        component: &'static str,
        /// The router.
        router: &'static str,
    },
    /// A prefix belongs to the program or to another source, or is not one component of a path.
    #[error("files cannot be published at \"/{0}/\": the name is taken, or not one component of a path")]
    Prefix(String),
}

/// Checks the list of components of a program.
///
/// # Errors
///
/// The first name that is taken.
pub fn check_names(components: &[ComponentType]) -> Result<(), NameError> {
    let (mut names, mut routers) = (BTreeSet::new(), BTreeSet::from(ROUTERS));
    for component in components {
        if !names.insert(component.name) {
            return Err(NameError::Component(component.name));
        }
        if let Some(router) = component.routers.iter().find(|router| !routers.insert(router)) {
            return Err(NameError::Router { component: component.name, router });
        }
    }
    Ok(())
}

/// Checks the prefixes of all sources of content. One of them may be empty.
///
/// # Errors
///
/// The first prefix that is taken.
pub fn check_prefixes<'a>(sources: impl IntoIterator<Item = &'a dyn ContentSource>) -> Result<(), NameError> {
    let mut prefixes = BTreeSet::from(FOLDERS.map(str::to_owned));
    for source in sources {
        let prefix = source.prefix();
        let is_component =
            prefix.bytes().all(|byte| byte != b'/' && byte != 0) && !matches!(prefix, "." | "..");
        if !is_component || !prefixes.insert(prefix.to_owned()) {
            return Err(NameError::Prefix(prefix.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LookupError, LookupRequest, Resolved};

    const fn named(name: &'static str, routers: &'static [&'static str]) -> ComponentType {
        ComponentType { name, routers, configure: |_| Ok(None) }
    }

    struct At(&'static str);

    impl ContentSource for At {
        fn prefix(&self) -> &str {
            self.0
        }

        fn on_change(&self, _: Box<dyn Fn() + Send + Sync>) {}

        fn find(&self, _: &LookupRequest) -> Result<Resolved, LookupError> {
            Err(LookupError::NotFound)
        }
    }

    #[test]
    fn a_name_or_router_belongs_to_one_component() {
        let (s3, ims) = (named("s3", &["s3"]), named("ims", &["ims", "ims-nodes"]));
        assert_eq!(check_names(&[s3, ims]), Ok(()));
        assert_eq!(check_names(&[s3, ims, named("s3", &[])]), Err(NameError::Component("s3")));
        for (router, other) in
            [("southbound", named("a", &["southbound"])), ("ims", named("a", &["b", "ims"]))]
        {
            assert_eq!(check_names(&[ims, other]), Err(NameError::Router { component: "a", router }));
        }
    }

    #[test]
    fn a_prefix_belongs_to_one_source() {
        let check = |prefixes: &[&'static str]| {
            let sources: Vec<At> = prefixes.iter().map(|prefix| At(prefix)).collect();
            check_prefixes(sources.iter().map(|source| -> &dyn ContentSource { source }))
        };
        assert_eq!(check(&["", "boot", "ims"]), Ok(()));
        for wrong in [
            ["boot", "boot"],
            ["", ""],
            ["boot", "iso"],
            ["", "common"],
            ["", "gui"],
            ["", "a/b"],
            ["", ".."],
        ] {
            assert_eq!(check(&wrong), Err(NameError::Prefix(wrong[1].into())), "{wrong:?}");
        }
    }
}
