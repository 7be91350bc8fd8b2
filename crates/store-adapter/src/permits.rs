//! Permits that hold over all processes of an account: the store counts them.
//!
//! A number of dials at once is a row for each in the store; a rate is the time of its next turn there. While the store is
//! out of reach nothing is granted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{Clock, Permit, PermitRequest, Permits, Rate, Timer};
use partyline_domain::{AttemptId, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::store::SqlStore;
use crate::work::{Answer, Pace, PermitLimits, Work};
use crate::writer::WriterHandle;

/// Turns are taken at most so long before they come: so much is lost of a rate at most when a process ends.
const HORIZON: Duration = Duration::from_millis(100);
/// What was refused is asked for again after so long, whatever is heard of others.
const AGAIN: Duration = Duration::from_millis(250);

/// What holds over all processes of an account. Each process has to go by the same; where they do not, each goes by its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermitRules {
    /// How many dials may be in flight.
    pub in_flight: Option<usize>,
    /// How many calls may be live: dials that have a permit, and calls that are in doubt, initiated or ended unknown and
    /// that are not closed.
    pub live: Option<usize>,
    /// How fast dials may start.
    pub dials: Option<Rate>,
    /// How fast requests may start; a dial is one too.
    pub requests: Option<Rate>,
}

/// Grants permits out of a store.
pub struct StorePermits {
    store: SqlStore,
    limits: PermitLimits,
    clock: Arc<dyn Clock>,
    timer: Arc<dyn Timer>,
    /// As many of this process ask at once as could be granted, in the order in which they came.
    line: Option<Arc<Semaphore>>,
    granted: Mutex<BTreeMap<AttemptId, OwnedSemaphorePermit>>,
    returned: Notify,
    dials: Option<Pacer>,
    requests: Option<Pacer>,
}

impl SqlStore {
    /// Permits for the process whose view this is, granted by these rules.
    pub fn permits(&self, rules: PermitRules, clock: Arc<dyn Clock>, timer: Arc<dyn Timer>) -> StorePermits {
        let limits = PermitLimits { in_flight: rules.in_flight, live: rules.live };
        // Where calls that are live are counted, a permit is kept until its conversation has ended.
        let most = rules.live.or(rules.in_flight);
        let line = most.map(|most| Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS))));
        StorePermits {
            store: self.clone(),
            limits,
            clock,
            timer,
            line,
            granted: Mutex::default(),
            returned: Notify::new(),
            dials: rules.dials.map(|rate| Pacer::new("dials", rate)),
            requests: rules.requests.map(|rate| Pacer::new("requests", rate)),
        }
    }
}

/// A grant that is given back unless it is kept.
struct Grant {
    writer: WriterHandle,
    attempt: AttemptId,
    place: Option<OwnedSemaphorePermit>,
}

impl Grant {
    fn keep(mut self) -> Option<OwnedSemaphorePermit> {
        self.place.take()
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if self.place.is_some() {
            // Also where nothing was granted yet: the store may be about to.
            self.writer.tell(Work::ReturnPermit(self.attempt.clone()));
        }
    }
}

impl StorePermits {
    async fn grant(&self, attempt: &AttemptId) -> Option<Grant> {
        let line = self.line.as_ref()?;
        // Never closed, so the place is there.
        let place = Arc::clone(line).acquire_owned().await.ok()?;
        let grant = Grant { writer: self.store.writer(), attempt: attempt.clone(), place: Some(place) };
        let changes = self.store.changes().another();
        loop {
            let mut returned = std::pin::pin!(self.returned.notified());
            returned.as_mut().enable();
            let asked = grant.writer.ask(Work::Permit(attempt.clone(), self.limits)).await;
            if matches!(asked, Ok(Answer::Permit(true))) {
                return Some(grant);
            }
            let again = self.clock.now().monotonic.after(AGAIN);
            tokio::select! {
                () = returned => {}
                () = changes.wait(), if asked.is_ok() => {}
                () = self.timer.sleep_until(again) => {}
            }
        }
    }

    async fn pace_by(&self, pacer: Option<&Pacer>) {
        if let Some(pacer) = pacer {
            pacer.turn(&self.store.writer(), &*self.clock, &*self.timer).await;
        }
    }
}

#[async_trait]
impl Permits for StorePermits {
    async fn acquire(&self, request: &PermitRequest) -> Permit {
        let grant = self.grant(&request.attempt).await;
        self.pace_by(self.dials.as_ref()).await;
        self.pace_by(self.requests.as_ref()).await;
        if let Some(place) = grant.and_then(Grant::keep) {
            let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
            granted.insert(request.attempt.clone(), place);
        }
        Permit { attempt: request.attempt.clone() }
    }

    async fn release(&self, permit: Permit) {
        if self.line.is_none() {
            return;
        }
        // Written as soon as the store is there; nobody has to wait for that.
        self.store.writer().tell(Work::ReturnPermit(permit.attempt.clone()));
        let place = self.granted.lock().unwrap_or_else(PoisonError::into_inner).remove(&permit.attempt);
        drop(place);
        self.returned.notify_waiters();
    }

    async fn pace(&self) {
        self.pace_by(self.requests.as_ref()).await;
    }
}

/// One rate, as this process goes by it. Whoever is first waits for the turn; whoever gives up costs nobody a turn.
struct Pacer {
    kind: &'static str,
    interval: Duration,
    waiting: AtomicU32,
    /// Turns that were taken for this process, by its own clock.
    turns: tokio::sync::Mutex<VecDeque<Instant>>,
}

/// One who waits, until it is dropped.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pacer {
    fn new(kind: &'static str, rate: Rate) -> Self {
        let turns = tokio::sync::Mutex::new(VecDeque::new());
        Self { kind, interval: rate.interval(), waiting: AtomicU32::new(0), turns }
    }

    async fn turn(&self, writer: &WriterHandle, clock: &dyn Clock, timer: &dyn Timer) {
        let _waiting = Waiting::begin(&self.waiting);
        let mut turns = self.turns.lock().await;
        loop {
            match turns.front() {
                // Nobody was there for it.
                Some(turn) if turn.after(HORIZON) < clock.now().monotonic => drop(turns.pop_front()),
                Some(turn) => {
                    timer.sleep_until(*turn).await;
                    turns.pop_front();
                    return;
                }
                None => self.take(&mut turns, writer, clock, timer).await,
            }
        }
    }

    /// Takes turns for all who wait here, or waits until some can be taken.
    async fn take(&self, turns: &mut VecDeque<Instant>, writer: &WriterHandle, clock: &dyn Clock, timer: &dyn Timer) {
        let waiting = self.waiting.load(Ordering::Relaxed).max(1);
        let pace = Pace { kind: self.kind, interval: self.interval, turns: waiting, horizon: HORIZON };
        let answer = writer.ask(Work::Pace(pace)).await;
        let now = clock.now().monotonic;
        match answer {
            Ok(Answer::Pace(0, wait)) => timer.sleep_until(now.after(wait.saturating_sub(HORIZON / 2))).await,
            Ok(Answer::Pace(count, wait)) => {
                turns.extend((0..count).map(|index| now.after(wait + self.interval.saturating_mul(index))));
            }
            _ => timer.sleep_until(now.after(AGAIN)).await,
        }
    }
}
