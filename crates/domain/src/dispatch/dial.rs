//! Dialling at most once, and looking up what is in doubt.

use std::time::Duration;

use crate::dispatch::effect::{Effect, LookUp, Slot};
use crate::dispatch::record::{Doubt, Sent, Step};
use crate::dispatch::stop::Stopping;
use crate::dispatch::{Dispatcher, TimerKey};
use crate::error::{Class, FailureKind, ProviderError};
use crate::flow::{CallEvent, DoubtCause, FoundBy, WithdrawReason};
use crate::ids::{AttemptId, ConversationId};
use crate::notice::{DialVerdict, LookUpOutcome, Notice};
use crate::policy::Guarantee;
use crate::ports::{Conversation, DialAnswer, DialRequest, Intent, IntentKind, NumberProvider, Permit, ProviderCallId};
use crate::time::{Instant, Now};

/// How much longer than it rings a dial may take to be answered.
const DIAL_MARGIN: Duration = Duration::from_secs(30);

impl Dispatcher {
    pub(super) fn permitted(&mut self, slot: Slot, permit: Permit, now: Now) {
        let Some(record) = self.calls.get_mut(&slot).filter(|record| record.step == Step::Permit) else {
            self.outbox.push(Effect::ReturnPermit(permit));
            return;
        };
        record.turned_mut().permit = Some(permit);
        if record.unjournalled {
            self.withdraw(slot, WithdrawReason::Journal, "the journal does not take this call's events", now);
            return;
        }
        let record = self.record(slot);
        let line = self.desks.get(&record.at).map(|desk| &desk.line);
        let admits = line.is_some_and(|line| line.still_admits(&record.want(&record.at), now.monotonic, &self.policy));
        if admits && self.holds(&record.at, now.monotonic) {
            self.intend(slot, now);
        } else {
            // The wait was so long that the assignment has to be confirmed again. The permit is kept, so
            // that this happens once.
            self.queue(slot, now);
        }
    }

    pub(super) fn intend(&mut self, slot: Slot, now: Now) {
        let number = self.record(slot).at.clone();
        let not_after = self.within_lease(&number, self.record(slot).send_by(now.monotonic));
        let lateness = self.lateness_of(slot);
        let within = not_after.since(now.monotonic);
        let attempt = self.record(slot).next_attempt();
        let epoch = self.epoch_for(&number, &attempt);
        let record = self.record_mut(slot);
        record.sends += 1;
        record.turned_mut().first_sent.get_or_insert(now.monotonic);
        record.step = Step::Intent(attempt.clone(), not_after);
        let intent = Intent {
            attempt: attempt.clone(),
            kind: IntentKind::Dial(record.request.id.clone()),
            number: record.at.clone(),
            agent: Some(record.request.agent.clone()),
            epoch,
            send_by: now.wall.after(within),
            within,
            lateness,
        };
        let agent = record.request.agent.clone();
        self.desk(&number).line.pin(attempt.clone(), agent);
        self.write(slot, CallEvent::DialIntended { attempt }, now);
        self.intend_dial(slot, intent);
        #[cfg(feature = "mutations")]
        if self.policy.mutation == Some(crate::policy::Mutation::NoWriteAhead) {
            self.send_dial(slot, now);
        }
    }

    /// The journal has the intent: the dial may go out.
    pub(super) fn send_dial(&mut self, slot: Slot, now: Now) {
        let Some(record) = self.calls.get(&slot) else { return };
        let Step::Intent(attempt, not_after) = record.step.clone() else { return };
        let line = self.desks.get(&record.at).map(|desk| &desk.line);
        let admits = line.is_some_and(|line| line.still_admits(&record.want(&record.at), now.monotonic, &self.policy));
        let number = record.at.clone();
        if !admits || !self.holds(&number, now.monotonic) || !self.is_of_this_lease(&number, &attempt) {
            self.assignment_lost(slot, &attempt, now);
            return;
        }
        let record = self.record(slot);
        // Not later than the intent says, though the lease may have been prolonged since: successors rely on that.
        let not_after = self.within_lease(&record.at, not_after);
        self.bind(slot, now);
        let record = self.record_mut(slot);
        let sent = Sent { attempt: attempt.clone(), at: now.monotonic, not_after, wall: now.wall };
        record.step = Step::Answer(Box::new(sent));
        let record = self.record(slot);
        let request = &record.request;
        let line = self.desks.get(&record.at).map(|desk| &desk.line);
        let provider = line.and_then(|line| line.number()).map(|number| number.provider.clone());
        let dial = DialRequest {
            attempt,
            agent: request.agent.clone(),
            number: record.at.clone(),
            provider: provider.unwrap_or_else(|| NumberProvider::Other("unknown".into())),
            to: request.to,
            options: request.options.clone(),
            not_after,
        };
        self.outbox.push(Effect::PlaceCall(slot, Box::new(dial)));
    }

    /// Where it is known how long a dial may bind the number's agent, the number waits no longer than that.
    fn bind(&mut self, slot: Slot, now: Now) {
        if let Some(binding) = self.policy.binding {
            self.timers.insert((now.monotonic.after(binding), TimerKey::Bound(slot)));
        }
    }

    /// The open dial of a call can no longer bind its number's agent.
    pub(super) fn bound(&mut self, slot: Slot, now: Now) {
        let (Some(record), Some(binding)) = (self.calls.get(&slot), self.policy.binding) else { return };
        let sent = match &record.step {
            Step::Answer(sent) => sent,
            Step::Evidence(doubt) => &doubt.sent,
            Step::Verification
            | Step::Line
            | Step::Assignment
            | Step::Permit
            | Step::Intent(..)
            | Step::Retry(_)
            | Step::Proof(_)
            | Step::Restore => return,
        };
        if sent.at.after(binding) > now.monotonic {
            return;
        }
        let (attempt, number) = (sent.attempt.clone(), record.at.clone());
        self.stop_dialling(slot, &number);
        self.desk(&number).line.unpin(&attempt, None);
        self.dirty.insert(number);
    }

    /// What was learned while the journal wrote the intent says that the number may have another agent: nothing is
    /// sent, and the assignment is made sure of again.
    fn assignment_lost(&mut self, slot: Slot, attempt: &AttemptId, now: Now) {
        let (kind, detail) = (FailureKind::TooLate, "the number's assignment has to be confirmed again".to_owned());
        let record = self.record(slot);
        if record.sends >= record.request.policies.dial.sends_max {
            self.write(slot, CallEvent::DialFailed { attempt: attempt.clone(), kind, detail }, now);
            self.dial_resolved(slot, attempt, now);
            self.end(slot, now);
            return;
        }
        self.write(slot, CallEvent::DialNotExecuted { attempt: attempt.clone(), kind, detail }, now);
        self.dial_resolved(slot, attempt, now);
        self.queue(slot, now);
    }

    pub(super) fn dial_answered(
        &mut self,
        slot: Slot,
        attempt: &AttemptId,
        answer: Result<DialAnswer, ProviderError>,
        now: Now,
    ) {
        let Some(sent) = self.sent(slot, attempt) else { return };
        self.tell_answer(slot, &sent, &answer, now);
        match answer {
            Ok(DialAnswer::Accepted(accepted)) => {
                let found = (accepted.conversation, accepted.provider_call_id, FoundBy::Answer);
                self.initiated(slot, attempt, found, None, now);
            }
            Ok(DialAnswer::Refused(refused)) => {
                let (conversation, detail) = (refused.conversation, refused.message);
                self.breakers_let_go(slot);
                self.write(slot, CallEvent::DialRefused { attempt: attempt.clone(), conversation, detail }, now);
                self.dial_resolved(slot, attempt, now);
                self.end(slot, now);
            }
            Err(error) => self.dial_failed(slot, sent, &error, now),
        }
    }

    fn sent(&self, slot: Slot, attempt: &AttemptId) -> Option<Sent> {
        let Step::Answer(sent) = &self.calls.get(&slot)?.step else { return None };
        (sent.attempt == *attempt).then(|| Sent::clone(sent))
    }

    fn tell_answer(&mut self, slot: Slot, sent: &Sent, answer: &Result<DialAnswer, ProviderError>, now: Now) {
        let verdict = match answer {
            Ok(DialAnswer::Accepted(_)) => DialVerdict::Accepted,
            Ok(DialAnswer::Refused(_)) => DialVerdict::Refused,
            Err(error) if error.class() == Class::InDoubt => DialVerdict::InDoubt,
            Err(_) => DialVerdict::NotExecuted,
        };
        let error = answer.as_ref().err();
        self.outbox.push(Effect::Tell(Notice::DialAnswered {
            call: self.record(slot).request.id.clone(),
            attempt: sent.attempt.clone(),
            verdict,
            status: error.and_then(ProviderError::status),
            request_id: error.and_then(|error| error.request_id().map(str::to_owned)),
            took: now.monotonic.since(sent.at),
        }));
    }

    fn dial_failed(&mut self, slot: Slot, sent: Sent, error: &ProviderError, now: Now) {
        let (kind, detail) = (error.kind(), error.detail().to_owned());
        self.dial_counts_as_failed(slot, error, now);
        #[cfg(feature = "mutations")]
        if self.policy.mutation == Some(crate::policy::Mutation::RedialInDoubt) && error.class() == Class::InDoubt {
            self.retry(slot, &sent, kind, detail, Duration::from_secs(1), now);
            return;
        }
        match error.class() {
            Class::InDoubt => self.doubt(slot, sent, DoubtCause::Provider(kind), detail, now),
            Class::Retryable { after } => {
                let record = self.record(slot);
                let elapsed =
                    now.monotonic.since(record.turned().and_then(|turned| turned.first_sent).unwrap_or(sent.at));
                match record.request.policies.dial.next_send(record.sends, after, elapsed) {
                    Some(delay) => self.retry(slot, &sent, kind, detail, delay, now),
                    None => self.not_dialled(slot, &sent, kind, detail, now),
                }
            }
            Class::Permanent => self.not_dialled(slot, &sent, kind, detail, now),
        }
    }

    fn retry(&mut self, slot: Slot, sent: &Sent, kind: FailureKind, detail: String, delay: Duration, now: Now) {
        let at = now.monotonic.after(delay);
        let attempt = sent.attempt.clone();
        self.write(slot, CallEvent::DialNotExecuted { attempt, kind, detail: detail.clone() }, now);
        self.dial_resolved(slot, &sent.attempt, now);
        self.return_permit(slot);
        let record = self.record_mut(slot);
        record.step = Step::Retry(at);
        let (call, expires) = (record.request.id.clone(), record.expires);
        if self.stopping != Stopping::No {
            self.withdraw_for_stop(slot, now);
            return;
        }
        if expires.is_some_and(|expires| expires <= at) {
            self.expire(slot, now);
            return;
        }
        self.outbox.push(Effect::Tell(Notice::RetryScheduled { call, after: delay, detail }));
        self.wake_call_at(slot, at);
    }

    fn not_dialled(&mut self, slot: Slot, sent: &Sent, kind: FailureKind, detail: String, now: Now) {
        self.write(slot, CallEvent::DialFailed { attempt: sent.attempt.clone(), kind, detail }, now);
        self.dial_resolved(slot, &sent.attempt, now);
        self.end(slot, now);
    }

    /// Nobody knows whether the dial was executed: its number stays pinned, its permit stays out, and it is
    /// looked up until it is found or the window ends. It is never sent again.
    pub(super) fn doubt(&mut self, slot: Slot, sent: Sent, cause: DoubtCause, detail: String, now: Now) {
        let held_until = sent.at.max(sent.not_after).after(self.lateness_of(slot));
        let number = self.record(slot).at.clone();
        self.stop_dialling(slot, &number);
        self.desk(&number).line.unpin(&sent.attempt, Some(held_until));
        self.wake_line_at(&number, Some(held_until));
        self.dirty.insert(number);
        self.write(slot, CallEvent::DialDoubted { attempt: sent.attempt.clone(), cause, detail }, now);
        let record = self.record_mut(slot);
        let due = record.request.policies.look_up.due(0).map(|after| now.monotonic.after(after));
        let doubt = Doubt { sent, since: now.monotonic, done: 0, due, failed: 0, trouble: None };
        record.step = Step::Evidence(Box::new(doubt));
        if let Some(due) = due {
            self.wake_call_at(slot, due);
        }
    }

    pub(super) fn look_up(&mut self, slot: Slot) {
        let record = self.record_mut(slot);
        let Step::Evidence(doubt) = &mut record.step else { return };
        doubt.due = None;
        let last = record.request.policies.look_up.due(doubt.done + 1).is_none();
        let own = record.request.options.user_id.as_ref();
        let look_up = LookUp {
            attempt: doubt.sent.attempt.clone(),
            user_id: own.map_or_else(|| doubt.sent.attempt.to_string(), |user| user.as_str().to_owned()),
            unique: own.is_none(),
            sent_at: doubt.sent.wall,
            to: record.request.to,
            last,
        };
        self.outbox.push(Effect::LookUp(slot, look_up));
    }

    pub(super) fn looked_up(
        &mut self,
        slot: Slot,
        attempt: &AttemptId,
        answer: Result<Option<Conversation>, ProviderError>,
        now: Now,
    ) {
        let Some(record) = self.calls.get_mut(&slot) else { return };
        let Step::Evidence(doubt) = &mut record.step else { return };
        if doubt.sent.attempt != *attempt {
            return;
        }
        doubt.done += 1;
        let (count, since) = (doubt.done, doubt.since);
        if let Err(error) = &answer {
            doubt.failed += 1;
            doubt.trouble = Some(error.detail().to_owned());
        }
        let outcome = match &answer {
            Ok(Some(_)) => LookUpOutcome::Found,
            Ok(None) => LookUpOutcome::NotFound,
            Err(error) => LookUpOutcome::Failed { detail: error.detail().to_owned() },
        };
        let found = answer.unwrap_or(None);
        let next = match &found {
            Some(_) => None,
            None => record.request.policies.look_up.due(count).map(|after| since.after(after).max(now.monotonic)),
        };
        doubt.due = next;
        let call = record.request.id.clone();
        self.outbox.push(Effect::Tell(Notice::LookedUp {
            call,
            attempt: attempt.clone(),
            count,
            outcome,
            next: next.map(|at| at.since(now.monotonic)),
        }));
        match (found, next) {
            (Some(conversation), _) => {
                let provider_call_id = conversation.phone_call.as_ref().and_then(|call| call.provider_call_id.clone());
                let known = (conversation.id.clone(), provider_call_id, FoundBy::LookUp);
                self.initiated(slot, attempt, known, Some(&conversation), now);
            }
            (None, Some(at)) => self.wake_call_at(slot, at),
            (None, None) => self.give_up(slot, now),
        }
    }

    /// The look-ups have ended: the outcome stays unknown, unless the call's policy asks for another dial. The pin stays
    /// until the dial can no longer take effect.
    pub(super) fn give_up(&mut self, slot: Slot, now: Now) {
        let record = self.record(slot);
        let Step::Evidence(doubt) = &record.step else { return };
        let (attempt, detail) = (doubt.sent.attempt.clone(), doubt.summary());
        let held_until = doubt.sent.at.max(doubt.sent.not_after).after(self.lateness_of(slot));
        let again = record.request.policies.dial.guarantee == Guarantee::AtLeastOnce && !record.redialled;
        if again && self.stopping == Stopping::No {
            self.redial(slot, attempt, detail, held_until, now);
            return;
        }
        if self.policy.live_max.is_some() && held_until > now.monotonic {
            self.linger(slot, held_until);
        }
        let at = self.record(slot).at.clone();
        let held = self.desk(&at).line.pins().holds(&attempt);
        self.write(slot, CallEvent::LookUpsEnded { attempt: attempt.clone(), detail }, now);
        if !held {
            self.resolve(attempt);
        }
        self.end(slot, now);
    }

    /// Dials once more, as the call's policy asks in so many words, when the first dial can no longer take effect.
    fn redial(&mut self, slot: Slot, attempt: AttemptId, detail: String, held_until: Instant, now: Now) {
        self.write(slot, CallEvent::DialGivenUp { attempt, detail }, now);
        if self.live.drop_hold(slot) {
            self.linger(slot, held_until);
        }
        self.return_permit(slot);
        let at = held_until.max(now.monotonic);
        let record = self.record_mut(slot);
        record.redialled = true;
        record.step = Step::Retry(at);
        self.wake_call_at(slot, at);
    }

    fn initiated(
        &mut self,
        slot: Slot,
        attempt: &AttemptId,
        (conversation, provider_call_id, found_by): (ConversationId, Option<ProviderCallId>, FoundBy),
        record_of_it: Option<&Conversation>,
        now: Now,
    ) {
        let event = CallEvent::CallInitiated {
            attempt: attempt.clone(),
            conversation: conversation.clone(),
            provider_call_id,
            found_by,
        };
        self.write(slot, event, now);
        self.dial_resolved(slot, attempt, now);
        let permit = self.take_permit(slot);
        self.dial_counts_as_placed(slot, now);
        self.record_mut(slot).turned_mut().ended_at = Some(now.monotonic);
        self.leave(slot);
        self.follow(&conversation, permit, now);
        self.prove(slot, conversation, record_of_it, now);
    }

    /// The dial can no longer take effect, or will have settled after the call's `settle_after_post`.
    pub(super) fn dial_resolved(&mut self, slot: Slot, attempt: &AttemptId, now: Now) {
        let record = self.record(slot);
        let (number, until) = (record.at.clone(), record.settle_until(now.monotonic));
        self.stop_dialling(slot, &number);
        self.restless |= self.live.drop_hold(slot);
        self.desk(&number).line.unpin(attempt, until);
        match until {
            Some(_) => self.wake_line_at(&number, until),
            None => self.resolve(attempt.clone()),
        }
        self.dirty.insert(number);
    }

    /// How long after it was sent the dial of a call may still take effect. Where a call may have been handed in by another
    /// process, it may ring longer than this one's own, and its number may have to settle for longer.
    pub(super) fn lateness_of(&self, slot: Slot) -> Duration {
        let record = self.record(slot);
        if self.sharing.is_none() {
            return self.policy.lateness;
        }
        let ringing = Duration::from_secs(record.request.options.ringing_timeout.seconds().into());
        let settle = record.request.policies.settle_after_post;
        self.policy.lateness.max(ringing.saturating_add(DIAL_MARGIN).saturating_add(settle))
    }

    pub(super) fn return_permit(&mut self, slot: Slot) {
        if let Some(permit) = self.take_permit(slot) {
            self.outbox.push(Effect::ReturnPermit(permit));
        }
    }

    pub(super) fn take_permit(&mut self, slot: Slot) -> Option<Permit> {
        let record = self.record_mut(slot);
        record.turned()?;
        record.turned_mut().permit.take()
    }

    /// The call has failed: what it held is given back.
    pub(super) fn end(&mut self, slot: Slot, now: Now) {
        self.return_permit(slot);
        self.record_mut(slot).turned_mut().ended_at = Some(now.monotonic);
        self.leave(slot);
        self.conclude(slot);
    }
}
