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
}

impl Agents {
    /// Takes over what a read says; what is known from a later one stays.
    pub(super) fn know(&mut self, profile: AgentProfile, at: Instant) {
        if self.known.get(&profile.id).is_none_or(|(_, known)| *known <= at) {
            self.known.insert(profile.id.clone(), (profile, at));
        }
    }

    pub(super) fn find(&self, agent: &AgentId, now: Instant, age_max: Duration) -> Option<&AgentProfile> {
        let (profile, at) = self.known.get(agent)?;
        (now.since(*at) <= age_max).then_some(profile)
    }

    /// Notes that a call waits for the agent; `true` where nobody has asked yet.
    pub(super) fn ask(&mut self, agent: &AgentId, slot: Slot) -> bool {
        let waiting = self.asked.entry(agent.clone()).or_default();
        let first = waiting.is_empty();
        waiting.insert(slot);
        first
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
