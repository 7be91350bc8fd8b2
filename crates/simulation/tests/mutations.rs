//! Each invariant that a rule of the core guards has been able to fail: the rule is switched off (a feature of the
//! domain that only tests have), and a storm notices within the stated number of seeds. With no rule switched off the
//! same storms hold.

use std::collections::BTreeSet;

use partyline_domain::Mutation;
use partyline_simulation::storm::{Adjust, FaultSet, StormConfig, StormReport, run};

fn storm(mutation: Option<Mutation>, faults: &str, seeds: u64) -> StormReport {
    let faults: FaultSet = faults.parse().expect("faults that there are");
    let adjust = Adjust::new(move |policy| policy.mutation = mutation);
    run(&StormConfig { faults, seeds, failures_max: Some(3), adjust: Some(adjust), ..StormConfig::default() })
}

/// The storm breaks one of these invariants, and nothing else, in at most so many seeds; with the rule it breaks none.
fn trips(mutation: Mutation, faults: &str, seeds: u64, invariants: &[&str]) {
    let report = storm(Some(mutation), faults, seeds);
    let broken: BTreeSet<&str> = report.broken().into_keys().collect();
    assert!(!broken.is_empty(), "{mutation:?}: nothing noticed it within {seeds} seeds");
    let guarded = broken.iter().all(|invariant| invariants.contains(invariant));
    assert!(guarded, "{mutation:?} broke {broken:?} and not only {invariants:?}\n{report}");
    let whole = storm(None, faults, report.seeds);
    assert!(whole.is_clean(), "with every rule in its place\n{whole}");
}

#[test]
fn without_the_pin_rule_two_agents_share_a_number() {
    trips(Mutation::NoPinRule, "F1,F2", 100, &["I1", "I2", "I3"]);
}

#[test]
fn without_the_gate_sessions_are_cut_short() {
    trips(Mutation::NoGate, "none", 1_000, &["I11"]);
}

#[test]
fn without_freshness_dials_rely_on_old_confirmations() {
    trips(Mutation::NoFreshness, "none", 100, &["I12"]);
}

#[test]
fn without_writing_ahead_dials_leave_before_their_intents() {
    trips(Mutation::NoWriteAhead, "none", 100, &["I6"]);
}

#[test]
fn without_the_at_most_once_rule_phones_ring_twice() {
    trips(Mutation::RedialInDoubt, "F1,F2", 100, &["I5", "I15"]);
}
