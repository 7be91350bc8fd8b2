//! The store's suite can fail: stores that break a promise are caught.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{
    Accepted, CancelAnswer, Change, Claim, Claimed, Entry, Followed, Intent, Journal, NewCall, Recorded, Release,
    Renewed, Store, StoreUnavailable, Taken,
};
use partyline_domain::{AgentId, CallId, Instant, JournalError, PhoneNumberId, RunId, Timestamp};
use partyline_fake_adapter::{FakeStore, Member, VirtualClock, clock};
use partyline_tests::contract::Harness;
use partyline_tests::contract::store::{StoreHarness, StoreWorld, calls, claims, commits, evidence, handover, leases};

/// What a store does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// Takes numbers that others hold.
    Steals,
    /// Takes every intent for one of who holds the number.
    Unfenced,
    /// Writes an entry change by change, and stops at the first that is refused.
    Torn,
    /// Takes a repeated commit for a conflict.
    Forgetful,
    /// Hands out what a claim took once only.
    Careless,
    /// Does not tell of wishes.
    Deaf,
    /// Gives every answer about a number an age of nothing.
    Ageless,
    /// Says nothing of a call whose events are all known.
    Silent,
}

struct Broken {
    flaw: Flaw,
    store: FakeStore,
    member: Arc<Member>,
    written: Mutex<Vec<Entry>>,
}

impl Broken {
    /// Writes an entry in the name of whoever holds the number of its intent.
    fn write_unfenced(&self, mut entry: Entry) -> Result<(), JournalError> {
        self.store.with(|state| {
            let mut writer = self.member.owner().clone();
            for change in &mut entry.changes {
                if let Change::Intend(intent) = change
                    && let Some((_, lease)) = state.leases().find(|(number, _)| **number == intent.number)
                {
                    (writer, intent.epoch) = (lease.owner.clone(), lease.epoch);
                }
            }
            state.commit(&writer, entry, Instant::default())
        })
    }

    async fn write(&self, entry: Entry) -> Result<(), JournalError> {
        if self.flaw == Flaw::Unfenced {
            return self.write_unfenced(entry);
        }
        if self.flaw == Flaw::Torn {
            let changes = entry.changes.into_iter().map(|change| Entry { changes: vec![change] });
            return self.member.commit(changes.collect()).await.into_iter().collect();
        }
        let again = self.written.lock().expect("nothing panics here").contains(&entry);
        if let (Flaw::Forgetful, true, Some(Change::Append { call, expected, .. })) =
            (self.flaw, again, entry.changes.first())
        {
            let (call, expected) = (call.clone(), *expected);
            return Err(JournalError::Conflict { call, expected, actual: expected + 1 });
        }
        self.written.lock().expect("nothing panics here").push(entry.clone());
        self.member.commit(vec![entry]).await.remove(0)
    }
}

#[async_trait]
impl Journal for Broken {
    async fn commit(&self, entries: Vec<Entry>) -> Vec<Result<(), JournalError>> {
        let mut answers = Vec::new();
        for entry in entries {
            answers.push(self.write(entry).await);
        }
        answers
    }

    async fn events(&self, call: &CallId, after: u64) -> Result<Vec<Recorded>, JournalError> {
        self.member.events(call, after).await
    }

    async fn open_intents(&self) -> Result<Vec<Intent>, JournalError> {
        self.member.open_intents().await
    }

    async fn remembered(&self, number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, JournalError> {
        self.member.remembered(number).await
    }
}

#[async_trait]
impl Store for Broken {
    fn owner(&self) -> &RunId {
        self.member.owner()
    }

    async fn submit(&self, calls: Vec<NewCall>) -> Result<Vec<Accepted>, StoreUnavailable> {
        self.member.submit(calls).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreUnavailable> {
        if self.flaw == Flaw::Steals {
            self.store.with(|state| {
                let held: Vec<PhoneNumberId> = state.leases().map(|(number, _)| number.clone()).collect();
                for number in &held {
                    state.lose_lease(number);
                }
            });
        }
        let answered = if self.flaw == Flaw::Careless { claim.ordinal - 1 } else { claim.answered };
        self.member.claim(&Claim { answered, ..claim.clone() }).await
    }

    async fn renew(&self, ttl: Duration) -> Result<Renewed, StoreUnavailable> {
        let renewed = self.member.renew(ttl).await?;
        let wanted = if self.flaw == Flaw::Deaf { Vec::new() } else { renewed.wanted };
        Ok(Renewed { wanted, ..renewed })
    }

    async fn release(&self, release: Release) -> Result<(), StoreUnavailable> {
        self.member.release(release).await
    }

    async fn want(&self, number: &PhoneNumberId, ttl: Duration) -> Result<Option<Taken>, StoreUnavailable> {
        let taken = self.member.want(number, ttl).await?;
        let flawed = |taken: Taken| match (self.flaw, taken.seen) {
            (Flaw::Ageless, Some((seen, _))) => Taken { seen: Some((seen, Duration::ZERO)), ..taken },
            (_, seen) => Taken { seen, ..taken },
        };
        Ok(taken.map(flawed))
    }

    async fn follow(&self, calls: &[(CallId, u64)]) -> Result<Vec<Followed>, StoreUnavailable> {
        let mut followed = self.member.follow(calls).await?;
        followed.retain(|followed| self.flaw != Flaw::Silent || !followed.events.is_empty());
        Ok(followed)
    }

    async fn cancel(&self, call: &CallId, at: Timestamp) -> Result<CancelAnswer, StoreUnavailable> {
        self.member.cancel(call, at).await
    }

    async fn changed(&self) {
        self.member.changed().await;
    }
}

struct With {
    flaw: Flaw,
    time: VirtualClock,
}

impl With {
    fn flaw(flaw: Flaw) -> Self {
        Self { flaw, time: VirtualClock::new() }
    }
}

impl Harness for With {
    fn run(&self, case: impl Future<Output = ()>) {
        clock::run(&self.time, case);
    }
}

#[async_trait]
impl StoreHarness for With {
    async fn store(&self) -> Box<dyn StoreWorld> {
        let time = self.time.clone();
        Box::new(World { flaw: self.flaw, store: FakeStore::new(&time), time })
    }
}

struct World {
    flaw: Flaw,
    store: FakeStore,
    time: VirtualClock,
}

#[async_trait]
impl StoreWorld for World {
    async fn member(&self, owner: RunId) -> Arc<dyn Store> {
        let (flaw, store, member) = (self.flaw, self.store.clone(), self.store.member(owner));
        Arc::new(Broken { flaw, store, member, written: Mutex::default() })
    }

    async fn pass(&self, by: Duration) {
        self.time.advance(by);
    }

    async fn lose_lease(&self, number: &PhoneNumberId) {
        self.store.lose_lease(number);
    }

    fn slack(&self) -> Duration {
        Duration::ZERO
    }
}

macro_rules! caught {
    ($($name:ident: $flaw:ident by $($case:ident)::+, $says:literal;)*) => {
        $(
            #[test]
            #[should_panic(expected = $says)]
            fn $name() {
                let harness = With::flaw(Flaw::$flaw);
                harness.run($($case)::+(&harness));
            }
        )*
    };
}

caught! {
    a_stolen_number_is_caught: Steals by claims::calls_are_left_to_who_holds_their_number, "left == right";
    a_stolen_race_is_caught: Steals by claims::a_race_has_one_winner, "left == right";
    a_missing_fence_is_caught: Unfenced by commits::an_intent_needs_the_number_and_the_call, "left == right";
    a_zombie_is_caught: Unfenced by handover::who_comes_late_is_fenced, "left == right";
    a_torn_entry_is_caught: Torn by commits::a_fence_writes_nothing_of_its_entry, "left == right";
    a_refused_repetition_is_caught: Forgetful by commits::a_repeated_commit_changes_nothing, "left == right";
    a_claim_that_is_lost_for_good_is_caught: Careless by claims::a_lost_answer_is_given_again, "left == right";
    an_untold_wish_is_caught: Deaf by leases::a_wish_is_told_and_comes_true, "left == right";
    evidence_made_young_is_caught: Ageless by evidence::a_number_is_known_to_its_next_holder, "is less than";
    an_untold_end_is_caught: Silent by calls::a_closed_call_is_told_of, "left == right";
}

#[test]
fn what_is_done_well_still_passes() {
    for flaw in [Flaw::Deaf, Flaw::Careless, Flaw::Ageless, Flaw::Silent] {
        let harness = With::flaw(flaw);
        harness.run(handover::a_dead_process_is_succeeded(&harness));
    }
}
