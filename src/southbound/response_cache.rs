//! A cache of prepared responses. Many machines request the same few files at once, so a response serves all
//! requests of 10 ms without another look-up. After that it is served stale while one request renews it
//! (stale-while-revalidate, RFC 5861 §3).

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, OptionsBuilder, Weighter};
use tokio::runtime::Handle;

use super::listing::Form;
use super::prepared::Prepared;

/// How long a response is fresh: long enough to serve thousands of requests, and too short for a person to
/// notice that a file which was moved away is still served.
const FRESH_FOR: Duration = Duration::from_millis(10);

/// How long a response may be served while another request renews it, and how long it may keep its file open.
/// A removed file must give its space back to the disk.
const STALE_FOR: Duration = Duration::from_secs(1);

/// Responses in the cache. Each may hold a descriptor and the bytes of a small file.
const MAX_RESPONSES: usize = 1024;

/// Bytes that each response counts for, besides its memory, so that the cache's weight bounds their number
/// too.
const WEIGHT: u64 = 128 << 10;

/// Few, because a shard keeps only what fits into half of it, and the listing of a large folder has
/// megabytes.
const SHARDS: usize = 8;

/// The form of a listing, if the path is that of a folder, and whether the request insists on a listing.
pub(super) type ListingPreference = (Form, bool);

/// The prepared responses of the last second.
#[derive(Clone)]
pub(super) struct ResponseCache(Arc<Responses>);

struct Responses {
    by_request: Cache<Key, Arc<CachedResponse>, ByMemory>,
    /// Counts how often the cache was cleared. The result of a look-up that began before is invalid.
    generation: AtomicU64,
    sweeping: AtomicBool,
}

struct CachedResponse {
    prepared: Arc<Prepared>,
    at: Instant,
    /// The generation of the cache when the look-up began.
    generation: u64,
    /// Whether a request renews it.
    renewing: AtomicBool,
}

/// Weighs responses by memory. One path has any number of spellings, and each has a response of its own.
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

/// A [`Key`] for look-ups, without an allocation.
struct BorrowedKey<'a> {
    path: &'a str,
    preference: ListingPreference,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        BorrowedKey { path: &self.path, preference: self.preference }.hash(hasher);
    }
}

impl Hash for BorrowedKey<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.path.hash(hasher);
        self.preference.hash(hasher);
    }
}

impl Equivalent<Key> for BorrowedKey<'_> {
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
        Self(Arc::new(Responses {
            by_request,
            generation: AtomicU64::new(0),
            sweeping: AtomicBool::new(false),
        }))
    }

    /// The response to the same request, if it can be served. `None` if the caller must look the path up.
    pub(super) fn get(&self, path: &str, preference: ListingPreference) -> Option<Arc<Prepared>> {
        let response = self.0.by_request.get(&BorrowedKey { path, preference })?;
        let age = response.at.elapsed();
        let valid = response.generation == self.generation()
            && (age < FRESH_FOR || age < STALE_FOR && response.renewing.swap(true, Ordering::Relaxed))
            // A file that is being written to has other bytes at each moment, and must have another tag.
            && response.prepared.is_unchanged();
        valid.then(|| Arc::clone(&response.prepared))
    }

    /// What a look-up that begins now hands to [`put`](Self::put).
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Keeps the result of a look-up that began at `at`, in `generation`, and returns it. If the cache has
    /// the same version of
    /// the file already, its descriptor stays in use, because it knows which bytes are in the page cache.
    pub(super) fn put(
        &self,
        path: &str,
        preference: ListingPreference,
        found: Prepared,
        generation: u64,
        at: Instant,
    ) -> Arc<Prepared> {
        let before = self.0.by_request.get(&BorrowedKey { path, preference });
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

    /// Drops all responses, so that none keeps a file open, and those of look-ups under way.
    pub(super) fn clear(&self) {
        self.0.generation.fetch_add(1, Ordering::Release);
        self.0.by_request.clear();
    }

    /// Drops old responses until the cache is empty. So no task runs without requests.
    async fn sweep(self) {
        loop {
            while !self.0.by_request.is_empty() {
                tokio::time::sleep(STALE_FOR).await;
                self.0.by_request.retain(|_, response| response.at.elapsed() < STALE_FOR);
            }
            self.0.sweeping.store(false, Ordering::SeqCst);
            // A request that put a response between the check and the store relied on this sweeper, unless it
            // started a sweeper since.
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

    /// A file that differs from the others in its size alone.
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

    /// A file without a name counts as removed, but generated content never had one.
    #[tokio::test]
    async fn generated_content_is_sent_from_memory_and_cached() {
        let (cache, preference) = (ResponseCache::new(), (Form::Page, false));
        let content =
            component::generated(b"#!ipxe\n", SystemTime::UNIX_EPOCH, "a-1".into()).expect("memory");
        let file = PreparedFile::new(content, b"boot.ipxe");
        assert!(file.is_in_memory());
        cache.put("/a", preference, Prepared::File(Box::new(file)), cache.generation(), Instant::now());
        assert!(cache.get("/a", preference).is_some());
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

    /// A response that comes while the sweeper ends must get a sweeper too.
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
                // The sweeper may be about to notice.
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
        let put = |at| cache.put("/a", preference, listing(), cache.generation(), at);
        let before = cache.generation();
        put(Instant::now());
        assert!(cache.get("/a", preference).is_some());
        cache.clear();
        assert!(cache.get("/a", preference).is_none());
        cache.put("/a", preference, listing(), before, Instant::now());
        assert!(cache.get("/a", preference).is_none(), "its look-up began before the change");
        put(Instant::now());
        assert!(cache.get("/a", (Form::Names, false)).is_none());
        assert!(cache.get("/b", preference).is_none());
        let ago = |age| Instant::now().checked_sub(age).expect("a machine that runs for a second");
        put(ago(FRESH_FOR));
        assert!(cache.get("/a", preference).is_none(), "the first request renews it");
        assert!(cache.get("/a", preference).is_some(), "the others get it stale");
        put(ago(STALE_FOR));
        assert!(cache.get("/a", preference).is_none() && cache.get("/a", preference).is_none());
    }
}
