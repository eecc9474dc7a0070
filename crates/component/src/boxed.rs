//! Errors and futures of types that are used as objects.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

/// Any error. Its text is for operators.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A boxed future.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
