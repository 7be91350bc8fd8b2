//! Tells those who wait that another process may have changed something. What happened between two waits is not missed.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// The side that tells.
#[derive(Clone, Debug)]
pub(crate) struct Teller(watch::Sender<u64>);

/// The side that waits.
#[derive(Debug)]
pub(crate) struct Changes {
    seen: AtomicU64,
    told: watch::Receiver<u64>,
}

pub(crate) fn channel() -> (Teller, Changes) {
    let (sender, told) = watch::channel(0);
    (Teller(sender), Changes { seen: AtomicU64::new(0), told })
}

impl Teller {
    pub(crate) fn tell(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Whether nobody is left who could wait.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_closed()
    }
}

impl Changes {
    /// Returns when something was told that no earlier wait has returned for.
    pub(crate) async fn wait(&self) {
        let mut told = self.told.clone();
        let seen = self.seen.load(Ordering::Acquire);
        let told = told.wait_for(|count| *count != seen).await.map(|count| *count);
        match told {
            Ok(count) => self.seen.store(count, Ordering::Release),
            // Nobody will tell any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// Another one who waits by himself, for what is told from now on.
    pub(crate) fn another(&self) -> Self {
        let told = self.told.clone();
        let seen = AtomicU64::new(*told.borrow());
        Self { seen, told }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_happened_between_two_waits_is_not_missed() {
        let (teller, changes) = channel();
        assert!(changes.wait().now_or_never().is_none());
        teller.tell();
        teller.tell();
        assert!(changes.wait().now_or_never().is_some());
        assert!(changes.wait().now_or_never().is_none());
        let other = changes.another();
        teller.tell();
        assert!(changes.wait().now_or_never().is_some());
        assert!(other.wait().now_or_never().is_some());
        drop((changes, other));
        assert!(teller.is_idle());
    }
}
