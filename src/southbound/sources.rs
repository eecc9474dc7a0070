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

    /// Counts the changes of all sources.
    pub(super) fn generation(&self) -> u64 {
        self.0.iter().fold(0, |sum, source| sum.wrapping_add(source.generation()))
    }

    /// Calls `listener` after each change of any source.
    pub(super) fn on_change(&self, listener: impl Fn() + Clone + Send + Sync + 'static) {
        for source in self.0.iter() {
            source.on_change(Box::new(listener.clone()));
        }
    }

    /// Finds the content at a path. Blocks on the disk.
    pub(super) fn find(&self, request: &LookupRequest) -> Result<Resolved, LookupError> {
        let of = |prefix: &[u8]| self.0.iter().find(|source| source.prefix().as_bytes() == prefix);
        if let Some(source) =
            request.decoded.first().filter(|first| !first.is_empty()).and_then(|first| of(first))
        {
            return source.find(&request.below_first());
        }
        let found = of(b"").ok_or(LookupError::NotFound)?.find(request)?;
        Ok(match found {
            Resolved::Directory(listed) if request.decoded.is_empty() => {
                Resolved::Directory(self.with_prefixes(listed))
            }
            found => found,
        })
    }

    /// Adds a folder for each prefix to the listing of the root.
    fn with_prefixes(&self, listed: Listed) -> Listed {
        let prefixes = self.0.iter().map(|source| source.prefix()).filter(|prefix| !prefix.is_empty());
        listed.with(prefixes.map(|prefix| Entry { name: prefix.into(), size: None, modified: None }))
    }
}
