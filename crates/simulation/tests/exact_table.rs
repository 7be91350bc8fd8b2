//! The exact figures of `scheduling.md` 2.5: a thousand calls at once, agent = i mod A, every request takes 250 ms.

use partyline_domain::LinePolicy;
use partyline_simulation::{Checks, Metric, Options, Outcome, Scenario, Strategy, find, run};

/// A row of the table: requests a call in thousandths, assignments, makespan, and the waits p50, p99, max, in
/// milliseconds, and the largest overtaking.
type Row = [u64; 7];

fn scenario(agents: u32, numbers: u32, change: impl FnOnce(&mut LinePolicy)) -> Scenario {
    let mut scenario = find("S1").remove(0);
    scenario.agents = agents;
    scenario.numbers = numbers;
    change(&mut scenario.policy);
    scenario
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small figures, rounded on purpose")]
fn row(outcome: &Outcome) -> Row {
    let value = |metric, scale: f64| (outcome.measures[&metric].value * scale).round() as u64;
    [
        value(Metric::Requests, 1.0),
        value(Metric::Assignments, 1.0),
        value(Metric::MakespanS, 1e3),
        value(Metric::WaitP50S, 1e3),
        value(Metric::WaitP99S, 1e3),
        value(Metric::WaitMaxS, 1e3),
        value(Metric::OvertakingMax, 1.0),
    ]
}

fn check(scenario: &Scenario, strategy: Strategy, expected: Row) {
    let outcome = run(scenario, strategy, 1, Options { checks: Checks::Invariants, ..Options::default() });
    assert_eq!(outcome.violation, None, "{strategy:?} A={} K={}", scenario.agents, scenario.numbers);
    assert_eq!(row(&outcome), expected, "{strategy:?} A={} K={}", scenario.agents, scenario.numbers);
    if strategy == Strategy::Partyline {
        assert_eq!(outcome.measures[&Metric::Misroutes].value.to_bits(), 0.0_f64.to_bits());
    }
}

const AGENTS: [u32; 3] = [3, 12, 50];

fn check_all(numbers: u32, change: impl Fn(&mut LinePolicy), strategy: Strategy, rows: [Row; 3]) {
    for (agents, expected) in AGENTS.into_iter().zip(rows) {
        check(&scenario(agents, numbers, &change), strategy, expected);
    }
}

#[test]
fn the_script_under_a_mutex() {
    let row = [3000, 1000, 750_000, 374_750, 742_250, 749_750, 0];
    check_all(1, |_| {}, Strategy::Mutex, [row; 3]);
}

#[test]
fn a_mutex_and_caches() {
    let rows = [2004, 2013, 2051].map(|requests| [requests, 1000, 500_250, 250_000, 495_000, 500_000, 0]);
    check_all(1, |_| {}, Strategy::Cached, rows);
}

#[test]
fn sessions_of_one_dial_in_flight() {
    let rows = [
        [1007, 3, 251_000, 125_500, 248_250, 250_750, 665],
        [1025, 12, 253_250, 126_500, 250_500, 253_000, 906],
        [1101, 50, 262_750, 131_250, 260_000, 262_500, 931],
    ];
    check_all(1, |policy| policy.in_flight_max = 1, Strategy::Partyline, rows);
}

#[test]
fn gated_sessions() {
    let rows = [
        [1007, 3, 16_750, 8_500, 16_500, 16_500, 665],
        [1025, 12, 21_250, 10_500, 20_750, 21_000, 906],
        [1101, 50, 37_750, 18_750, 37_250, 37_500, 931],
    ];
    check_all(1, |_| {}, Strategy::Partyline, rows);
}

#[test]
fn a_quantum_of_64() {
    let rows = [
        [1022, 18, 20_500, 10_000, 20_250, 20_250, 126],
        [1037, 24, 24_250, 10_000, 23_750, 24_000, 693],
        [1101, 50, 37_750, 18_750, 37_250, 37_500, 931],
    ];
    check_all(1, |policy| policy.quantum = Some(64), Strategy::Partyline, rows);
}

#[test]
fn a_quantum_of_32() {
    let rows = [
        [1037, 33, 24_250, 12_000, 24_000, 24_000, 62],
        [1049, 36, 27_250, 12_000, 26_750, 27_000, 341],
        [1101, 50, 37_750, 18_750, 37_250, 37_500, 931],
    ];
    check_all(1, |policy| policy.quantum = Some(32), Strategy::Partyline, rows);
}

#[test]
fn sessions_of_64_dials_in_flight() {
    let rows = [
        [1007, 3, 5_500, 2_750, 5_250, 5_250, 665],
        [1025, 12, 9_250, 4_500, 9_000, 9_000, 906],
        [1101, 50, 25_250, 12_500, 25_000, 25_000, 931],
    ];
    check_all(1, |policy| policy.in_flight_max = 64, Strategy::Partyline, rows);
}

#[test]
fn two_numbers_and_16_dials_in_flight_in_all() {
    // The table has 655 for three agents: which of two sessions takes a place that both could take is a tie there.
    let rows = [
        [1007, 3, 16_250, 8_250, 15_750, 16_000, 659],
        [1025, 12, 16_250, 8_250, 15_750, 16_000, 901],
        [1101, 50, 19_250, 9_750, 18_750, 19_000, 927],
    ];
    let shared = |policy: &mut LinePolicy| {
        policy.in_flight_total = Some(16);
        policy.replicate = false;
    };
    check_all(2, shared, Strategy::Partyline, rows);
}

#[test]
fn four_numbers() {
    let rows = [
        [1007, 3, 5_750, 3_000, 5_500, 5_500, 0],
        [1025, 12, 5_500, 2_750, 5_250, 5_250, 660],
        [1101, 50, 10_000, 5_000, 9_500, 9_750, 912],
    ];
    check_all(4, |policy| policy.replicate = false, Strategy::Partyline, rows);
}

/// Not in the table: a large group is spread over numbers that nobody needs.
#[test]
fn replication_shortens_what_few_agents_take() {
    let makespan = |replicate| {
        let scenario = scenario(3, 4, |policy| policy.replicate = replicate);
        run(&scenario, Strategy::Partyline, 1, Options::default()).measures[&Metric::MakespanS].value
    };
    assert!(makespan(true) < 0.9 * makespan(false), "{} {}", makespan(true), makespan(false));
}

#[test]
fn twelve_verifications_can_share_a_request() {
    let shared = scenario(12, 1, |policy| policy.verify_window = std::time::Duration::from_millis(1));
    let outcome = run(&shared, Strategy::Partyline, 1, Options::default());
    assert_eq!(row(&outcome)[..2], [1014, 12]);
}
