//! Numbers: letting calls dial, and assigning.

use crate::dispatch::desk::{Desk, GivingBack};
use crate::dispatch::effect::{Effect, Slot};
use crate::dispatch::journal::Release;
use crate::dispatch::record::Step;
use crate::dispatch::session::Limits;
use crate::dispatch::{Dispatcher, TimerKey};
use crate::error::{FailureKind, ProviderError, SideEffect};
use crate::flow::{AssignmentOutcome, CallEvent, CallState, Evidence, FailureReason};
use crate::ids::{AgentId, AttemptId, PhoneNumberId};
use crate::line::{Changed, Decision, PendingChange};
use crate::notice::Notice;
use crate::policy::AssignmentPolicy;
use crate::ports::{AssignNumber, Change, Intent, IntentKind, Number, PermitRequest};
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

    /// Counts a call among those whose number must not be given back yet.
    pub(super) fn join(&mut self, slot: Slot, number: &PhoneNumberId) {
        let desk = self.desk(number);
        desk.open.insert(slot);
        desk.line.stop_restore();
        desk.giving_back = GivingBack::default();
        if let Some(closing) = desk.closing.take() {
            self.restored_for(closing);
        }
    }

    /// Lets a verified call wait for its number.
    pub(super) fn queue(&mut self, slot: Slot, now: Now) {
        let number = self.record(slot).at.clone();
        let record = self.record_mut(slot);
        record.step = Step::Line;
        if !record.announced {
            record.announced = true;
            let (call, agent) = (record.request.id.clone(), record.request.agent.clone());
            self.outbox.push(Effect::Tell(Notice::AssignmentStarted { call, number: number.clone(), agent }));
        }
        if let Some((reason, detail)) = self.record_mut(slot).blocked.take() {
            self.write(slot, CallEvent::AssignmentFailed { reason, detail }, now);
            self.end(slot, now);
            return;
        }
        let request = &self.record(slot).request;
        let (agent, indifferent) = (request.agent.clone(), request.policies.assignment == AssignmentPolicy::Never);
        let desk = self.desk(&number);
        desk.in_flight.remove(&slot);
        if indifferent {
            desk.indifferent.insert(slot);
        } else {
            desk.waiting.insert(&agent, slot);
        }
        self.dirty.insert(number);
    }

    /// Does whatever can be done on a number now.
    pub(super) fn serve(&mut self, number: &PhoneNumberId, now: Now) {
        let Some(desk) = self.desks.get_mut(number) else { return };
        for attempt in desk.line.expire(now.monotonic) {
            self.resolve(attempt);
        }
        let limits = Limits { in_flight: self.policy.in_flight_max.max(1), quantum: self.policy.quantum };
        while let Some(slot) = self.desk(number).turn(limits) {
            if !self.serve_call(number, slot, now) {
                break;
            }
        }
        if self.desk(number).open.is_empty() {
            self.give_back(number, now);
        }
    }

    /// Does what the call whose turn it is needs now; `false` where it has to wait, and all others with it.
    fn serve_call(&mut self, number: &PhoneNumberId, slot: Slot, now: Now) -> bool {
        let record = self.record(slot);
        let Some(desk) = self.desks.get(number) else { return false };
        match desk.line.decide(&record.want(), now.monotonic, &self.policy) {
            Decision::Reject { reason, detail } => {
                self.fail_assignment(slot, reason, detail, now);
                true
            }
            Decision::Admit { outcome, evidence } => {
                self.admit(slot, outcome, evidence, now);
                true
            }
            Decision::Read => {
                self.read(number, now);
                false
            }
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

    pub(super) fn admit(&mut self, slot: Slot, outcome: AssignmentOutcome, evidence: Evidence, now: Now) {
        let agent = self.record(slot).request.agent.clone();
        let desk = self.desk_of(slot);
        desk.start(slot, &agent);
        if outcome != AssignmentOutcome::Skipped {
            desk.count(&agent);
        }
        let record = self.record_mut(slot);
        let confirmed_again = matches!(record.state, CallState::Assigned(_)) && outcome != AssignmentOutcome::Assigned;
        if !confirmed_again {
            record.assignment = Some(outcome);
            let number = record.at.clone();
            self.write(slot, CallEvent::NumberAssigned { number, outcome, evidence }, now);
        }
        if self.record(slot).permit.is_some() {
            self.intend(slot, now);
            return;
        }
        let record = self.record_mut(slot);
        record.step = Step::Permit;
        let request = PermitRequest { attempt: record.next_attempt(), number: record.at.clone() };
        self.outbox.push(Effect::AskPermit(slot, request));
    }

    fn fail_assignment(&mut self, slot: Slot, reason: FailureReason, detail: String, now: Now) {
        self.write(slot, CallEvent::AssignmentFailed { reason, detail }, now);
        self.end(slot, now);
    }

    fn assign(&mut self, number: &PhoneNumberId, slot: Slot, now: Now) {
        let record = self.record_mut(slot);
        record.step = Step::Assignment;
        let (agent, restore) = (record.request.agent.clone(), record.wants_restore());
        let desk = self.desk(number);
        desk.start(slot, &agent);
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
        let send_by = now.wall.after(self.policy.send_within(restore));
        let intent =
            Intent { attempt: attempt.clone(), kind, number: number.clone(), agent: agent.clone(), epoch: 0, send_by };
        self.desk(number).line.begin_change(attempt.clone(), agent, restore, now.monotonic);
        let changes = memory.into_iter().chain([Change::Intend(intent)]).collect();
        self.commit(changes, Release::Change(number.clone(), attempt));
    }

    /// The journal has the intent: the change may go out.
    pub(super) fn send_change(&mut self, number: &PhoneNumberId, attempt: &AttemptId, now: Now) {
        let Some(desk) = self.desks.get(number) else { return };
        let Some(change) = desk.line.change().filter(|change| change.attempt == *attempt) else { return };
        if desk.served.is_none() && !change.restore {
            let why = ProviderError::permanent(FailureKind::NotBuilt, "no call needs the number any more");
            self.change_unsent(number, attempt, why, now);
            return;
        }
        self.outbox.push(Effect::AssignNumber(AssignNumber {
            attempt: attempt.clone(),
            number: number.clone(),
            agent: change.agent.clone(),
            not_after: change.since.after(self.policy.send_within(change.restore)),
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
                self.admit(slot, AssignmentOutcome::Assigned, Evidence::Fresh, now);
            }
            Changed::Different { now: named_agent } => {
                let named = named_agent.map_or_else(|| "nobody".to_owned(), |agent| agent.to_string());
                let detail = format!("the provider's answer names {named} as the number's agent");
                self.fail_assignment(slot, FailureReason::NotAssigned, detail, now);
            }
            Changed::Failed(error) if self.assign_again(slot, &error, now) => {}
            Changed::Failed(error) => {
                if error.kind() == FailureKind::NotFound {
                    let agent = self.record(slot).request.agent.clone();
                    self.agents.forget(&agent);
                }
                let mut detail = error.detail().to_owned();
                if self.record(slot).unclear_assigns > 0 {
                    detail.push_str(MAY_BE_ASSIGNED);
                }
                self.fail_assignment(slot, FailureReason::Provider(error.kind()), detail, now);
            }
        }
    }

    /// An assignment without a clear answer may be made again: the value is the same, and the number is pinned
    /// to the agent until neither can take effect any more.
    fn assign_again(&mut self, slot: Slot, error: &ProviderError, now: Now) -> bool {
        let policy = self.policy;
        let record = self.record_mut(slot);
        record.unclear_assigns += u32::from(error.side_effect() == SideEffect::Possible);
        let delay = policy.next_assign(record.unclear_assigns, error.remedy(), record.spread());
        let Some(delay) = delay.filter(|_| error.side_effect() == SideEffect::Possible) else { return false };
        let at = now.monotonic.after(delay);
        record.step = Step::Retry(at);
        let (call, number) = (record.request.id.clone(), record.at.clone());
        self.desk(&number).in_flight.remove(&slot);
        let detail = error.detail().to_owned();
        self.outbox.push(Effect::Tell(Notice::AssignRetryScheduled { call, after: delay, detail }));
        self.wake_call_at(slot, at);
        true
    }

    pub(super) fn number_answered(
        &mut self,
        number: &PhoneNumberId,
        answer: Result<Option<Number>, ProviderError>,
        now: Now,
    ) {
        let policy = self.policy;
        let desk = self.desk(number);
        let trouble = match answer {
            Ok(Some(read)) => {
                desk.line.read_answered(Some(read), now.monotonic, &policy);
                for slot in desk.open.clone() {
                    self.record_mut(slot).blocked = None;
                }
                None
            }
            Ok(None) => {
                desk.line.read_answered(None, now.monotonic, &policy);
                Some((FailureReason::NumberNotFound, format!("the provider knows no number {number}")))
            }
            Err(error) => {
                desk.line.read_failed();
                Some((FailureReason::Provider(error.kind()), error.detail().to_owned()))
            }
        };
        if let Some((reason, detail)) = trouble {
            self.block(number, &reason, &detail, now);
        }
        self.dirty.insert(number.clone());
    }

    /// Fails every call that waits for the number. A call that is still being verified fails only after its
    /// verification: the earliest failed stage decides.
    fn block(&mut self, number: &PhoneNumberId, reason: &FailureReason, detail: &str, now: Now) {
        let desk = self.desk(number);
        let open = desk.open.clone();
        if open.is_empty() && desk.line.is_restoring() {
            self.restore_failed(number, detail, None, now);
        }
        for slot in open {
            let record = self.record_mut(slot);
            if record.step == Step::Verification {
                record.blocked = Some((reason.clone(), detail.to_owned()));
            } else if self.is_waiting(slot, number) {
                self.fail_assignment(slot, reason.clone(), detail.to_owned(), now);
            }
        }
    }

    fn is_waiting(&self, slot: Slot, number: &PhoneNumberId) -> bool {
        let agent = &self.record(slot).request.agent;
        self.desks.get(number).is_some_and(|desk| desk.is_waiting(slot, agent))
    }

    /// Takes a call off its number: its dial is resolved.
    pub(super) fn leave(&mut self, slot: Slot) {
        let record = self.record(slot);
        let (wants_restore, agent) = (record.wants_restore(), record.request.agent.clone());
        let desk = self.desk_of(slot);
        desk.open.remove(&slot);
        desk.stop(slot, &agent);
        desk.served.take_if(|served| *served == slot);
        if wants_restore {
            desk.closing = Some(slot);
        }
        let number = desk.line.id().clone();
        self.dirty.insert(number);
    }

    pub(super) fn complete(&mut self, slot: Slot) {
        let number = self.desk_of(slot).line.number().cloned();
        let Some(mut record) = self.calls.remove(&slot) else { return };
        self.slots.remove(&record.request.id);
        record.number = number;
        self.outbox.push(Effect::Tell(Notice::Completed(Box::new(record.report()))));
    }
}
