//! The menu of faults by their ids in `scheduling.md` 4.5, and what each is in the fake world.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use partyline_fake_adapter::faults::{Count, FailStatus, Fault, FaultRule, Target, When};
use partyline_fake_adapter::world::Operation;
use partyline_fake_adapter::{FaultMix, FaultPlan};
use serde::{Serialize, Serializer};

use super::random::{Dice, Stream};

/// A fault of the menu. F8, F9, F10, F13 and F15 need several processes or a store; F20 has no variant yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultId {
    /// A timeout before the effect.
    F1 = 1,
    /// A timeout after the effect.
    F2 = 2,
    /// A late effect: within the lateness that is assumed, or in one seed of four far beyond it.
    F3 = 3,
    /// A request is executed twice.
    F4 = 4,
    /// 429, with and without `Retry-After`; in one seed of four also after the effect.
    F5 = 5,
    /// 5xx before and after the effect, refusals, bodies that cannot be read.
    F6 = 6,
    /// No connection, a reset, half of an answer, a slow drip.
    F7 = 7,
    /// A process dies, at any of its steps, and is started again or not.
    F8 = 8,
    /// A process is paused, also between its last look at the clock and the send.
    F9 = 9,
    /// The clocks of the processes run faster and slower, and their wall clocks are wrong and jump.
    F10 = 10,
    /// Somebody else changes the number.
    F11 = 11,
    /// An agent or a number goes away.
    F12 = 12,
    /// The store fails, loses its answers, is slow or away, or has lost the row of a lease.
    F13 = 13,
    /// The list of conversations lags, hides, shuffles, forgets tags.
    F14 = 14,
    /// A process does not reach the store, but the provider.
    F15 = 15,
    /// Calls of others use up the provider's cap.
    F16 = 16,
    /// The agent is bound late; answers come long after the effect.
    F17 = 17,
    /// More calls than the line can take, most of them for one agent.
    F18 = 18,
    /// The operator cancels, shuts down, interrupts, trusts a stopped number.
    F19 = 19,
}

impl FaultId {
    /// Those that several processes with a store in common meet. (An outsider, a provider that executes twice or lies and
    /// an operator who stops everything are left to the storms of one process.)
    pub const SHARED: [Self; 13] = [
        Self::F1,
        Self::F2,
        Self::F3,
        Self::F5,
        Self::F6,
        Self::F7,
        Self::F8,
        Self::F9,
        Self::F10,
        Self::F13,
        Self::F14,
        Self::F15,
        Self::F18,
    ];

    /// All that one process without a store can meet.
    pub const ALL: [Self; 14] = [
        Self::F1,
        Self::F2,
        Self::F3,
        Self::F4,
        Self::F5,
        Self::F6,
        Self::F7,
        Self::F11,
        Self::F12,
        Self::F14,
        Self::F16,
        Self::F17,
        Self::F18,
        Self::F19,
    ];

    fn number(self) -> u64 {
        self as u64
    }
}

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "F{}", self.number())
    }
}

/// Which faults a storm may choose from. Each seed switches a random part of them on.
///
/// ```
/// use partyline_simulation::storm::FaultSet;
/// let faults: FaultSet = "F2,F11".parse()?;
/// assert_eq!(faults.to_string(), "F2,F11");
/// assert_eq!("all".parse::<FaultSet>()?.to_string(), "all");
/// assert_eq!("f8".parse::<FaultSet>()?.to_string(), "F8");
/// assert!("F99".parse::<FaultSet>().is_err());
/// # Ok::<(), partyline_simulation::storm::FaultSetError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultSet(BTreeSet<FaultId>);

/// A text that names no set of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no fault {name:?}; write all, shared (for several processes), none, or a list of {}", known())]
pub struct FaultSetError {
    /// What was given.
    pub name: String,
}

impl FaultSet {
    /// Everything.
    pub fn all() -> Self {
        Self(FaultId::ALL.into_iter().collect())
    }

    /// Everything that several processes with a store in common meet.
    pub fn shared() -> Self {
        Self(FaultId::SHARED.into_iter().collect())
    }

    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether it holds this one.
    pub fn contains(&self, fault: FaultId) -> bool {
        self.0.contains(&fault)
    }

    /// The same without this one.
    #[must_use]
    pub fn without(&self, fault: FaultId) -> Self {
        Self(self.0.iter().copied().filter(|other| *other != fault).collect())
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = FaultId> {
        self.0.iter().copied()
    }

    /// Those that the dice switch on. Whether one is does not depend on the others.
    pub(super) fn chosen(&self, dice: Dice) -> Self {
        let percent = dice.pick(Stream::Active, 0, &[10, 30, 30, 60]);
        Self(self.iter().filter(|fault| dice.percent(Stream::Active, fault.number(), percent)).collect())
    }

    fn list(&self) -> String {
        self.iter().map(|fault| fault.to_string()).collect::<Vec<_>>().join(",")
    }
}

impl FromIterator<FaultId> for FaultSet {
    fn from_iter<I: IntoIterator<Item = FaultId>>(faults: I) -> Self {
        Self(faults.into_iter().collect())
    }
}

impl FromStr for FaultSet {
    type Err = FaultSetError;

    fn from_str(text: &str) -> Result<Self, FaultSetError> {
        match text.trim() {
            "all" => Ok(Self::all()),
            "shared" => Ok(Self::shared()),
            "none" => Ok(Self::none()),
            list => list.split(',').map(|name| one(name.trim())).collect(),
        }
    }
}

fn known() -> String {
    FaultId::ALL.into_iter().chain(FaultId::SHARED).collect::<FaultSet>().list()
}

fn one(name: &str) -> Result<FaultId, FaultSetError> {
    let found =
        FaultId::ALL.into_iter().chain(FaultId::SHARED).find(|fault| fault.to_string().eq_ignore_ascii_case(name));
    found.ok_or_else(|| FaultSetError { name: name.to_owned() })
}

impl fmt::Display for FaultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            0 => f.write_str("none"),
            _ if *self == Self::all() => f.write_str("all"),
            _ if *self == Self::shared() => f.write_str("shared"),
            _ => f.write_str(&self.list()),
        }
    }
}

impl Serialize for FaultSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How the faults of requests show in one seed.
#[derive(Clone, Debug)]
pub(super) struct RequestFaults {
    /// The longest that a request may be executed after it was sent, as the core assumes.
    pub(super) lateness: Duration,
    /// How much of that is taken by the time until the agent is bound.
    pub(super) bind_delay: Duration,
    /// Whether some effects come later than that.
    pub(super) beyond_lateness: bool,
    /// Whether some 429 come after the effect.
    pub(super) hostile_429: bool,
}

impl RequestFaults {
    /// What can go wrong under this id; empty where it is nothing that a request meets.
    pub(super) fn menu(&self, fault: FaultId) -> Vec<Fault> {
        match fault {
            FaultId::F1 => vec![Fault::Hang(When::Before)],
            FaultId::F2 => vec![Fault::Hang(When::After)],
            FaultId::F3 => self.late(),
            FaultId::F4 => [2, 9, 40].map(|seconds| Fault::Twice(Duration::from_secs(seconds))).to_vec(),
            FaultId::F5 => self.rate_limits(),
            FaultId::F6 => unreadable(),
            FaultId::F7 => vec![
                Fault::Reset(When::Before),
                Fault::Reset(When::After),
                Fault::Half,
                Fault::Slow(Duration::from_secs(2)),
                Fault::Slow(Duration::from_secs(7)),
            ],
            FaultId::F14 => vec![Fault::PageMissing, Fault::PageShuffled, Fault::Untagged],
            FaultId::F17 => vec![Fault::Slow(Duration::from_secs(4))],
            FaultId::F8
            | FaultId::F9
            | FaultId::F10
            | FaultId::F11
            | FaultId::F12
            | FaultId::F13
            | FaultId::F15
            | FaultId::F16
            | FaultId::F18
            | FaultId::F19 => Vec::new(),
        }
    }

    fn late(&self) -> Vec<Fault> {
        // Latency and binding come on top.
        let bound = self.lateness.saturating_sub(self.bind_delay + Duration::from_secs(8));
        let mut delays = vec![bound / 8, bound / 2, bound];
        if self.beyond_lateness {
            delays.push(self.lateness * 2);
        }
        delays.into_iter().flat_map(|delay| [Fault::Late(delay), Fault::HangLate(delay)]).collect()
    }

    fn rate_limits(&self) -> Vec<Fault> {
        let mut menu = vec![
            Fault::RateLimited { retry_after: None },
            Fault::RateLimited { retry_after: Some(Duration::from_secs(1)) },
            Fault::RateLimited { retry_after: Some(Duration::from_secs(7)) },
            Fault::RateLimitedText,
        ];
        if self.hostile_429 {
            menu.push(Fault::Status(FailStatus::TooManyRequests, When::After));
        }
        menu
    }

    /// The plan of a seed: a steady rate, a burst, or once at a step, for each fault by itself.
    pub(super) fn plan(&self, faults: &FaultSet, dice: Dice) -> FaultPlan {
        let mut plan = FaultPlan::default();
        for fault in faults.iter() {
            let menu = self.menu(fault);
            if menu.is_empty() {
                continue;
            }
            let key = 10 * fault.number();
            let mode = dice.index(Stream::Fault, key, 4);
            if mode < 2 {
                let per_thousand = dice.pick(Stream::Fault, key + 1, &[5, 20, 60, 200]);
                plan.add_mix(FaultMix { per_thousand, seed: dice.draw(Stream::Fault, key + 2), menu });
                continue;
            }
            let rule = FaultRule {
                target: target(dice, key + 3),
                fault: dice.pick(Stream::Fault, key + 4, &menu),
                count: if mode == 2 { Count::Times(1) } else { Count::Times(burst(dice, key + 5)) },
                skip: u32::try_from(dice.between(Stream::Fault, key + 6, 0, 60)).expect("small"),
            };
            plan.add(FaultRule { target: fitting(rule.target, rule.fault), ..rule });
        }
        plan
    }
}

fn burst(dice: Dice, key: u64) -> u32 {
    u32::try_from(dice.between(Stream::Fault, key, 2, 12)).expect("small")
}

fn target(dice: Dice, key: u64) -> Target {
    let choices = [Target::Any, Target::Only(Operation::Dial), Target::Only(Operation::Assign), Target::Any];
    dice.pick(Stream::Fault, key, &choices)
}

fn fitting(target: Target, fault: Fault) -> Target {
    match target {
        Target::Only(operation) if !fault.applies_to(operation) => Target::Any,
        Target::Only(_) | Target::Any => target,
    }
}

fn unreadable() -> Vec<Fault> {
    let statuses = [
        FailStatus::RequestTimeout,
        FailStatus::Conflict,
        FailStatus::InternalError,
        FailStatus::Unavailable,
        FailStatus::GatewayTimeout,
    ];
    let failing =
        statuses.into_iter().flat_map(|status| [When::Before, When::After].map(|when| Fault::Status(status, when)));
    let others = [
        Fault::Html(When::Before),
        Fault::Html(When::After),
        Fault::Refused,
        Fault::RefusedWithConversation,
        Fault::Garbage,
        Fault::NoConversationId,
        Fault::Ignored,
        Fault::UnknownEnum,
        Fault::MissingOptional,
    ];
    failing.chain(others).collect()
}
