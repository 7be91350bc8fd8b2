//! S12 with few failovers: what is certain holds exactly, what is rare stays rare, and the rule that makes it so has been
//! seen to matter. `partyline simulate --scenario S12 --seeds 20` is the whole of it.

use partyline_domain::Mutation;
use partyline_simulation::{Failover, Metric, Options, Outcome, Scenario, Strategy, find, run};

/// A part of S12 with as many failovers.
fn part(name: &str, count: u32, change: impl FnOnce(&mut Failover)) -> Scenario {
    let mut scenario = find(name).remove(0);
    let failover = scenario.failover.as_mut().expect("a part of S12");
    failover.count = count;
    change(failover);
    scenario
}

fn outcome(scenario: &Scenario, seed: u64) -> Outcome {
    run(scenario, Strategy::Partyline, seed, Options::default())
}

fn figure(outcome: &Outcome, metric: Metric) -> f64 {
    outcome.measures.get(&metric).unwrap_or_else(|| panic!("{} is missing", metric.name())).value
}

fn assert_none(outcome: &Outcome, metric: Metric) {
    assert!(figure(outcome, metric) < 0.5, "{}: {:?}", metric.name(), outcome.measures);
}

#[test]
fn where_lateness_is_bounded_nobody_is_misrouted() {
    for name in ["S12/bounded", "S12/bounded-pause"] {
        let outcome = outcome(&part(name, 100, |_| {}), 1);
        assert_none(&outcome, Metric::Misroutes);
        assert_none(&outcome, Metric::DoubleDials);
    }
}

#[test]
fn without_the_quarantine_somebody_is() {
    for name in ["S12/bounded", "S12/bounded-pause"] {
        let mut scenario = part(name, 40, |_| {});
        scenario.policy.mutation = Some(Mutation::NoQuarantine);
        let outcome = outcome(&scenario, 1);
        assert!(figure(&outcome, Metric::Misroutes) > 0.5, "{name}: {:?}", outcome.measures);
    }
}

#[test]
fn where_it_is_not_bounded_few_are() {
    for name in ["S12/crash", "S12/crash-other", "S12/pause", "S12/pause-other"] {
        let outcome = outcome(&part(name, 75, |_| {}), 1);
        // The target is 0.003, so of 75 failovers one in four such runs misroutes one call, or a few together.
        assert!(figure(&outcome, Metric::Misroutes) <= 3.0, "{name}: {:?}", outcome.measures);
        assert_none(&outcome, Metric::DoubleDials);
    }
}

#[test]
fn every_misroute_is_found() {
    let scenario = part("S12/crash-other", 80, |failover| failover.late.share = 0.3);
    let outcome = outcome(&scenario, 1);
    assert!(figure(&outcome, Metric::Misroutes) > 0.5, "{:?}", outcome.measures);
    assert_none(&outcome, Metric::Unflagged);
    assert!(figure(&outcome, Metric::FlagDelayMaxS) < 60.0, "{:?}", outcome.measures);
}

#[test]
fn a_failover_takes_the_lease_and_for_another_agent_the_quarantine() {
    let outcome = outcome(&part("S12/crash", 150, |_| {}), 2);
    let is = |metric, from: f64, to: f64| {
        let found = figure(&outcome, metric);
        assert!((from..=to).contains(&found), "{}: {found}, not {from} to {to}", metric.name());
    };
    // What is left of a lease of 10 s that is renewed every 3 s, and a request or two.
    is(Metric::TakeoverFreeS, 8.0, 9.75);
    is(Metric::TakeoverSameS, 8.0, 9.75);
    is(Metric::TakeoverFreeMaxS, 9.0, 12.0);
    is(Metric::TakeoverSameMaxS, 9.0, 12.0);
    // Where an assignment was open, or a dial that cannot be found, the other agent waits 30 s more.
    is(Metric::TakeoverOtherS, 10.0, 25.0);
    is(Metric::TakeoverOtherMaxS, 35.0, 42.0);
}

#[test]
fn a_clean_release_takes_as_long_as_the_open_requests() {
    let outcome = outcome(&part("S12/release", 60, |_| {}), 1);
    assert!(figure(&outcome, Metric::TakeoverFreeS) < 0.5, "{:?}", outcome.measures);
    assert!(figure(&outcome, Metric::TakeoverFreeMaxS) < 2.0, "{:?}", outcome.measures);
    assert_none(&outcome, Metric::Misroutes);
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let scenario = part("S12/pause", 15, |failover| failover.late.share = 0.3);
    assert_eq!(outcome(&scenario, 5), outcome(&scenario, 5));
    assert_ne!(outcome(&scenario, 5).measures, outcome(&scenario, 6).measures);
}

#[test]
fn no_other_strategy_hands_numbers_over() {
    let scenario = part("S12/crash", 1, |_| {});
    assert!(run(&scenario, Strategy::Mutex, 1, Options::default()).measures.is_empty());
}
