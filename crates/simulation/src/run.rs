//! One run of one strategy through one scenario.

use serde::Serialize;

use crate::baselines::{Cached, Script, Unassigned};
use crate::checks::{Checker, Checks, Violation};
use crate::engine::{Dispatching, drive};
use crate::failover;
use crate::measure::{Finished, Measures, References, measure, starting_assignment};
use crate::overtaking::most_overtaken;
use crate::partyline::Partyline;
use crate::random::Draw;
use crate::recorder::Recorder;
use crate::scenario::Scenario;
use crate::timeline::Timeline;
use crate::workload::Workload;
use crate::world::{World, index};

/// Who decides what is sent when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The plain script: list, PATCH, POST, by several workers without a lock.
    Script,
    /// The same under one mutex.
    Mutex,
    /// A mutex for each number, and caches.
    Cached,
    /// The production core.
    Partyline,
}

impl Strategy {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Script, Self::Mutex, Self::Cached, Self::Partyline];

    /// As one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Mutex => "mutex",
            Self::Cached => "cached",
            Self::Partyline => "partyline",
        }
    }
}

/// What a run gives beside its figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether invariants are asserted (of `partyline` only: the others break them by design).
    pub checks: Checks,
    /// Whether it is written down what every number did.
    pub timeline: bool,
    /// Whether the reference runs are left out, and with them the speed-up, the added waits and the bounds that need
    /// them. For measuring how fast the simulation itself is.
    pub without_references: bool,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Who decided.
    pub strategy: Strategy,
    /// What the run's chance began from.
    pub seed: u64,
    /// The figures.
    pub measures: Measures,
    /// What every number did, where that was asked for.
    pub timeline: Option<Timeline>,
    /// The first invariant that was broken, where they were checked.
    pub violation: Option<Violation>,
}

/// Runs a scenario once. The same seed gives the same outcome.
pub fn run(scenario: &Scenario, strategy: Strategy, seed: u64, options: Options) -> Outcome {
    if let Some(failover) = &scenario.failover {
        let is_run = scenario.is_run_by(strategy);
        let measures = if is_run { failover::run(scenario, failover, seed) } else { Measures::new() };
        return Outcome { strategy, seed, measures, timeline: None, violation: None };
    }
    let draw = Draw::new(seed);
    let workload = Workload::new(scenario, draw);
    let stage = Stage { scenario, workload: &workload, draw };
    let (finished, timeline, violation) = stage.play(Player::Strategy(strategy), options);
    let references = if options.without_references { References::default() } else { stage.references() };
    let measures = measure(scenario, &workload, &finished, &references);
    Outcome { strategy, seed, measures, timeline, violation }
}

/// Who plays: a strategy, or the reference without assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Player {
    Strategy(Strategy),
    Unassigned,
}

struct Stage<'a> {
    scenario: &'a Scenario,
    workload: &'a Workload,
    draw: Draw,
}

impl Stage<'_> {
    fn references(&self) -> References {
        let alone = |player| self.play(player, Options::default()).0;
        References {
            mutex: Some(alone(Player::Strategy(Strategy::Mutex))),
            unassigned: self.scenario.cap.map(|_| alone(Player::Unassigned)),
        }
    }

    fn play(&self, player: Player, options: Options) -> (Finished, Option<Timeline>, Option<Violation>) {
        let (scenario, calls) = (self.scenario, self.workload.arrivals.len());
        let assigned = match player {
            Player::Strategy(_) => starting_assignment(scenario.numbers),
            Player::Unassigned => (0..scenario.agents).collect(),
        };
        let mut world = World::new(scenario, self.workload, self.draw, assigned);
        if options.timeline {
            world.recorder = Some(Recorder::new(&world.assigned, calls));
        }
        match player {
            Player::Strategy(Strategy::Script) => {
                act(&mut world, Script::new(scenario.workers, scenario.numbers, calls));
            }
            Player::Strategy(Strategy::Mutex) => act(&mut world, Script::new(1, scenario.numbers, calls)),
            Player::Strategy(Strategy::Cached) => {
                act(&mut world, Cached::new(scenario.agents, scenario.numbers, calls));
            }
            Player::Strategy(Strategy::Partyline) => {
                if options.checks == Checks::Invariants {
                    world.checker = Some(Checker::new(scenario));
                }
                act(&mut world, Partyline::new(scenario));
            }
            Player::Unassigned => {
                let most = scenario.policy.in_flight_total.map_or(u64::MAX, |total| total as u64);
                act(&mut world, Unassigned::new(most, calls));
            }
        }
        self.finish(world)
    }

    fn finish(&self, mut world: World<'_>) -> (Finished, Option<Timeline>, Option<Violation>) {
        let now = world.now;
        let violation = world.checker.take().and_then(|mut checker| {
            checker.finish(most_overtaken(&world.truth.sent), now);
            checker.violation().cloned()
        });
        let timeline = world.recorder.take().map(|recorder| recorder.finish(now));
        debug_assert_eq!(index(world.truth.sent.len()), self.scenario.calls);
        (Finished::of(world), timeline, violation)
    }
}

fn act(world: &mut World<'_>, mut dispatching: impl Dispatching) {
    drive(world, &mut dispatching);
}
