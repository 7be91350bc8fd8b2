//! The virtual clock and the counted ids of the fake adapter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{Clock, Ids, Timer};
use partyline_fake_adapter::{TestIds, VirtualClock, clock};
use partyline_tests::contract::Harness;
use partyline_tests::contract::ids::IdsHarness;
use partyline_tests::contract::time::TimeHarness;

struct Virtual {
    clock: VirtualClock,
    sources: AtomicU64,
}

impl Virtual {
    fn new() -> Self {
        Self { clock: VirtualClock::new(), sources: AtomicU64::new(0) }
    }
}

impl Harness for Virtual {
    fn run(&self, case: impl Future<Output = ()>) {
        clock::run(&self.clock, case);
    }
}

#[async_trait]
impl TimeHarness for Virtual {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn timer(&self) -> Arc<dyn Timer> {
        Arc::new(self.clock.clone())
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }
}

impl IdsHarness for Virtual {
    fn ids(&self) -> Arc<dyn Ids> {
        // Each process counts in a range of its own.
        let source = self.sources.fetch_add(1, Ordering::Relaxed);
        Arc::new(TestIds::new(source * 1_000_000))
    }
}

partyline_tests::time_contract!(Virtual::new());
partyline_tests::ids_contract!(Virtual::new());
