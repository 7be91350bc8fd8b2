//! A storm of a thousand fixed seeds, and what a storm promises about itself: the same seed gives the same bytes, on
//! however many threads; every fault shows; the command of a failing seed brings the failure back.

use std::collections::BTreeSet;

use partyline_domain::Mutation;
use partyline_simulation::storm::{Adjust, FaultId, FaultSet, StormConfig, run, trace};

#[test]
fn a_thousand_seeds_hold() {
    let report = run(&StormConfig { seeds: 1_000, jobs: 2, ..StormConfig::default() });
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.seeds, 1_000);
    assert!(report.surplus_dials > 0 && report.excused_misroutes > 0, "the faults are real\n{report}");
    let seen: BTreeSet<&str> = report.seeds_with.keys().map(String::as_str).collect();
    let all: BTreeSet<String> = FaultId::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(seen, all.iter().map(String::as_str).collect());
}

#[test]
fn a_seed_gives_the_same_bytes_each_time() {
    for first_seed in 1..=30 {
        let config = StormConfig { first_seed, ..StormConfig::default() };
        let (first, second) = (trace(&config), trace(&config));
        assert!(first == second, "the traces of seed {first_seed} differ");
        assert!(first.starts_with(&format!("seed={first_seed} ")) && first.lines().count() > 100);
    }
}

#[test]
fn threads_change_nothing() {
    let config = StormConfig { first_seed: 500, seeds: 40, ..StormConfig::default() };
    let alone = run(&config);
    let together = run(&StormConfig { jobs: 3, ..config });
    assert_eq!(alone, together);
    assert_ne!(alone.hash, run(&StormConfig { first_seed: 501, seeds: 40, ..StormConfig::default() }).hash);
}

#[test]
fn every_fault_of_requests_shows_in_the_trace() {
    let shown = [
        ("F1", "hang-before"),
        ("F2", "hang-after"),
        ("F3", "late-"),
        ("F4", "twice-"),
        ("F5", "429"),
        ("F6", "50"),
        ("F7", "reset-"),
        ("F11", "outside assigns"),
        ("F12", "outside "),
        ("F14", "page-missing"),
        ("F16", "outside calls"),
        ("F17", "slow-4s"),
        ("F19", "trust "),
    ];
    for (fault, sign) in shown {
        let faults: FaultSet = fault.parse().expect("a fault");
        let found = (1..200).any(|first_seed| {
            let config = StormConfig { first_seed, faults: faults.clone(), ..StormConfig::default() };
            trace(&config).contains(sign)
        });
        assert!(found, "{fault} never shows as {sign:?}");
    }
}

#[test]
fn a_failing_seed_is_shrunk_and_comes_back() {
    let adjust = Adjust::new(|policy| policy.mutation = Some(Mutation::RedialInDoubt));
    let faults: FaultSet = "F2,F11,F18".parse().expect("faults");
    let config = StormConfig {
        faults,
        seeds: 200,
        failures_max: Some(1),
        adjust: Some(adjust.clone()),
        ..StormConfig::default()
    };
    let report = run(&config);
    let failure = report.failures.first().expect("a dial that is sent again is noticed");
    let argument = |flag: &str| {
        let words: Vec<&str> = failure.replay.split(' ').collect();
        let place = words.iter().position(|word| *word == flag).expect("each option is in the command");
        words[place + 1].to_owned()
    };
    let number = |flag| argument(flag).parse::<usize>().expect("a number");
    let again = StormConfig {
        first_seed: argument("--first-seed").parse().expect("a seed"),
        seeds: 1,
        faults: argument("--faults").parse().expect("faults"),
        calls: number("--calls"),
        agents_max: number("--agents"),
        numbers_max: number("--numbers"),
        adjust: Some(adjust),
        ..StormConfig::default()
    };
    let (needed, idle) = (again.faults.contains(FaultId::F2), again.faults.contains(FaultId::F11));
    assert!(again.calls < 50 && again.numbers_max == 1 && needed && !idle, "{}", failure.replay);
    let replayed = run(&again);
    assert_eq!(replayed.failures.first().map(|again| &again.violation), Some(&failure.violation));
    assert!(report.to_string().contains(&failure.replay) && report.to_string().lines().count() >= 4);
}

#[test]
fn a_report_is_json_and_holds_no_phone_number() {
    let config = StormConfig { seeds: 5, ..StormConfig::default() };
    let json = serde_json::to_value(run(&config)).expect("a report is plain data");
    assert_eq!(json["seeds"], 5);
    assert_eq!(json["faults"], "all");
    assert!(json["failures"].is_array());
    assert!(!trace(&config).contains("2025550"), "a phone number in the trace");
}
