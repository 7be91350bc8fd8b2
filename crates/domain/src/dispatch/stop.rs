//! Taking calls back, and stopping.

use crate::dispatch::Dispatcher;
use crate::dispatch::assign::MAY_BE_ASSIGNED;
use crate::dispatch::effect::{Effect, Slot};
use crate::dispatch::record::Step;
use crate::error::FailureKind;
use crate::flow::{CallEvent, DoubtCause, WithdrawReason};
use crate::ids::{CallId, PhoneNumberId};
use crate::time::Now;

/// Whether anything new may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stopping {
    /// It may.
    No,
    /// No dial is sent any more; what is in doubt is looked up, and numbers are given back.
    Interrupted,
    /// Nothing is sent any more.
    Abandoned,
}

impl Dispatcher {
    pub(super) fn cancel(&mut self, call: &CallId, now: Now) {
        if let Some(slot) = self.slots.get(call).copied() {
            self.withdraw(slot, WithdrawReason::Cancelled, "the call was cancelled before it was dialled", now);
        }
    }

    pub(super) fn withdraw_for_stop(&mut self, slot: Slot, now: Now) {
        if self.sharing.is_some() {
            self.hand_back(slot);
            return;
        }
        self.withdraw(slot, WithdrawReason::ShutDown, "no more calls are dialled", now);
    }

    /// Takes a call back where no dial of it is open. What may have been sent is left alone.
    pub(super) fn withdraw(&mut self, slot: Slot, reason: WithdrawReason, detail: &str, now: Now) {
        let mut detail = detail.to_owned();
        match self.record(slot).step.clone() {
            Step::Assignment => detail.push_str(MAY_BE_ASSIGNED),
            Step::Verification | Step::Line | Step::Retry(_) => {}
            Step::Permit => self.outbox.push(Effect::DropPermit(slot)),
            Step::Intent(attempt, _) => {
                // The journal has not answered, so the dial was not released.
                let detail = "the call was taken back before its dial was sent".to_owned();
                let kind = FailureKind::NotBuilt;
                self.write(slot, CallEvent::DialNotExecuted { attempt: attempt.clone(), kind, detail }, now);
                self.dial_resolved(slot, &attempt, now);
            }
            Step::Answer(_) | Step::Evidence(_) | Step::Proof(_) | Step::Restore => return,
        }
        self.write(slot, CallEvent::CallWithdrawn { reason, detail }, now);
        self.end(slot, now);
    }

    /// Takes a call back that was not dialled by the time it was wanted.
    pub(super) fn expire(&mut self, slot: Slot, now: Now) {
        if self.calls.contains_key(&slot) {
            self.withdraw(slot, WithdrawReason::Expired, "the call was not dialled by the time it was wanted", now);
        }
    }

    /// No more calls will come: what is still to be proved by pages is read once more when the last has ended.
    pub(super) fn drain(&mut self) {
        self.audit.drain();
    }

    pub(super) fn shut_down(&mut self, now: Now) {
        if self.stopping == Stopping::No {
            self.stopping = Stopping::Interrupted;
        }
        for slot in self.all_calls() {
            self.withdraw_for_stop(slot, now);
        }
    }

    pub(super) fn interrupt(&mut self, now: Now) {
        if self.stopping == Stopping::No {
            self.stopping = Stopping::Interrupted;
        }
        for slot in self.all_calls() {
            if let Step::Answer(sent) = self.record(slot).step.clone() {
                self.outbox.push(Effect::DropDial(slot));
                let detail = "the request was dropped while it was open".to_owned();
                self.doubt(slot, *sent, DoubtCause::Interrupted, detail, now);
            } else if self.sharing.is_some() {
                self.hand_back(slot);
            } else {
                self.withdraw(slot, WithdrawReason::Cancelled, "interrupted before the call was dialled", now);
            }
        }
    }

    pub(super) fn abandon(&mut self, now: Now) {
        self.interrupt(now);
        self.stopping = Stopping::Abandoned;
        self.audit.abandon();
        for slot in self.all_calls() {
            let step = &self.record(slot).step;
            if let Step::Evidence(_) = step {
                self.give_up(slot, now);
            } else if let Step::Proof(proving) = step {
                let proof = proving.best.clone();
                self.write(slot, CallEvent::ProofRead { proof }, now);
                self.conclude(slot);
            }
        }
        let numbers: Vec<PhoneNumberId> = self.desks.keys().cloned().collect();
        for number in numbers {
            let desk = self.desk(&number);
            if desk.line.owes_restore() {
                let detail = "the dispatcher was stopped before the number was given back".to_owned();
                let outcome = desk.line.restore_failed(detail);
                self.restored(&number, outcome);
            }
        }
    }

    fn all_calls(&self) -> Vec<Slot> {
        self.calls.keys().copied().collect()
    }
}
