//! The fake provider, straight on its world, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ConversationId;
use partyline_domain::ports::{Clock, Provider};
use partyline_fake_adapter::world::Ledger;
use partyline_fake_adapter::{FakeProvider, SharedWorld, VirtualClock, clock};
use partyline_tests::contract::Harness;
use partyline_tests::contract::provider::{Cast, ProviderHarness, ProviderWorld};

use crate::world;

#[derive(Default)]
pub(crate) struct Direct(VirtualClock);

impl Harness for Direct {
    fn run(&self, case: impl Future<Output = ()>) {
        clock::run(&self.0, case);
    }
}

#[async_trait]
impl ProviderHarness for Direct {
    async fn world(&self, agents: usize) -> Box<dyn ProviderWorld> {
        let (world, cast) = world::world(agents);
        Box::new(Fake { world, cast, clock: self.0.clone() })
    }
}

struct Fake {
    world: SharedWorld,
    cast: Cast,
    clock: VirtualClock,
}

#[async_trait]
impl ProviderWorld for Fake {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(FakeProvider::new(self.world.clone(), &self.clock))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn cast(&self) -> &Cast {
        &self.cast
    }

    async fn inject(&self, rule: &str) {
        world::inject(&self.world, rule);
    }

    async fn heal(&self) {
        self.world.lock().faults().clear();
    }

    async fn ledger(&self) -> Ledger {
        self.world.lock().ledger().clone()
    }

    async fn variables(&self, conversation: &ConversationId) -> BTreeMap<String, String> {
        world::variables(&self.world, conversation)
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }
}

partyline_tests::provider_contract!(Direct::default());
