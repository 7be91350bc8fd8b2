//! Storms over several processes that share a store.

use partyline_simulation::storm::{FaultSet, StormConfig, run, trace};

fn config() -> StormConfig {
    StormConfig { faults: FaultSet::shared(), processes_max: 3, calls: 20, ..StormConfig::default() }
}

#[test]
fn seeds_hold() {
    let seeds = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let first_seed = std::env::var("FIRST").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let faults = std::env::var("FAULTS").ok().map_or_else(FaultSet::shared, |text| text.parse().expect("faults"));
    let report = run(&StormConfig { seeds, jobs: 2, first_seed, faults, ..config() });
    assert!(report.is_clean(), "{report}");
}

#[test]
fn tr() {
    let Ok(seed) = std::env::var("SEED") else { return };
    let faults = std::env::var("FAULTS").ok().map_or_else(FaultSet::shared, |text| text.parse().expect("faults"));
    let n = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let config = StormConfig {
        first_seed: seed.parse().expect("n"),
        faults,
        calls: n("CALLS", 20),
        agents_max: n("AGENTS", 6),
        numbers_max: n("NUMBERS", 3),
        processes_max: n("PROCS", 3),
        ..config()
    };
    println!("{}", trace(&config));
}
