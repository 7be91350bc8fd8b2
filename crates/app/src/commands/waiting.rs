//! Waiting for something that may not be under way.

use std::pin::Pin;

/// Something under way, or nothing.
pub(crate) type Work<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// Waits for work, where there is some; it is gone then. May be dropped and called again.
pub(crate) async fn done<T>(work: &mut Work<T>) -> T {
    let Some(waiting) = work else { return std::future::pending().await };
    let answer = waiting.await;
    *work = None;
    answer
}
