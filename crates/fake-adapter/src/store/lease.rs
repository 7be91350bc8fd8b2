//! The numbers: leased, renewed, given back, wanted by somebody else.

use std::collections::BTreeSet;
use std::time::Duration;

use partyline_domain::ports::{AgentProfile, Release, Renewed, Taken};
use partyline_domain::{Instant, PhoneNumberId, RunId};

use super::state::{AGENTS_KNOWN_FOR, Aged, LeaseRow, StoreState};

impl StoreState {
    /// Leases a number anew, under the next epoch.
    pub(super) fn lease(&mut self, owner: &RunId, number: &PhoneNumberId, ttl: Duration, claim: u64, now: Instant) {
        let last = self.epochs.entry(number.clone()).or_default();
        *last += 1;
        let lease = LeaseRow { owner: owner.clone(), epoch: *last, expires_at: now.after(ttl), claim };
        self.leases.insert(number.clone(), lease);
        self.wishes.remove(&(number.clone(), owner.clone()));
    }

    /// What whoever has just taken a number must know.
    ///
    /// # Panics
    /// Where the number has no lease.
    pub(super) fn taken(&self, number: &PhoneNumberId, now: Instant) -> Taken {
        let epoch = self.leases[number].epoch;
        Taken {
            number: number.clone(),
            epoch,
            unresolved: self.unresolved(number, epoch, now),
            remembered: self.remembered(number),
            ours: self.ours(number),
            seen: self.seen.get(number).map(|seen| (seen.value.clone(), seen.age_at(now))),
        }
    }

    /// Takes one number, or asks for it; see [`partyline_domain::ports::Store::want`]. A process that holds it already
    /// is told so under the same epoch, because the answer to its first wish may have been lost.
    pub fn want(&mut self, owner: &RunId, number: &PhoneNumberId, ttl: Duration, now: Instant) -> Option<Taken> {
        self.wishes.retain(|_, until| *until > now);
        let expires_at = now.after(ttl);
        let held = self.leases.get_mut(number).filter(|lease| lease.expires_at > now);
        match held {
            None => self.lease(owner, number, ttl, 0, now),
            Some(lease) if lease.owner == *owner => lease.expires_at = lease.expires_at.max(expires_at),
            Some(_) => {
                self.wishes.insert((number.clone(), owner.clone()), expires_at);
                return None;
            }
        }
        Some(self.taken(number, now))
    }

    pub(super) fn is_wanted_by_others(&self, number: &PhoneNumberId, owner: &RunId, now: Instant) -> bool {
        self.wishes.iter().any(|((wanted, by), until)| wanted == number && by != owner && *until > now)
    }

    /// Prolongs leases; see [`partyline_domain::ports::Store::renew`].
    pub fn renew(&mut self, owner: &RunId, ttl: Duration, now: Instant) -> Renewed {
        let mut leases = Vec::new();
        for (number, lease) in self.leases.iter_mut().filter(|(_, lease)| lease.owner == *owner) {
            lease.expires_at = now.after(ttl);
            leases.push((number.clone(), lease.epoch));
        }
        let asked = self.calls.iter().filter(|(_, row)| row.cancel && !row.closed && row.owner() == Some(owner));
        let cancel = asked.map(|(id, _)| id.clone()).collect();
        let held = leases.iter().map(|(number, _)| number);
        let wanted = held.filter(|number| self.is_wanted_by_others(number, owner, now)).cloned().collect();
        Renewed { leases, cancel, wanted }
    }

    /// Takes numbers, calls and evidence back; see [`partyline_domain::ports::Store::release`].
    pub fn release(&mut self, owner: &RunId, release: Release, now: Instant) {
        let Release { numbers, calls, agents, seen } = release;
        let mut given_back = BTreeSet::new();
        for (number, epoch) in numbers {
            if self.leases.get(&number).is_some_and(|lease| lease.owner == *owner && lease.epoch == epoch) {
                self.leases.remove(&number);
                given_back.insert(number);
            }
        }
        for (value, age) in seen.into_iter().filter(|(number, _)| given_back.contains(&number.id)) {
            self.seen.insert(value.id.clone(), Aged { value, at: now, age });
        }
        for id in calls {
            if let Some(row) = self.calls.get_mut(&id).filter(|row| row.owner() == Some(owner)) {
                row.holder = None;
            }
        }
        for (value, age) in agents {
            self.learn(Aged { value, at: now, age }, now);
        }
        self.agents.retain(|_, known| known.age_at(now) <= AGENTS_KNOWN_FOR);
    }

    /// Keeps what is known of an agent, unless something younger is known.
    fn learn(&mut self, agent: Aged<AgentProfile>, now: Instant) {
        let known = self.agents.get(&agent.value.id);
        if known.is_none_or(|known| known.age_at(now) >= agent.age) {
            self.agents.insert(agent.value.id.clone(), agent);
        }
    }
}
