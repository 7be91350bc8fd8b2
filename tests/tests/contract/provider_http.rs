//! The real adapter, talking to the emulator over a socket, in real time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ConversationId;
use partyline_domain::ports::{Clock, Provider};
use partyline_elevenlabs_adapter::{ApiKey, BaseUrl, ElevenLabs, Repeats, Settings};
use partyline_fake_adapter::clock::RealClock;
use partyline_fake_adapter::emulator::Key;
use partyline_fake_adapter::world::Ledger;
use partyline_fake_adapter::{Emulator, RunningEmulator};
use partyline_tests::contract::Harness;
use partyline_tests::contract::provider::{Cast, ProviderHarness, ProviderWorld};
use tokio::runtime::{Builder, Runtime};

use crate::world;

const KEY: &str = "test-key-contract";

struct OverHttp(Runtime);

impl OverHttp {
    fn new() -> Self {
        Self(Builder::new_current_thread().enable_all().build().expect("a runtime starts"))
    }
}

impl Harness for OverHttp {
    fn run(&self, case: impl Future<Output = ()>) {
        self.0.block_on(case);
    }
}

#[async_trait]
impl ProviderHarness for OverHttp {
    async fn world(&self, agents: usize) -> Box<dyn ProviderWorld> {
        let (world, cast) = world::world(agents);
        let emulator = Emulator::of(world, Some(Key::new(KEY)), "127.0.0.1:0").await.expect("a port is free").spawn();
        let clock = Arc::new(RealClock::default());
        let provider = adapter(&emulator, clock.clone());
        Box::new(Served { emulator, cast, clock, provider: Arc::new(provider) })
    }
}

/// Gives up soon: faults last for ever in most cases.
fn adapter(emulator: &RunningEmulator, clock: Arc<RealClock>) -> ElevenLabs {
    let settings = Settings {
        read_timeout: Duration::from_millis(500),
        dial_margin: Duration::from_millis(100),
        repeats: Repeats {
            sends_max: 2,
            budget: Duration::from_secs(5),
            delay: Duration::from_millis(1),
            delay_max: Duration::from_millis(5),
        },
        ..Settings::new(BaseUrl::parse(&emulator.url()).expect("a base URL"))
    };
    ElevenLabs::new(settings, ApiKey::parse(KEY).expect("a key"), clock).expect("a client")
}

struct Served {
    emulator: RunningEmulator,
    cast: Cast,
    clock: Arc<RealClock>,
    provider: Arc<ElevenLabs>,
}

#[async_trait]
impl ProviderWorld for Served {
    fn provider(&self) -> Arc<dyn Provider> {
        self.provider.clone()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn cast(&self) -> &Cast {
        &self.cast
    }

    async fn inject(&self, rule: &str) {
        world::inject(self.emulator.world(), rule);
    }

    async fn heal(&self) {
        self.emulator.world().lock().faults().clear();
    }

    async fn ledger(&self) -> Ledger {
        self.emulator.world().lock().ledger().clone()
    }

    async fn variables(&self, conversation: &ConversationId) -> BTreeMap<String, String> {
        world::variables(self.emulator.world(), conversation)
    }

    async fn pass(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

partyline_tests::provider_contract!(OverHttp::new());
