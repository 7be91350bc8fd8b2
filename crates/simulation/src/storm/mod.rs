//! Storms: the real driver over the fake world in virtual time, with everything going wrong that can, and every
//! invariant of `scheduling.md` 4.5 that one process without a store can break checked.
//!
//! Each seed expands to a printed set of options and a random part of the faults (`swarm`), and has two phases: faults
//! at will, then none, when everything must come to its end. A seed that breaks an invariant is shrunk and told in
//! one line with the command that replays it. A seed and a build fix every byte of the trace.
//!
//! ```
//! use partyline_simulation::storm::{self, FaultSet, StormConfig};
//! let config = StormConfig { seeds: 3, calls: 10, faults: "F1,F11".parse()?, ..StormConfig::default() };
//! let report = storm::run(&config);
//! assert_eq!(report.seeds, 3);
//! assert_eq!(storm::run(&config).hash, report.hash);
//! # Ok::<(), partyline_simulation::storm::FaultSetError>(())
//! ```

mod call;
mod evidence;
mod faults;
mod house;
mod invariants;
mod one;
mod options;
mod random;
mod record;
mod report;
mod scenario;
mod shrink;
mod threads;
mod watched;

use std::fmt;
use std::sync::Arc;

use partyline_domain::LinePolicy;

pub use faults::{FaultId, FaultSet, FaultSetError};
pub use invariants::Violation;
pub use report::{StormFailure, StormReport};

use one::Outcome;

/// Every so many seeds one is run twice, and the traces compared (I18).
const TWICE_EVERY: u64 = 64;

/// What to run.
#[derive(Clone, Debug)]
pub struct StormConfig {
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds.
    pub seeds: u64,
    /// Which faults a seed may choose from.
    pub faults: FaultSet,
    /// How many calls a seed has; three times as many under F18.
    pub calls: usize,
    /// The most agents a seed may have.
    pub agents_max: usize,
    /// The most numbers a seed may have.
    pub numbers_max: usize,
    /// How many processes share a store at most; 1 = one process without a store.
    pub processes_max: usize,
    /// Whether the invariants are checked and the trace is hashed.
    pub checks: bool,
    /// No further seed is begun when so many have failed; `None`: all are run.
    pub failures_max: Option<u64>,
    /// How many threads share the seeds.
    pub jobs: usize,
    /// Changes the bounds of each seed's lines, for tests.
    pub adjust: Option<Adjust>,
}

/// A change of a seed's line policy.
#[derive(Clone)]
pub struct Adjust(pub(crate) Arc<dyn Fn(&mut LinePolicy) + Send + Sync>);

impl Adjust {
    /// Changes by calling this.
    pub fn new(adjust: impl Fn(&mut LinePolicy) + Send + Sync + 'static) -> Self {
        Self(Arc::new(adjust))
    }
}

impl fmt::Debug for Adjust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adjust(..)")
    }
}

impl Default for StormConfig {
    fn default() -> Self {
        Self {
            first_seed: 1,
            seeds: 1,
            faults: FaultSet::all(),
            calls: 50,
            agents_max: 6,
            numbers_max: 3,
            processes_max: 1,
            checks: true,
            failures_max: None,
            jobs: 1,
            adjust: None,
        }
    }
}

/// Runs a storm.
///
/// # Panics
/// Where a thread cannot be started.
pub fn run(config: &StormConfig) -> StormReport {
    threads::run(config)
}

/// The whole trace of the first seed: its options, what was asked, sent, answered, written and told, what the world did.
/// Holds no phone number.
pub fn trace(config: &StormConfig) -> String {
    one::outcome(config, config.first_seed, true).trace.unwrap_or_default()
}

/// What a seed comes to; every so often a seed is run twice to see whether it comes to the same.
fn judged(config: &StormConfig, seed: u64, beat: &dyn Fn()) -> (Outcome, Option<StormFailure>) {
    let outcome = one::outcome(config, seed, false);
    beat();
    let mut violation = outcome.violation.clone();
    if config.checks && violation.is_none() && seed.is_multiple_of(TWICE_EVERY) {
        let again = one::outcome(config, seed, false);
        if again.hash != outcome.hash {
            let sentence = format!("the traces of two runs differ: {:016x} and {:016x}", outcome.hash, again.hash);
            violation = Some(Violation { invariant: "I18", sentence });
        }
    }
    let failure = violation.map(|violation| shrink::failure(config, &outcome, violation, beat));
    (outcome, failure)
}
