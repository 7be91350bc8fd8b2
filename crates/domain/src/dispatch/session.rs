//! Who dials next on a number: gated sessions, oldest head first (`scheduling.md` 1.7).
//!
//! A session is for one agent, with several dials in flight. While calls of other agents wait, it serves
//! what was queued when it began (or as many as may be in flight), then it drains and the agent whose oldest
//! call is oldest comes next. So a change of the assignment serves many calls, nobody starves, and a call
//! is overtaken by each other agent in at most the session in progress and one more.

use std::collections::{BTreeMap, BTreeSet};

use crate::dispatch::effect::Slot;
use crate::ids::AgentId;

/// Calls that wait, by agent, and the agents in the order of their oldest call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Waiting {
    calls: BTreeMap<AgentId, BTreeSet<Slot>>,
    heads: BTreeSet<(Slot, AgentId)>,
}

impl Waiting {
    pub(super) fn insert(&mut self, agent: &AgentId, slot: Slot) {
        let calls = self.calls.entry(agent.clone()).or_default();
        let before = calls.first().copied();
        calls.insert(slot);
        self.moved(agent, before);
    }

    pub(super) fn remove(&mut self, agent: &AgentId, slot: Slot) -> bool {
        let Some(calls) = self.calls.get_mut(agent) else { return false };
        let before = calls.first().copied();
        let was_there = calls.remove(&slot);
        if calls.is_empty() {
            self.calls.remove(agent);
        }
        self.moved(agent, before);
        was_there
    }

    fn moved(&mut self, agent: &AgentId, before: Option<Slot>) {
        let head = self.head(agent);
        if head == before {
            return;
        }
        if let Some(before) = before {
            self.heads.remove(&(before, agent.clone()));
        }
        if let Some(head) = head {
            self.heads.insert((head, agent.clone()));
        }
    }

    /// The oldest call of an agent.
    fn head(&self, agent: &AgentId) -> Option<Slot> {
        self.calls.get(agent)?.first().copied()
    }

    /// The oldest call of all, and its agent.
    fn oldest(&self) -> Option<&(Slot, AgentId)> {
        self.heads.first()
    }

    fn count(&self, agent: &AgentId) -> usize {
        self.calls.get(agent).map_or(0, BTreeSet::len)
    }

    /// Whether calls of other agents wait.
    pub(super) fn has_others(&self, agent: &AgentId) -> bool {
        self.heads.len() > usize::from(self.calls.contains_key(agent))
    }

    /// The oldest call of all, whatever its agent.
    pub(super) fn first(&self) -> Option<Slot> {
        self.oldest().map(|(slot, _)| *slot)
    }

    pub(super) fn contains(&self, agent: &AgentId, slot: Slot) -> bool {
        self.calls.get(agent).is_some_and(|calls| calls.contains(&slot))
    }
}

/// The limits of sessions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many dials may be in flight.
    pub(super) in_flight: usize,
    /// How many calls a session serves at most while others wait; `None`: what was queued at its start.
    pub(super) quantum: Option<usize>,
}

/// Whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Session {
    agent: AgentId,
    served: usize,
    served_while_others_waited: usize,
    gate: usize,
    closing: bool,
}

impl Session {
    fn new(agent: AgentId, queued: usize, limits: Limits) -> Self {
        let gate = queued.max(limits.in_flight);
        Self { agent, served: 0, served_while_others_waited: 0, gate, closing: false }
    }

    pub(super) fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Notes that one more call of the session may dial.
    pub(super) fn count(&mut self, others_wait: bool) {
        self.served += 1;
        self.served_while_others_waited += usize::from(others_wait);
    }

    fn is_used_up(&self, limits: Limits) -> bool {
        let over = |quantum| self.served_while_others_waited >= quantum;
        self.served >= self.gate || limits.quantum.is_some_and(over)
    }
}

/// The next call that may dial, as far as turns are concerned. Opens and ends sessions on the way.
pub(super) fn turn(session: &mut Option<Session>, waiting: &Waiting, in_flight: usize, limits: Limits) -> Option<Slot> {
    loop {
        let Some(current) = session else {
            let (_, agent) = waiting.oldest()?;
            *session = Some(Session::new(agent.clone(), waiting.count(agent), limits));
            continue;
        };
        let queued = waiting.head(&current.agent);
        let others = waiting.has_others(&current.agent);
        current.closing = others && (current.closing || queued.is_none() || current.is_used_up(limits));
        if current.closing && in_flight == 0 {
            *session = None;
            continue;
        }
        return queued.filter(|_| !current.closing && in_flight < limits.in_flight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agent(index: u8) -> AgentId {
        AgentId::parse(&format!("agent_{index}")).expect("valid")
    }

    /// Serves calls until nothing waits; each wave of dials is answered before the next.
    fn serve_all(calls: &[u8], limits: Limits) -> Vec<(u64, u8)> {
        let mut waiting = Waiting::default();
        for (slot, of) in (0..).zip(calls) {
            waiting.insert(&agent(*of), Slot(slot));
        }
        let (mut session, mut order, mut in_flight) = (None, Vec::new(), 0);
        while waiting.first().is_some() {
            let Some(slot) = turn(&mut session, &waiting, in_flight, limits) else {
                assert!(in_flight > 0, "nobody is served although calls wait");
                in_flight = 0;
                continue;
            };
            let of = calls[usize::try_from(slot.0).expect("small")];
            assert!(waiting.remove(&agent(of), slot));
            let current = session.as_mut().expect("a turn is in a session");
            assert_eq!(*current.agent(), agent(of));
            let others = waiting.has_others(current.agent());
            current.count(others);
            order.push((slot.0, of));
            in_flight += 1;
        }
        order
    }

    const GATED: Limits = Limits { in_flight: 2, quantum: None };

    #[test]
    fn a_session_serves_what_was_queued_and_the_oldest_head_comes_next() {
        let order = serve_all(&[0, 1, 2, 0, 1, 0], GATED);
        assert_eq!(order, [(0, 0), (3, 0), (5, 0), (1, 1), (4, 1), (2, 2)]);
    }

    #[test]
    fn a_quantum_ends_a_session_early() {
        let calls = [0, 0, 0, 1, 0, 0];
        let slots = |limits| serve_all(&calls, limits).iter().map(|(slot, _)| *slot).collect::<Vec<_>>();
        assert_eq!(slots(Limits { in_flight: 1, quantum: None }), [0, 1, 2, 4, 5, 3]);
        assert_eq!(slots(Limits { in_flight: 1, quantum: Some(2) }), [0, 1, 2, 4, 3, 5]);
    }

    proptest! {
        #[test]
        fn everybody_is_served_once_and_in_the_order_of_each_agent(
            calls in prop::collection::vec(0_u8..5, 0..60),
            in_flight in 1_usize..5,
            quantum in prop::option::of(1_usize..6),
        ) {
            let order = serve_all(&calls, Limits { in_flight, quantum });
            prop_assert_eq!(order.len(), calls.len());
            for of in 0..5 {
                let slots: Vec<u64> = order.iter().filter(|(_, a)| *a == of).map(|(slot, _)| *slot).collect();
                prop_assert!(slots.is_sorted());
            }
        }

        /// `scheduling.md` 1.7: with a hard quantum a call is overtaken at most (A - 1) * q times.
        #[test]
        fn overtaking_is_bounded_by_the_quantum(
            calls in prop::collection::vec(0_u8..4, 0..80),
            in_flight in 1_usize..5,
            quantum in 1_usize..6,
        ) {
            let order = serve_all(&calls, Limits { in_flight, quantum: Some(quantum) });
            for (at, (slot, _)) in order.iter().enumerate() {
                let overtaken_by = order[..at].iter().filter(|(earlier, _)| earlier > slot).count();
                prop_assert!(overtaken_by <= 3 * quantum, "{} overtook call {}", overtaken_by, slot);
            }
        }
    }
}
