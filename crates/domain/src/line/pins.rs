//! The unresolved requests of a number.

use std::collections::BTreeMap;

use crate::ids::{AgentId, AttemptId};
use crate::time::Instant;

/// Requests that were decided and may still take effect, with the agent each is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pins(BTreeMap<AttemptId, Pin>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pin {
    agent: Option<AgentId>,
    until: Option<Instant>,
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
        self.0.is_empty()
    }

    /// The agents of the unresolved requests.
    pub fn agents(&self) -> impl Iterator<Item = Option<&AgentId>> {
        self.0.values().map(|pin| pin.agent.as_ref())
    }

    /// The last of the unresolved requests that are not for `agent`, where there are any.
    pub(super) fn others(&self, agent: Option<&AgentId>) -> Option<Obstacle> {
        last(self.0.values().filter(|pin| pin.agent.as_ref() != agent))
    }

    /// The last of the unresolved requests, where there are any.
    pub(super) fn any(&self) -> Option<Obstacle> {
        last(self.0.values())
    }

    pub(super) fn add(&mut self, attempt: AttemptId, agent: Option<AgentId>) {
        self.0.insert(attempt, Pin { agent, until: None });
    }

    pub(super) fn remove(&mut self, attempt: &AttemptId) {
        self.0.remove(attempt);
    }

    pub(super) fn hold_until(&mut self, attempt: &AttemptId, until: Instant) {
        if let Some(pin) = self.0.get_mut(attempt) {
            pin.until = Some(until);
        }
    }

    pub(super) fn expire(&mut self, now: Instant) -> Vec<AttemptId> {
        self.0
            .extract_if(.., |_, pin| pin.until.is_some_and(|until| until <= now))
            .map(|(attempt, _)| attempt)
            .collect()
    }
}

fn last<'a>(pins: impl Iterator<Item = &'a Pin>) -> Option<Obstacle> {
    let obstacles = pins.map(|pin| Obstacle { until: pin.until });
    obstacles.reduce(|last, next| Obstacle { until: last.until.zip(next.until).map(|(last, next)| last.max(next)) })
}
