//! Simulated calls per second, on one core: without the checkers and with them.
//!
//! `cargo bench -p partyline-tests --bench simulation`
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "page/mod.rs"]
mod page;

use std::fmt::Write as _;
use std::time::Duration;

use partyline_simulation::{Checks, Metric, Options, Scenario, Strategy, find, run, storm};

/// As many calls in each run, so that the figures can be compared.
const CALLS: u32 = 20_000;
const SCENARIOS: [&str; 4] = ["S1", "S2", "S6/16", "S9b/k4"];
const STORM_SEEDS: u32 = 20;
const STORM_CALLS: u32 = 50;
const SAMPLES: usize = 15;
/// What the issue asks for, in calls per second.
const AIM: f64 = 100_000.0;
const AIM_CHECKED: f64 = 20_000.0;

fn main() {
    // Under `cargo test --all-targets` nothing is to be measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me with `cargo bench -p partyline-tests --bench simulation`");
        return;
    }
    let mut text = format!("simulated calls per second, {SAMPLES} runs each\n");
    line(&mut text, "", ["calls", "fastest", "median", "slowest", "aim"].map(str::to_owned));
    for (checks, words, aim) in [(Checks::Off, "without checks", AIM), (Checks::Invariants, "with checks", AIM_CHECKED)]
    {
        for name in SCENARIOS {
            let scenario = scenario(name);
            row(&mut text, &format!("{name}, {words}"), CALLS, Some(aim), || simulate(&scenario, checks));
        }
    }
    for (checks, words) in [(false, "without checks"), (true, "with checks")] {
        row(&mut text, &format!("a storm, {words}"), STORM_SEEDS * STORM_CALLS, None, || storm(checks));
    }
    page::publish("simulation", &text);
}

fn scenario(name: &str) -> Scenario {
    let found = find(name).into_iter().next().expect("it is in the catalogue");
    Scenario { calls: CALLS, ..found }
}

fn simulate(scenario: &Scenario, checks: Checks) {
    // The runs that only a comparison needs are left out.
    let options = Options { checks, without_references: true, ..Options::default() };
    let outcome = run(scenario, Strategy::Partyline, 1, options);
    assert_eq!(outcome.violation, None, "{}", scenario.name());
    assert_eq!(outcome.measures[&Metric::Lost].value.to_bits(), 0, "{}", scenario.name());
}

/// The real driver over the fake world, with every fault. What it finds is for the storm's own tests.
fn storm(checks: bool) {
    let config = storm::StormConfig {
        checks,
        seeds: STORM_SEEDS.into(),
        calls: usize::try_from(STORM_CALLS).expect("a small number"),
        ..storm::StormConfig::default()
    };
    assert_eq!(storm::run(&config).seeds, config.seeds);
}

fn row(text: &mut String, name: &str, calls: u32, aim: Option<f64>, work: impl Fn()) {
    let mut took: Vec<Duration> = (0..SAMPLES).map(|_| timed(&work)).collect();
    took.sort();
    let rate = |took: Duration| format!("{:.0}", f64::from(calls) / took.as_secs_f64());
    let (fastest, median, slowest) = (took[0], took[SAMPLES / 2], took[SAMPLES - 1]);
    let aim = aim.map(|aim| format!("{aim:.0}")).unwrap_or_default();
    line(text, name, [calls.to_string(), rate(fastest), rate(median), rate(slowest), aim]);
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn timed(work: impl Fn()) -> Duration {
    let began = std::time::Instant::now();
    work();
    began.elapsed()
}

fn line(text: &mut String, name: &str, [calls, fastest, median, slowest, aim]: [String; 5]) {
    let whole = format!("{name:<24} {calls:>7} {fastest:>9} {median:>9} {slowest:>9} {aim:>9}");
    let _ = writeln!(text, "{}", whole.trim_end());
}
