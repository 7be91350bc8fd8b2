//! The targets of `scheduling.md` 3.2, with few seeds and, where calls keep coming, fewer calls than the scenarios
//! have: `partyline simulate --scenario all --seeds 20` is the whole of it. Every invariant is checked on the way.

use partyline_simulation::{Checks, Metric, Options, Report, Strategy, find};

fn report(name: &str, calls: Option<u32>, seeds: &[u64]) -> Report {
    let mut scenario = find(name).remove(0);
    scenario.calls = calls.unwrap_or(scenario.calls);
    let report = Report::new(
        &scenario,
        Strategy::Partyline,
        seeds,
        Options { checks: Checks::Invariants, ..Options::default() },
    );
    assert_eq!(report.violation, None, "{name}");
    report
}

fn assert_met(name: &str, calls: Option<u32>, seeds: &[u64]) {
    let report = report(name, calls, seeds);
    let missed: Vec<_> = report.verdicts.iter().filter(|verdict| !verdict.is_met).collect();
    assert!(missed.is_empty(), "{name}: {missed:?}");
}

#[test]
fn backlogs() {
    for name in ["S1", "S2", "S3"] {
        assert_met(name, None, &[1]);
    }
    assert_met("S4", None, &[1, 2, 3, 4]);
}

#[test]
fn calls_that_keep_coming() {
    for name in ["S5", "S6/4", "S6/16", "S7"] {
        assert_met(name, Some(4000), &[1, 2]);
    }
}

#[test]
fn a_cap_on_live_calls() {
    for name in ["S8/open", "S9/c5-k1", "S9/c20-k1", "S9/c5-k4", "S9/c20-k4"] {
        assert_met(name, Some(2000), &[1, 2]);
    }
}

#[test]
fn a_cap_on_live_calls_and_a_backlog() {
    for name in ["S8/backlog", "S8/backlog-k4", "S9b/k4", "S9b/k1-b64"] {
        assert_met(name, None, &[1, 2]);
    }
}

#[test]
fn no_misroute_however_many_dials_are_in_flight() {
    for name in ["S10/c2", "S10/c4", "S10/c16", "S10/c64"] {
        assert_met(name, None, &[1]);
    }
}

#[test]
fn what_somebody_outside_does_is_bounded_and_found() {
    let report = report("S11", Some(4000), &[1, 2, 3]);
    assert!(report.figures[&Metric::Misroutes].mean > 0.0, "somebody did change the number");
    assert!(report.figures[&Metric::MisroutesPerWrite].mean <= 2.0, "{:?}", report.figures);
    assert_eq!(report.figures[&Metric::Unflagged].mean.to_bits(), 0.0_f64.to_bits());
    assert!(report.figures[&Metric::FlagDelayMaxS].mean <= 10.0, "{:?}", report.figures);
}

#[test]
fn every_defence_at_once() {
    assert_met("S13", None, &[1]);
}

#[test]
fn dials_that_are_answered_at_pickup() {
    assert_met("S14", None, &[1, 2]);
}
