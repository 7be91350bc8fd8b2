//! Giving back what is shared: calls that are not dialled here, and numbers that are not needed any more.

use std::collections::BTreeSet;

use crate::dispatch::effect::{Effect, Slot, Ticket};
use crate::dispatch::record::{Record, Step};
use crate::dispatch::sharing::{LAST_TRIES, Serves};
use crate::dispatch::stop::Stopping;
use crate::dispatch::{Desk, Dispatcher, TimerKey};
use crate::ids::PhoneNumberId;
use crate::notice::Notice;
use crate::ports::{Release, StoreUnavailable};
use crate::request::NumberChoice;
use crate::time::{Instant, Now};

impl Dispatcher {
    /// Hands a call back that this process cannot place for now, and leaves others the time to take it.
    pub(super) fn send_elsewhere(&mut self, slot: Slot, now: Now) {
        self.hand_back(slot);
        if let Some(sharing) = &mut self.sharing {
            sharing.not_before = sharing.not_before.max(now.monotonic.after(sharing.policy.look_again_after));
        }
    }

    /// Stops taking calls, hands back what is not dialled, and gives the numbers back when all else has ended.
    pub(super) fn leave_store(&mut self) {
        let Some(sharing) = &mut self.sharing else { return };
        sharing.serves = Serves::Leaving;
        sharing.not_before = Instant::default();
        self.hand_back_all(|_| true);
        let held = self.desks.iter().filter(|(_, desk)| desk.held.is_some());
        let held: Vec<PhoneNumberId> = held.map(|(number, _)| number.clone()).collect();
        for number in held {
            self.give_up_number(&number);
        }
    }

    /// Whether everything that is shared has been given back, where that is awaited.
    pub(super) fn has_left(&self) -> bool {
        self.sharing.as_ref().is_none_or(|sharing| {
            let holding = sharing.claiming.is_some() || self.desks.values().any(|desk| desk.held.is_some());
            !sharing.is_leaving() || sharing.tries >= LAST_TRIES || !(holding || sharing.has_something_to_give_back())
        })
    }

    /// A claim may bring calls for numbers that were let go while it was under way.
    pub(super) fn hand_back_what_has_no_number(&mut self) {
        let held = self.desks.iter().filter(|(_, desk)| desk.held.is_some());
        let held: BTreeSet<PhoneNumberId> = held.map(|(number, _)| number.clone()).collect();
        self.hand_back_all(|numbers| !numbers.iter().any(|number| held.contains(number)));
    }

    /// Another process has the number: what was not dialled goes on there.
    pub(super) fn lease_lost(&mut self, number: &PhoneNumberId) {
        if self.desk(number).held.take().is_none() {
            return;
        }
        self.outbox.push(Effect::Tell(Notice::NumberLost { number: number.clone() }));
        self.hand_back_all(|numbers| numbers.contains(number));
        self.leave_restore_to_others(number);
        if self.desk(number).open_session().is_some() {
            self.close(number);
        }
        self.nudge(false);
    }

    /// Whoever has the number next gives it back, and ends the calls that wait for that.
    pub(super) fn leave_restore_to_others(&mut self, number: &PhoneNumberId) {
        let waits = |record: &Record| record.at == *number && record.step == Step::Restore;
        let waiting = self.calls.iter().filter(|(_, record)| waits(record));
        let waiting: Vec<Slot> = waiting.map(|(slot, _)| *slot).collect();
        for slot in waiting {
            self.forget(slot);
        }
    }

    /// Begins nothing new on the number, and gives it back when what is under way has ended.
    pub(super) fn give_up_number(&mut self, number: &PhoneNumberId) {
        let Some(desk) = self.desks.get_mut(number) else { return };
        let Some(held) = &mut desk.held else { return };
        held.returning = true;
        if desk.open_session().is_some() {
            self.close(number);
        }
    }

    /// Hands back every call that is not dialled and whose numbers are meant.
    pub(super) fn hand_back_all(&mut self, meant: impl Fn(&NumberChoice) -> bool) {
        let calls = self.calls.iter().filter(|(_, record)| meant(&record.request.numbers));
        let calls: Vec<Slot> = calls.map(|(slot, _)| *slot).collect();
        for slot in calls {
            self.hand_back(slot);
        }
    }

    /// Hands a call back that is not dialled: it waits in the store again, with its history.
    pub(super) fn hand_back(&mut self, slot: Slot) {
        let Some(record) = self.calls.get(&slot) else { return };
        match record.step {
            Step::Verification | Step::Line | Step::Retry(_) | Step::Assignment => {}
            Step::Permit => self.outbox.push(Effect::DropPermit(slot)),
            Step::Intent(..) | Step::Answer(_) | Step::Evidence(_) | Step::Proof(_) | Step::Restore => return,
        }
        self.forget(slot);
    }

    /// Drops a call of which the store knows more than this process, or which is to wait there: whoever takes it goes
    /// on from its history.
    pub(super) fn forget(&mut self, slot: Slot) {
        let Some(record) = self.calls.get(&slot) else { return };
        let (call, number) = (record.request.id.clone(), record.at.clone());
        let open = match &record.step {
            Step::Answer(sent) => {
                let until = sent.at.max(sent.not_after).after(self.lateness_of(slot));
                Some((sent.attempt.clone(), Some(until)))
            }
            // It is not sent, and not resolved either: whoever goes on with the call may use the same id.
            Step::Intent(attempt, _) => Some((attempt.clone(), None)),
            Step::Verification
            | Step::Line
            | Step::Assignment
            | Step::Permit
            | Step::Retry(_)
            | Step::Evidence(_)
            | Step::Proof(_)
            | Step::Restore => None,
        };
        if let Some((attempt, until)) = open {
            self.desk(&number).line.unpin(&attempt, until);
            self.wake_line_at(&number, until);
        }
        let placed = matches!(self.record(slot).step, Step::Proof(_) | Step::Restore);
        self.return_permit(slot);
        if !placed {
            self.leave(slot);
        }
        if let Some(record) = self.calls.remove(&slot) {
            self.slots.remove(&call);
            if let Some(expires) = record.expires {
                self.timers.remove(&(expires, TimerKey::Expiry(slot)));
            }
        }
        if let Some(sharing) = &mut self.sharing {
            sharing.calls.insert(call.clone());
            sharing.after = Ticket(self.tickets);
        }
        self.outbox.push(Effect::Tell(Notice::HandedBack { call }));
    }

    pub(super) fn released(&mut self, answer: &Result<(), StoreUnavailable>, now: Now) {
        let Some(sharing) = &mut self.sharing else { return };
        let Some((numbers, calls)) = sharing.releasing.take() else { return };
        match answer {
            Ok(()) => {
                sharing.tries = 0;
                for number in numbers.keys() {
                    self.outbox.push(Effect::Tell(Notice::NumberReleased { number: number.clone() }));
                }
                self.store_answered();
            }
            Err(why) => {
                sharing.tries += u32::from(sharing.is_leaving());
                // What was taken again meanwhile stays.
                let still = |number: &PhoneNumberId| self.desks.get(number).is_none_or(|desk| desk.held.is_none());
                sharing.numbers.extend(numbers.into_iter().filter(|(number, _)| still(number)));
                let known = &self.slots;
                sharing.calls.extend(calls.into_iter().filter(|call| !known.contains_key(call)));
                sharing.release_at = now.monotonic.after(sharing.policy.retry_after);
                self.store_trouble(why);
            }
        }
    }

    /// A call whose dial was not sent after all does not wait for a number that is being given back.
    pub(super) fn hand_back_what_waits(&mut self) {
        let returning = |desk: &Desk| desk.held.is_some_and(|held| held.returning);
        let returning = self.desks.iter().filter(|(_, desk)| returning(desk));
        let returning: BTreeSet<PhoneNumberId> = returning.map(|(number, _)| number.clone()).collect();
        if self.sharing.as_ref().is_some_and(|sharing| sharing.is_leaving()) {
            self.hand_back_all(|_| true);
        } else if !returning.is_empty() {
            self.hand_back_all(|numbers| numbers.iter().any(|number| returning.contains(number)));
        }
    }

    /// Numbers that no call needs are given back when their leases would be prolonged, and at once by one who leaves.
    pub(super) fn let_idle_numbers_go(&mut self, now: Now) {
        let Some(sharing) = &self.sharing else { return };
        let due = sharing.renewing.is_none() && sharing.renew_at.is_some_and(|at| at <= now.monotonic);
        // Calls that wait for proof by pages are this process's as long as it holds a number.
        // So do those whose conversations are followed: their permits are kept as long.
        let follows = self.live.followed().next().is_some();
        let needed = |number: &PhoneNumberId| follows || self.is_open(number) || self.audit.waits_for(number);
        let needless = |number: &PhoneNumberId| due && !needed(number) && sharing.claiming.is_none() && !sharing.stale;
        let leaving = sharing.is_leaving();
        let gone = self.desks.iter().filter(|(number, desk)| {
            let Some(held) = desk.held else { return false };
            let quiet = desk.in_flight.is_empty() && desk.served.is_none() && desk.line.is_quiet();
            let gives_up = leaving && held.until <= now.monotonic || self.stopping == Stopping::Abandoned;
            let owes = desk.line.owes_restore() && !gives_up;
            quiet && !owes && (held.returning || needless(number))
        });
        let gone: Vec<PhoneNumberId> = gone.map(|(number, _)| number.clone()).collect();
        for number in gone {
            let Some(held) = self.desk(&number).held.take() else { continue };
            if self.desk(&number).open_session().is_some() {
                self.close(&number);
            }
            self.hand_back_all(|numbers| numbers.contains(&number));
            self.leave_restore_to_others(&number);
            if let Some(sharing) = &mut self.sharing {
                sharing.numbers.insert(number, held.epoch);
                sharing.after = Ticket(self.tickets);
            }
        }
    }

    pub(super) fn plan_release(&mut self, now: Now) {
        let written = self.commits.front().map_or(self.tickets, |(ticket, _)| ticket.0 - 1);
        let Some(sharing) = &mut self.sharing else { return };
        let nothing = sharing.numbers.is_empty() && sharing.calls.is_empty();
        if nothing || sharing.releasing.is_some() || written < sharing.after.0 || sharing.tries >= LAST_TRIES {
            return;
        }
        if sharing.release_at > now.monotonic {
            self.timers.insert((sharing.release_at, TimerKey::Sharing));
            return;
        }
        let (numbers, calls) = (std::mem::take(&mut sharing.numbers), std::mem::take(&mut sharing.calls));
        let seen = numbers.keys().filter_map(|number| self.desks.get(number)?.line.seen(now.monotonic)).collect();
        let since_told = now.monotonic.since(sharing.told_at).min(self.policy.verified_for);
        let agents = self.agents.all(now.monotonic, since_told);
        let release = Release {
            numbers: numbers.iter().map(|(number, epoch)| (number.clone(), *epoch)).collect(),
            calls: calls.iter().cloned().collect(),
            agents,
            seen,
        };
        if let Some(sharing) = &mut self.sharing {
            sharing.told_at = now.monotonic;
            sharing.releasing = Some((numbers, calls));
        }
        self.outbox.push(Effect::Release(Box::new(release)));
    }
}
