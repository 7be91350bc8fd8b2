//! Sharing numbers with other processes through a store (`scheduling.md` 4.3): leases are taken, prolonged and given
//! back, calls are claimed and handed back.
//!
//! Without a lease that holds nothing is sent on a number. What a process has not dialled belongs to the store: it may
//! be handed back at any time, and goes on elsewhere from its history.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::dispatch::effect::{Effect, Slot, Ticket};
use crate::dispatch::record::{Record, Step};
use crate::dispatch::{Desk, Dispatcher, TimerKey};
use crate::ids::{AttemptId, CallId, PhoneNumberId};
use crate::notice::Notice;
use crate::policy::SharingPolicy;
use crate::ports::{Claim, Claimed, Release, Renewed, StoreUnavailable, Taken};
use crate::request::NumberChoice;
use crate::time::{Instant, Now};

/// How often giving back is tried before a process that leaves lets its leases run out.
const LAST_TRIES: u32 = 3;

/// The lease of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) epoch: u64,
    /// Nothing is sent on the number after this.
    pub(super) until: Instant,
    /// It is to be given back: nothing new begins on it.
    pub(super) returning: bool,
}

/// Which numbers a process serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Serves {
    /// None yet.
    Nothing,
    /// None any more: what it has is given back.
    Leaving,
    All,
    Only(BTreeSet<PhoneNumberId>),
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sharing {
    policy: SharingPolicy,
    serves: Serves,
    claims: u64,
    answered: u64,
    claiming: Option<Instant>,
    /// Something may have changed since the last claim.
    stale: bool,
    /// More calls wait for the numbers that are held.
    more: bool,
    /// No claim before this.
    not_before: Instant,
    /// When it is looked again without a reason.
    look_again: Option<Instant>,
    renewing: Option<Instant>,
    renew_at: Option<Instant>,
    /// Requests whose intents the store has not answered, with the epochs that they were decided under.
    intended: BTreeMap<AttemptId, u64>,
    /// Numbers that were let go, with their epochs.
    numbers: BTreeMap<PhoneNumberId, u64>,
    /// Calls that were let go.
    calls: BTreeSet<CallId>,
    /// They are given back when the journal has answered this.
    after: Ticket,
    releasing: Option<(BTreeMap<PhoneNumberId, u64>, BTreeSet<CallId>)>,
    release_at: Instant,
    tries: u32,
    in_trouble: bool,
}

impl Sharing {
    pub(super) fn new(policy: SharingPolicy) -> Self {
        Self {
            policy,
            serves: Serves::Nothing,
            claims: 0,
            answered: 0,
            claiming: None,
            stale: false,
            more: false,
            not_before: Instant::default(),
            look_again: None,
            renewing: None,
            renew_at: None,
            intended: BTreeMap::new(),
            numbers: BTreeMap::new(),
            calls: BTreeSet::new(),
            after: Ticket(0),
            releasing: None,
            release_at: Instant::default(),
            tries: 0,
            in_trouble: false,
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.serves == Serves::Leaving
    }

    fn has_something_to_give_back(&self) -> bool {
        self.releasing.is_some() || !self.numbers.is_empty() || !self.calls.is_empty()
    }

    fn until(&self, asked: Instant) -> Instant {
        asked.after(self.policy.ttl.saturating_sub(self.policy.margin))
    }
}

impl Dispatcher {
    /// Whether requests may be sent on the number now, as far as other processes are concerned.
    pub(super) fn holds(&self, number: &PhoneNumberId, now: Instant) -> bool {
        #[cfg(feature = "mutations")]
        if self.policy.mutation == Some(crate::policy::Mutation::NoLeaseCheck) {
            return self.sharing.is_none() || self.desks.get(number).is_some_and(|desk| desk.held.is_some());
        }
        self.sharing.is_none()
            || self.desks.get(number).is_some_and(|desk| desk.held.is_some_and(|held| now < held.until))
    }

    /// The epoch under which requests are sent on the number; 0 where it is not shared.
    fn epoch(&self, number: &PhoneNumberId) -> u64 {
        self.desks.get(number).and_then(|desk| desk.held).map_or(0, |held| held.epoch)
    }

    /// The epoch under which a request is going to be sent.
    pub(super) fn epoch_for(&mut self, number: &PhoneNumberId, attempt: &AttemptId) -> u64 {
        let epoch = self.epoch(number);
        if let Some(sharing) = &mut self.sharing {
            sharing.intended.insert(attempt.clone(), epoch);
        }
        epoch
    }

    /// Whether the number's lease is still the one under which the request was decided. Asked once, when it is sent.
    pub(super) fn is_of_this_lease(&mut self, number: &PhoneNumberId, attempt: &AttemptId) -> bool {
        let epoch = self.epoch(number);
        let Some(sharing) = &mut self.sharing else { return true };
        sharing.intended.remove(attempt) == Some(epoch)
    }

    /// Hands a call back that this process cannot place for now, and leaves others the time to take it.
    pub(super) fn send_elsewhere(&mut self, slot: Slot, now: Now) {
        self.hand_back(slot);
        if let Some(sharing) = &mut self.sharing {
            sharing.not_before = sharing.not_before.max(now.monotonic.after(sharing.policy.look_again_after));
        }
    }

    /// The earlier of `at` and the end of the number's lease.
    pub(super) fn within_lease(&self, number: &PhoneNumberId, at: Instant) -> Instant {
        #[cfg(feature = "mutations")]
        if self.policy.mutation == Some(crate::policy::Mutation::NoLeaseCheck) {
            return at;
        }
        self.desks.get(number).and_then(|desk| desk.held).map_or(at, |held| held.until.min(at))
    }

    pub(super) fn serve_numbers(&mut self, numbers: Option<BTreeSet<PhoneNumberId>>) {
        let Some(sharing) = &mut self.sharing else { return };
        sharing.serves = numbers.map_or(Serves::All, Serves::Only);
        sharing.stale = true;
        sharing.not_before = Instant::default();
    }

    /// Something may have changed in the store; `own`: by this process, which need not wait before it looks.
    pub(super) fn nudge(&mut self, own: bool) {
        let Some(sharing) = &mut self.sharing else { return };
        sharing.stale = true;
        if own {
            sharing.not_before = Instant::default();
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

    pub(super) fn claimed(&mut self, answer: Result<Claimed, StoreUnavailable>, now: Now) {
        let Some(sharing) = &mut self.sharing else { return };
        let Some(asked) = sharing.claiming.take() else { return };
        let claimed = match answer {
            Ok(claimed) => claimed,
            Err(why) => {
                sharing.stale = true;
                sharing.not_before = now.monotonic.after(sharing.policy.retry_after);
                self.store_trouble(&why);
                return;
            }
        };
        sharing.answered = sharing.claims;
        sharing.more = claimed.more;
        let until = sharing.until(asked);
        if claimed.numbers.is_empty() && claimed.calls.is_empty() {
            sharing.not_before = now.monotonic.after(sharing.policy.look_again_after);
        }
        if let Some(retry_in) = claimed.retry_in {
            sharing.look_again = Some(now.monotonic.after(retry_in.max(Duration::from_millis(1))));
        }
        let leaving = sharing.is_leaving();
        self.store_answered();
        for (profile, age) in claimed.agents {
            self.agents.know(profile, earlier(now.monotonic, age));
        }
        for taken in claimed.numbers {
            self.number_taken(&taken, asked, until, now);
        }
        for call in claimed.calls {
            self.resume(&call, now);
        }
        if leaving {
            self.leave_store();
        }
        self.hand_back_what_has_no_number();
    }

    /// A claim may bring calls for numbers that were let go while it was under way.
    fn hand_back_what_has_no_number(&mut self) {
        let held = self.desks.iter().filter(|(_, desk)| desk.held.is_some());
        let held: BTreeSet<PhoneNumberId> = held.map(|(number, _)| number.clone()).collect();
        self.hand_back_all(|numbers| !numbers.iter().any(|number| held.contains(number)));
    }

    /// The store has refused an intent: it is asked at once which leases still hold.
    pub(super) fn fenced(&mut self, now: Now) {
        if let Some(sharing) = &mut self.sharing {
            sharing.renew_at = Some(now.monotonic);
        }
    }

    /// Takes a number over, with whatever its earlier holders have left open.
    fn number_taken(&mut self, taken: &Taken, asked: Instant, until: Instant, now: Now) {
        let policy = self.policy;
        let (number, epoch) = (taken.number.clone(), taken.epoch);
        let desk = self.desk(&number);
        if desk.held.is_some_and(|held| held.epoch == epoch) {
            return;
        }
        if epoch <= desk.last_epoch {
            self.store_went_back(&number, epoch);
            return;
        }
        desk.last_epoch = epoch;
        desk.held = Some(Held { epoch, until, returning: false });
        let ends = desk.line.adopt(taken, now.monotonic, &policy);
        let unresolved = taken.unresolved.len();
        if let Some(sharing) = &mut self.sharing {
            sharing.numbers.remove(&number);
            sharing.renew_at.get_or_insert(asked.after(sharing.policy.renew_every));
        }
        let settles_in = ends.iter().max().map_or(Duration::ZERO, |end| end.since(now.monotonic));
        self.outbox.push(Effect::Tell(Notice::NumberTaken { number: number.clone(), epoch, unresolved, settles_in }));
        for end in ends {
            self.wake_line_at(&number, Some(end));
        }
        self.dirty.insert(number);
        self.restless = true;
    }

    /// Epochs never fall: the store knows less than it did, and so not of every dial that was made. Nothing is dialled on
    /// its word, and the calls wait there for somebody to look into it.
    fn store_went_back(&mut self, number: &PhoneNumberId, epoch: u64) {
        self.outbox.push(Effect::Tell(Notice::StoreWentBack { number: number.clone() }));
        self.leave_store();
        if let Some(sharing) = &mut self.sharing {
            sharing.numbers.insert(number.clone(), epoch);
        }
    }

    pub(super) fn renewed(&mut self, answer: Result<Renewed, StoreUnavailable>, now: Now) {
        let Some(sharing) = &mut self.sharing else { return };
        let Some(asked) = sharing.renewing.take() else { return };
        let renewed = match answer {
            Ok(renewed) => renewed,
            Err(why) => {
                let pause = sharing.policy.retry_after.min(sharing.policy.renew_every);
                sharing.renew_at = Some(now.monotonic.after(pause));
                self.store_trouble(&why);
                return;
            }
        };
        sharing.renew_at = Some(asked.after(sharing.policy.renew_every));
        let until = sharing.until(asked);
        self.store_answered();
        let leases: BTreeMap<PhoneNumberId, u64> = renewed.leases.into_iter().collect();
        self.prolong(&leases, until, now);
        for call in renewed.cancel {
            self.cancel(&call, now);
        }
        for number in renewed.wanted {
            self.hand_back_all(|numbers| numbers.contains(&number));
            self.give_up_number(&number);
        }
    }

    fn prolong(&mut self, leases: &BTreeMap<PhoneNumberId, u64>, until: Instant, now: Now) {
        let mut lost = Vec::new();
        for (number, desk) in &mut self.desks {
            let Some(held) = &mut desk.held else { continue };
            if leases.get(number) == Some(&held.epoch) {
                if held.until <= now.monotonic {
                    self.dirty.insert(number.clone());
                    self.restless = true;
                }
                held.until = held.until.max(until);
            } else {
                lost.push(number.clone());
            }
        }
        for number in lost {
            self.lease_lost(&number);
        }
        // A lease of which nothing is known here comes from an answer that was lost, or from giving back that failed.
        let unknown =
            leases.iter().filter(|(number, _)| self.desks.get(*number).is_none_or(|desk| desk.held.is_none()));
        let unknown: Vec<(PhoneNumberId, u64)> = unknown.map(|(number, epoch)| (number.clone(), *epoch)).collect();
        // What a lost claim took is handed out again with the next one.
        if let Some(sharing) = &mut self.sharing
            && sharing.claims == sharing.answered
            && sharing.releasing.is_none()
        {
            sharing.numbers.extend(unknown);
        }
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
    fn leave_restore_to_others(&mut self, number: &PhoneNumberId) {
        let waits = |record: &Record| record.at == *number && record.step == Step::Restore;
        let waiting = self.calls.iter().filter(|(_, record)| waits(record));
        let waiting: Vec<Slot> = waiting.map(|(slot, _)| *slot).collect();
        for slot in waiting {
            self.forget(slot);
        }
    }

    /// Begins nothing new on the number, and gives it back when what is under way has ended.
    fn give_up_number(&mut self, number: &PhoneNumberId) {
        let Some(desk) = self.desks.get_mut(number) else { return };
        let Some(held) = &mut desk.held else { return };
        held.returning = true;
        if desk.open_session().is_some() {
            self.close(number);
        }
    }

    /// Hands back every call that is not dialled and whose numbers are meant.
    fn hand_back_all(&mut self, meant: impl Fn(&NumberChoice) -> bool) {
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
                let until = sent.at.max(sent.not_after).after(self.policy.lateness);
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

    fn store_trouble(&mut self, why: &StoreUnavailable) {
        let Some(sharing) = &mut self.sharing else { return };
        if !std::mem::replace(&mut sharing.in_trouble, true) {
            self.outbox.push(Effect::Tell(Notice::StoreTrouble { detail: why.detail.clone() }));
        }
    }

    fn store_answered(&mut self) {
        let Some(sharing) = &mut self.sharing else { return };
        if std::mem::take(&mut sharing.in_trouble) {
            self.outbox.push(Effect::Tell(Notice::StoreBack));
        }
    }

    /// Sees to it that calls are claimed, leases prolonged, and what is not needed given back.
    pub(super) fn plan_sharing(&mut self, now: Now) {
        if self.sharing.is_none() {
            return;
        }
        if let Some(sharing) = &mut self.sharing
            && self.commits.is_empty()
        {
            sharing.intended.clear();
        }
        self.hand_back_what_waits();
        self.let_idle_numbers_go(now);
        self.plan_renewal(now);
        self.plan_claim(now);
        self.plan_release(now);
    }

    fn plan_claim(&mut self, now: Now) {
        let Some(sharing) = &mut self.sharing else { return };
        let room = sharing.policy.calls_max.saturating_sub(self.calls.len());
        let few = room > sharing.policy.calls_max / 2;
        if let Some(at) = sharing.look_again {
            if at <= now.monotonic {
                sharing.look_again = None;
                sharing.stale = true;
            } else {
                self.timers.insert((at, TimerKey::Sharing));
            }
        }
        // An unanswered claim may have taken something even for a process that leaves.
        let lost = sharing.is_leaving() && sharing.answered < sharing.claims;
        let numbers = match &sharing.serves {
            Serves::Leaving if lost => Some(BTreeSet::new()),
            Serves::Nothing | Serves::Leaving => return,
            Serves::All => None,
            Serves::Only(numbers) => Some(numbers.clone()),
        };
        let wanted = lost || (sharing.stale && room > 0) || (sharing.more && few);
        // One question at a time: what a claim takes is not missing in the answer to a renewal.
        if !wanted || sharing.claiming.is_some() || sharing.renewing.is_some() {
            return;
        }
        if sharing.not_before > now.monotonic {
            self.timers.insert((sharing.not_before, TimerKey::Sharing));
            return;
        }
        sharing.stale = false;
        sharing.more = false;
        sharing.claims += 1;
        sharing.claiming = Some(now.monotonic);
        let calls_max = if lost { 0 } else { room };
        let (ordinal, answered, ttl) = (sharing.claims, sharing.answered, sharing.policy.ttl);
        self.outbox.push(Effect::Claim(Claim { ordinal, answered, ttl, numbers, calls_max }));
    }

    fn plan_renewal(&mut self, now: Now) {
        let holds = self.desks.values().any(|desk| desk.held.is_some());
        let Some(sharing) = &mut self.sharing else { return };
        if !holds {
            sharing.renew_at = None;
            return;
        }
        let every = sharing.policy.renew_every;
        let at = *sharing.renew_at.get_or_insert(now.monotonic.after(every));
        if sharing.renewing.is_some() || sharing.claiming.is_some() {
            return;
        }
        if at <= now.monotonic {
            sharing.renewing = Some(now.monotonic);
            self.outbox.push(Effect::Renew(sharing.policy.ttl));
        } else {
            self.timers.insert((at, TimerKey::Sharing));
        }
    }

    /// A call whose dial was not sent after all does not wait for a number that is being given back.
    fn hand_back_what_waits(&mut self) {
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
    fn let_idle_numbers_go(&mut self, now: Now) {
        let Some(sharing) = &self.sharing else { return };
        let due = sharing.renewing.is_none() && sharing.renew_at.is_some_and(|at| at <= now.monotonic);
        // Calls that wait for proof by pages are this process's as long as it holds a number.
        let needed = |number: &PhoneNumberId| self.is_open(number) || self.audit.waits_for(number);
        let needless = |number: &PhoneNumberId| due && !needed(number) && sharing.claiming.is_none() && !sharing.stale;
        let leaving = sharing.is_leaving();
        let gone = self.desks.iter().filter(|(number, desk)| {
            let Some(held) = desk.held else { return false };
            let quiet = desk.in_flight.is_empty() && desk.served.is_none() && desk.line.is_quiet();
            let gives_up = leaving && held.until <= now.monotonic || self.stopping == super::Stopping::Abandoned;
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

    fn plan_release(&mut self, now: Now) {
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
        let release = Release {
            numbers: numbers.iter().map(|(number, epoch)| (number.clone(), *epoch)).collect(),
            calls: calls.iter().cloned().collect(),
            agents: self.agents.all(now.monotonic, self.policy.verified_for),
            seen,
        };
        if let Some(sharing) = &mut self.sharing {
            sharing.releasing = Some((numbers, calls));
        }
        self.outbox.push(Effect::Release(Box::new(release)));
    }
}

fn earlier(at: Instant, by: Duration) -> Instant {
    Instant::from_origin(at.since_origin().saturating_sub(by))
}
