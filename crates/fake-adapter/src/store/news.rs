//! News for one member: how much has changed, and who waits for that.

use std::collections::BTreeMap;
use std::task::{Poll, Waker};

/// Counts changes; a wait ends when there was one since the last wait that ended.
#[derive(Debug, Default)]
pub(super) struct News {
    changes: u64,
    noticed: u64,
    // In the order in which they began to wait.
    waiters: BTreeMap<u64, Waker>,
    waits: u64,
}

/// A wait for news.
pub(super) struct Wait {
    pub(super) id: u64,
    noticed: u64,
}

impl News {
    pub(super) fn begin(&mut self) -> Wait {
        self.waits += 1;
        Wait { id: self.waits, noticed: self.noticed }
    }

    pub(super) fn poll(&mut self, wait: &Wait, waker: &Waker) -> Poll<()> {
        if self.changes > wait.noticed {
            self.noticed = self.changes;
            return Poll::Ready(());
        }
        self.waiters.insert(wait.id, waker.clone());
        Poll::Pending
    }

    pub(super) fn end(&mut self, wait: u64) {
        self.waiters.remove(&wait);
    }

    /// Something has changed; the wakers are to be woken when no lock is held.
    pub(super) fn tell(&mut self) -> Vec<Waker> {
        self.changes += 1;
        std::mem::take(&mut self.waiters).into_values().collect()
    }
}
