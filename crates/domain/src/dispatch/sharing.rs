//! Sharing numbers with other processes through a store (`scheduling.md` 4.3): leases are taken and prolonged, calls are
//! claimed. How both are given back is in `giving.rs`.
//!
//! Without a lease that holds nothing is sent on a number. What a process has not dialled belongs to the store: it may
//! be handed back at any time, and goes on elsewhere from its history.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::dispatch::effect::{Effect, Ticket};
use crate::dispatch::{Dispatcher, TimerKey};
use crate::ids::{AttemptId, CallId, PhoneNumberId};
use crate::notice::Notice;
use crate::policy::SharingPolicy;
use crate::ports::{Claim, Claimed, Renewed, StoreUnavailable, Taken};
use crate::time::{Instant, Now};

/// How often giving back is tried before a process that leaves lets its leases run out.
pub(super) const LAST_TRIES: u32 = 3;

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
    pub(super) policy: SharingPolicy,
    pub(super) serves: Serves,
    pub(super) claims: u64,
    pub(super) answered: u64,
    pub(super) claiming: Option<Instant>,
    /// Something may have changed since the last claim.
    pub(super) stale: bool,
    /// More calls wait for the numbers that are held.
    pub(super) more: bool,
    /// No claim before this.
    pub(super) not_before: Instant,
    /// When it is looked again without a reason.
    pub(super) look_again: Option<Instant>,
    pub(super) renewing: Option<Instant>,
    pub(super) renew_at: Option<Instant>,
    /// Requests whose intents the store has not answered, with the epochs that they were decided under.
    pub(super) intended: BTreeMap<AttemptId, u64>,
    /// Numbers that were let go, with their epochs.
    pub(super) numbers: BTreeMap<PhoneNumberId, u64>,
    /// Calls that were let go.
    pub(super) calls: BTreeSet<CallId>,
    /// They are given back when the journal has answered this.
    pub(super) after: Ticket,
    pub(super) releasing: Option<(BTreeMap<PhoneNumberId, u64>, BTreeSet<CallId>)>,
    pub(super) release_at: Instant,
    /// When it was last told what is known of agents.
    pub(super) told_at: Instant,
    pub(super) tries: u32,
    pub(super) in_trouble: bool,
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
            told_at: Instant::default(),
            tries: 0,
            in_trouble: false,
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.serves == Serves::Leaving
    }

    pub(super) fn has_something_to_give_back(&self) -> bool {
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
    pub(super) fn epoch(&self, number: &PhoneNumberId) -> u64 {
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
            self.agents.know(profile, earlier(asked, age));
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
        let ends = desk.line.adopt(taken, asked, now.monotonic, &policy);
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

    pub(super) fn store_trouble(&mut self, why: &StoreUnavailable) {
        let Some(sharing) = &mut self.sharing else { return };
        if !std::mem::replace(&mut sharing.in_trouble, true) {
            self.outbox.push(Effect::Tell(Notice::StoreTrouble { detail: why.detail.clone() }));
        }
    }

    pub(super) fn store_answered(&mut self) {
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
}

fn earlier(at: Instant, by: Duration) -> Instant {
    Instant::from_origin(at.since_origin().saturating_sub(by))
}
