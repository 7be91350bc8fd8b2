//! Whose turn it is: which agent a number serves, and which call dials next (`scheduling.md` 1.7).
//!
//! After every input the numbers that it touched are brought up to date; agents whose calls no session serves get an
//! idle number, oldest call first; where there is none, sessions that have served enough are closed; then open
//! sessions dial, oldest session first.

use std::collections::BTreeSet;

use crate::dispatch::effect::Slot;
use crate::dispatch::queue::{AgentIndex, GroupIndex, Turn};
use crate::dispatch::session::{Limits, Session};
use crate::dispatch::{Desk, Dispatcher};
use crate::ids::{AgentId, PhoneNumberId};
use crate::line::Decision;
use crate::request::{NumberChoice, Priority};
use crate::time::{Instant, Now};

/// Which waiting calls may take a slot while slots are scarce: those among the oldest.
#[derive(Clone, Copy, Debug)]
struct Scarce {
    /// The youngest that may take a slot, and whose session stays; `None`: all may.
    near: Option<Turn>,
    /// The youngest for which a number is made ready; `None`: one is made ready for all.
    next: Option<Turn>,
}

impl Scarce {
    fn starves(&self, next: Turn) -> bool {
        self.near.is_some_and(|near| next > near)
    }

    fn is_near(&self, head: Turn) -> bool {
        self.next.is_none_or(|next| head <= next)
    }
}

/// More rounds than any input can need; a mistake must not stop the process.
const ROUNDS_MAX: u32 = 10_000;

/// How serving a number ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    /// Nobody more may dial now.
    All,
    /// A session has served enough, so that it has to be seen who comes next.
    Enough,
}

impl Dispatcher {
    pub(super) fn limits(&self) -> Limits {
        Limits { in_flight: self.policy.in_flight_max.max(1), quantum: self.policy.quantum }
    }

    /// Does whatever can be done now.
    pub(super) fn schedule(&mut self, now: Now) {
        let mut rounds = 0_u32;
        while self.restless || !self.dirty.is_empty() {
            rounds += 1;
            debug_assert!(rounds < ROUNDS_MAX, "the scheduler goes round in circles: {self:?}");
            if rounds >= ROUNDS_MAX {
                break;
            }
            self.restless = false;
            let mut touched = std::mem::take(&mut self.dirty);
            for number in &touched {
                self.bring_up_to_date(number, now);
            }
            if self.capped {
                touched.extend(self.desks.keys().cloned());
            }
            let scarce = self.scarce(now);
            let unresolved = self.find_numbers(scarce.as_ref(), &mut touched, now);
            for (turn, group) in &unresolved {
                self.close_one(*turn, *group, scarce.as_ref());
            }
            self.dial_from(touched, scarce, now);
            if self.dirty.is_empty() && unresolved.is_empty() && self.policy.replicate && scarce.is_none() {
                self.replicate(now);
            }
        }
        self.plan_survey(now);
    }

    fn dial_from(&mut self, touched: BTreeSet<PhoneNumberId>, scarce: Option<Scarce>, now: Now) {
        let age = |number: &PhoneNumberId| {
            let session = self.desks.get(number).and_then(|desk| desk.session.as_ref());
            session.map_or(u64::MAX, |session| session.opened)
        };
        let mut in_order: Vec<(u64, PhoneNumberId)> =
            touched.into_iter().map(|number| (age(&number), number)).collect();
        in_order.sort();
        self.capped = false;
        for (_, number) in &in_order {
            if self.serve(number, scarce.as_ref(), now) == Served::Enough {
                self.dirty.insert(number.clone());
            }
        }
        for (_, number) in in_order {
            if !self.is_open(&number) && self.holds(&number, now.monotonic) {
                self.give_back(&number, now);
            }
        }
    }

    /// Forgets what can no longer take effect on the number, and ends its session where that has drained.
    fn bring_up_to_date(&mut self, number: &PhoneNumberId, now: Now) {
        let Some(desk) = self.desks.get_mut(number) else { return };
        for attempt in desk.line.expire(now.monotonic) {
            self.resolve(attempt);
        }
        let Some(desk) = self.desks.get_mut(number) else { return };
        if desk.in_flight.is_empty() && desk.served.is_none() {
            desk.session.take_if(|session| session.closing);
        }
    }

    /// How many dials are in flight over all numbers.
    pub(super) fn in_flight(&self) -> usize {
        self.desks.values().map(|desk| desk.in_flight.len()).sum()
    }

    /// Whether slots are scarce, and for whom they are then.
    fn scarce(&self, now: Now) -> Option<Scarce> {
        let free = self.live.free(self.policy.live_max)?;
        // Their calls do not wait in the queue, but the next slots are theirs.
        let assigning = self.desks.values().filter(|desk| desk.served.is_some()).count();
        if self.queue.waiting() + assigning <= free {
            return None;
        }
        let usable = |agent: &_, choice: &NumberChoice| {
            choice.iter().any(|number| {
                let desk = self.desks.get(number);
                desk.is_some_and(|desk| self.is_usable(desk, now) && !desk.line.is_held_against(agent))
            })
        };
        let count = (free.max(1) + self.policy.look_ahead).saturating_sub(assigning);
        let (near, next) = self.queue.oldest(count, usable);
        let nobody = Turn { since: Instant::default(), slot: Slot(0) };
        Some(Scarce { near: if count == 0 { Some(nobody) } else { near }, next })
    }

    fn is_usable(&self, desk: &Desk, now: Now) -> bool {
        let breaker = self.number_breakers.get(desk.line.id());
        if !self.holds(desk.line.id(), now.monotonic) || desk.held.is_some_and(|held| held.returning) {
            return false;
        }
        !desk.is_out_of_use(now.monotonic) && breaker.is_none_or(|breaker| breaker.admits(now.monotonic))
    }

    /// Whether the number serves nobody now, and may be given to another agent.
    fn is_idle_number(&self, desk: &Desk, scarce: Option<&Scarce>, now: Now) -> bool {
        let unread = desk.line.number().is_none() && desk.line.is_reading();
        if !desk.in_flight.is_empty() || desk.served.is_some() || unread || !self.is_usable(desk, now) {
            return false;
        }
        let next = desk.open_session().and_then(|session| self.next_of(session, desk.line.id()));
        next.is_none_or(|next| scarce.is_some_and(|scarce| scarce.starves(next)))
    }

    fn next_of(&self, session: &Session, number: &PhoneNumberId) -> Option<Turn> {
        let next = self.queue.next(session.agent, number);
        next.filter(|_| !self.queue.is_paused(session.agent))
    }

    /// Gives numbers to the agents whose calls no session serves, and returns those for whom there is none.
    fn find_numbers(
        &mut self,
        scarce: Option<&Scarce>,
        touched: &mut BTreeSet<PhoneNumberId>,
        now: Now,
    ) -> Vec<(Turn, GroupIndex)> {
        let mut unresolved = Vec::new();
        let Some(mut head) = self.queue.next_unserved(None) else { return unresolved };
        let mut idle = Vec::new();
        let mut draining = Vec::new();
        for (number, desk) in &self.desks {
            if desk.session.as_ref().is_some_and(|session| session.closing) {
                if self.is_usable(desk, now) {
                    draining.push(number.clone());
                }
            } else if self.is_idle_number(desk, scarce, now) {
                idle.push(number.clone());
            }
        }
        loop {
            let (turn, group) = head;
            let (agent, choice) = self.queue.group_of(group);
            let choice = choice.clone();
            let may_be = |number: &PhoneNumberId| choice.contains(number);
            if let Some(at) = draining.iter().position(|number| may_be(number) && self.serves(number, agent)) {
                self.reopen(&draining.swap_remove(at), touched);
            } else if let Some(at) = self.best_idle(&idle, agent, &choice, turn, scarce, now) {
                let number = idle.remove(at);
                self.open(&number, agent);
                touched.insert(number);
            } else if let Some(at) =
                draining.iter().position(|number| may_be(number) && self.will_be_free(number, agent))
            {
                draining.remove(at);
            } else if scarce.is_none_or(|scarce| scarce.is_near(turn)) {
                unresolved.push((turn, group));
                // One session can be closed for each of them at most, and any will do where all may use every number.
                let alike = self.open.len() == 1;
                if alike && unresolved.len() >= self.desks.len() && idle.is_empty() && draining.is_empty() {
                    return unresolved;
                }
            }
            match self.queue.next_unserved(Some(head)) {
                Some(next) => head = next,
                None => return unresolved,
            }
        }
    }

    /// Whether the number can serve the agent when what is in flight on it is answered.
    fn will_be_free(&self, number: &PhoneNumberId, agent: AgentIndex) -> bool {
        let held = |desk: &Desk| desk.line.is_held_against(self.queue.agent(agent));
        !self.desks.get(number).is_some_and(|desk| held(desk))
    }

    fn serves(&self, number: &PhoneNumberId, agent: AgentIndex) -> bool {
        let session = self.desks.get(number).and_then(|desk| desk.session.as_ref());
        session.is_some_and(|session| session.agent == agent)
    }

    fn reopen(&mut self, number: &PhoneNumberId, touched: &mut BTreeSet<PhoneNumberId>) {
        let limits = self.limits();
        let Some(session) = self.desks.get_mut(number).and_then(|desk| desk.session.as_mut()) else { return };
        session.reopen(self.queue.count(session.agent, number), limits);
        self.queue.open(session.agent, number);
        touched.insert(number.clone());
    }

    /// Opens a session for the agent on an idle number.
    fn open(&mut self, number: &PhoneNumberId, agent: AgentIndex) {
        let limits = self.limits();
        self.sessions += 1;
        let session = Session::new(agent, self.sessions, self.queue.count(agent, number), limits);
        if let Some(before) = self.desk(number).session.replace(session)
            && !before.closing
        {
            self.queue.close(before.agent, number);
        }
        self.queue.open(agent, number);
    }

    /// Closes a session, so that its number can serve somebody else when it has drained.
    pub(super) fn close(&mut self, number: &PhoneNumberId) {
        let Some(session) = self.desks.get_mut(number).and_then(|desk| desk.session.as_mut()) else { return };
        session.closing = true;
        let agent = session.agent;
        self.queue.close(agent, number);
        self.dirty.insert(number.clone());
    }

    /// The idle number that costs least: one that has the agent, else the one whose agent is called least often,
    /// else, while slots are scarce, the one whose next call is farthest away.
    fn best_idle(
        &self,
        idle: &[PhoneNumberId],
        agent: AgentIndex,
        choice: &NumberChoice,
        turn: Turn,
        scarce: Option<&Scarce>,
        now: Now,
    ) -> Option<usize> {
        let id = self.queue.agent(agent);
        let cost = |number: &PhoneNumberId| {
            let desk = self.desks.get(number).filter(|_| choice.contains(number))?;
            if !desk.line.is_free_for(id, &self.policy) {
                return None;
            }
            let next = desk.open_session().and_then(|session| self.next_of(session, number));
            if next.is_some() && !scarce.is_some_and(|scarce| scarce.is_near(turn)) {
                return None;
            }
            let farther = std::cmp::Reverse(next);
            let answers = desk.line.answers();
            if answers == Some(Some(id)) || desk.line.is_outbound_only() {
                return Some((next.is_some(), false, farther, 0));
            }
            let frequency = answers.flatten().map_or(0, |agent| self.queue.frequency(agent).at(now.monotonic));
            Some((next.is_some(), true, farther, frequency))
        };
        let costs = idle.iter().enumerate().filter_map(|(at, number)| Some((cost(number)?, at)));
        costs.min().map(|(_, at)| at)
    }

    /// Closes the session that has most reason to end, for a group that has no number.
    fn close_one(&mut self, turn: Turn, group: GroupIndex, scarce: Option<&Scarce>) {
        let (agent, choice) = self.queue.group_of(group);
        let urgent = self.record(turn.slot).request.priority == Priority::Urgent;
        let reason = |number: &PhoneNumberId| {
            let desk = self.desks.get(number)?;
            let session = desk.open_session().filter(|_| self.will_be_free(number, agent))?;
            let next = self.next_of(session, number);
            // The call for which the number is being assigned is not in the queue, and is the next to dial.
            if next.is_none() && desk.served.is_some() {
                return None;
            }
            let ends = match (next, scarce) {
                (None, _) => true,
                (Some(next), Some(scarce)) => scarce.starves(next) && next > turn,
                (Some(next), None) => {
                    let first = urgent && next > turn && session.served() > 0;
                    first || self.is_used_up(session)
                }
            };
            // The one with nothing left to do, else the one whose next call is farthest away, else the oldest.
            let farthest = next.filter(|_| scarce.is_some()).map(std::cmp::Reverse);
            ends.then_some((next.is_some(), farthest, session.opened))
        };
        let ending = choice.iter().filter_map(|number| Some((reason(number)?, number.clone()))).min();
        if let Some((_, number)) = ending {
            self.close(&number);
        }
    }

    fn is_used_up(&self, session: &Session) -> bool {
        #[cfg(feature = "mutations")]
        if self.policy.mutation == Some(crate::policy::Mutation::NoGate) {
            return session.served() > 0;
        }
        session.is_used_up(self.limits())
    }

    /// Spreads the largest group over numbers that nobody needs, while there is room for more dials.
    fn replicate(&mut self, now: Now) {
        let limits = self.limits();
        let room = self.policy.in_flight_total.is_none_or(|total| self.in_flight() < total);
        // An agent that is being asked about may need the number in a moment.
        let asking = self.agents.is_asking();
        if self.desks.len() < 2 || self.queue.waiting() <= limits.in_flight || !room || asking {
            return;
        }
        let idle: Vec<PhoneNumberId> = self
            .desks
            .iter()
            .filter(|(_, desk)| self.is_idle_number(desk, None, now))
            .map(|(number, _)| number.clone())
            .collect();
        if idle.is_empty() {
            return;
        }
        let long = self.queue.longest(|agent, choice, waiting| {
            let numbers = self.queue.open_on(agent).len();
            numbers > 0 && waiting > limits.in_flight * numbers && idle.iter().any(|number| choice.contains(number))
        });
        let Some(group) = long else { return };
        let (agent, choice) = self.queue.group_of(group);
        let oldest = self.queue.next_unserved(None).map_or(Turn { since: now.monotonic, slot: Slot(0) }, |head| head.0);
        if let Some(at) = self.best_idle(&idle, agent, choice, oldest, None, now) {
            let number = idle[at].clone();
            self.open(&number, agent);
            self.dirty.insert(number);
        }
    }

    /// Lets calls of the number dial, as many as may.
    fn serve(&mut self, number: &PhoneNumberId, scarce: Option<&Scarce>, now: Now) -> Served {
        let session = self.desks.get(number).and_then(|desk| desk.open_session());
        let used_up = session.is_some_and(|session| self.is_used_up(session));
        while let Some((slot, may_dial)) = self.turn(number, scarce, now) {
            if !self.serve_call(number, slot, may_dial, now) {
                break;
            }
            let session = self.desks.get(number).and_then(|desk| desk.open_session());
            if !used_up && session.is_some_and(|session| self.is_used_up(session)) && self.queue.is_wanted(number) {
                return Served::Enough;
            }
        }
        Served::All
    }

    /// The next call whose turn it is on the number, and whether it may dial; if not, the number may still be made
    /// ready for it.
    fn turn(&mut self, number: &PhoneNumberId, scarce: Option<&Scarce>, now: Now) -> Option<(Slot, bool)> {
        let desk = self.desks.get(number)?;
        if desk.in_flight.len() >= self.limits().in_flight || desk.served.is_some() {
            return None;
        }
        if !self.is_usable(desk, now) {
            return None;
        }
        let admits =
            |agent: &AgentId| self.agent_breakers.get(agent).is_none_or(|breaker| breaker.admits(now.monotonic));
        let next = if desk.line.is_outbound_only() {
            self.queue.next_of_any(number, admits)?
        } else {
            let in_session = desk.open_session().filter(|session| admits(self.queue.agent(session.agent)));
            let in_session = in_session.and_then(|session| self.next_of(session, number));
            // A call that needs no session gives way to older ones that do, or their turn would never come.
            let unserved = self.queue.oldest_unserved(number);
            let indifferent = self.queue.next_indifferent(number, admits);
            let indifferent = indifferent.filter(|turn| unserved.is_none_or(|unserved| *turn < unserved));
            indifferent.into_iter().chain(in_session).min()?
        };
        let full = self.policy.in_flight_total.is_some_and(|total| self.in_flight() >= total.max(1))
            || self.live.free(self.policy.live_max) == Some(0);
        let may_dial = !full && !scarce.is_some_and(|scarce| scarce.starves(next));
        self.capped |= !may_dial;
        Some((next.slot, may_dial))
    }

    /// Does what the call whose turn it is needs now; `false` where it has to wait, and all others with it.
    fn serve_call(&mut self, number: &PhoneNumberId, slot: Slot, may_dial: bool, now: Now) -> bool {
        let record = self.record(slot);
        let Some(desk) = self.desks.get(number) else { return false };
        match desk.line.decide(&record.want(number), now.monotonic, &self.policy) {
            Decision::Reject { reason, detail } => {
                self.number_useless(number, reason, detail, now);
                false
            }
            Decision::Admit { outcome, evidence } => {
                if may_dial {
                    self.admit(slot, number, outcome, evidence, now);
                }
                may_dial
            }
            // A number that waits for a place is read when there is one: until then it would be read again and again.
            Decision::Read if !may_dial && desk.line.number().is_some() => false,
            Decision::Read => {
                self.read(number, now);
                false
            }
            // A number that has the agent is assigned once more, where a call wants that, only for its dial.
            Decision::Assign if !may_dial && desk.line.answers() == Some(Some(&record.request.agent)) => false,
            Decision::Assign => {
                self.assign(number, slot, now);
                false
            }
            Decision::Wait { until } => {
                self.wake_line_at(number, until);
                false
            }
        }
    }
}
