//! A driver in virtual time over a real database: time stands still while the database works, and moves on where nothing
//! else is left to be done. So a provider that takes 250 ms costs nothing, and what is left is the work itself.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{
    Accepted, CancelAnswer, Claim, Claimed, Clock as _, Entry, Followed, Intent, Journal, NewCall, Recorded, Release,
    Renewed, Store, StoreUnavailable, Taken,
};
use partyline_domain::{AgentId, CallId, JournalError, PhoneNumberId, RunId, Timestamp};
use partyline_fake_adapter::VirtualClock;
use partyline_store_adapter::SqlStore;

use crate::stage::timed;

/// What is asked of a store, and how long it takes over the answers.
#[derive(Default)]
pub(crate) struct Gauge {
    open: AtomicUsize,
    pub(crate) claims: Meter,
    pub(crate) commits: Meter,
}

/// Questions of one kind.
#[derive(Default)]
pub(crate) struct Meter {
    nanoseconds: AtomicU64,
}

impl Meter {
    /// How long all of them took together.
    pub(crate) fn took(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }

    fn add(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

/// A store whose questions are counted. It never tells of changes: what other processes do has no virtual time.
pub(crate) struct Gauged {
    pub(crate) store: SqlStore,
    pub(crate) gauge: Arc<Gauge>,
}

/// A question without an answer.
struct Open<'a>(&'a AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Gauged {
    fn ask(&self) -> Open<'_> {
        self.gauge.open.fetch_add(1, Ordering::AcqRel);
        Open(&self.gauge.open)
    }
}

#[async_trait]
impl Journal for Gauged {
    async fn commit(&self, entries: Vec<Entry>) -> Vec<Result<(), JournalError>> {
        let _open = self.ask();
        let (took, answers) = timed(self.store.commit(entries)).await;
        self.gauge.commits.add(took);
        answers
    }

    async fn events(&self, call: &CallId, after: u64) -> Result<Vec<Recorded>, JournalError> {
        let _open = self.ask();
        self.store.events(call, after).await
    }

    async fn open_intents(&self) -> Result<Vec<Intent>, JournalError> {
        let _open = self.ask();
        self.store.open_intents().await
    }

    async fn remembered(&self, number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, JournalError> {
        let _open = self.ask();
        self.store.remembered(number).await
    }
}

#[async_trait]
impl Store for Gauged {
    fn owner(&self) -> &RunId {
        self.store.owner()
    }

    async fn submit(&self, calls: Vec<NewCall>) -> Result<Vec<Accepted>, StoreUnavailable> {
        let _open = self.ask();
        self.store.submit(calls).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreUnavailable> {
        let _open = self.ask();
        let (took, claimed) = timed(self.store.claim(claim)).await;
        self.gauge.claims.add(took);
        claimed
    }

    async fn renew(&self, ttl: Duration) -> Result<Renewed, StoreUnavailable> {
        let _open = self.ask();
        self.store.renew(ttl).await
    }

    async fn release(&self, release: Release) -> Result<(), StoreUnavailable> {
        let _open = self.ask();
        self.store.release(release).await
    }

    async fn want(&self, number: &PhoneNumberId, ttl: Duration) -> Result<Option<Taken>, StoreUnavailable> {
        let _open = self.ask();
        self.store.want(number, ttl).await
    }

    async fn follow(&self, calls: &[(CallId, u64)]) -> Result<Vec<Followed>, StoreUnavailable> {
        let _open = self.ask();
        self.store.follow(calls).await
    }

    async fn cancel(&self, call: &CallId, at: Timestamp) -> Result<CancelAnswer, StoreUnavailable> {
        let _open = self.ask();
        self.store.cancel(call, at).await
    }

    async fn changed(&self) {
        std::future::pending::<()>().await;
    }
}

/// Remembers that it was woken.
struct Flag {
    woken: AtomicBool,
    outer: Waker,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.outer.wake_by_ref();
    }
}

/// Runs a future that waits for virtual time, and for nothing real but the gauged store.
///
/// # Panics
/// Where nothing can happen any more.
pub(crate) async fn run<F: Future>(time: &VirtualClock, gauge: &Gauge, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let flag = Arc::new(Flag { woken: AtomicBool::new(false), outer: context.waker().clone() });
        let waker = Waker::from(flag.clone());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Poll::Ready(output);
            }
            if flag.woken.swap(false, Ordering::AcqRel) {
                continue;
            }
            if gauge.open.load(Ordering::Acquire) > 0 {
                return Poll::Pending;
            }
            let due = time.next_due().expect("somebody waits for time or for the store");
            time.advance(due.since(time.now().monotonic));
        }
    })
    .await
}
