//! What was answered a moment ago. Many machines ask for the same few files at once: for a hundredth of a second they get what the first
//! of them found, without another look-up; and while somebody looks again, all others go on with what there is.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, OptionsBuilder, Weighter};
use tokio::runtime::Handle;

use super::listing::Form;
use super::prepared::Prepared;

/// How long a finding is trusted: long enough to be found by thousands of requests, too short for a person to notice that a file which
/// was moved away is still there.
const FRESH_FOR: Duration = Duration::from_millis(10);

/// How long a finding serves those who come while another looks again, and how long it may keep its file open: a file that an operator
/// removed must give its space back.
const STALE_FOR: Duration = Duration::from_secs(1);

/// Responses at once. Each may hold a descriptor and the bytes of a small file.
const MAX_RESPONSES: usize = 1024;

/// What each finding counts for beside the memory that it says it takes, so that this bounds their number as well.
const WEIGHT: u64 = 128 << 10;

/// Few, because each keeps only what fits into half of its part, and the listing of a large folder has megabytes.
const SHARDS: usize = 8;

/// The form of a listing, should the path be that of a folder; and whether the request insists on a listing.
pub(super) type ListingPreference = (Form, bool);

/// The findings of the last moments.
#[derive(Clone)]
pub(super) struct ResponseCache(Arc<Responses>);

struct Responses {
    by_request: Cache<Key, Arc<CachedResponse>, ByMemory>,
    sweeping: AtomicBool,
}

struct CachedResponse {
    prepared: Arc<Prepared>,
    at: Instant,
    /// The state in which it was found; another state may mean another finding.
    generation: u64,
    /// Somebody looks again.
    renewing: AtomicBool,
}

/// Weighs findings: one path can be spelled in any number of ways, and each spelling has a finding of its own.
#[derive(Clone)]
struct ByMemory;

impl Weighter<Key, Arc<CachedResponse>> for ByMemory {
    fn weight(&self, key: &Key, response: &Arc<CachedResponse>) -> u64 {
        WEIGHT + key.path.len() as u64 + response.prepared.memory()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    path: Box<str>,
    preference: ListingPreference,
}

/// A key that owns nothing.
struct Asked<'a> {
    path: &'a str,
    preference: ListingPreference,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        Asked { path: &self.path, preference: self.preference }.hash(hasher);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.path.hash(hasher);
        self.preference.hash(hasher);
    }
}

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self.path == *key.path && self.preference == key.preference
    }
}

impl ResponseCache {
    pub(super) fn new() -> Self {
        let bytes = MAX_RESPONSES as u64 * WEIGHT;
        let options = OptionsBuilder::new()
            .estimated_items_capacity(MAX_RESPONSES)
            .weight_capacity(bytes)
            .hot_allocation(0.5)
            .shards(SHARDS)
            .build();
        let by_request = match options {
            Ok(options) => Cache::with_options(options, ByMemory, Default::default(), Default::default()),
            // The builder fails only without the two capacities.
            Err(_) => Cache::with_weighter(MAX_RESPONSES, bytes, ByMemory),
        };
        Self(Arc::new(Responses { by_request, sweeping: AtomicBool::new(false) }))
    }

    /// What the same request found a moment ago, in the same state. `None` asks the caller to look.
    pub(super) fn get(
        &self,
        path: &str,
        preference: ListingPreference,
        generation: u64,
    ) -> Option<Arc<Prepared>> {
        let response = self.0.by_request.get(&Asked { path, preference })?;
        let age = response.at.elapsed();
        let valid = response.generation == generation
            && (age < FRESH_FOR || age < STALE_FOR && response.renewing.swap(true, Ordering::Relaxed))
            // A file that is being written to has other bytes, and so must have another tag, from one moment to the next.
            && response.prepared.is_unchanged();
        valid.then(|| Arc::clone(&response.prepared))
    }

    /// Remembers what was found at `at`, before the look-up began, and returns it. A file that was found before and is still the same
    /// stays open as it is: its open file knows which of its bytes are in memory.
    pub(super) fn put(
        &self,
        path: &str,
        preference: ListingPreference,
        found: Prepared,
        generation: u64,
        at: Instant,
    ) -> Arc<Prepared> {
        let before = self.0.by_request.get(&Asked { path, preference });
        let same = before.filter(|before| before.prepared.is_same_file(&found));
        let prepared = same.map_or_else(|| Arc::new(found), |before| Arc::clone(&before.prepared));
        let response = CachedResponse {
            prepared: Arc::clone(&prepared),
            at,
            generation,
            renewing: AtomicBool::new(false),
        };
        self.0.by_request.insert(Key { path: path.into(), preference }, Arc::new(response));
        if !self.0.sweeping.swap(true, Ordering::SeqCst) {
            Handle::current().spawn(self.clone().sweep());
        }
        prepared
    }

    /// Forgets everything, so that no file stays open.
    pub(super) fn clear(&self) {
        self.0.by_request.clear();
    }

    /// Forgets old findings until there are none. Nothing runs while nobody asks.
    async fn sweep(self) {
        loop {
            while !self.0.by_request.is_empty() {
                tokio::time::sleep(STALE_FOR).await;
                self.0.by_request.retain(|_, response| response.at.elapsed() < STALE_FOR);
            }
            self.0.sweeping.store(false, Ordering::SeqCst);
            // Who put something between the look and the word relied on this sweeper, unless it has begun one of its own since.
            if self.0.by_request.is_empty() || self.0.sweeping.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::time::SystemTime;

    use file_transport::{OpenFile, ReadAt};

    use super::*;
    use crate::southbound::prepared::{PreparedFile, PreparedListing};
    use component::Listed;
    use model::content::Content;
    use model::identity::Identity;

    fn listing() -> Prepared {
        let listed = Listed { entries: Vec::new(), source: None };
        Prepared::Listing(PreparedListing::new(listed, Form::Lines, "", &[]))
    }

    /// A file that differs from others of its place in its size alone.
    fn file(size: u64) -> Prepared {
        let identity = Identity { device: 1, inode: 2, size, seconds: 3, nanoseconds: 4 };
        let open = std::fs::File::open("/dev/null").expect("a null device");
        let content = Content::whole(Arc::new(open.into()), &identity);
        Prepared::File(Box::new(PreparedFile::new(content, b"a.bin")))
    }

    #[tokio::test]
    async fn a_file_that_is_the_same_stays_open() {
        let (cache, preference) = (ResponseCache::new(), (Form::Page, false));
        let put = |path, found| cache.put(path, preference, found, 7, Instant::now());
        let first = put("/a", file(1 << 20));
        assert!(Arc::ptr_eq(&first, &put("/a", file(1 << 20))));
        let other = put("/a", file(2 << 20));
        assert!(!Arc::ptr_eq(&first, &other), "another file");
        assert!(Arc::ptr_eq(&other, &put("/a", file(2 << 20))));
        assert!(!Arc::ptr_eq(&other, &put("/b", file(2 << 20))), "its name may make it another type");
        let listed = put("/a", listing());
        assert!(!Arc::ptr_eq(&listed, &put("/a", listing())), "names may have changed");
    }

    /// One file or folder, spelled in many ways.
    #[tokio::test]
    async fn findings_take_a_bounded_memory() {
        let (cache, preference) = (ResponseCache::new(), (Form::Page, false));
        let identity = Identity { device: 1, inode: 2, size: 3, seconds: 4, nanoseconds: 5 };
        let open: Arc<OpenFile> = Arc::new(std::fs::File::open("/dev/null").expect("a null device").into());
        let mut kept = Vec::new();
        for slashes in 0..200 {
            let source = (Arc::clone(&open) as Arc<dyn ReadAt>, 1 << 20);
            let content =
                Content::computed(Arc::clone(&open), &identity, (0, 1 << 30), SystemTime::UNIX_EPOCH, source);
            let found = Prepared::File(Box::new(PreparedFile::new(content, b"a.bin")));
            let prepared = cache.put(&"/".repeat(slashes), preference, found, 7, Instant::now());
            kept.push(Arc::downgrade(&prepared));
        }
        let alive: u64 = kept.iter().filter_map(Weak::upgrade).map(|prepared| prepared.memory()).sum();
        assert!(alive >= 8 << 20 && alive <= MAX_RESPONSES as u64 * WEIGHT, "{alive} bytes");
    }

    /// Whoever comes while the sweeper finds nothing left and ends must not be left unswept.
    #[tokio::test(start_paused = true)]
    async fn there_is_a_sweeper_as_long_as_there_is_a_finding() {
        let (cache, handle) = (ResponseCache::new(), Handle::current());
        let (tell, told) = tokio::sync::oneshot::channel();
        let hammer = std::thread::spawn(move || {
            let _entered = handle.enter();
            let (begun, mut unswept) = (Instant::now(), 0);
            while begun.elapsed() < Duration::from_secs(1) && unswept == 0 {
                cache.clear();
                cache.put("/a", (Form::Page, false), listing(), 7, Instant::now());
                for _ in 0..50 {
                    std::hint::spin_loop();
                }
                // The sweeper may be about to take notice.
                let is_swept = || cache.0.sweeping.load(Ordering::SeqCst);
                unswept += u32::from(!(0..100_000).any(|_| is_swept()));
            }
            let _ = tell.send(unswept);
        });
        let unswept = told.await.expect("told");
        hammer.join().expect("no panic");
        assert_eq!(unswept, 0);
    }

    #[tokio::test]
    async fn a_finding_holds_for_its_moment_and_its_state() {
        let cache = ResponseCache::new();
        let preference = (Form::Page, false);
        let put = |at| cache.put("/a", preference, listing(), 7, at);
        put(Instant::now());
        assert!(cache.get("/a", preference, 7).is_some());
        assert!(cache.get("/a", preference, 8).is_none());
        assert!(cache.get("/a", (Form::Names, false), 7).is_none());
        assert!(cache.get("/b", preference, 7).is_none());
        let ago = |age| Instant::now().checked_sub(age).expect("a machine that runs for a second");
        put(ago(FRESH_FOR));
        assert!(cache.get("/a", preference, 7).is_none(), "the first one looks again");
        assert!(cache.get("/a", preference, 7).is_some(), "others go on meanwhile");
        put(ago(STALE_FOR));
        assert!(cache.get("/a", preference, 7).is_none() && cache.get("/a", preference, 7).is_none());
    }
}
