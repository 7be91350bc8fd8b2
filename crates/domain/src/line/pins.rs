//! The unresolved requests of a number.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{AgentId, AttemptId};
use crate::time::Instant;

/// Requests that were decided and may still take effect, with the agent each is for.
///
/// Many calls may be open on one number, so those that are not answered are kept by agent: that none is in the
/// way is seen without a look at each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pins {
    /// Not answered, and so in the way until they are.
    open: BTreeMap<Option<AgentId>, BTreeSet<AttemptId>>,
    /// In the way until a point in time.
    held: BTreeMap<AttemptId, Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    agent: Option<AgentId>,
    until: Instant,
}

/// Something unresolved that is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// When it ends by itself; `None`: not before it is answered.
    pub(super) until: Option<Instant>,
}

impl Pins {
    /// Whether nothing is unresolved.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.held.is_empty()
    }

    /// Whether any request is still to be answered.
    pub(super) fn are_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether every request that is unresolved is still to be answered: none is only waited out.
    pub(super) fn is_settled(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether one that is only waited out is not for `agent`.
    pub(super) fn are_held_by_others(&self, agent: &AgentId) -> bool {
        self.held.values().any(|held| held.agent.as_ref() != Some(agent))
    }

    /// Whether the request is unresolved.
    pub fn holds(&self, attempt: &AttemptId) -> bool {
        self.held.contains_key(attempt) || self.open.values().any(|attempts| attempts.contains(attempt))
    }

    /// The agents of the unresolved requests, each at least once.
    pub fn agents(&self) -> impl Iterator<Item = Option<&AgentId>> {
        self.open.keys().map(Option::as_ref).chain(self.held.values().map(|held| held.agent.as_ref()))
    }

    /// The last of the unresolved requests that are not for `agent`, where there are any.
    pub(super) fn others(&self, agent: Option<&AgentId>) -> Option<Obstacle> {
        self.last(|pinned| pinned != agent)
    }

    /// The last of the unresolved requests, where there are any.
    pub(super) fn any(&self) -> Option<Obstacle> {
        self.last(|_| true)
    }

    fn last(&self, counts: impl Fn(Option<&AgentId>) -> bool) -> Option<Obstacle> {
        if self.open.keys().any(|agent| counts(agent.as_ref())) {
            return Some(Obstacle { until: None });
        }
        let held = self.held.values().filter(|held| counts(held.agent.as_ref()));
        held.map(|held| held.until).max().map(|until| Obstacle { until: Some(until) })
    }

    pub(super) fn add(&mut self, attempt: AttemptId, agent: Option<AgentId>) {
        self.open.entry(agent).or_default().insert(attempt);
    }

    pub(super) fn remove(&mut self, attempt: &AttemptId) {
        if !self.close(attempt) {
            self.held.remove(attempt);
        }
    }

    pub(super) fn hold_until(&mut self, attempt: &AttemptId, until: Instant) {
        let open = self.open.iter().find(|(_, attempts)| attempts.contains(attempt));
        if let Some(agent) = open.map(|(agent, _)| agent.clone()) {
            self.close(attempt);
            self.held.insert(attempt.clone(), Held { agent, until });
        } else if let Some(held) = self.held.get_mut(attempt) {
            held.until = until;
        }
    }

    /// Whether one that is waited out, and has been by now, is not for `agent`.
    pub(super) fn end_for_others(&self, agent: Option<&AgentId>, now: Instant) -> bool {
        self.held.values().any(|held| held.until <= now && held.agent.as_ref() != agent)
    }

    pub(super) fn expire(&mut self, now: Instant) -> Vec<AttemptId> {
        self.held.extract_if(.., |_, held| held.until <= now).map(|(attempt, _)| attempt).collect()
    }

    /// Takes a request out that is not answered; `false` where it is none of them.
    fn close(&mut self, attempt: &AttemptId) -> bool {
        let mut found = false;
        self.open.retain(|_, attempts| {
            found |= attempts.remove(attempt);
            !attempts.is_empty()
        });
        found
    }
}
