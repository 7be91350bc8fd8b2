//! Numbers: letting calls dial, and assigning.

use std::collections::BTreeMap;

use crate::dispatch::desk::{Desk, GivingBack};
use crate::dispatch::effect::{Effect, Slot};
use crate::dispatch::journal::Release;
use crate::dispatch::record::Step;
use crate::dispatch::stop::Stopping;
use crate::dispatch::{Dispatcher, TimerKey};
use crate::error::{FailureKind, ProviderError, SideEffect};
use crate::flow::{AssignmentOutcome, CallEvent, CallState, Evidence, FailureReason};
use crate::ids::{AgentId, AttemptId, PhoneNumberId};
use crate::line::{Changed, PendingChange};
use crate::notice::Notice;
use crate::policy::AssignmentPolicy;
use crate::ports::{AssignNumber, Change, Intent, IntentKind, Number, PermitRequest};
use crate::request::NumberChoice;
use crate::time::{Instant, Now};

/// Said where an assignment got no clear answer.
pub(super) const MAY_BE_ASSIGNED: &str = "; the number may have been assigned all the same";

impl Dispatcher {
    pub(super) fn desk(&mut self, number: &PhoneNumberId) -> &mut Desk {
        self.desks.entry(number.clone()).or_insert_with(|| Box::new(Desk::new(number.clone())))
    }

    pub(super) fn desk_of(&mut self, slot: Slot) -> &mut Desk {
        let number = self.record(slot).at.clone();
        self.desk(&number)
    }

    /// Whether a call may still need the number.
    pub(super) fn is_open(&self, number: &PhoneNumberId) -> bool {
        self.open.keys().any(|choice| choice.contains(number))
    }

    /// Counts a call among those whose numbers must not be given back yet.
    pub(super) fn join(&mut self, numbers: &NumberChoice) {
        if let Some(count) = self.open.get_mut(numbers) {
            *count += 1;
            return;
        }
        for number in numbers {
            let was_open = self.is_open(number);
            let desk = self.desk(number);
            if was_open {
                continue;
            }
            desk.line.stop_restore();
            desk.giving_back = GivingBack::default();
            if let Some(closing) = desk.closing.take() {
                self.restored_for(closing);
            }
        }
        self.open.insert(numbers.clone(), 1);
    }

    /// Lets a verified call wait for a number.
    pub(super) fn queue(&mut self, slot: Slot, now: Now) {
        self.step_back(slot);
        let ahead = self.policy.urgent_ahead;
        let record = self.record_mut(slot);
        record.step = Step::Line;
        if !record.announced
            && let Some(number) = record.request.numbers.only().cloned()
        {
            self.announce(slot, number);
        }
        let record = self.record(slot);
        let (agent, choice, turn) =
            (record.request.agent.clone(), record.request.numbers.clone(), record.turn(slot, ahead));
        let indifferent = record.request.policies.assignment == AssignmentPolicy::Never;
        if self.record(slot).expires.is_some_and(|expires| expires <= now.monotonic) {
            self.expire(slot, now);
            return;
        }
        if self.is_halted(slot, now) {
            return;
        }
        self.retrust_for(slot);
        if let Some((reason, detail)) = self.stranded(&choice, now) {
            self.fail_assignment(slot, reason, detail, now);
            return;
        }
        if self.is_better_elsewhere(&choice, now) {
            self.send_elsewhere(slot, now);
            return;
        }
        self.restless = true;
        let index = self.queue.index(&agent);
        if indifferent {
            self.queue.insert_indifferent(index, &choice, turn);
            self.dirty.extend(choice.iter().cloned());
            return;
        }
        self.queue.insert(index, &choice, turn);
        let open = self.queue.open_on(index).iter().filter(|number| choice.contains(number));
        self.dirty.extend(open.cloned());
        let outbound_only =
            |number: &&PhoneNumberId| self.desks.get(number).is_some_and(|desk| desk.line.is_outbound_only());
        self.dirty.extend(choice.iter().filter(outbound_only).cloned());
    }

    fn announce(&mut self, slot: Slot, number: PhoneNumberId) {
        let record = self.record_mut(slot);
        record.announced = true;
        let (call, agent) = (record.request.id.clone(), record.request.agent.clone());
        self.outbox.push(Effect::Tell(Notice::AssignmentStarted { call, number, agent }));
    }

    /// Takes a call out of wherever it waits or dials.
    pub(super) fn step_back(&mut self, slot: Slot) {
        let ahead = self.policy.urgent_ahead;
        let record = self.record(slot);
        let number = record.at.clone();
        if record.step == Step::Line {
            let (agent, choice) = (record.request.agent.clone(), record.request.numbers.clone());
            let turn = record.turn(slot, ahead);
            self.restless |= self.queue.remove(&agent, &choice, turn);
        }
        self.stop_dialling(slot, &number);
        self.restless |= self.live.drop_hold(slot);
        self.breakers_let_go(slot);
    }

    /// Notes that no dial of the call is in flight on the number any more.
    pub(super) fn stop_dialling(&mut self, slot: Slot, number: &PhoneNumberId) {
        if self.desk(number).in_flight.remove(&slot) {
            self.dirty.insert(number.clone());
        }
    }

    /// Notes that a call's turn has come on the number.
    fn start(&mut self, slot: Slot, number: &PhoneNumberId) {
        let ahead = self.policy.urgent_ahead;
        let record = self.record_mut(slot);
        record.at = number.clone();
        let (agent, choice, turn) =
            (record.request.agent.clone(), record.request.numbers.clone(), record.turn(slot, ahead));
        if !record.announced {
            self.announce(slot, number.clone());
        }
        self.queue.remove(&agent, &choice, turn);
        self.try_with(slot, &agent, number);
    }

    /// Reads the number, unless it is being read.
    pub(super) fn read(&mut self, number: &PhoneNumberId, now: Now) {
        let desk = self.desk(number);
        if !desk.line.is_reading() {
            desk.line.begin_read(now.monotonic);
            self.outbox.push(Effect::ReadNumber(number.clone()));
        }
    }

    pub(super) fn wake_line_at(&mut self, number: &PhoneNumberId, at: Option<Instant>) {
        if let Some(at) = at {
            self.timers.insert((at, TimerKey::Line(number.clone())));
        }
    }

    pub(super) fn admit(
        &mut self,
        slot: Slot,
        number: &PhoneNumberId,
        outcome: AssignmentOutcome,
        evidence: Evidence,
        now: Now,
    ) {
        self.start(slot, number);
        self.desk(number).in_flight.insert(slot);
        if self.policy.live_max.is_some() {
            self.live.hold(slot);
        }
        let agent = self.record(slot).request.agent.clone();
        let ready = self.record_mut(slot).turned_mut().ready.take_if(|ready| ready == number).is_some();
        let (outcome, evidence) =
            if ready { (AssignmentOutcome::Assigned, Evidence::Fresh) } else { (outcome, evidence) };
        let index = self.queue.index(&agent);
        self.queue.count_use(index, now.monotonic);
        if outcome != AssignmentOutcome::Skipped {
            self.count_served(number, &agent);
            let freshness = self.policy.freshness;
            if self.desk(number).line.is_ageing(now.monotonic, freshness) {
                self.read(number, now);
            }
        }
        let record = self.record_mut(slot);
        let confirmed_again = match &record.state {
            CallState::Assigned(assigned) => outcome != AssignmentOutcome::Assigned && assigned.number() == number,
            CallState::Requested(_) | CallState::Verified(_) | CallState::Initiated(_) | CallState::Failed(_) => false,
        };
        if !confirmed_again {
            record.assignment = Some(outcome);
            self.write(slot, CallEvent::NumberAssigned { number: number.clone(), outcome, evidence }, now);
        }
        if self.record(slot).turned().is_some_and(|turned| turned.permit.is_some()) {
            self.intend(slot, now);
            return;
        }
        let record = self.record_mut(slot);
        record.step = Step::Permit;
        let request = PermitRequest { attempt: record.next_attempt(), number: number.clone() };
        self.outbox.push(Effect::AskPermit(slot, request));
    }

    /// Counts a call whose turn came towards its agent's session.
    pub(super) fn count_served(&mut self, number: &PhoneNumberId, agent: &AgentId) {
        let index = self.queue.index(agent);
        let others = self.queue.has_others(index, number);
        let session = self.desk(number).session.as_mut();
        if let Some(session) = session.filter(|session| session.agent == index) {
            session.count(others);
        }
    }

    pub(super) fn fail_assignment(&mut self, slot: Slot, reason: FailureReason, detail: String, now: Now) {
        self.write(slot, CallEvent::AssignmentFailed { reason, detail }, now);
        self.end(slot, now);
    }

    pub(super) fn assign(&mut self, number: &PhoneNumberId, slot: Slot, now: Now) {
        self.start(slot, number);
        let record = self.record_mut(slot);
        record.step = Step::Assignment;
        let (agent, restore) = (record.request.agent.clone(), record.wants_restore());
        let desk = self.desk(number);
        desk.served = Some(slot);
        let memory = if restore {
            desk.line.remember(&agent).map(|inbound| Change::Remember { number: number.clone(), inbound })
        } else {
            desk.line.note_ours(&agent);
            None
        };
        self.begin_change(number, Some(agent), IntentKind::Assign, memory, now);
    }

    pub(super) fn begin_change(
        &mut self,
        number: &PhoneNumberId,
        agent: Option<AgentId>,
        kind: IntentKind,
        memory: Option<Change>,
        now: Now,
    ) {
        self.changes += 1;
        let attempt = AttemptId::of_run(&self.run, self.changes);
        let restore = kind == IntentKind::Restore;
        let end = self.within_lease(number, now.monotonic.after(self.policy.send_within(restore)));
        let within = end.since(now.monotonic);
        let intent = Intent {
            attempt: attempt.clone(),
            kind,
            number: number.clone(),
            agent: agent.clone(),
            epoch: self.epoch_for(number, &attempt),
            send_by: now.wall.after(within),
            within,
            lateness: self.policy.lateness,
        };
        self.desk(number).line.begin_change(attempt.clone(), agent, restore, now.monotonic);
        let changes = memory.into_iter().chain([Change::Intend(intent)]).collect();
        self.commit(changes, Release::Change(number.clone(), attempt, end));
    }

    /// The journal has the intent: the change may go out, but not later than the intent says, though the lease may have
    /// been prolonged since: successors rely on that.
    pub(super) fn send_change(&mut self, number: &PhoneNumberId, attempt: &AttemptId, not_after: Instant, now: Now) {
        let Some(desk) = self.desks.get(number) else { return };
        let Some(change) = desk.line.change().filter(|change| change.attempt == *attempt).cloned() else { return };
        if (desk.served.is_none() && !change.restore) || self.stopping == Stopping::Abandoned {
            let why = ProviderError::permanent(FailureKind::NotBuilt, "no call needs the number any more");
            self.change_unsent(number, attempt, why, now);
            return;
        }
        if !self.holds(number, now.monotonic) || !self.is_of_this_lease(number, attempt) {
            let why = ProviderError::permanent(FailureKind::TooLate, "another process may have the number");
            self.change_unsent(number, attempt, why, now);
            return;
        }
        self.outbox.push(Effect::AssignNumber(AssignNumber {
            attempt: attempt.clone(),
            number: number.clone(),
            agent: change.agent.clone(),
            not_after: self.within_lease(number, not_after),
        }));
    }

    /// The journal has refused the intent: nothing was sent.
    pub(super) fn change_unsent(&mut self, number: &PhoneNumberId, attempt: &AttemptId, why: ProviderError, now: Now) {
        let policy = self.policy;
        let desk = self.desk(number);
        let Some((change, changed)) = desk.line.change_answered(attempt, Err(why), now.monotonic, &policy) else {
            return;
        };
        let served = desk.served;
        self.resolve(attempt.clone());
        match served {
            Some(slot) if !change.restore => {
                let Changed::Failed(error) = changed else { return };
                self.desk(number).served = None;
                if self.sharing.is_some() {
                    self.hand_back(slot);
                    self.dirty.insert(number.clone());
                    return;
                }
                self.fail_assignment(slot, FailureReason::Journal, error.detail().to_owned(), now);
            }
            Some(_) | None => self.changed(number, &change, changed, now),
        }
        self.dirty.insert(number.clone());
    }

    pub(super) fn assign_answered(
        &mut self,
        number: &PhoneNumberId,
        attempt: &AttemptId,
        answer: Result<Number, ProviderError>,
        now: Now,
    ) {
        let policy = self.policy;
        let open = answer.as_ref().is_err_and(|error| error.side_effect() == SideEffect::Possible);
        let desk = self.desk(number);
        let Some((change, changed)) = desk.line.change_answered(attempt, answer, now.monotonic, &policy) else {
            return;
        };
        if open {
            self.wake_line_at(number, Some(now.monotonic.after(policy.lateness)));
        } else {
            self.resolve(attempt.clone());
        }
        self.changed(number, &change, changed, now);
        self.dirty.insert(number.clone());
    }

    fn changed(&mut self, number: &PhoneNumberId, change: &PendingChange, changed: Changed, now: Now) {
        if change.restore {
            self.restore_answered(number, change, changed, now);
            return;
        }
        let Some(slot) = self.desk(number).served.take() else { return };
        match changed {
            Changed::Confirmed => {
                // The policy of the call for which the number was changed last decides.
                if !self.record(slot).wants_restore() && self.desk(number).line.forget() {
                    self.commit(vec![Change::Forget(number.clone())], Release::Nothing);
                }
                self.record_mut(slot).turned_mut().ready = Some(number.clone());
                self.queue(slot, now);
            }
            Changed::Different { now: named_agent } => {
                let named = named_agent.map_or_else(|| "nobody".to_owned(), |agent| agent.to_string());
                let detail = format!("the provider's answer names {named} as the number's agent");
                let error = ProviderError::permanent(FailureKind::Conflict, detail.clone());
                self.assign_failed(slot, number, &error, now);
                self.fail_assignment(slot, FailureReason::NotAssigned, detail, now);
            }
            Changed::Failed(error) if self.assign_again(slot, &error, now) => {}
            Changed::Failed(error) => {
                self.assign_failed(slot, number, &error, now);
                let mut detail = error.detail().to_owned();
                if self.record(slot).unclear_assigns > 0 {
                    detail.push_str(MAY_BE_ASSIGNED);
                }
                self.fail_assignment(slot, FailureReason::Provider(error.kind()), detail, now);
            }
        }
    }

    /// An assignment without a clear answer may be made again: the value is the same, and the number is pinned
    /// to the agent until neither can take effect any more. So may one that came too late to be sent.
    fn assign_again(&mut self, slot: Slot, error: &ProviderError, now: Now) -> bool {
        let policy = self.policy;
        let record = self.record_mut(slot);
        let unclear = error.side_effect() == SideEffect::Possible;
        let unsent = !unclear && error.kind() == FailureKind::TooLate;
        record.unclear_assigns += u32::from(unclear);
        record.unsent_assigns += u32::from(unsent);
        let sent = record.unclear_assigns + record.unsent_assigns;
        let delay = policy.next_assign(sent, error.remedy(), record.spread());
        let Some(delay) = delay.filter(|_| unclear || unsent) else { return false };
        let at = now.monotonic.after(delay);
        record.step = Step::Retry(at);
        let call = record.request.id.clone();
        self.step_back(slot);
        let detail = error.detail().to_owned();
        self.outbox.push(Effect::Tell(Notice::AssignRetryScheduled { call, after: delay, detail }));
        self.wake_call_at(slot, at);
        true
    }

    pub(super) fn list_numbers(&mut self, now: Now) {
        let unread = self.desks.values_mut().filter(|desk| desk.line.number().is_none() && !desk.line.is_reading());
        for desk in unread {
            desk.line.begin_read(now.monotonic);
        }
        self.listing = Some(now.monotonic);
        self.outbox.push(Effect::ListNumbers);
    }

    /// All numbers were read at once: those that wait for it take their part.
    pub(super) fn numbers_listed(&mut self, answer: &Result<Vec<Number>, ProviderError>, now: Now) {
        let Some(sent) = self.listing.take() else { return };
        let waiting = self.desks.values().filter(|desk| desk.line.is_reading_since(sent));
        let waiting: Vec<PhoneNumberId> = waiting.map(|desk| desk.line.id().clone()).collect();
        let mut found: BTreeMap<PhoneNumberId, Number> = match answer {
            Ok(numbers) => numbers.iter().map(|number| (number.id.clone(), number.clone())).collect(),
            Err(_) => BTreeMap::new(),
        };
        for number in waiting {
            let answer = match answer {
                Ok(_) => Ok(found.remove(&number)),
                Err(error) => Err(error.clone()),
            };
            self.number_answered(&number, answer, now);
        }
    }

    pub(super) fn number_answered(
        &mut self,
        number: &PhoneNumberId,
        answer: Result<Option<Number>, ProviderError>,
        now: Now,
    ) {
        let policy = self.policy;
        let Some(desk) = self.desks.get_mut(number).filter(|desk| desk.line.is_reading()) else { return };
        match answer {
            Ok(Some(read)) => {
                desk.trouble = None;
                let outside = desk.line.read_answered(Some(read), now.monotonic, &policy);
                if let Some((was, is)) = outside {
                    self.changed_by_others(number, was, is, now);
                }
            }
            Ok(None) => {
                desk.line.read_answered(None, now.monotonic, &policy);
                let detail = format!("the provider knows no number {number}");
                self.number_useless(number, FailureReason::NumberNotFound, detail, now);
            }
            Err(error) => {
                desk.line.read_failed();
                let background = desk.line.number().is_some() && desk.line.is_confirmed(now.monotonic, &policy);
                if !background {
                    self.number_useless(number, FailureReason::Provider(error.kind()), error.detail().to_owned(), now);
                }
                self.halt_on(&error, now);
            }
        }
        self.dirty.insert(number.clone());
        self.restless = true;
    }

    /// Takes a call off its numbers: its dial is resolved.
    pub(super) fn leave(&mut self, slot: Slot) {
        self.step_back(slot);
        let record = self.record(slot);
        let (wants_restore, choice, at) = (record.wants_restore(), record.request.numbers.clone(), record.at.clone());
        if let Some(count) = self.open.get_mut(&choice) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&choice);
                self.dirty.extend(choice.iter().cloned());
            }
        }
        let desk = self.desk(&at);
        desk.served.take_if(|served| *served == slot);
        if wants_restore {
            desk.closing = Some(slot);
        }
        self.dirty.insert(at);
    }

    pub(super) fn complete(&mut self, slot: Slot) {
        let number = self.desk_of(slot).line.number().cloned();
        let Some(record) = self.calls.remove(&slot) else { return };
        self.slots.remove(&record.request.id);
        if let Some(expires) = record.expires {
            self.timers.remove(&(expires, TimerKey::Expiry(slot)));
        }
        let agent_name = self.agents.name(&record.request.agent).cloned();
        let later = record.turned().is_some_and(|turned| turned.paged);
        if self.sharing.is_some() && !later && !record.unjournalled {
            self.close_call(record.request.id.clone());
        }
        let report = record.report(agent_name, number);
        self.outbox.push(Effect::Tell(Notice::Completed(Box::new(report))));
    }
}
