//! The scenarios of `scheduling.md` 3.2 with their targets, over seeds 1 to 20, every invariant checked: the figures of
//! `partyline simulate --scenario all --seeds 20`, of which only those that have a target are shown.
//!
//! `PARTYLINE_BLESS=1 cargo bench -p partyline-tests --bench scenarios`
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "../page/mod.rs"]
mod page;
mod rows;

use partyline_simulation::{Checks, Options, Report, Scenario, Strategy, all};

const SEEDS: u64 = 20;

fn main() {
    // Under `cargo test --all-targets` nothing is to be measured.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me with `cargo bench -p partyline-tests --bench scenarios`");
        return;
    }
    let seeds: Vec<u64> = (1..=SEEDS).collect();
    let rows: String = all().iter().map(|scenario| rows(scenario, &seeds)).collect();
    let lines = || rows.lines();
    let (targets, missed) = (lines().count(), lines().filter(|row| row.split(" | ").nth(7) == Some("**no**")).count());
    page::publish("scenarios", &format!("{}{rows}", rows::HEADING));
    println!("{targets} targets, {missed} of them missed");
}

fn rows(scenario: &Scenario, seeds: &[u64]) -> String {
    let report = |strategy| {
        let options = Options { checks: Checks::Invariants, ..Options::default() };
        Report::new(scenario, strategy, seeds, options)
    };
    let partyline = report(Strategy::Partyline);
    assert_eq!(partyline.violation, None, "{}", scenario.name());
    rows::rows(scenario, &partyline, [&report(Strategy::Mutex), &report(Strategy::Script)])
}
