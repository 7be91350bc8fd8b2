//! What is known of agents: each is asked about once, and the answer serves every call until it is too old.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::dispatch::effect::Slot;
use crate::ids::AgentId;
use crate::ports::AgentProfile;
use crate::time::Instant;

/// The agents that were verified, and those being asked about with the calls that wait for the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Agents {
    known: BTreeMap<AgentId, (AgentProfile, Instant)>,
    asked: BTreeMap<AgentId, BTreeSet<Slot>>,
    /// Those that are about to be asked about together.
    gathered: BTreeSet<AgentId>,
    names: BTreeMap<AgentId, String>,
}

impl Agents {
    /// Takes over what a read says; what is known from a later one stays.
    pub(super) fn know(&mut self, profile: AgentProfile, at: Instant) {
        if self.known.get(&profile.id).is_none_or(|(_, known)| *known <= at) {
            self.names.insert(profile.id.clone(), profile.name.clone());
            self.known.insert(profile.id.clone(), (profile, at));
        }
    }

    pub(super) fn find(&self, agent: &AgentId, now: Instant, age_max: Duration) -> Option<&AgentProfile> {
        let (profile, at) = self.known.get(agent)?;
        (now.since(*at) <= age_max).then_some(profile)
    }

    /// Everything that was asked about within `age_max`, and how long ago.
    pub(super) fn all(&self, now: Instant, age_max: Duration) -> Vec<(AgentProfile, Duration)> {
        let aged = self.known.values().map(|(profile, at)| (profile, now.since(*at)));
        aged.filter(|(_, age)| *age <= age_max).map(|(profile, age)| (profile.clone(), age)).collect()
    }

    /// The agent's name, as far as it was ever told.
    pub(super) fn name(&self, agent: &AgentId) -> Option<&String> {
        self.names.get(agent)
    }

    /// Notes that a call waits for the agent; `true` where nobody has asked yet.
    pub(super) fn ask(&mut self, agent: &AgentId, slot: Slot) -> bool {
        let waiting = self.asked.entry(agent.clone()).or_default();
        let first = waiting.is_empty();
        waiting.insert(slot);
        first
    }

    /// Keeps the agent to be asked about together with others; `true` for the first of them.
    pub(super) fn gather(&mut self, agent: &AgentId) -> bool {
        let first = self.gathered.is_empty();
        self.gathered.insert(agent.clone());
        first
    }

    /// Those that were kept to be asked about together.
    pub(super) fn gathered(&mut self) -> Vec<AgentId> {
        std::mem::take(&mut self.gathered).into_iter().collect()
    }

    /// Whether any agent is being asked about.
    pub(super) fn is_asking(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Who waited for the agent.
    pub(super) fn answered(&mut self, agent: &AgentId) -> BTreeSet<Slot> {
        self.asked.remove(agent).unwrap_or_default()
    }

    /// Forgets what was known, because the provider has said otherwise.
    pub(super) fn forget(&mut self, agent: &AgentId) {
        self.known.remove(agent);
    }
}
