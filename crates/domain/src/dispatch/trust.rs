//! Numbers that cannot be used: they could not be read, somebody else changes them, or other agents than the calls'
//! spoke. Calls that can go nowhere else fail; the others go elsewhere.

use crate::dispatch::Dispatcher;
use crate::dispatch::desk::{TROUBLE_PAUSE, Trouble, Trust};
use crate::dispatch::effect::{Effect, Slot};
use crate::flow::FailureReason;
use crate::ids::{AgentId, CallId, PhoneNumberId};
use crate::notice::Notice;
use crate::request::NumberChoice;
use crate::time::Now;

impl Dispatcher {
    /// The provider's record contradicts a call: its number is not used again before it has been read, and not at all
    /// after too many such records.
    pub(super) fn mismatched(&mut self, call: &CallId, number: &PhoneNumberId, seen: Option<AgentId>, now: Now) {
        let limit = self.policy.mismatches_max;
        let desk = self.desk(number);
        desk.line.quarantine(now.monotonic);
        let stop = desk.trust.mismatch(limit, now.monotonic);
        let (call, told) = (call.clone(), number.clone());
        self.outbox.push(Effect::Tell(Notice::NumberQuarantined { call, number: told, seen }));
        self.dirty.insert(number.clone());
        if stop {
            let detail = "other agents than the calls' have spoken on it; somebody else may be changing it";
            self.stop_number(number, detail, now);
        }
    }

    /// Somebody else has changed who answers the number.
    pub(super) fn changed_by_others(
        &mut self,
        number: &PhoneNumberId,
        was: Option<AgentId>,
        is: Option<AgentId>,
        now: Now,
    ) {
        let limit = self.policy.outside_changes_max;
        let stop = self.desk(number).trust.outside_change(limit, now.monotonic);
        self.outbox.push(Effect::Tell(Notice::OutsideChange { number: number.clone(), was, now: is }));
        if stop {
            self.stop_number(number, "somebody else keeps changing who answers it", now);
        }
    }

    fn stop_number(&mut self, number: &PhoneNumberId, detail: &str, now: Now) {
        if std::mem::replace(&mut self.desk(number).trust.stopped, true) {
            return;
        }
        let detail = detail.to_owned();
        self.outbox.push(Effect::Tell(Notice::NumberStopped { number: number.clone(), detail }));
        self.put_aside(number, now);
    }

    pub(super) fn trust(&mut self, number: &PhoneNumberId) {
        let Some(desk) = self.desks.get_mut(number) else { return };
        if std::mem::take(&mut desk.trust).stopped {
            self.outbox.push(Effect::Tell(Notice::NumberTrusted { number: number.clone() }));
            self.dirty.insert(number.clone());
        }
    }

    /// The number is of no use to any call for now.
    pub(super) fn number_useless(&mut self, number: &PhoneNumberId, reason: FailureReason, detail: String, now: Now) {
        if !self.is_open(number) && self.desk(number).line.is_restoring() {
            self.restore_failed(number, &detail, None, now);
        }
        self.desk(number).trouble = Some(Trouble { since: now.monotonic, reason, detail });
        self.wake_line_at(number, Some(now.monotonic.after(TROUBLE_PAUSE)));
        self.put_aside(number, now);
    }

    /// Ends the number's session, and fails the calls that can be placed from no other.
    pub(super) fn put_aside(&mut self, number: &PhoneNumberId, now: Now) {
        if self.desk(number).open_session().is_some() {
            self.close(number);
        }
        let meant = |choice: &NumberChoice| choice.contains(number);
        let calls = self.queue.all(|_, choice| meant(choice));
        for slot in calls {
            let choice = self.record(slot).request.numbers.clone();
            if let Some((reason, detail)) = self.stranded(&choice, now) {
                self.fail_assignment(slot, reason, detail, now);
            } else if self.is_better_elsewhere(&choice, now) {
                self.send_elsewhere(slot, now);
            }
        }
        self.restless = true;
    }

    /// Why none of the numbers can be used, where that is so.
    pub(super) fn stranded(&self, choice: &NumberChoice, now: Now) -> Option<(FailureReason, String)> {
        let mut why = None;
        for number in choice {
            why = Some(self.out_of_use(number, now)?);
        }
        why
    }

    /// Whether only a number that this process does not have can serve a call: whoever takes it next takes that number.
    pub(super) fn is_better_elsewhere(&self, choice: &NumberChoice, now: Now) -> bool {
        let held = |number: &PhoneNumberId| self.desks.get(number).is_some_and(|desk| desk.held.is_some());
        self.sharing.is_some() && !choice.iter().any(|number| held(number) && self.out_of_use(number, now).is_none())
    }

    fn out_of_use(&self, number: &PhoneNumberId, now: Now) -> Option<(FailureReason, String)> {
        let desk = self.desks.get(number)?;
        let Trust { stopped, .. } = desk.trust;
        if stopped {
            let detail = format!("the number {number} was stopped: somebody else may be changing who answers it");
            return Some((FailureReason::NumberStopped, detail));
        }
        if let Some(trouble) = desk.trouble.as_ref().filter(|_| desk.is_out_of_use(now.monotonic)) {
            return Some((trouble.reason.clone(), trouble.detail.clone()));
        }
        let breaker = self.number_breakers.get(number)?;
        let hopeless = breaker.is_hopeless(&self.policy.breaker, now.monotonic);
        hopeless.then(|| (FailureReason::NumberFailing, format!("calls from the number {number} keep failing")))
    }

    /// Lets the numbers of a call be tried again that could not be read before it came, where it has no others.
    pub(super) fn retrust_for(&mut self, slot: Slot) {
        let record = self.record(slot);
        let (choice, since) = (record.request.numbers.clone(), record.since);
        let unused = |number: &PhoneNumberId| {
            self.desks.get(number).is_some_and(|desk| desk.trouble.is_some() || desk.trust.stopped)
        };
        if !choice.iter().all(unused) {
            return;
        }
        for number in &choice {
            self.desk(number).trouble.take_if(|trouble| trouble.since < since);
        }
    }
}
