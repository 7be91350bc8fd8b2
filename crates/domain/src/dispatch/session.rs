//! A number's session: the calls of one agent, with several dials in flight (`scheduling.md` 1.7).
//!
//! While calls of other agents wait, a session serves what was queued when it began (or as many as may be in
//! flight), then it drains and the agent whose oldest call is oldest comes next. So a change of the assignment
//! serves many calls, nobody starves, and a call is overtaken by each other agent in at most the session in progress
//! and one more.

use crate::dispatch::queue::AgentIndex;

/// The limits of sessions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many dials may be in flight.
    pub(super) in_flight: usize,
    /// How many calls a session serves at most while others wait; `None`: what was queued at its start.
    pub(super) quantum: Option<usize>,
}

/// Whose turn it is on a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Session {
    pub(super) agent: AgentIndex,
    /// Sessions are numbered in the order in which they were opened.
    pub(super) opened: u64,
    served: usize,
    served_while_others_waited: usize,
    gate: usize,
    /// It serves nobody any more; another follows when what is in flight is answered.
    pub(super) closing: bool,
}

impl Session {
    pub(super) fn new(agent: AgentIndex, opened: u64, queued: usize, limits: Limits) -> Self {
        let gate = queued.max(limits.in_flight);
        Self { agent, opened, served: 0, served_while_others_waited: 0, gate, closing: false }
    }

    /// Goes on as a new session of the same agent.
    pub(super) fn reopen(&mut self, queued: usize, limits: Limits) {
        *self = Self::new(self.agent, self.opened, queued, limits);
    }

    /// Notes that one more call of the session may dial.
    pub(super) fn count(&mut self, others_wait: bool) {
        self.served += 1;
        self.served_while_others_waited += usize::from(others_wait);
    }

    /// How many calls it has served.
    pub(super) fn served(&self) -> usize {
        self.served
    }

    /// Whether it has served as much as it may while others wait.
    pub(super) fn is_used_up(&self, limits: Limits) -> bool {
        let over = |quantum| self.served_while_others_waited >= quantum;
        self.served >= self.gate || limits.quantum.is_some_and(over)
    }
}
