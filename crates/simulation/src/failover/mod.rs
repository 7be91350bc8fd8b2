//! Failovers (S12, `scheduling.md` 2.12): the process that holds the only number fails, and another takes over, without
//! anything that could fence off what the first has sent.
//!
//! Each failover is a short run of its own in virtual time: two processes run the production driver over one fake world
//! and one fake store. What is counted is what the world did; nothing that a process says of itself is believed. Must
//! not know why a request was sent. Tests: `tests/failover.rs`.

mod count;
mod network;
mod one;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::available_parallelism;

use crate::measure::Measures;
use crate::random::Draw;
use crate::scenario::Scenario;

/// The failovers of a scenario.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failover {
    /// How many there are in one run.
    pub count: u32,
    /// How the process that holds the number ends.
    pub ending: Ending,
    /// Which calls come after that.
    pub afterwards: Afterwards,
    /// Which requests take effect late.
    pub late: Late,
}

/// How the process that holds the number ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It dies between two of its steps.
    Crash,
    /// It stops for longer than its lease holds, and then goes on as if nothing had happened.
    Pause,
    /// It leaves the number to others and says so.
    Release,
}

/// Which calls come after the failure. Before it agents alternate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// Agents go on alternating.
    Alternate,
    /// All are for the agent that was not being served.
    Other,
}

/// Which requests take effect late, and with that are answered late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Late {
    /// How large a share of the assignments and dials.
    pub share: f64,
    /// How much later than usual on average (exponential), in seconds.
    pub mean_s: f64,
    /// No request takes effect later than this after it was sent, in seconds; `None`: there is no bound.
    pub bound_s: Option<f64>,
    /// Of whom.
    pub of: LateOf,
}

/// Whose requests may be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateOf {
    /// Those of the process that fails, sent in the turn of the agent that it then serves. What was sent in earlier turns
    /// had to be answered before the turn could change.
    LastTurn,
    /// All of the process that fails, for half a minute and more before it does.
    Failing,
    /// All of both processes.
    Everyone,
}

/// Runs the failovers of a scenario; the same seed gives the same figures. Uses as many threads as the machine has.
pub(crate) fn run(scenario: &Scenario, failover: &Failover, seed: u64) -> Measures {
    let (draw, next) = (Draw::new(seed), AtomicU32::new(0));
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= failover.count {
                return done;
            }
            done.push((place, one::run(scenario, failover, draw.seed_within(u64::from(place)))));
        }
    };
    let threads = available_parallelism().map_or(1, usize::from);
    let mut all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a failover runs to its end")).collect()
    });
    all.sort_by_key(|(place, _)| *place);
    let all: Vec<_> = all.into_iter().map(|(_, aftermath)| aftermath).collect();
    count::measures(scenario, failover, &all)
}
