//! Making a failing seed smaller: fewer faults, calls, agents and numbers, as long as the same invariant breaks.

use super::StormConfig;
use super::faults::FaultSet;
use super::invariants::Violation;
use super::one::{self, Outcome};
use super::report::StormFailure;

/// The most runs that are spent on one seed.
const RUNS_MAX: u32 = 160;

struct Shrinker<'a> {
    seed: u64,
    config: StormConfig,
    violation: Violation,
    options: String,
    runs: u32,
    beat: &'a dyn Fn(),
}

/// The smallest form that was found of a seed that failed.
pub(super) fn failure(config: &StormConfig, outcome: &Outcome, violation: Violation, beat: &dyn Fn()) -> StormFailure {
    let seed = outcome.options.seed;
    let faults: FaultSet = outcome.options.faults.clone();
    let config = StormConfig { faults, seeds: 1, first_seed: seed, jobs: 1, ..config.clone() };
    let mut shrinker = Shrinker { seed, config, violation, options: outcome.options.to_string(), runs: 0, beat };
    // That two runs differ says nothing about which part of the options is to blame.
    if shrinker.violation.invariant != "I18" {
        shrinker.shrink();
    }
    shrinker.failure()
}

impl Shrinker<'_> {
    fn shrink(&mut self) {
        loop {
            let before = self.runs;
            let smaller = self.faults() | self.calls() | self.agents() | self.numbers() | self.processes();
            if !smaller || self.runs >= RUNS_MAX || self.runs == before {
                return;
            }
        }
    }

    fn faults(&mut self) -> bool {
        let mut smaller = false;
        for fault in self.config.faults.clone().iter() {
            let faults = self.config.faults.without(fault);
            smaller |= self.takes(StormConfig { faults, ..self.config.clone() });
        }
        smaller
    }

    fn calls(&mut self) -> bool {
        let mut smaller = false;
        let mut step = self.config.calls / 2;
        while step > 0 {
            let calls = self.config.calls - step;
            if calls > 0 && self.takes(StormConfig { calls, ..self.config.clone() }) {
                smaller = true;
                step = step.min(self.config.calls / 2);
            } else {
                step /= 2;
            }
        }
        smaller
    }

    fn agents(&mut self) -> bool {
        let most = self.config.agents_max;
        (1..most).any(|agents_max| self.takes(StormConfig { agents_max, ..self.config.clone() }))
    }

    fn numbers(&mut self) -> bool {
        let most = self.config.numbers_max;
        (1..most).any(|numbers_max| self.takes(StormConfig { numbers_max, ..self.config.clone() }))
    }

    fn processes(&mut self) -> bool {
        let most = self.config.processes_max;
        (2..most).any(|processes_max| self.takes(StormConfig { processes_max, ..self.config.clone() }))
    }

    /// Whether the same invariant breaks with these options too; they are kept then.
    fn takes(&mut self, config: StormConfig) -> bool {
        if self.runs >= RUNS_MAX {
            return false;
        }
        self.runs += 1;
        let outcome = one::outcome(&config, self.seed, false);
        (self.beat)();
        match outcome.violation {
            Some(violation) if violation.invariant == self.violation.invariant => {
                self.options = outcome.options.to_string();
                self.violation = violation;
                self.config = config;
                true
            }
            Some(_) | None => false,
        }
    }

    fn failure(self) -> StormFailure {
        let replay = replay(&self.config, self.seed);
        StormFailure { seed: self.seed, violation: self.violation, replay, options: self.options }
    }
}

/// The command that runs one seed of a storm.
pub(super) fn replay(config: &StormConfig, seed: u64) -> String {
    let StormConfig { faults, calls, agents_max, numbers_max, processes_max, .. } = config;
    let processes = if *processes_max > 1 { format!(" --processes {processes_max}") } else { String::new() };
    format!(
        "partyline simulate --seeds 1 --first-seed {seed} --faults {faults} --calls {calls} --agents {agents_max} \
         --numbers {numbers_max}{processes}"
    )
}
