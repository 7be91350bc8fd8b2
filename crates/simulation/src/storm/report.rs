//! What a storm came to.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::StormConfig;
use super::faults::FaultSet;
use super::invariants::Violation;
use super::one::Outcome;

/// The most failing seeds that are kept in full.
const FAILURES_MAX: usize = 1_000;

/// A seed that broke an invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StormFailure {
    /// The seed.
    pub seed: u64,
    /// What it broke, in its shrunk form.
    #[serde(flatten)]
    pub violation: Violation,
    /// The command that runs the shrunk form.
    pub replay: String,
    /// The options of the shrunk form.
    pub options: String,
}

/// What a storm came to. Printed, it has one line for each failing seed and a summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StormReport {
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds were run.
    pub seeds: u64,
    /// Which faults they could choose from.
    pub faults: FaultSet,
    /// How many calls there were.
    pub calls: u64,
    /// How many requests arrived at the provider.
    pub requests: u64,
    /// How many seeds had each fault.
    pub seeds_with: BTreeMap<String, u64>,
    /// Dials that the provider executed once more than it was asked (F4); tolerated, and counted.
    pub surplus_dials: u64,
    /// Calls that another agent answered because somebody broke an assumption; tolerated, and counted.
    pub excused_misroutes: u64,
    /// How many seeds failed.
    pub failed: u64,
    /// The failing seeds, in their order.
    pub failures: Vec<StormFailure>,
    /// Of the traces of all seeds: the same seeds by the same build give the same.
    pub hash: String,
    #[serde(skip)]
    sum: u64,
}

impl StormReport {
    pub(super) fn new(config: &StormConfig) -> Self {
        Self {
            first_seed: config.first_seed,
            seeds: 0,
            faults: config.faults.clone(),
            calls: 0,
            requests: 0,
            seeds_with: BTreeMap::new(),
            surplus_dials: 0,
            excused_misroutes: 0,
            failed: 0,
            failures: Vec::new(),
            hash: String::new(),
            sum: 0,
        }
    }

    pub(super) fn add(&mut self, seed: u64, outcome: &Outcome, failure: Option<StormFailure>) {
        self.seeds += 1;
        self.calls += outcome.calls as u64;
        self.requests += outcome.requests as u64;
        self.surplus_dials += outcome.surplus as u64;
        self.excused_misroutes += outcome.excused as u64;
        for fault in outcome.options.faults.iter() {
            *self.seeds_with.entry(fault.to_string()).or_default() += 1;
        }
        // The order in which threads are done must not matter.
        self.sum = self.sum.wrapping_add((outcome.hash ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if let Some(failure) = failure {
            self.failed += 1;
            if self.failures.len() < FAILURES_MAX {
                self.failures.push(failure);
            }
        }
    }

    /// Adds a seed that never came to anything.
    pub(super) fn add_lost(&mut self, failure: StormFailure) {
        self.seeds += 1;
        self.failed += 1;
        self.failures.push(failure);
    }

    pub(super) fn finish(&mut self) {
        self.failures.sort_by_key(|failure| failure.seed);
        self.hash = format!("{:016x}", self.sum);
    }

    /// Whether every invariant held in every seed.
    pub fn is_clean(&self) -> bool {
        self.failed == 0
    }

    /// How many failing seeds broke each invariant, as far as they are kept.
    pub fn broken(&self) -> BTreeMap<&'static str, usize> {
        let mut broken = BTreeMap::new();
        for failure in &self.failures {
            *broken.entry(failure.violation.invariant).or_default() += 1;
        }
        broken
    }
}

impl fmt::Display for StormFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} {}. Replay: {}", self.seed, self.violation, self.replay)
    }
}

impl fmt::Display for StormReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        let Self { seeds, calls, requests, faults, first_seed, hash, .. } = self;
        writeln!(
            f,
            "{seeds} seeds from {first_seed}, faults {faults}: {calls} calls, {requests} requests, trace {hash}"
        )?;
        writeln!(
            f,
            "tolerated: {} surplus dials (F4), {} misroutes with a broken assumption behind them",
            self.surplus_dials, self.excused_misroutes
        )?;
        if self.is_clean() {
            return writeln!(f, "every invariant held");
        }
        let broken: Vec<String> = self.broken().iter().map(|(id, count)| format!("{id} {count}")).collect();
        writeln!(f, "{} seeds failed: {}", self.failed, broken.join(", "))
    }
}
