//! Time: reading it, and waiting for it.
//!
//! Proved by the suite `partyline_tests::contract::time`, which any adapter can be run against.

use async_trait::async_trait;

use crate::time::{Instant, Now};

/// Reads both clocks.
pub trait Clock: Send + Sync {
    /// One reading. The monotonic half never goes back.
    fn now(&self) -> Now;
}

/// Waits.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Returns when the clock's monotonic half has reached `at`, never earlier; at once where it has already.
    /// Dropping the future forgets the wait.
    async fn sleep_until(&self, at: Instant);
}
