//! The real clock of the emulator.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{Clock, Timer};
use partyline_fake_adapter::clock::RealClock;
use partyline_tests::contract::Harness;
use partyline_tests::contract::time::TimeHarness;
use tokio::runtime::{Builder, Runtime};

struct Real {
    runtime: Runtime,
    clock: RealClock,
}

impl Real {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime starts");
        let clock = runtime.block_on(async { RealClock::default() });
        Self { runtime, clock }
    }
}

impl Harness for Real {
    fn run(&self, case: impl Future<Output = ()>) {
        self.runtime.block_on(case);
    }
}

#[async_trait]
impl TimeHarness for Real {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn timer(&self) -> Arc<dyn Timer> {
        Arc::new(self.clock.clone())
    }

    async fn pass(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

partyline_tests::time_contract!(Real::new());
