//! One process's view of the store. Every operation waits, takes effect at one moment, and waits again; so whoever
//! drops it leaves the store as it was before the operation or as it is after it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{
    Accepted, CancelAnswer, Change, Claim, Claimed, Entry, Followed, Intent, Journal, NewCall, Recorded, Release,
    Renewed, Store, StoreUnavailable, Taken, Timer,
};
use partyline_domain::{AgentId, CallId, Instant, JournalError, PhoneNumberId, RunId, SideEffect, Timestamp};

use super::faults::{StoreFault, StoreFaultMix, StoreFaultRule, StoreOperation};
use super::state::StoreState;
use super::{Shared, end};

/// A process's view of a [`FakeStore`](super::FakeStore).
pub struct Member {
    shared: Arc<Shared>,
    owner: RunId,
}

impl Member {
    pub(super) fn new(shared: Arc<Shared>, owner: RunId) -> Self {
        Self { shared, owner }
    }

    /// Lets something go wrong with this member's operations.
    pub fn inject(&self, rule: StoreFaultRule) {
        self.shared.lock().desk(&self.owner).faults.rules.push(rule);
    }

    /// Lets a share of this member's operations go wrong.
    pub fn inject_mix(&self, mix: StoreFaultMix) {
        self.shared.lock().desk(&self.owner).faults.mix = mix;
    }

    /// This member does not reach the store for so long, from now on.
    pub fn cut_off(&self, lasting: Duration) {
        let now = self.shared.now();
        self.shared.lock().desk(&self.owner).cut.push((now, now.after(lasting)));
    }

    /// This member reaches the store again. (Its other faults stay.)
    pub fn reconnect(&self) {
        let now = self.shared.now();
        end(&mut self.shared.lock().desk(&self.owner).cut, now);
    }

    /// Does something to the state at one moment, as far as the way to the store lets it.
    async fn perform<T: Send>(
        &self,
        operation: StoreOperation,
        tells: bool,
        act: impl FnOnce(&mut StoreState, Instant) -> T + Send,
    ) -> Result<T, StoreUnavailable> {
        let begun = self.shared.now();
        let half = self.shared.config.latency / 2;
        let fault = self.next_fault(operation);
        self.wait(half + slowed(fault)).await;
        if fault == Some(StoreFault::Fails) {
            return Err(unavailable("the connection was refused"));
        }
        let reached = self.shared.now();
        let Some(answer) = self.act(tells, reached, act) else { return Err(self.no_answer(begun).await) };
        self.wait(half + answer_slowed(fault)).await;
        if fault == Some(StoreFault::AnswerLost) {
            return Err(unavailable("the connection broke before the answer came"));
        }
        let cut_off = self.shared.lock().was_cut_off(&self.owner, reached, self.shared.now());
        if cut_off { Err(self.no_answer(begun).await) } else { Ok(answer) }
    }

    fn next_fault(&self, operation: StoreOperation) -> Option<StoreFault> {
        let mut inner = self.shared.lock();
        let desk = inner.desk(&self.owner);
        desk.operations += 1;
        desk.faults.next(operation, desk.operations)
    }

    /// The one moment. `None` where the store is out of reach.
    fn act<T>(&self, tells: bool, now: Instant, act: impl FnOnce(&mut StoreState, Instant) -> T) -> Option<T> {
        let mut inner = self.shared.lock();
        if inner.was_cut_off(&self.owner, now, now) {
            return None;
        }
        let answer = act(&mut inner.state, now);
        let woken = if tells { inner.tell_others(&self.owner, now) } else { Vec::new() };
        drop(inner);
        woken.into_iter().for_each(Waker::wake);
        Some(answer)
    }

    /// Waits in vain for an answer.
    async fn no_answer(&self, begun: Instant) -> StoreUnavailable {
        self.shared.clock.sleep_until(begun.after(self.shared.config.patience)).await;
        unavailable("it did not answer in time")
    }

    async fn wait(&self, delay: Duration) {
        if !delay.is_zero() {
            self.shared.clock.sleep_until(self.shared.now().after(delay)).await;
        }
    }

    async fn read<T: Send>(&self, look: impl FnOnce(&StoreState) -> T + Send) -> Result<T, JournalError> {
        let answer = self.perform(StoreOperation::Read, false, |state, _| look(state)).await;
        answer.map_err(|error| JournalError::Unavailable { detail: error.detail, effect: SideEffect::None })
    }
}

fn slowed(fault: Option<StoreFault>) -> Duration {
    match fault {
        Some(StoreFault::Slow(by)) => by,
        Some(StoreFault::Fails | StoreFault::AnswerLost | StoreFault::SlowAnswer(_)) | None => Duration::ZERO,
    }
}

fn answer_slowed(fault: Option<StoreFault>) -> Duration {
    match fault {
        Some(StoreFault::SlowAnswer(by)) => by,
        Some(StoreFault::Fails | StoreFault::AnswerLost | StoreFault::Slow(_)) | None => Duration::ZERO,
    }
}

fn unavailable(detail: &str) -> StoreUnavailable {
    StoreUnavailable { detail: detail.to_owned() }
}

#[async_trait]
impl Journal for Member {
    /// Does not fail while the store is out of reach, but goes on until the entries are answered.
    async fn commit(&self, entries: Vec<Entry>) -> Vec<Result<(), JournalError>> {
        let closes = |entry: &Entry| entry.changes.iter().any(|change| matches!(change, Change::Close(_)));
        let tells = entries.iter().any(closes);
        loop {
            let write = |state: &mut StoreState, now| state.commit_all(&self.owner, &entries, now);
            match self.perform(StoreOperation::Commit, tells, write).await {
                Ok(answers) => return answers,
                // A retry without any pause would let no time pass, and so never end.
                Err(_) => self.wait(self.shared.config.retry_after.max(Duration::from_millis(1))).await,
            }
        }
    }

    async fn events(&self, call: &CallId, after: u64) -> Result<Vec<Recorded>, JournalError> {
        self.read(|state| state.events(call, after)).await
    }

    async fn open_intents(&self) -> Result<Vec<Intent>, JournalError> {
        self.read(StoreState::open_intents).await
    }

    async fn remembered(&self, number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, JournalError> {
        self.read(|state| state.remembered(number)).await
    }
}

#[async_trait]
impl Store for Member {
    fn owner(&self) -> &RunId {
        &self.owner
    }

    async fn submit(&self, calls: Vec<NewCall>) -> Result<Vec<Accepted>, StoreUnavailable> {
        self.perform(StoreOperation::Submit, true, |state, now| state.submit(calls, now)).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreUnavailable> {
        self.perform(StoreOperation::Claim, false, |state, now| state.claim(&self.owner, claim, now)).await
    }

    async fn renew(&self, ttl: Duration) -> Result<Renewed, StoreUnavailable> {
        self.perform(StoreOperation::Renew, false, |state, now| state.renew(&self.owner, ttl, now)).await
    }

    async fn release(&self, release: Release) -> Result<(), StoreUnavailable> {
        self.perform(StoreOperation::Release, true, |state, now| state.release(&self.owner, release, now)).await
    }

    async fn want(&self, number: &PhoneNumberId, ttl: Duration) -> Result<Option<Taken>, StoreUnavailable> {
        self.perform(StoreOperation::Want, true, |state, now| state.want(&self.owner, number, ttl, now)).await
    }

    async fn follow(&self, calls: &[(CallId, u64)]) -> Result<Vec<Followed>, StoreUnavailable> {
        self.perform(StoreOperation::Follow, false, |state, _| state.follow(calls)).await
    }

    async fn cancel(&self, call: &CallId, at: Timestamp) -> Result<CancelAnswer, StoreUnavailable> {
        self.perform(StoreOperation::Cancel, true, |state, now| state.cancel(call, at, now)).await
    }

    async fn changed(&self) {
        let polled = self.shared.now().after(self.shared.config.polling);
        let mut poll = pin!(self.shared.clock.sleep_until(polled));
        let waiting = Waiting::begin(self);
        poll_fn(|context| match waiting.poll(context.waker()) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => poll.as_mut().poll(context),
        })
        .await;
    }
}

/// A wait for news, given up when it is dropped.
struct Waiting<'a> {
    member: &'a Member,
    wait: super::news::Wait,
}

impl<'a> Waiting<'a> {
    fn begin(member: &'a Member) -> Self {
        let wait = member.shared.lock().desk(&member.owner).news.begin();
        Self { member, wait }
    }

    fn poll(&self, waker: &Waker) -> Poll<()> {
        self.member.shared.lock().desk(&self.member.owner).news.poll(&self.wait, waker)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.member.shared.lock().desk(&self.member.owner).news.end(self.wait.id);
    }
}
