//! The content that components publish, as one tree of paths.

use std::sync::Arc;

use component::{
    ContentSource, Entry, Listed, LookupError, LookupRequest, NameError, Resolved, check_prefixes,
};

/// All sources of content. A path belongs to the source whose prefix is its first component, else to the
/// source without a prefix.
#[derive(Clone)]
pub(super) struct Sources(Arc<[Arc<dyn ContentSource>]>);

impl Sources {
    pub(super) fn new(sources: Vec<Arc<dyn ContentSource>>) -> Result<Self, NameError> {
        check_prefixes(sources.iter().map(|source| &**source))?;
        Ok(Self(sources.into()))
    }

    /// Calls `listener` after each change of any source.
    pub(super) fn on_change(&self, listener: impl Fn() + Clone + Send + Sync + 'static) {
        for source in self.0.iter() {
            source.on_change(Box::new(listener.clone()));
        }
    }

    /// The beginning of a path whose look-ups share a limit: one component's files, or one image.
    pub(super) fn limited_by<'a>(&self, path: &'a [Vec<u8>]) -> &'a [Vec<u8>] {
        let components = if self.with_prefix_of(path).is_some() { 1 } else { 2 };
        &path[..path.len().min(components)]
    }

    /// Finds the content at a path. Blocks on the disk.
    pub(super) fn find(&self, request: &LookupRequest) -> Result<Resolved, LookupError> {
        if let Some(source) = self.with_prefix_of(&request.decoded) {
            return source.find(&request.below_first());
        }
        let found = self.at(b"").ok_or(LookupError::NotFound)?.find(request)?;
        Ok(match found {
            Resolved::Directory(listed) if request.decoded.is_empty() => {
                Resolved::Directory(self.with_prefixes(listed))
            }
            found => found,
        })
    }

    /// The source whose prefix is the first component of a path.
    fn with_prefix_of(&self, path: &[Vec<u8>]) -> Option<&dyn ContentSource> {
        self.at(path.first().filter(|first| !first.is_empty())?)
    }

    fn at(&self, prefix: &[u8]) -> Option<&dyn ContentSource> {
        self.0.iter().find(|source| source.prefix().as_bytes() == prefix).map(|source| &**source)
    }

    /// Adds a folder for each prefix to the listing of the root.
    fn with_prefixes(&self, listed: Listed) -> Listed {
        let prefixes = self.0.iter().map(|source| source.prefix()).filter(|prefix| !prefix.is_empty());
        listed.with(prefixes.map(|prefix| Entry { name: prefix.into(), size: None, modified: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn an_image_has_a_limit_of_its_own_and_so_has_a_component() {
        let sources = Sources::new(vec![Arc::new(At("")), Arc::new(At("notes"))]).expect("two prefixes");
        let limited_by = |path: &str| {
            let path: Vec<Vec<u8>> = path.split('/').map(|name| name.as_bytes().to_vec()).collect();
            String::from_utf8(sources.limited_by(&path).join(&b'/')).expect("text")
        };
        for (path, expected) in [
            ("centos/7/os/vmlinuz", "centos/7"),
            ("centos/8", "centos/8"),
            ("centos", "centos"),
            ("notes/1.txt", "notes"),
            ("notes", "notes"),
        ] {
            assert_eq!(limited_by(path), expected, "{path}");
        }
    }
}
