//! What a world begins with.

use std::time::Duration;

use partyline_domain::PhoneNumber;
use partyline_domain::ports::NumberProvider;

use super::conversation::CallModel;
use super::latency::Latency;
use super::ledger::LedgerDetail;
use crate::faults::FaultPlan;

/// The most numbers [`NumberSpec::fictional`] can make: +1 202 555 0100 to 0199 are kept for fiction.
pub const FICTIONAL_NUMBERS_MAX: usize = 100;

/// Which agent speaks when another than the request's is assigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The one that is assigned when the dial is executed; the request's where nobody is or can be.
    #[default]
    Harsh,
    /// Always the request's.
    RequestDecides,
}

/// An agent to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSpec {
    /// Its name.
    pub name: String,
    /// Whether it has been put away.
    pub archived: bool,
}

impl AgentSpec {
    /// An agent of this name that takes calls.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), archived: false }
    }
}

/// A number to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberSpec {
    /// The number itself.
    pub number: PhoneNumber,
    /// Its label.
    pub label: String,
    /// Who provides its line.
    pub provider: NumberProvider,
    /// Whether it can be called and so assigned.
    pub inbound: bool,
    /// Whether calls can be placed from it.
    pub outbound: bool,
    /// The place, in [`WorldConfig::agents`], of the agent that answers it.
    pub assigned: Option<usize>,
}

impl NumberSpec {
    /// The `index`-th fictional number, with nobody assigned; `None` beyond [`FICTIONAL_NUMBERS_MAX`].
    pub fn fictional(index: usize, provider: NumberProvider) -> Option<Self> {
        if index >= FICTIONAL_NUMBERS_MAX {
            return None;
        }
        let number = PhoneNumber::parse(&format!("+120255501{index:02}")).ok()?;
        let label = format!("Line {}", index + 1);
        Some(Self { number, label, provider, inbound: true, outbound: true, assigned: None })
    }
}

/// Everything that decides how a world behaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorldConfig {
    /// Where its randomness begins; its ids depend on it too.
    pub seed: u64,
    /// The agents.
    pub agents: Vec<AgentSpec>,
    /// The numbers.
    pub numbers: Vec<NumberSpec>,
    /// Who speaks.
    pub mode: Mode,
    /// How long requests take.
    pub latency: Latency,
    /// How calls go.
    pub calls: CallModel,
    /// How long a new conversation is missing from the list.
    pub list_lag: Duration,
    /// How long after the dial's execution the agent is bound (`scheduling.md` 4.1, the very harsh variant).
    pub bind_delay: Duration,
    /// How many conversations there may be at once, those of others included; a dial beyond that is refused with a
    /// 429 before its effect.
    pub live_max: Option<usize>,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// How much is written down.
    pub ledger: LedgerDetail,
    /// Whether errors are written in the form of before 2026.
    pub legacy_errors: bool,
}

impl WorldConfig {
    /// This many agents (the first three named Restaurant, Hotel and Hair Salon) and this many fictional
    /// numbers of one provider, at most [`FICTIONAL_NUMBERS_MAX`].
    pub fn of(agents: usize, numbers: usize, provider: &NumberProvider) -> Self {
        let names = ["Restaurant", "Hotel", "Hair Salon"];
        let name = |index: usize| names.get(index).map_or_else(|| format!("Agent {}", index + 1), ToString::to_string);
        Self {
            seed: 1,
            agents: (0..agents).map(|index| AgentSpec::named(name(index))).collect(),
            numbers: (0..numbers).map_while(|index| NumberSpec::fictional(index, provider.clone())).collect(),
            ..Self::default()
        }
    }

    /// Three agents and one Twilio number.
    pub fn sandbox() -> Self {
        Self::of(3, 1, &NumberProvider::Twilio)
    }
}
