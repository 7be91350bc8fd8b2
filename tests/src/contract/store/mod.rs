//! The contract of [`Store`]: several processes share one store, each through a view of its own.
//!
//! A store is a journal too, and has to pass the journal's suite as well: [`AsJournal`] makes the one harness of the
//! other.

pub mod calls;
pub mod cancelling;
pub mod claims;
pub mod commits;
pub mod evidence;
pub mod handover;
mod journal;
pub mod leases;
mod samples;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{
    Accepted, CancelAnswer, Change, Claim, Claimed, Entry, Followed, NewCall, Recorded, Release, Renewed, Store,
    StoredCall, Taken,
};
use partyline_domain::{CallId, JournalError, PhoneNumberId, RunId};
use samples::{at, call, number};

use crate::contract::Harness;

pub use journal::AsJournal;

/// Stores to test.
#[async_trait]
pub trait StoreHarness: Harness {
    /// A fresh, empty store.
    async fn store(&self) -> Box<dyn StoreWorld>;
}

/// One store, and the time in which its processes live.
#[async_trait]
pub trait StoreWorld: Send + Sync {
    /// The view of the process of this name: each process has one, over connections of its own.
    async fn member(&self, owner: RunId) -> Arc<dyn Store>;

    /// Lets so much time go by on the store's clock, and little more. Cases pass times of less than a second.
    async fn pass(&self, by: Duration);

    /// Loses the row of a number's lease, as a careless operator or a restored backup may. Everything else stays.
    async fn lose_lease(&self, number: &PhoneNumberId);

    /// How much more time than was [passed](StoreWorld::pass) may have gone by: nothing where time is virtual and
    /// operations take none.
    fn slack(&self) -> Duration {
        Duration::from_secs(20)
    }
}

/// A lease or a wish that outlives every case.
const LONG: Duration = Duration::from_secs(600);
/// One that is to run out. No case relies on its holding.
const SHORT: Duration = Duration::from_millis(300);
/// After this it has.
const OVER: Duration = Duration::from_millis(400);
/// One that holds for an operation or two, and then runs out.
const WHILE: Duration = Duration::from_millis(900);
/// Stores may round times to this.
const GRAIN: Duration = Duration::from_millis(5);

/// A process in a case.
struct Process {
    store: Arc<dyn Store>,
    claims: AtomicU64,
}

async fn process(world: &dyn StoreWorld, name: &str) -> Process {
    let owner = RunId::parse(name).expect("an id");
    let store = world.member(owner.clone()).await;
    assert_eq!(*store.owner(), owner);
    Process { store, claims: AtomicU64::new(0) }
}

async fn two(harness: &impl StoreHarness) -> (Box<dyn StoreWorld>, Process, Process) {
    let world = harness.store().await;
    let (ada, bob) = (process(&*world, "run_ada").await, process(&*world, "run_bob").await);
    (world, ada, bob)
}

fn claim(ttl: Duration, calls_max: usize) -> Claim {
    Claim { ordinal: 1, answered: 0, ttl, numbers: None, calls_max }
}

impl Process {
    async fn submit(&self, calls: Vec<NewCall>) -> Vec<Accepted> {
        self.store.submit(calls).await.expect("the store answers")
    }

    /// Claims under the next ordinal; every claim before it was answered.
    async fn claim(&self, claim: Claim) -> Claimed {
        let answered = self.claims.fetch_add(1, Ordering::Relaxed);
        let claim = Claim { ordinal: answered + 1, answered, ..claim };
        self.store.claim(&claim).await.expect("the store answers")
    }

    /// Claims everything there is.
    async fn claim_all(&self, ttl: Duration) -> Claimed {
        self.claim(claim(ttl, 1000)).await
    }

    async fn renew(&self, ttl: Duration) -> Renewed {
        self.store.renew(ttl).await.expect("the store answers")
    }

    async fn release(&self, release: Release) {
        self.store.release(release).await.expect("the store answers");
    }

    async fn give_back(&self, name: &str, epoch: u64) {
        self.release(Release { numbers: vec![(number(name), epoch)], ..Release::default() }).await;
    }

    async fn want(&self, name: &str, ttl: Duration) -> Option<Taken> {
        self.store.want(&number(name), ttl).await.expect("the store answers")
    }

    /// Takes a number that nobody holds.
    async fn take(&self, name: &str) -> Taken {
        self.want(name, LONG).await.expect("nobody holds it")
    }

    async fn follow(&self, calls: &[(&str, u64)]) -> Vec<Followed> {
        let calls: Vec<(CallId, u64)> = calls.iter().map(|(name, after)| (call(name), *after)).collect();
        self.store.follow(&calls).await.expect("the store answers")
    }

    async fn cancel(&self, name: &str) -> CancelAnswer {
        self.store.cancel(&call(name), at(50)).await.expect("the store answers")
    }

    async fn history(&self, name: &str) -> Vec<Recorded> {
        self.store.events(&call(name), 0).await.expect("the store answers")
    }

    async fn open(&self) -> Vec<String> {
        let intents = self.store.open_intents().await.expect("the store answers");
        intents.iter().map(|intent| intent.attempt.to_string()).collect()
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), JournalError> {
        let mut answers = self.store.commit(vec![Entry { changes }]).await;
        assert_eq!(answers.len(), 1, "one entry, one answer");
        answers.remove(0)
    }

    /// Commits what must not be refused.
    async fn write(&self, changes: Vec<Change>) {
        assert_eq!(self.commit(changes).await, Ok(()));
    }
}

/// Another process has moved the call on, has it, or has closed it.
fn assert_conflict(answer: Result<(), JournalError>, name: &str) {
    let error = answer.expect_err("it is another's or over");
    assert!(matches!(&error, JournalError::Conflict { call: of, .. } if *of == call(name)), "{error:?}");
}

/// An entry that breaks two rules is refused for either.
fn assert_refused(answer: Result<(), JournalError>) {
    let error = answer.expect_err("it is another's");
    assert!(matches!(error, JournalError::Conflict { .. } | JournalError::Fenced { .. }), "{error:?}");
}

/// The ids of claimed calls, in their order.
fn ids(calls: &[StoredCall]) -> Vec<&str> {
    calls
        .iter()
        .map(|stored| samples::request_of(&stored.events[0].event).expect("the first event").id.as_str())
        .collect()
}

/// The numbers that were taken, with their epochs, in the order of their ids.
fn epochs(taken: &[Taken]) -> Vec<(&str, u64)> {
    let mut epochs: Vec<_> = taken.iter().map(|taken| (taken.number.as_str(), taken.epoch)).collect();
    epochs.sort_unstable();
    epochs
}

/// What was to last `whole` has so much of it left when `gone` has passed.
fn assert_left(left: Duration, whole: Duration, gone: Duration, world: &dyn StoreWorld) {
    let most = whole.saturating_sub(gone);
    assert!(left <= most + GRAIN, "{left:?} is more than {most:?}");
    assert!(left + GRAIN + world.slack() >= most, "{left:?} is much less than {most:?}");
}

/// Something is at least as old as what has passed since, and not much older.
fn assert_age(age: Duration, passed: Duration, world: &dyn StoreWorld) {
    assert!(age + GRAIN >= passed, "{age:?} is less than {passed:?}");
    assert!(age <= passed + world.slack() + GRAIN, "{age:?} is much more than {passed:?}");
}
