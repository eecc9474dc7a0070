//! Values that change while the program runs.

use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

/// Called with each new value.
type Listener<T> = Box<dyn Fn(&Arc<T>) + Send + Sync>;

/// A value of the settings that a reload may change. Clones share it. A part reads it each time it decides,
/// or listens to changes.
pub struct Live<T>(Arc<Inner<T>>);

struct Inner<T> {
    value: ArcSwap<T>,
    listeners: Mutex<Vec<Listener<T>>>,
    changed: Notify,
}

impl<T> Live<T> {
    /// A value that nothing has changed yet.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Inner {
            value: ArcSwap::from_pointee(value),
            listeners: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// The value of now.
    pub fn get(&self) -> Arc<T> {
        self.0.value.load_full()
    }

    /// Changes the value and tells the listeners.
    pub fn set(&self, value: T) {
        let value = Arc::new(value);
        self.0.value.store(Arc::clone(&value));
        let listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().for_each(|listener| listener(&value));
        self.0.changed.notify_waiters();
    }

    /// Changes the value, unless it is the same already.
    pub fn set_if_other(&self, value: T)
    where
        T: PartialEq,
    {
        if *self.0.value.load_full() != value {
            self.set(value);
        }
    }

    /// Waits until the value is not `seen` any more.
    pub async fn changed(&self, seen: &Arc<T>) {
        loop {
            // It counts changes from now on.
            let changed = self.0.changed.notified();
            if !Arc::ptr_eq(seen, &self.0.value.load()) {
                return;
            }
            changed.await;
        }
    }

    /// Calls `listener` with each new value, on the thread that changes it.
    pub fn on_change(&self, listener: impl Fn(&Arc<T>) + Send + Sync + 'static) {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }
}

impl<T> From<T> for Live<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Live<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Debug> Debug for Live<T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.get().fmt(formatter)
    }
}

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// The keys whose values are in use from now on.
    pub changed: Vec<String>,
    /// The keys whose values have changed too, and are used after a restart.
    pub needs_restart: Vec<String>,
}
