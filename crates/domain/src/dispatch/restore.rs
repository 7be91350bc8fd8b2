//! Giving numbers back: read, compare, assign to whom it was, and try again where that fails.

use std::time::Duration;

use crate::dispatch::Dispatcher;
use crate::dispatch::desk::GivingBack;
use crate::dispatch::effect::{Effect, Slot};
use crate::dispatch::journal::Release;
use crate::dispatch::record::Step;
use crate::error::{Class, ProviderError, Remedy};
use crate::ids::PhoneNumberId;
use crate::line::{Changed, PendingChange, RestoreStep};
use crate::notice::{Notice, RestoreOutcome};
use crate::ports::{Change, IntentKind};
use crate::time::Now;

impl Dispatcher {
    /// Gives the number back, a step at a time. No call needs it now.
    pub(super) fn give_back(&mut self, number: &PhoneNumberId, now: Now) {
        let freshness = self.policy.freshness;
        let desk = self.desk(number);
        if let Some(at) = desk.giving_back.not_before.filter(|at| *at > now.monotonic) {
            self.wake_line_at(number, Some(at));
            return;
        }
        match desk.line.restore_step(now.monotonic, freshness) {
            RestoreStep::Nothing | RestoreStep::Wait { until: None } => {}
            RestoreStep::Wait { until: Some(until) } => {
                let told = std::mem::replace(&mut desk.giving_back.delay_told, true);
                self.wake_line_at(number, Some(until));
                if !told {
                    let after = until.since(now.monotonic);
                    self.outbox.push(Effect::Tell(Notice::RestoreDelayed { number: number.clone(), after }));
                }
            }
            RestoreStep::Read => {
                desk.line.begin_compare(now.monotonic);
                self.outbox.push(Effect::ReadNumber(number.clone()));
            }
            RestoreStep::Change(agent) => self.begin_change(number, agent, IntentKind::Restore, None, now),
            RestoreStep::Done(outcome) => self.restored(number, outcome),
        }
    }

    pub(super) fn restore_answered(
        &mut self,
        number: &PhoneNumberId,
        change: &PendingChange,
        changed: Changed,
        now: Now,
    ) {
        match changed {
            Changed::Confirmed => self.restored(number, RestoreOutcome::Restored { to: change.agent.clone() }),
            Changed::Different { now: named } => {
                let named = named.map_or_else(|| "nobody".to_owned(), |agent| agent.to_string());
                self.restore_failed(number, &format!("the provider's answer names {named} instead"), None, now);
            }
            Changed::Failed(error) => self.restore_failed(number, error.detail(), Some(&error), now),
        }
    }

    /// Tries again, beginning with a new comparison, unless that is useless or has been tried often enough.
    pub(super) fn restore_failed(
        &mut self,
        number: &PhoneNumberId,
        detail: &str,
        error: Option<&ProviderError>,
        now: Now,
    ) {
        let remedy = error.map_or(Remedy::Retry { after: None }, ProviderError::remedy);
        let useless = error.is_some_and(|error| error.class() == Class::Permanent);
        let policy = self.policy;
        let desk = self.desk(number);
        desk.giving_back.tries += 1;
        let delay = policy.next_assign(desk.giving_back.tries, remedy, 0).filter(|_| !useless);
        let Some(delay) = delay else {
            let outcome = desk.line.restore_failed(detail.to_owned());
            self.restored(number, outcome);
            return;
        };
        desk.line.stop_restore();
        let at = now.monotonic.after(delay.max(Duration::from_millis(1)));
        desk.giving_back.not_before = Some(at);
        self.wake_line_at(number, Some(at));
    }

    /// Settles what became of giving the number back. After a failure, line and journal still remember whom it
    /// belongs to, and the next call that needs the number brings the next try.
    pub(super) fn restored(&mut self, number: &PhoneNumberId, outcome: RestoreOutcome) {
        let desk = self.desk(number);
        desk.giving_back = GivingBack::default();
        let closing = desk.closing.take();
        match &outcome {
            RestoreOutcome::Restored { .. } | RestoreOutcome::LeftAlone { .. } => {
                desk.line.forget();
                self.commit(vec![Change::Forget(number.clone())], Release::Nothing);
            }
            RestoreOutcome::Failed { .. } => desk.line.give_up_restore(),
        }
        self.outbox.push(Effect::Tell(Notice::InboundRestored { number: number.clone(), outcome: outcome.clone() }));
        if let Some(slot) = closing {
            if let Some(record) = self.calls.get_mut(&slot) {
                record.turned_mut().restore = Some(outcome);
            }
            self.restored_for(slot);
        }
    }

    /// Lets a call end that waited only for its number being given back.
    pub(super) fn restored_for(&mut self, slot: Slot) {
        if self.calls.get(&slot).is_some_and(|record| record.step == Step::Restore) {
            self.complete(slot);
        }
    }

    /// Ends a call unless its number still has to be given back.
    pub(super) fn conclude(&mut self, slot: Slot) {
        let at = self.record(slot).at.clone();
        let is_open = self.is_open(&at);
        let desk = self.desk(&at);
        let waits = desk.closing == Some(slot) && desk.line.owes_restore();
        let ours = self.sharing.is_none() || self.desk(&at).held.is_some();
        if waits && ours && !is_open {
            self.record_mut(slot).step = Step::Restore;
            self.dirty.insert(at);
        } else {
            self.complete(slot);
        }
    }
}
