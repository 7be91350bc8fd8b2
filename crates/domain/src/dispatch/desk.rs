//! A line and the calls at it.

use std::collections::BTreeSet;

use crate::dispatch::effect::Slot;
use crate::dispatch::session::{Limits, Session, Waiting, turn};
use crate::ids::{AgentId, PhoneNumberId};
use crate::line::Line;
use crate::time::Instant;

/// A line and the calls at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Desk {
    pub(super) line: Line,
    /// Calls whose dial is not resolved.
    pub(super) open: BTreeSet<Slot>,
    /// Those of them that are verified, want to dial, and need the number to have their agent.
    pub(super) waiting: Waiting,
    /// Those that want to dial whatever agent the number has.
    pub(super) indifferent: BTreeSet<Slot>,
    /// Those that may dial or are dialling.
    pub(super) in_flight: BTreeSet<Slot>,
    /// Whose turn it is.
    pub(super) session: Option<Session>,
    /// The call for which the number is being assigned.
    pub(super) served: Option<Slot>,
    /// The last call that wants the number given back.
    pub(super) closing: Option<Slot>,
    /// How giving the number back goes.
    pub(super) giving_back: GivingBack,
}

/// How giving a number back goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct GivingBack {
    /// How often it has failed.
    pub(super) tries: u32,
    /// When it is tried again.
    pub(super) not_before: Option<Instant>,
    /// Whether people were told that it has to wait.
    pub(super) delay_told: bool,
}

impl Desk {
    pub(super) fn new(number: PhoneNumberId) -> Self {
        Self {
            line: Line::new(number),
            open: BTreeSet::new(),
            waiting: Waiting::default(),
            indifferent: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            session: None,
            served: None,
            closing: None,
            giving_back: GivingBack::default(),
        }
    }

    /// The next call whose turn it is to try for the number.
    pub(super) fn turn(&mut self, limits: Limits) -> Option<Slot> {
        let free = self.in_flight.len() < limits.in_flight;
        let indifferent = self.indifferent.first().copied().filter(|_| free);
        let outbound_only = self.line.number().is_some_and(|number| !number.inbound);
        indifferent.or_else(|| {
            if outbound_only {
                return self.waiting.first().filter(|_| free);
            }
            turn(&mut self.session, &self.waiting, self.in_flight.len(), limits)
        })
    }

    /// Notes that a call's turn has come: it may dial, or the number is being assigned for it.
    pub(super) fn start(&mut self, slot: Slot, agent: &AgentId) {
        self.waiting.remove(agent, slot);
        self.indifferent.remove(&slot);
        self.in_flight.insert(slot);
    }

    /// Counts a call that may dial towards its agent's session.
    pub(super) fn count(&mut self, agent: &AgentId) {
        let others = self.waiting.has_others(agent);
        if let Some(session) = self.session.as_mut().filter(|session| session.agent() == agent) {
            session.count(others);
        }
    }

    /// Notes that a call no longer wants to dial now.
    pub(super) fn stop(&mut self, slot: Slot, agent: &AgentId) {
        self.waiting.remove(agent, slot);
        self.indifferent.remove(&slot);
        self.in_flight.remove(&slot);
    }

    /// Whether a call waits for the number.
    pub(super) fn is_waiting(&self, slot: Slot, agent: &AgentId) -> bool {
        self.indifferent.contains(&slot) || self.waiting.contains(agent, slot)
    }
}
