//! The calls: taken in, claimed, followed, cancelled.

use std::collections::BTreeSet;
use std::time::Duration;

use partyline_domain::flow::{CallEvent, CallState, Dial, WithdrawReason};
use partyline_domain::ports::{
    Accepted, AgentProfile, CancelAnswer, Claim, Claimed, Followed, NewCall, Recorded, StoredCall, Taken,
};
use partyline_domain::{CallId, Instant, PhoneNumberId, RunId, Timestamp};

use super::state::{AGENTS_KNOWN_FOR, CallRow, Holder, StoreState};

impl StoreState {
    /// Takes calls in; see [`partyline_domain::ports::Store::submit`].
    pub fn submit(&mut self, calls: Vec<NewCall>, now: Instant) -> Vec<Accepted> {
        calls.into_iter().map(|call| self.take_in(call, now)).collect()
    }

    fn take_in(&mut self, call: NewCall, now: Instant) -> Accepted {
        let NewCall { request, at, key, batch, repeats } = call;
        let id = request.id.clone();
        if self.calls.contains_key(&id) {
            return Accepted::Again;
        }
        if let Some(other) = key.as_ref().and_then(|key| self.keys.get(key)) {
            let same =
                self.calls.get(other).and_then(CallRow::request).is_some_and(|first| first.asks_the_same(&request));
            return if same { Accepted::Replayed(other.clone()) } else { Accepted::KeyTaken(other.clone()) };
        }
        if let Some(key) = key {
            self.keys.insert(key, id.clone());
        }
        let order = self.count();
        let history = vec![Recorded { version: 1, at, event: CallEvent::CallRequested { request } }];
        let row = CallRow { history, taken_in: now, order, batch, repeats, holder: None, cancel: false, closed: false };
        self.calls.insert(id, row);
        Accepted::New
    }

    /// Takes numbers and calls; see [`partyline_domain::ports::Store::claim`].
    pub fn claim(&mut self, owner: &RunId, claim: &Claim, now: Instant) -> Claimed {
        let free = self.free_calls(now);
        for number in self.numbers_to_take(owner, claim, &free, now) {
            self.lease(owner, &number, claim.ttl, claim.ordinal, now);
        }
        let held = self.held_by(owner, now);
        let again = self.calls_unheard_of(owner, claim.answered, &free);
        let mine: Vec<_> = free.into_iter().filter(|id| self.calls[id].may_use_any(&held)).collect();
        let more = mine.len() > claim.calls_max;
        let mut given: Vec<CallId> = mine.into_iter().take(claim.calls_max).chain(again).collect();
        given.sort_by_key(|id| self.calls[id].turn());
        for id in &given {
            let holder = Holder { owner: owner.clone(), claim: claim.ordinal };
            self.calls.entry(id.clone()).and_modify(|row| row.holder = Some(holder));
        }
        Claimed {
            numbers: self.numbers_unheard_of(owner, claim.answered, now),
            calls: given.iter().map(|id| self.stored(id, now)).collect(),
            more,
            agents: self.known_agents(now),
            retry_in: self.retry_in(owner, claim, &held, now),
        }
    }

    /// The calls that anybody may take, those first whose turn comes first.
    fn free_calls(&self, now: Instant) -> Vec<CallId> {
        let mut free: Vec<_> = self.calls.iter().filter(|(_, row)| self.is_free(row, now)).collect();
        free.sort_by_key(|(_, row)| row.turn());
        free.into_iter().map(|(id, _)| id.clone()).collect()
    }

    fn numbers_to_take(&self, owner: &RunId, claim: &Claim, free: &[CallId], now: Instant) -> BTreeSet<PhoneNumberId> {
        let requests = free.iter().filter_map(|id| self.calls[id].request());
        let owed = self.inbound.keys();
        let needed: BTreeSet<_> = requests.flat_map(|request| request.numbers.iter()).chain(owed).collect();
        let takes = |number: &&PhoneNumberId| {
            allows(claim, number)
                && self.holder_of(number, now).is_none()
                && !self.is_wanted_by_others(number, owner, now)
        };
        needed.into_iter().filter(takes).cloned().collect()
    }

    /// The calls that the process has from claims whose answers it never saw.
    fn calls_unheard_of(&self, owner: &RunId, answered: u64, free: &[CallId]) -> Vec<CallId> {
        let unheard = |row: &CallRow| {
            !row.closed && row.holder.as_ref().is_some_and(|holder| holder.owner == *owner && holder.claim > answered)
        };
        let given = self.calls.iter().filter(|(_, row)| unheard(row)).map(|(id, _)| id);
        given.filter(|id| !free.contains(*id)).cloned().collect()
    }

    /// The numbers that the process has from claims whose answers it never saw: also the one under way.
    fn numbers_unheard_of(&self, owner: &RunId, answered: u64, now: Instant) -> Vec<Taken> {
        let unheard = |number: &&PhoneNumberId| {
            self.holder_of(number, now).is_some_and(|lease| lease.owner == *owner && lease.claim > answered)
        };
        self.leases.keys().filter(unheard).map(|number| self.taken(number, now)).collect()
    }

    fn stored(&self, id: &CallId, now: Instant) -> StoredCall {
        let row = &self.calls[id];
        let (events, waited, cancel) = (row.history.clone(), now.since(row.taken_in), row.cancel);
        let open_until = self.dial_open_until(id).unwrap_or(now);
        StoredCall { events, waited, open_for: open_until.since(now), over_for: now.since(open_until), cancel }
    }

    /// So long until the first number may become free for which calls are left to its holder. Calls that the holder
    /// has count as well: if it is dead, they wait for whoever comes next.
    fn retry_in(&self, owner: &RunId, claim: &Claim, held: &BTreeSet<PhoneNumberId>, now: Instant) -> Option<Duration> {
        let open = self.calls.values().filter(|row| !row.closed && row.owner() != Some(owner));
        let left = open.filter(|row| !row.may_use_any(held)).filter_map(CallRow::request);
        let numbers: BTreeSet<_> = left.flat_map(|request| request.numbers.iter()).collect();
        let leases = numbers.into_iter().filter(|number| allows(claim, number));
        leases.filter_map(|number| self.holder_of(number, now)).map(|lease| lease.expires_at.since(now)).min()
    }

    fn known_agents(&self, now: Instant) -> Vec<(AgentProfile, Duration)> {
        let known = self.agents.values().map(|known| (known.value.clone(), known.age_at(now)));
        known.filter(|(_, age)| *age <= AGENTS_KNOWN_FOR).collect()
    }

    /// What has happened to calls; see [`partyline_domain::ports::Store::follow`]. A call that is closed is always told
    /// of: whoever asks has not heard of that.
    pub fn follow(&self, calls: &[(CallId, u64)]) -> Vec<Followed> {
        let look = |(id, after): &(CallId, u64)| {
            let row = self.calls.get(id)?;
            let events: Vec<_> = row.history.iter().filter(|recorded| recorded.version > *after).cloned().collect();
            let news = row.closed || !events.is_empty();
            news.then(|| Followed { call: id.clone(), events, closed: row.closed })
        };
        calls.iter().filter_map(look).collect()
    }

    /// Cancels a call or asks for it; see [`partyline_domain::ports::Store::cancel`]. A call that no process has but
    /// whose dial may have been sent cannot be withdrawn: whoever takes it is told of the wish.
    pub fn cancel(&mut self, call: &CallId, at: Timestamp, now: Instant) -> CancelAnswer {
        let is_free = self.calls.get(call).is_some_and(|row| self.is_free(row, now));
        let Some(row) = self.calls.get_mut(call) else { return CancelAnswer::Unknown };
        match stage(row) {
            Stage::Ended => CancelAnswer::Ended,
            Stage::NotDialled if is_free => {
                let detail = "somebody cancelled it before a process had it".to_owned();
                let event = CallEvent::CallWithdrawn { reason: WithdrawReason::Cancelled, detail };
                row.history.push(Recorded { version: row.version() + 1, at, event });
                row.close();
                CancelAnswer::Withdrawn
            }
            Stage::NotDialled | Stage::Dialled => {
                row.cancel = true;
                CancelAnswer::Asked
            }
        }
    }
}

/// Whether the process may take a number with this claim.
fn allows(claim: &Claim, number: &PhoneNumberId) -> bool {
    claim.numbers.as_ref().is_none_or(|allowed| allowed.contains(number))
}

/// How far a call is, as far as a wish to cancel it goes.
enum Stage {
    NotDialled,
    /// Its dial may have been sent.
    Dialled,
    Ended,
}

fn stage(row: &CallRow) -> Stage {
    if row.closed {
        return Stage::Ended;
    }
    match CallState::fold(row.history.iter().map(|recorded| &recorded.event)) {
        Ok(CallState::Requested(_) | CallState::Verified(_)) => Stage::NotDialled,
        Ok(CallState::Assigned(call)) => match call.dial() {
            Dial::NotSent => Stage::NotDialled,
            Dial::Sent(_) | Dial::InDoubt(..) => Stage::Dialled,
        },
        // What cannot be read is not written to: whoever has it knows.
        Err(_) => Stage::Dialled,
        Ok(CallState::Initiated(_) | CallState::Failed(_)) => Stage::Ended,
    }
}

impl CallRow {
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.holder = None;
    }
}
