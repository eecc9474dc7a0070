//! Errors and futures of types that are used as objects.

pub use jobs::BoxError;

/// A future that owns what it needs.
pub type BoxFuture<T> = jobs::BoxFuture<'static, T>;
