//! The invariants of `scheduling.md` 4.5 that apply to one process without faults, asserted at each event. What
//! is checked is what the world sees, not what the dispatcher says of itself.

use std::collections::VecDeque;
use std::fmt;

use serde::Serialize;

use crate::overtaking::Fenwick;
use crate::scenario::Scenario;
use crate::time::{nanoseconds, seconds};

/// Whether invariants are asserted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checks {
    /// Nothing is checked.
    #[default]
    Off,
    /// I1, I2, I3, I5, I7, I9, I10, I11, I12 and I15, as far as they apply.
    Invariants,
}

/// An invariant that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// As in `scheduling.md` 4.5, for example `I3`.
    pub invariant: &'static str,
    /// When, in nanoseconds of virtual time.
    pub at_ns: u64,
    /// What happened, for people.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broken at {:.3} s: {}", self.invariant, seconds(self.at_ns), self.detail)
    }
}

/// The limits that are checked.
#[derive(Clone, Copy, Debug)]
struct Limits {
    in_flight: u64,
    in_flight_total: Option<u64>,
    live: Option<u32>,
    look_ahead: u64,
    quantum: Option<u64>,
    freshness: u64,
    pin: u64,
    /// Whether sessions are gated and nothing else ends them: one number, no cap.
    is_gated: bool,
}

/// A dial that may still be unresolved.
#[derive(Clone, Copy, Debug)]
struct Open {
    call: u32,
    agent: u32,
    sent: u64,
}

/// What a number's session has done.
#[derive(Clone, Copy, Debug, Default)]
struct Session {
    agent: u32,
    served: u64,
    gate: u64,
    /// How many calls of the agent waited after its last dial.
    left: u64,
    /// Whether its queue has been empty, which may end it (R1 of `scheduling.md` 1.7). The call for which the number
    /// is assigned counts as taken.
    has_drained: bool,
}

#[derive(Clone, Debug, Default)]
struct Number {
    /// Oldest first; all of one agent, or I2 is broken.
    open: VecDeque<Open>,
    /// The assignment under way.
    assigning: Option<(u32, u64)>,
    /// Who was confirmed last, and when that was asked.
    confirmed: Option<(u32, u64)>,
    in_flight: u64,
    session: Option<Session>,
    /// Whether its last writer was somebody outside.
    meddled: bool,
}

/// Calls that wait for a slot. Those of an agent that has not been verified do not count, and the first dial for an
/// agent shows that it has.
#[derive(Clone, Debug)]
struct Queue {
    waiting: Fenwick,
    /// The waiting calls of agents of which nothing is known; `None`: the agent is known.
    unknown: Vec<Option<Vec<u32>>>,
}

impl Queue {
    fn new(calls: usize, agents: usize) -> Self {
        Self { waiting: Fenwick::new(calls), unknown: vec![Some(Vec::new()); agents] }
    }

    fn submitted(&mut self, call: u32, agent: u32) {
        match &mut self.unknown[agent as usize] {
            Some(calls) => calls.push(call),
            None => self.waiting.add(call as usize),
        }
    }

    /// How many older calls wait, and how many wait at all, this one included, which waits no longer.
    fn dialled(&mut self, call: u32, agent: u32) -> (u64, u64) {
        for known in self.unknown[agent as usize].take().into_iter().flatten() {
            self.waiting.add(known as usize);
        }
        let (older, waiting) = (self.waiting.before(call as usize), self.waiting.len());
        self.waiting.remove(call as usize);
        (older, waiting)
    }
}

/// Watches a run.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    limits: Limits,
    numbers: Vec<Number>,
    /// How many calls of each agent wait.
    waiting: Vec<u64>,
    /// The calls that wait and whose agents are known to exist, where the order matters.
    queue: Queue,
    /// `turns[a][b]`: how many sessions `b` has had since `a`, whose head waits, had its last.
    turns: Vec<Vec<u8>>,
    /// From which number each call was dialled; `u32::MAX` before.
    dialled: Vec<u32>,
    answered: Vec<bool>,
    ended: Vec<bool>,
    reads: Vec<u64>,
    in_flight: u64,
    violation: Option<Violation>,
}

impl Checker {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let policy = &scenario.policy;
        let (agents, calls) = (scenario.agents as usize, scenario.calls as usize);
        let limits = Limits {
            in_flight: policy.in_flight_max as u64,
            in_flight_total: policy.in_flight_total.map(|total| total as u64),
            live: scenario.cap.map(|cap| cap.live),
            look_ahead: policy.look_ahead as u64,
            quantum: policy.quantum.map(|quantum| quantum as u64),
            freshness: nanoseconds(policy.freshness.as_secs_f64()),
            pin: nanoseconds(scenario.pin().as_secs_f64()),
            is_gated: scenario.numbers == 1 && scenario.cap.is_none() && scenario.outsider_s.is_none(),
        };
        Self {
            limits,
            numbers: vec![Number::default(); scenario.numbers as usize],
            waiting: vec![0; agents],
            queue: Queue::new(calls, agents),
            turns: vec![vec![0; agents]; agents],
            dialled: vec![u32::MAX; calls],
            answered: vec![false; calls],
            ended: vec![false; calls],
            reads: Vec::new(),
            in_flight: 0,
            violation: None,
        }
    }

    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    pub(crate) fn break_now(&mut self, invariant: &'static str, at_ns: u64, detail: String) {
        self.violation.get_or_insert(Violation { invariant, at_ns, detail });
    }

    pub(crate) fn submitted(&mut self, call: u32, agent: u32) {
        if self.limits.live.is_some() {
            self.queue.submitted(call, agent);
        }
        let waiting = &mut self.waiting[agent as usize];
        if *waiting == 0 {
            self.turns[agent as usize].fill(0);
        }
        *waiting += 1;
    }

    /// Forgets the dials that no longer pin, and says whom the rest pin the number to.
    fn pinned(&mut self, number: u32, now: u64) -> Option<Open> {
        let state = &mut self.numbers[number as usize];
        while let Some(open) = state.open.front() {
            let over = self.answered[open.call as usize] || open.sent.saturating_add(self.limits.pin) <= now;
            if !over {
                return Some(*open);
            }
            state.open.pop_front();
        }
        None
    }

    pub(crate) fn assign_sent(&mut self, number: u32, agent: u32, now: u64) {
        if let Some(open) = self.pinned(number, now)
            && open.agent != agent
        {
            let detail = format!(
                "number {number} is assigned to agent {agent} while the dial of call {} for agent {} is unresolved",
                open.call, open.agent
            );
            self.break_now("I3", now, detail);
        }
        let other = self.numbers[number as usize].assigning.filter(|(other, _)| *other != agent);
        if let Some((other, _)) = other {
            let detail =
                format!("number {number} is assigned to agent {agent} while its assignment to {other} is unresolved");
            self.break_now("I2", now, detail);
        }
        self.begin_session(number, agent, now);
        self.numbers[number as usize].assigning = Some((agent, now));
    }

    fn begin_session(&mut self, number: u32, agent: u32, now: u64) {
        let queued = self.waiting[agent as usize];
        let gate = queued.max(self.limits.in_flight);
        let begun = Session { agent, served: 0, gate, left: 0, has_drained: queued <= 1 };
        let before = self.numbers[number as usize].session.replace(begun);
        if !self.limits.is_gated {
            return;
        }
        let is_cut_short = |session: &Session| session.agent != agent && session.left > 0 && !session.has_drained;
        if let Some(session) = before.filter(is_cut_short) {
            let least = self.limits.quantum.map_or(session.gate, |quantum| quantum.min(session.gate));
            if session.served < least {
                let detail = format!(
                    "agent {}'s session ended after {} dials, with {} calls waiting; its gate was {least}",
                    session.agent, session.served, session.left
                );
                self.break_now("I11", now, detail);
            }
        }
        self.count_turn(agent, now);
    }

    fn count_turn(&mut self, agent: u32, now: u64) {
        for other in 0..self.waiting.len() {
            if other == agent as usize || self.waiting[other] == 0 {
                continue;
            }
            let turns = &mut self.turns[other][agent as usize];
            *turns = turns.saturating_add(1);
            if *turns > 2 {
                let detail = format!("agent {agent} has had {turns} sessions while a call of agent {other} waited");
                self.break_now("I10", now, detail);
            }
        }
        self.turns[agent as usize].fill(0);
    }

    pub(crate) fn assign_answered(&mut self, number: u32, agent: u32) {
        let state = &mut self.numbers[number as usize];
        if let Some((_, sent)) = state.assigning.take() {
            state.confirmed = Some((agent, sent));
        }
    }

    pub(crate) fn read_sent(&mut self, now: u64) {
        self.reads.push(now);
    }

    pub(crate) fn read_answered(&mut self, read: u32, seen: &[(u32, u32)]) {
        let sent = self.reads[read as usize];
        for (number, agent) in seen {
            let confirmed = &mut self.numbers[*number as usize].confirmed;
            if confirmed.is_none_or(|(_, since)| since <= sent) {
                *confirmed = Some((*agent, sent));
            }
        }
    }

    pub(crate) fn dial_sent(&mut self, call: u32, number: u32, agent: u32, live: u32, now: u64) {
        if self.dialled[call as usize] != u32::MAX {
            self.break_now(
                "I15",
                now,
                format!("call {call} is dialled again, although its first dial was not refused"),
            );
        }
        if let Some(open) = self.pinned(number, now)
            && open.agent != agent
        {
            let detail = format!(
                "call {call} for agent {agent} is dialled on number {number} while the dial of call {} for agent {} \
                 is unresolved",
                open.call, open.agent
            );
            self.break_now("I2", now, detail);
        }
        if let Some(cap) = self.limits.live {
            if live > cap {
                self.break_now("I9", now, format!("with call {call} there are {live} live calls"));
            }
            self.check_order(call, agent, u64::from((cap + 1).saturating_sub(live)), now);
        }
        self.check_belief(call, number, agent, now);
        self.count_dial(call, number, agent, now);
    }

    /// While slots are scarce only the oldest waiting calls may take one.
    fn check_order(&mut self, call: u32, agent: u32, free: u64, now: u64) {
        let (older, waiting) = self.queue.dialled(call, agent);
        let allowed = free + self.limits.look_ahead;
        if waiting > free && older >= allowed {
            let detail = format!("call {call} takes one of {free} slots while {older} older calls wait");
            self.break_now("I10", now, detail);
        }
    }

    fn check_belief(&mut self, call: u32, number: u32, agent: u32, now: u64) {
        let state = &self.numbers[number as usize];
        if state.assigning.is_some() {
            self.break_now("I2", now, format!("call {call} is dialled while number {number} is being assigned"));
            return;
        }
        let age = state.confirmed.filter(|(confirmed, _)| *confirmed == agent).map(|(_, sent)| now - sent);
        if age.is_none_or(|age| age > self.limits.freshness) {
            let age = age.map_or_else(|| "never".to_owned(), |age| format!("{:.3} s ago", seconds(age)));
            let detail = format!("call {call} is dialled; number {number} was confirmed to have agent {agent} {age}");
            self.break_now("I12", now, detail);
        }
    }

    fn count_dial(&mut self, call: u32, number: u32, agent: u32, now: u64) {
        self.dialled[call as usize] = number;
        let waiting = &mut self.waiting[agent as usize];
        *waiting = waiting.saturating_sub(1);
        let left = *waiting;
        if left == 0 {
            self.turns[agent as usize].fill(0);
        }
        let state = &mut self.numbers[number as usize];
        state.open.push_back(Open { call, agent, sent: now });
        state.in_flight += 1;
        self.in_flight += 1;
        if let Some(session) = state.session.as_mut().filter(|session| session.agent == agent) {
            session.served += 1;
            session.left = left;
            session.has_drained |= left == 0;
        }
        let (here, total) = (state.in_flight, self.in_flight);
        // With a bound on binding a dial is in flight, as far as the number goes, until the bound.
        let is_pinned_by_answers = self.limits.pin >= LONGER_THAN_ANY_ANSWER;
        if is_pinned_by_answers && here > self.limits.in_flight {
            self.break_now("U7", now, format!("with call {call} there are {here} dials in flight on number {number}"));
        }
        if is_pinned_by_answers && self.limits.in_flight_total.is_some_and(|most| total > most) {
            self.break_now("U7", now, format!("with call {call} there are {total} dials in flight"));
        }
    }

    pub(crate) fn executed(&mut self, call: u32, number: u32, is_wrong: bool, executions: u8, now: u64) {
        if executions > 1 {
            self.break_now("I5", now, format!("call {call} is executed {executions} times"));
        }
        if is_wrong && !self.numbers[number as usize].meddled {
            self.break_now("I1", now, format!("call {call} is executed while number {number} has another agent"));
        }
    }

    pub(crate) fn dial_answered(&mut self, call: u32) {
        if std::mem::replace(&mut self.answered[call as usize], true) {
            return;
        }
        let number = self.dialled[call as usize];
        if let Some(state) = self.numbers.get_mut(number as usize) {
            state.in_flight -= 1;
            self.in_flight -= 1;
        }
    }

    /// Somebody has changed who answers the number: we, or somebody outside.
    pub(crate) fn changed(&mut self, number: u32, by_outsider: bool) {
        self.numbers[number as usize].meddled = by_outsider;
    }

    /// A call has come to its end, as the dispatcher says.
    pub(crate) fn ended(&mut self, call: u32, now: u64) {
        if std::mem::replace(&mut self.ended[call as usize], true) {
            self.break_now("I7", now, format!("call {call} ends twice"));
        }
    }

    /// The run is over.
    pub(crate) fn finish(&mut self, overtaking: u64, now: u64) {
        if let Some(call) = self.ended.iter().position(|ended| !ended) {
            self.break_now("I7", now, format!("call {call} has no end"));
        }
        let most = self.limits.quantum.map(|quantum| (self.waiting.len() as u64).saturating_sub(1) * quantum);
        if let Some(most) = most.filter(|most| self.limits.is_gated && overtaking > *most) {
            self.break_now("I10", now, format!("a call was overtaken by {overtaking} others, more than {most}"));
        }
    }
}

/// Longer than a callee's phone may ring here: with such a pin, dials are pinned until they are answered.
const LONGER_THAN_ANY_ANSWER: u64 = 60 * crate::time::SECOND;

#[cfg(test)]
mod tests;
