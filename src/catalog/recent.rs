//! What was resolved a moment ago. Many machines ask for the same few files at once; for a hundredth of a second they get what the first
//! one found, without another thread. A change made through this program, or to the bytes of the file, is seen at once all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::resolve::{Request, Resolved};
use crate::model::content::Content;
use crate::model::identity::Identity;

/// How long a finding is trusted: long enough to be found by thousands of requests, too short for a person to notice that a file which
/// was moved away is still there.
const TRUST: Duration = Duration::from_millis(10);

/// How long a finding may keep its file open: a file that an operator removed must give its space back.
const KEEP: Duration = Duration::from_secs(1);

/// Findings at once. Each holds a descriptor.
const MAX_FINDINGS: usize = 1024;

/// A file in more extents than this is rare, and its list is better not copied for every request.
const MAX_EXTENTS: usize = 16;

/// The findings of the last moments.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent(Arc<Mutex<Findings>>);

#[derive(Debug, Default)]
struct Findings {
    by_request: HashMap<Request, Finding>,
    sweeping: bool,
}

#[derive(Debug)]
struct Finding {
    resolved: Resolved,
    /// What the open file was.
    identity: Identity,
    at: Instant,
    /// The state in which it was found; another state may mean another finding.
    generation: u64,
}

impl Recent {
    /// What the same request found a moment ago, in the same state.
    pub(super) fn get(&self, request: &Request, generation: u64) -> Option<Resolved> {
        let findings = self.lock();
        let finding = findings.by_request.get(request)?;
        let Resolved::File(content, name) = &finding.resolved else { return None };
        // A file that is being written to has other bytes, and so must have another tag, from one moment to the next.
        let valid = finding.generation == generation
            && finding.at.elapsed() < TRUST
            && identity_of(content) == Some(finding.identity);
        valid.then(|| Resolved::File(content.clone(), name.clone()))
    }

    /// Remembers a file that was found. Directories are not worth their size.
    pub(super) fn put(&self, request: Request, resolved: &Resolved, generation: u64, at: Instant) {
        let Resolved::File(content, name) = resolved else { return };
        let Some(identity) = identity_of(content).filter(|_| content.extents.len() <= MAX_EXTENTS) else {
            return;
        };
        let mut findings = self.lock();
        if findings.by_request.len() >= MAX_FINDINGS {
            findings.by_request.clear();
        }
        let resolved = Resolved::File(content.clone(), name.clone());
        findings.by_request.insert(request, Finding { resolved, identity, at, generation });
        if !std::mem::replace(&mut findings.sweeping, true) {
            tokio::spawn(self.clone().sweep());
        }
    }

    /// Forgets everything, so that no file stays open.
    pub(super) fn clear(&self) {
        self.lock().by_request.clear();
    }

    /// Forgets old findings until there are none. Nothing runs while nobody asks.
    async fn sweep(self) {
        loop {
            tokio::time::sleep(KEEP).await;
            let mut findings = self.lock();
            findings.by_request.retain(|_, finding| finding.at.elapsed() < KEEP);
            if findings.by_request.is_empty() {
                findings.sweeping = false;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Findings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asking an open file does not wait for its folder, and hardly ever for the disk.
fn identity_of(content: &Content) -> Option<Identity> {
    content.file.metadata().ok().map(|metadata| Identity::of(&metadata))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[tokio::test]
    async fn a_finding_holds_for_its_moment_and_its_state() {
        let file = Arc::new(File::open("/dev/null").expect("a null device"));
        let identity = Identity { device: 0, inode: 0, size: 1, seconds: 0, nanoseconds: 0 };
        let found = Resolved::File(Content::whole(Arc::clone(&file), &identity), b"a".to_vec());
        let request = Request { raw: vec![b"a".to_vec()], decoded: vec![b"a".to_vec()], listing: false };
        let recent = Recent::default();
        recent.put(request.clone(), &found, 7, Instant::now());
        assert!(recent.get(&request, 7).is_some());
        assert!(recent.get(&request, 8).is_none());
        assert!(recent.get(&Request::default(), 7).is_none());
        let long_ago = Instant::now().checked_sub(KEEP).expect("a machine that runs for a second");
        recent.put(request.clone(), &found, 7, long_ago);
        assert!(recent.get(&request, 7).is_none());
        drop(found);
        assert_eq!(Arc::strong_count(&file), 2);
        tokio::time::sleep(KEEP + KEEP / 2).await;
        assert_eq!(Arc::strong_count(&file), 1, "swept");
    }
}
