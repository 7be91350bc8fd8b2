//! What a seed expands to: everything that is chosen about a storm before it begins. Printed, it is one line.

use std::fmt;
use std::time::Duration;

use partyline_domain::ports::NumberProvider;
use partyline_domain::{AfterCall, AssignmentPolicy, LinePolicy, LookUpPolicy, Policies, ProofPolicy};
use partyline_fake_adapter::world::{CallModel, Latency};

use super::StormConfig;
use super::faults::{FaultId, FaultSet, RequestFaults};
use super::random::{Dice, Stream};

/// When the calls are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrivals {
    /// All at the beginning.
    Backlog,
    /// In so many groups.
    Bursts(u64),
    /// Evenly.
    Spread,
}

/// Which numbers a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// One, drawn for each call.
    One,
    /// Two, drawn for each call.
    Two,
    /// All of them.
    All,
    /// Each call has one of the above.
    Mixed,
}

/// The expansion of a seed.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) seed: u64,
    pub(super) dice: Dice,
    pub(super) faults: FaultSet,
    pub(super) agents: usize,
    pub(super) numbers: usize,
    pub(super) calls: usize,
    pub(super) arrivals: Arrivals,
    /// Within which time they are asked for.
    pub(super) span: Duration,
    /// How long things go wrong.
    pub(super) trouble: Duration,
    /// One agent has most of the calls.
    pub(super) hot: bool,
    pub(super) choice: Choice,
    pub(super) urgent_percent: u64,
    pub(super) expiry_percent: u64,
    pub(super) cancel_percent: u64,
    pub(super) provider: NumberProvider,
    pub(super) assignment: AssignmentPolicy,
    pub(super) after_call: AfterCall,
    /// `None`: each call has its own.
    pub(super) proof: Option<ProofPolicy>,
    pub(super) look_up: Duration,
    pub(super) settle: Duration,
    pub(super) line: LinePolicy,
    pub(super) latency: Latency,
    pub(super) journal_delay: Duration,
    pub(super) model: CallModel,
    pub(super) list_lag: Duration,
    pub(super) bind_delay: Duration,
    pub(super) provider_live_max: Option<usize>,
    pub(super) requests: RequestFaults,
    /// Of a thousand requests, how many find no connection.
    pub(super) unreachable: u64,
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Options {
    pub(super) fn new(config: &StormConfig, seed: u64) -> Self {
        let dice = Dice::new(seed);
        let size = |count, low, high| dice.between(Stream::Shape, count, low, high);
        let faults = config.faults.chosen(dice);
        let has = |fault| faults.contains(fault);
        let agents = (1 + dice.index(Stream::Shape, 1, 6)).min(config.agents_max.max(1));
        let numbers = dice.pick(Stream::Shape, 2, &[1, 1, 2, 3]).min(config.numbers_max.max(1));
        let calls = if has(FaultId::F18) { config.calls * 3 } else { config.calls };
        let arrivals = match size(3, 0, 2) {
            0 => Arrivals::Backlog,
            1 => Arrivals::Bursts(size(4, 2, 5)),
            _ => Arrivals::Spread,
        };
        let span = if has(FaultId::F18) { seconds(size(5, 1, 4)) } else { seconds(size(5, 2, 60)) };
        let switched = |count, on: u64| dice.percent(Stream::Shape, count, on);
        let share = |count, high| if switched(count, 35) { size(count + 100, 5, high) } else { 0 };
        let bind_delay = if has(FaultId::F17) { seconds(size(14, 0, 4)) } else { Duration::ZERO };
        // In one seed of eight the product does not know how late the agent is bound.
        let settle = if switched(15, 12) { Duration::ZERO } else { bind_delay };
        let line = super::call::line_policy(dice);
        let requests = RequestFaults {
            lateness: line.lateness,
            bind_delay,
            beyond_lateness: has(FaultId::F3) && switched(16, 25),
            hostile_429: has(FaultId::F5) && switched(17, 25),
        };
        let ring = if has(FaultId::F17) { seconds(size(18, 0, 12)) } else { Duration::ZERO };
        Self {
            seed,
            dice,
            agents,
            numbers,
            calls,
            arrivals,
            span,
            trouble: span + seconds(size(6, 10, 240)),
            hot: has(FaultId::F18) || switched(7, 30),
            choice: dice.pick(Stream::Shape, 8, &[Choice::One, Choice::Two, Choice::All, Choice::Mixed]),
            urgent_percent: share(9, 40),
            expiry_percent: share(10, 50),
            cancel_percent: share(11, 30),
            provider: provider(dice),
            assignment: if switched(12, 15) { AssignmentPolicy::Always } else { AssignmentPolicy::IfDifferent },
            after_call: if switched(13, 30) { AfterCall::Restore } else { AfterCall::Keep },
            proof: super::call::proof(dice),
            look_up: seconds(dice.pick(Stream::Policy, 0, &[0, 4, 20, 60, 90])),
            settle,
            latency: latency(dice),
            journal_delay: Duration::from_millis(dice.pick(Stream::World, 2, &[0, 0, 1, 5, 20])),
            model: CallModel { ring, talk: seconds(size(19, 3, 60)), processing: seconds(size(20, 0, 5)) },
            list_lag: if has(FaultId::F14) { seconds(size(21, 0, 30)) } else { seconds(size(21, 0, 1)) },
            bind_delay,
            provider_live_max: has(FaultId::F16).then(|| usize::try_from(size(22, 2, 12)).expect("small")),
            unreachable: if has(FaultId::F7) { dice.pick(Stream::Fault, 7, &[0, 0, 30, 150]) } else { 0 },
            line,
            requests,
            faults,
        }
    }

    pub(super) fn has(&self, fault: FaultId) -> bool {
        self.faults.contains(fault)
    }

    /// How a call is to be placed.
    pub(super) fn policies(&self, call: u64) -> Policies {
        Policies {
            assignment: self.assignment,
            proof: self.proof.unwrap_or_else(|| super::call::proof_of_call(self.dice, call)),
            after_call: self.after_call,
            look_up: LookUpPolicy { window: self.look_up },
            settle_after_post: self.settle,
            ..Policies::default()
        }
    }

    /// When a call is asked for.
    pub(super) fn arrival(&self, call: u64) -> Duration {
        let nanoseconds = u64::try_from(self.span.as_nanos()).unwrap_or(u64::MAX);
        match self.arrivals {
            Arrivals::Backlog => Duration::ZERO,
            Arrivals::Bursts(groups) => {
                let group = self.dice.draw(Stream::Arrival, call) % groups;
                Duration::from_nanos(nanoseconds / groups * group)
            }
            Arrivals::Spread => Duration::from_nanos(self.dice.draw(Stream::Arrival, call) % nanoseconds.max(1)),
        }
    }

    /// For which of the agents a call is.
    pub(super) fn agent(&self, call: u64) -> usize {
        if self.hot && self.dice.percent(Stream::Agent, 2 * call, 70) {
            0
        } else {
            self.dice.index(Stream::Agent, 2 * call + 1, self.agents)
        }
    }

    /// Which of the numbers a call may use; at least one.
    pub(super) fn numbers_of(&self, call: u64) -> Vec<usize> {
        let choice = match self.choice {
            Choice::Mixed => self.dice.pick(Stream::Numbers, 3 * call, &[Choice::One, Choice::Two, Choice::All]),
            fixed @ (Choice::One | Choice::Two | Choice::All) => fixed,
        };
        let first = self.dice.index(Stream::Numbers, 3 * call + 1, self.numbers);
        match choice {
            Choice::One => vec![first],
            Choice::Two => vec![first, self.dice.index(Stream::Numbers, 3 * call + 2, self.numbers)],
            Choice::All | Choice::Mixed => (0..self.numbers).collect(),
        }
    }

    /// Whether a request that finds no connection is this one.
    pub(super) fn is_unreachable(&self, request: u64) -> bool {
        self.dice.draw(Stream::Connection, request) % 1000 < self.unreachable
    }

    /// Whether a conversation is there before its agent is bound.
    pub(super) fn binds_late(&self) -> bool {
        !self.bind_delay.is_zero()
    }

    /// Whether the agent is bound later than the product was told.
    pub(super) fn binds_unexpectedly_late(&self) -> bool {
        self.bind_delay > self.settle
    }

    /// How long after the faults have stopped everything has ended (I16): `L + V + N (T_patch + T_drain + T_post)`, with
    /// the timeouts, look-ups and retries that are under way then, and the wait for places among the live calls.
    pub(super) fn liveness_bound(&self) -> Duration {
        let calls = u32::try_from(self.calls).unwrap_or(u32::MAX);
        let request = self.latency.mean * 8 + self.journal_delay * 4 + self.settle + self.bind_delay;
        let call = self.model.ring + self.model.talk + self.model.processing;
        let under_way = seconds(2 * 90 + 10) + self.line.lateness * 3 + self.look_up + self.list_lag;
        let retries = seconds(60 + 30 * 4);
        let breaker = self.line.breaker.patience + self.line.breaker.pause_max * 2;
        let places = self.line.live_max.or(self.provider_live_max).map_or(Duration::ZERO, |places| {
            let rounds = calls / u32::try_from(places.max(1)).unwrap_or(1) + 1;
            rounds * (call + self.line.survey_every * 2 + self.list_lag)
        });
        // On a SIP trunk a dial is answered only when the callee picks up.
        let pickup = if self.provider == NumberProvider::SipTrunk { self.model.ring } else { Duration::ZERO };
        under_way + retries + calls * (3 * request + pickup) + breaker + places
    }
}

fn provider(dice: Dice) -> NumberProvider {
    match dice.index(Stream::World, 0, 4) {
        0 => NumberProvider::SipTrunk,
        1 => NumberProvider::Exotel,
        _ => NumberProvider::Twilio,
    }
}

fn latency(dice: Dice) -> Latency {
    let mean = Duration::from_millis(dice.pick(Stream::World, 1, &[20, 250, 250, 900]));
    if dice.percent(Stream::World, 3, 60) { Latency::varying(mean) } else { Latency::constant(mean) }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agents, numbers, calls, arrivals, span, trouble, hot, choice, .. } = self;
        write!(f, "seed={} faults={} calls={calls} agents={agents} numbers={numbers}", self.seed, self.faults)?;
        write!(f, " arrivals={arrivals:?} span={span:?} trouble={trouble:?} hot={hot} choice={choice:?}")?;
        write!(f, " urgent={}% expiry={}% cancel={}%", self.urgent_percent, self.expiry_percent, self.cancel_percent)?;
        write!(f, " provider={} assignment={:?} after={:?}", self.provider.as_str(), self.assignment, self.after_call)?;
        write!(f, " proof={:?} look_up={:?} settle={:?}", self.proof, self.look_up, self.settle)?;
        write!(f, " latency={:?}/{:?} journal={:?}", self.latency.mean, self.latency.spread, self.journal_delay)?;
        write!(f, " model={:?} lag={:?} bind={:?}", self.model, self.list_lag, self.bind_delay)?;
        write!(f, " provider_cap={:?} unreachable={}", self.provider_live_max, self.unreachable)?;
        write!(f, " beyond_lateness={} hostile_429={}", self.requests.beyond_lateness, self.requests.hostile_429)?;
        write!(f, " line={:?}", self.line)
    }
}
