//! Writing down: events become journal entries, and the journal's answers release what waits for them.

use crate::dispatch::effect::{Effect, Slot, Ticket};
use crate::dispatch::{Dispatcher, Step};
use crate::error::{FailureKind, JournalError, ProviderError};
use crate::flow::{CallEvent, CallState, WithdrawReason};
use crate::ids::{AttemptId, CallId, PhoneNumberId};
use crate::ports::{Change, Entry, Intent, Recorded};
use crate::time::{Instant, Now};

/// What the journal's answer to an entry concerns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Release {
    /// A fact about a call; nothing waits for it.
    Fact(Slot),
    /// A call's intent to dial; the dial waits for it.
    Dial(Slot),
    /// A number's intent to be changed; the change waits for it, and is not sent after this.
    Change(PhoneNumberId, AttemptId, Instant),
    /// Housekeeping; nothing waits for it.
    Nothing,
}

impl Dispatcher {
    /// Applies the event to the call and writes it down.
    ///
    /// # Panics
    /// Where the flow does not allow the event: the dispatcher would be wrong about its own call.
    pub(super) fn write(&mut self, slot: Slot, event: CallEvent, now: Now) {
        let record = self.record_mut(slot);
        let state = std::mem::replace(&mut record.state, CallState::requested()).apply(&event);
        record.state = state.expect("the dispatcher writes only what the call's state allows");
        self.append(slot, event, now);
    }

    /// Writes an event down that the call's state has taken in, or that opens its history.
    pub(super) fn append(&mut self, slot: Slot, event: CallEvent, now: Now) {
        let record = self.record_mut(slot);
        if record.unjournalled {
            return;
        }
        let expected = record.version;
        record.version += 1;
        let recorded = Recorded { version: record.version, at: now.wall, event };
        let call = record.request.id.clone();
        if let Some(Effect::Commit(_, entry)) = self.outbox.last_mut()
            && let Some(Change::Append { call: last, events, .. }) = entry.changes.last_mut()
            && *last == call
        {
            events.push(recorded);
            return;
        }
        let change = Change::Append { call, expected, events: vec![recorded] };
        self.commit(vec![change], Release::Fact(slot));
    }

    /// Adds the call's intent to dial to the entry that was just begun for it.
    ///
    /// # Panics
    /// Where no entry was begun: an intent belongs to the event that announces it.
    pub(super) fn intend_dial(&mut self, slot: Slot, intent: Intent) {
        let Some(Effect::Commit(ticket, entry)) = self.outbox.last_mut() else {
            unreachable!("the event of the intent was just written");
        };
        entry.changes.push(Change::Intend(intent));
        let ticket = *ticket;
        let last = self.commits.back_mut().filter(|(last, _)| *last == ticket);
        let (_, release) = last.expect("the last effect is the last entry that was begun");
        *release = Release::Dial(slot);
    }

    pub(super) fn commit(&mut self, changes: Vec<Change>, release: Release) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.commits.push_back((ticket, release));
        self.outbox.push(Effect::Commit(ticket, Entry { changes }));
    }

    /// Notes that nothing is left to be done for a call: in its last entry, where that has just been decided.
    pub(super) fn close_call(&mut self, call: CallId) {
        let last = self.outbox.iter_mut().rev().find_map(Effect::entry_mut);
        match last.filter(|entry| entry.calls().any(|other| *other == call)) {
            Some(entry) => entry.changes.push(Change::Close(call)),
            None => self.commit(vec![Change::Close(call)], Release::Nothing),
        }
    }

    /// Closes the intent of a request that can no longer take effect.
    pub(super) fn resolve(&mut self, attempt: AttemptId) {
        if let Some(Effect::Commit(_, entry)) = self.outbox.last_mut() {
            entry.changes.push(Change::Resolve(attempt));
        } else {
            self.commit(vec![Change::Resolve(attempt)], Release::Nothing);
        }
    }

    pub(super) fn committed(&mut self, ticket: Ticket, answer: Result<(), JournalError>, now: Now) {
        let found = self.commits.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok();
        let release = found.and_then(|index| self.commits.remove(index)).map(|(_, release)| release);
        match (release, answer) {
            (Some(Release::Dial(slot)), Ok(())) => self.send_dial(slot, now),
            (Some(Release::Change(number, attempt, not_after)), Ok(())) => {
                self.send_change(&number, &attempt, not_after, now);
            }
            (Some(Release::Dial(slot) | Release::Fact(slot)), Err(error)) => self.unjournalled(slot, &error, now),
            (Some(Release::Change(number, attempt, _)), Err(error)) => {
                let detail = format!("nothing was sent: {error}");
                let refused = ProviderError::permanent(FailureKind::NotBuilt, detail);
                self.change_unsent(&number, &attempt, refused, now);
                if let JournalError::Fenced { .. } = error {
                    self.fenced(now);
                }
            }
            (Some(Release::Fact(_)), Ok(())) | (Some(Release::Nothing) | None, _) => {}
        }
    }

    fn unjournalled(&mut self, slot: Slot, error: &JournalError, now: Now) {
        if self.sharing.is_some() {
            self.audit.forget(slot);
        }
        let Some(record) = self.calls.get_mut(&slot) else { return };
        if self.sharing.is_some() {
            // The store knows better: whoever takes the call goes on from there.
            self.forget(slot);
            if let JournalError::Fenced { .. } = error {
                self.fenced(now);
            }
            return;
        }
        record.unjournalled = true;
        let sent = match &record.step {
            Step::Answer(_) | Step::Evidence(_) | Step::Proof(_) | Step::Restore => true,
            Step::Verification | Step::Line | Step::Assignment | Step::Permit | Step::Intent(..) | Step::Retry(_) => {
                false
            }
        };
        if sent {
            return;
        }
        match error {
            JournalError::Conflict { .. } | JournalError::Fenced { .. } => {
                self.withdraw(slot, WithdrawReason::Superseded, &format!("nothing was dialled here: {error}"), now);
            }
            JournalError::Unavailable { .. } => {
                self.withdraw(slot, WithdrawReason::Journal, &format!("nothing was dialled: {error}"), now);
            }
        }
    }
}
