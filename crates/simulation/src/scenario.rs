//! Scenarios as data: the calls, the world, the policy, and what is to be reached.

use std::time::Duration;

use partyline_domain::{LinePolicy, ProofPolicy};

use crate::failover::Failover;
use crate::metric::Metric;
use crate::random::{Draw, Kind};
use crate::run::Strategy;
use crate::time::nanoseconds;

/// One scenario, or one part of one that has several.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// As in `scheduling.md` 3.2, for example `S6`.
    pub id: &'static str,
    /// Which part, where there are several.
    pub part: Option<&'static str>,
    /// One line for people.
    pub title: &'static str,
    /// How many calls there are (N).
    pub calls: u32,
    /// How many agents there are to choose from (A).
    pub agents: u32,
    /// How many phone numbers there are (K). They begin on an agent outside the workload.
    pub numbers: u32,
    /// Which agent each call is for.
    pub sequence: Sequence,
    /// When calls are submitted.
    pub arrivals: Arrivals,
    /// How long requests take.
    pub network: Network,
    /// A cap on live calls, where there is one.
    pub cap: Option<Cap>,
    /// Somebody outside changes a number, once in this many seconds on average.
    pub outsider_s: Option<f64>,
    /// How many workers the script has.
    pub workers: u32,
    /// Where this is about failovers, these: then there are as many calls as they take, one number, and no strategy but
    /// `partyline`.
    pub failover: Option<Failover>,
    /// The dispatcher's policy.
    pub policy: LinePolicy,
    /// How calls are proved.
    pub proof: ProofPolicy,
    /// What `partyline` is to reach.
    pub targets: Vec<Target>,
    /// What people should know beside the figures.
    pub note: Option<&'static str>,
}

/// Which agent each call is for (`scheduling.md` 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// Call `i` is for agent `i mod A`.
    RoundRobin,
    /// Each agent as likely as any other.
    Uniform,
    /// Agent `i` with a weight of `1 / (i + 1)`.
    Zipf,
    /// The agent of the call before with 0.9, else uniform.
    Bursty,
}

/// When calls are submitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// All at the beginning.
    Backlog,
    /// With exponential gaps. The first tenth is left out of the waits.
    Poisson {
        /// How many a second on average.
        per_second: f64,
    },
}

/// How long requests take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// Every request that is not said otherwise.
    pub latency: Latency,
    /// Dials, where they are answered only when the callee picks up.
    pub pickup: Option<Pickup>,
}

/// How long a request takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always the same; the effect is in the middle.
    Constant {
        /// From sending to answer.
        seconds: f64,
    },
    /// Lognormal; the effect is at 20 to 80 %.
    Lognormal {
        /// The mean.
        seconds: f64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
}

/// A dial that is answered when the callee picks up (`scheduling.md` 2.13).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pickup {
    /// The mean of the lognormal time to the answer.
    pub mean_s: f64,
    /// The standard deviation of its logarithm.
    pub sigma: f64,
    /// The longest.
    pub max_s: f64,
    /// Between these the dial takes effect.
    pub effect_s: (f64, f64),
}

/// A cap on live calls (`scheduling.md` 2.10). A slot is held from the dial on until the conversation is over, and
/// how many are held is known exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cap {
    /// How many live calls there may be (C).
    pub live: u32,
    /// How long a conversation lasts on average (exponential).
    pub talk_s: f64,
}

/// When a request takes effect and when it is answered, counted from its sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delay {
    pub(crate) effect: u64,
    pub(crate) answer: u64,
}

impl Latency {
    pub(crate) fn draw(self, draw: Draw, kind: Kind, index: u64) -> Delay {
        match self {
            Self::Constant { seconds } => {
                let answer = nanoseconds(seconds);
                Delay { effect: answer / 2, answer }
            }
            Self::Lognormal { seconds, sigma } => {
                let answer = draw.lognormal(kind, index, 0, seconds, sigma);
                let part = 0.2 + 0.6 * draw.uniform(kind, index, 2);
                Delay { effect: nanoseconds(answer * part), answer: nanoseconds(answer) }
            }
        }
    }
}

/// Something to be reached, on the mean over the seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// What is measured.
    pub metric: Metric,
    /// On which side of the figure it is to be.
    pub side: Side,
    /// The figure that has to be reached.
    pub target: f64,
    /// The figure that was reached by the simulator behind `scheduling.md`, where it names one.
    pub stretch: Option<f64>,
}

/// On which side of a figure something is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Not above it.
    AtMost,
    /// Not below it.
    AtLeast,
}

impl Side {
    /// Whether `value` is on this side of `figure`. Figures are written with a few digits, so a billionth is
    /// forgiven.
    pub fn holds(self, value: f64, figure: f64) -> bool {
        let slack = figure.abs() * 1e-9;
        match self {
            Self::AtMost => value <= figure + slack,
            Self::AtLeast => value >= figure - slack,
        }
    }

    /// As a sign.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtMost => "<=",
            Self::AtLeast => ">=",
        }
    }
}

impl Scenario {
    /// `S6/16`, or `S1` where there is only one part.
    pub fn name(&self) -> String {
        self.part.map_or_else(|| self.id.to_owned(), |part| format!("{}/{part}", self.id))
    }

    /// How many dials may be in flight at once over all numbers (G).
    pub fn in_flight(&self) -> u64 {
        let per_number = self.policy.in_flight_max as u64 * u64::from(self.numbers);
        self.policy.in_flight_total.map_or(per_number, |total| per_number.min(total as u64))
    }

    /// Whether the strategy can run it: only `partyline` hands numbers over.
    pub fn is_run_by(&self, strategy: Strategy) -> bool {
        self.failover.is_none() || strategy == Strategy::Partyline
    }

    /// Whether all calls are there at the beginning.
    pub fn is_backlog(&self) -> bool {
        self.arrivals == Arrivals::Backlog
    }

    /// Whether every request takes the same time.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.network, Network { latency: Latency::Constant { .. }, pickup: None })
    }

    /// How many calls at the beginning are left out of the waits.
    pub(crate) fn warm_up(&self) -> usize {
        if self.is_backlog() { 0 } else { self.calls as usize / 10 }
    }

    /// How long a dial pins its number at most.
    pub(crate) fn pin(&self) -> Duration {
        self.policy.binding.unwrap_or(self.policy.lateness)
    }
}
