//! Figures of `scheduling.md` 2.2 to 2.4 and 2.13 for random latencies, within what few seeds allow.

use partyline_simulation::{Metric, Network, Options, Report, Scenario, Sequence, Strategy, find};

const SEEDS: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn random_backlog(agents: u32, sequence: Sequence) -> Scenario {
    let mut scenario = find("S4").remove(0);
    scenario.agents = agents;
    scenario.sequence = sequence;
    scenario
}

fn mean(scenario: &Scenario, strategy: Strategy, metric: Metric) -> f64 {
    Report::new(scenario, strategy, &SEEDS, Options::default()).figures[&metric].mean
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, not {expected} within {tolerance}");
}

#[test]
fn without_a_lock_a_share_of_the_calls_goes_to_the_wrong_agent() {
    for (agents, sequence, workers, percent, tolerance) in [
        (12, Sequence::Uniform, 2, 30.6, 1.5),
        (12, Sequence::Uniform, 4, 60.2, 1.5),
        (12, Sequence::Uniform, 16, 89.1, 1.5),
        (12, Sequence::Uniform, 64, 91.4, 1.5),
        (12, Sequence::Zipf, 2, 28.6, 1.5),
        (12, Sequence::Bursty, 2, 3.1, 1.0),
        (3, Sequence::Uniform, 2, 22.3, 1.5),
        (50, Sequence::Zipf, 16, 90.0, 1.5),
    ] {
        let mut scenario = random_backlog(agents, sequence);
        scenario.workers = workers;
        let share = 100.0 * mean(&scenario, Strategy::Script, Metric::MisrouteShare);
        assert_near(share, percent, tolerance, &format!("A={agents} {sequence:?} c={workers}"));
    }
}

#[test]
fn a_mutex_is_slow_and_caches_help_a_little() {
    let scenario = random_backlog(12, Sequence::Zipf);
    for (strategy, requests, assignments, rate, waits) in [
        (Strategy::Mutex, 3.0, 1000.0, 1.34, [373.0, 739.0, 747.0]),
        (Strategy::Cached, 1.854, 841.0, 2.18, [229.0, 453.0, 458.0]),
    ] {
        let report = Report::new(&scenario, strategy, &SEEDS, Options::default());
        let figure = |metric| report.figures[&metric].mean;
        assert_near(figure(Metric::RequestsPerCall), requests, 0.01, "requests");
        assert_near(figure(Metric::Assignments), assignments, 10.0, "assignments");
        assert_near(figure(Metric::CallsPerSecond), rate, 0.03, "calls a second");
        for (metric, expected) in [Metric::WaitP50S, Metric::WaitP99S, Metric::WaitMaxS].into_iter().zip(waits) {
            assert_near(figure(metric), expected, expected * 0.02, metric.name());
        }
        assert_near(figure(Metric::Misroutes), 0.0, 0.0, "misroutes");
    }
}

#[test]
fn caches_pay_what_belady_pays_on_one_number() {
    for (agents, sequence) in [(3, Sequence::Bursty), (12, Sequence::Uniform), (50, Sequence::Zipf)] {
        let scenario = random_backlog(agents, sequence);
        let share = mean(&scenario, Strategy::Cached, Metric::AssignmentsPerFifo);
        assert_near(share, 1.0, 1e-12, "assignments over Belady's");
    }
}

#[test]
fn caches_assign_less_on_several_numbers() {
    for (sequence, numbers, requests) in
        [(Sequence::Uniform, 2, 1.931), (Sequence::Uniform, 4, 1.844), (Sequence::Zipf, 4, 1.749)]
    {
        let mut scenario = random_backlog(12, sequence);
        scenario.numbers = numbers;
        let found = mean(&scenario, Strategy::Cached, Metric::RequestsPerCall);
        assert_near(found, requests, 0.02, &format!("{sequence:?} K={numbers}"));
    }
}

#[test]
fn under_a_cap_a_mutex_adds_seconds_and_caches_half_of_them() {
    let mut scenario = find("S9/c20-k1").remove(0);
    scenario.calls = 3000;
    assert_near(mean(&scenario, Strategy::Mutex, Metric::AddedWaitP50S), 0.6, 0.1, "mutex, median");
    assert_near(mean(&scenario, Strategy::Cached, Metric::AddedWaitP50S), 0.25, 0.05, "cached, median");
    let backlog = find("S8/backlog").remove(0);
    assert_near(mean(&backlog, Strategy::Mutex, Metric::RampS), 75.1, 3.0, "mutex, ramp");
    assert_near(mean(&backlog, Strategy::Cached, Metric::RampS), 46.6, 3.0, "cached, ramp");
    assert_near(mean(&backlog, Strategy::Mutex, Metric::MakespanRatio), 1.051, 0.005, "mutex, makespan");
}

#[test]
fn a_mutex_waits_for_every_pickup() {
    let scenario = find("S14").remove(0);
    assert_near(mean(&scenario, Strategy::Mutex, Metric::MakespanS), 15_435.0, 300.0, "mutex");
    assert_near(mean(&scenario, Strategy::Cached, Metric::MakespanS), 15_146.0, 300.0, "cached");
}

#[test]
fn latencies_are_shared_by_all_strategies() {
    let scenario = random_backlog(12, Sequence::Uniform);
    // Without waiting for anything else, dials one after the other take the sum of their latencies.
    assert!(matches!(scenario.network, Network { pickup: None, .. }));
    let busy = |strategy| {
        let report = Report::new(&scenario, strategy, &[3], Options::default());
        report.figures[&Metric::Utilisation].mean * report.figures[&Metric::MakespanS].mean
    };
    assert_near(busy(Strategy::Mutex), busy(Strategy::Script), 1e-9, "time spent dialling");
}

#[test]
fn the_same_seed_gives_the_same_outcome() {
    for (name, strategy) in [("S4", Strategy::Partyline), ("S10/c16", Strategy::Script), ("S9b/k4", Strategy::Cached)] {
        let scenario = find(name).remove(0);
        let options = Options { timeline: true, ..Options::default() };
        let run = |seed| partyline_simulation::run(&scenario, strategy, seed, options);
        assert_eq!(run(5), run(5));
        assert_ne!(run(5).measures, run(6).measures);
    }
}
