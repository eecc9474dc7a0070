//! What was resolved a moment ago. Many machines ask for the same few files at once; for a tenth of a second they get what the first one
//! found, without asking the disk or another thread. A change made through this program is seen at once all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::resolve::{Request, Resolved};

/// How long a finding is trusted.
const TRUST: Duration = Duration::from_millis(100);

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
    at: Instant,
    /// The state in which it was found; another state may mean another finding.
    generation: u64,
}

impl Recent {
    /// What the same request found a moment ago, in the same state.
    pub(super) fn get(&self, request: &Request, generation: u64) -> Option<Resolved> {
        let findings = self.lock();
        let finding = findings.by_request.get(request)?;
        let valid = finding.generation == generation && finding.at.elapsed() < TRUST;
        match &finding.resolved {
            Resolved::File(content, name) if valid => Some(Resolved::File(content.clone(), name.clone())),
            _ => None,
        }
    }

    /// Remembers a file that was found. Directories are not worth their size.
    pub(super) fn put(&self, request: Request, resolved: &Resolved, generation: u64, at: Instant) {
        let Resolved::File(content, name) = resolved else { return };
        if content.extents.len() > MAX_EXTENTS {
            return;
        }
        let mut findings = self.lock();
        if findings.by_request.len() >= MAX_FINDINGS {
            findings.by_request.clear();
        }
        let resolved = Resolved::File(content.clone(), name.clone());
        findings.by_request.insert(request, Finding { resolved, at, generation });
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::model::content::Content;
    use crate::model::identity::Identity;

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
        let Some(long_ago) = Instant::now().checked_sub(KEEP) else { return };
        recent.put(request.clone(), &found, 7, long_ago);
        assert!(recent.get(&request, 7).is_none());
        drop(found);
        assert_eq!(Arc::strong_count(&file), 2);
        tokio::time::sleep(KEEP + KEEP / 2).await;
        assert_eq!(Arc::strong_count(&file), 1, "swept");
    }
}
