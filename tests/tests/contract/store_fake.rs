//! The fake store, with and without latency, as a store and as a journal.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::Store;
use partyline_domain::{PhoneNumberId, RunId};
use partyline_fake_adapter::{FakeStore, StoreConfig, VirtualClock, clock};
use partyline_tests::contract::Harness;
use partyline_tests::contract::store::{AsJournal, StoreHarness, StoreWorld};

/// Fresh fake stores in one virtual time.
#[derive(Default)]
pub(crate) struct Fake {
    time: VirtualClock,
    latency: Duration,
}

impl Fake {
    fn slow() -> Self {
        Self { latency: Duration::from_millis(2), ..Self::default() }
    }
}

impl Harness for Fake {
    fn run(&self, case: impl Future<Output = ()>) {
        clock::run(&self.time, case);
    }
}

#[async_trait]
impl StoreHarness for Fake {
    async fn store(&self) -> Box<dyn StoreWorld> {
        let config = StoreConfig { latency: self.latency, ..StoreConfig::default() };
        let store = FakeStore::with_config(&self.time, config);
        Box::new(FakeWorld { time: self.time.clone(), store, latency: self.latency })
    }
}

struct FakeWorld {
    time: VirtualClock,
    store: FakeStore,
    latency: Duration,
}

#[async_trait]
impl StoreWorld for FakeWorld {
    async fn member(&self, owner: RunId) -> Arc<dyn Store> {
        self.store.member(owner)
    }

    async fn pass(&self, by: Duration) {
        self.time.advance(by);
    }

    async fn lose_lease(&self, number: &PhoneNumberId) {
        self.store.lose_lease(number);
    }

    fn slack(&self) -> Duration {
        self.latency * 50
    }
}

partyline_tests::store_contract!(Fake::default());

mod slow {
    use super::Fake;
    partyline_tests::store_contract!(Fake::slow());
}

mod as_journal {
    use super::{AsJournal, Fake};
    partyline_tests::journal_contract!(AsJournal::new(Fake::default()));
}
