//! The same seed gives the same history, to the last entry.

mod common;

use std::time::Duration;

use common::Stage;
use futures_util::future::join_all;
use partyline_fake_adapter::clock::run;
use partyline_fake_adapter::emulator::control::ledger_json;
use partyline_fake_adapter::world::{Latency, Ledger, WorldConfig};
use partyline_fake_adapter::{FaultMix, FaultPlan};

fn history(seed: u64) -> Ledger {
    let config = WorldConfig {
        seed,
        latency: Latency::varying(Duration::from_millis(250)),
        faults: FaultPlan::default().with_mix(FaultMix::fair(300, seed)),
        ..WorldConfig::sandbox()
    };
    let stage = Stage::new(config);
    run(
        &stage.time,
        join_all((0..60).map(|count| {
            let stage = &stage;
            async move {
                // Whether a step fails is up to the mix; what counts is that it does so every time.
                let assigned = stage.assign(Some(count % 3)).await.is_ok();
                let dialled = stage.dial(&format!("call_{count}.1"), count % 3).await.is_ok();
                assigned && dialled
            }
        })),
    );
    let world = stage.world.lock();
    world.ledger().clone()
}

#[test]
fn the_same_seed_twice_is_the_same_history() {
    let (first, second) = (history(7), history(7));
    assert_eq!(first, second);
    assert_eq!(ledger_json(&first).to_string(), ledger_json(&second).to_string());
    assert_eq!(first.requests.len(), 120);
    assert!(first.requests.iter().any(|request| request.fault.is_some()));
    assert!(first.misroutes().count() > 0, "without a lock there are misroutes");
}

#[test]
fn another_seed_is_another_history() {
    assert_ne!(history(7), history(8));
}
