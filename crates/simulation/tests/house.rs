//! Storms over several processes that share a store: a thousand fixed seeds, the same bytes each time, and proof that
//! each of the rules for sharing could be seen to be broken.

use std::collections::BTreeSet;

use partyline_domain::Mutation;
use partyline_simulation::storm::{Adjust, FaultId, FaultSet, StormConfig, run, trace};

fn config() -> StormConfig {
    StormConfig { faults: FaultSet::shared(), processes_max: 3, calls: 20, jobs: 2, ..StormConfig::default() }
}

#[test]
fn a_thousand_seeds_hold() {
    let report = run(&StormConfig { seeds: 1_000, ..config() });
    assert!(report.is_clean(), "{report}");
    let seen: BTreeSet<&str> = report.seeds_with.keys().map(String::as_str).collect();
    let all: BTreeSet<String> = FaultId::SHARED.iter().map(ToString::to_string).collect();
    assert_eq!(seen, all.iter().map(String::as_str).collect(), "every fault was there");
}

#[test]
fn a_seed_gives_the_same_bytes_each_time() {
    for first_seed in 1..=20 {
        let config = StormConfig { first_seed, ..config() };
        assert!(trace(&config) == trace(&config), "the traces of seed {first_seed} differ");
    }
}

#[test]
fn a_trace_shows_what_happens_to_processes_and_holds_no_phone_number() {
    let signs = ["dies", "has left", "NumberLost", "HandedBack", "StoreTrouble", "the store is away", "does not reach"];
    for sign in signs {
        let found = (1..300).any(|first_seed| trace(&StormConfig { first_seed, ..config() }).contains(sign));
        assert!(found, "{sign:?} never shows");
    }
    assert!(!trace(&config()).contains("2025550"), "a phone number in the trace");
}

/// Which invariant breaks when a rule is switched off, under these faults.
fn trips(mutation: Mutation, faults: &str, invariants: &[&str]) {
    let adjust = Adjust::new(move |policy| policy.mutation = Some(mutation));
    let faults: FaultSet = faults.parse().expect("faults");
    let report = run(&StormConfig { seeds: 10_000, failures_max: Some(1), adjust: Some(adjust), faults, ..config() });
    let failure = report.failures.first().unwrap_or_else(|| panic!("nothing notices {mutation:?}"));
    assert!(invariants.contains(&failure.violation.invariant), "{failure}");
    assert!(failure.replay.contains("--processes"), "{failure}");
}

#[test]
fn without_the_look_at_the_lease_something_is_sent_after_it() {
    trips(Mutation::NoLeaseCheck, "F9,F13,F15", &["I4", "I6", "I2", "I1"]);
}

#[test]
fn without_the_quarantine_agents_mix() {
    trips(Mutation::NoQuarantine, "F2,F3,F8", &["I2", "I1"]);
}

#[test]
fn without_the_intent_ahead_something_is_sent_that_nobody_knows_of() {
    trips(Mutation::NoWriteAhead, "F8,F13", &["I6", "I4", "I5"]);
}

#[test]
fn without_the_pin_rule_agents_mix() {
    trips(Mutation::NoPinRule, "F2,F8", &["I2", "I1"]);
}

#[test]
fn a_dial_in_doubt_that_is_sent_again_rings_twice() {
    trips(Mutation::RedialInDoubt, "F2,F8", &["I5", "I8"]);
}
