//! The provider as one process sees it: its times are translated, and each write is judged at the moment it leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{
    AgentProfile, Agents, AssignNumber, Clock, Conversation, ConversationQuery, ConversationSummary, Conversations,
    DialAnswer, DialRequest, Dialer, Number, Numbers, Page, PageRequest,
};
use partyline_domain::{
    AgentId, AttemptId, ConversationId, FailureKind, Instant, PhoneNumberId, ProviderError, RunId, SideEffect,
};
use partyline_fake_adapter::{FakeProvider, FakeStore, VirtualClock};

use super::clock::ProcessClock;
use crate::storm::invariants::Violation;

/// A write that has left.
#[derive(Clone, Debug)]
struct Sent {
    attempt: AttemptId,
    number: PhoneNumberId,
    agent: Option<AgentId>,
    at: Instant,
    /// Its process knows what became of it.
    resolved: bool,
}

/// What all processes have sent, and the first rule that was broken.
pub(super) struct Watch {
    truth: VirtualClock,
    store: FakeStore,
    lateness: Duration,
    /// Whether no lease is lost by the store itself: then I4 holds without exception.
    keeps_leases: bool,
    inner: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    sent: Vec<Sent>,
    violation: Option<Violation>,
    trace: String,
}

impl Watch {
    pub(super) fn new(truth: VirtualClock, store: FakeStore, lateness: Duration, keeps_leases: bool) -> Arc<Self> {
        Arc::new(Self { truth, store, lateness, keeps_leases, inner: Mutex::default() })
    }

    pub(super) fn leases_are_kept(&self) -> bool {
        self.keeps_leases
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line to the trace.
    pub(super) fn note(&self, what: &str) {
        let at = self.truth.now().monotonic.since_origin().as_nanos();
        // A text takes everything.
        let _ = writeln!(self.lock().trace, "{at} {what}");
    }

    pub(super) fn take(&self) -> (Option<Violation>, String) {
        let mut seen = self.lock();
        (seen.violation.take(), std::mem::take(&mut seen.trace))
    }

    /// Judges a write that is about to leave; its place in the list.
    fn leaves(&self, owner: &RunId, attempt: &AttemptId, number: &PhoneNumberId, agent: Option<&AgentId>) -> usize {
        self.note(&format!("{owner} sends {attempt} on {number} for {agent:?}"));
        let now = self.truth.now().monotonic;
        let verdict = self.written_ahead(owner, attempt, number, now).or_else(|| self.excluded(number, agent, now));
        let mut seen = self.lock();
        if seen.violation.is_none() {
            seen.violation = verdict;
        }
        let (attempt, number, agent) = (attempt.clone(), number.clone(), agent.cloned());
        seen.sent.push(Sent { attempt, number, agent, at: now, resolved: false });
        seen.sent.len() - 1
    }

    /// I6 and I4: its intent is written, not too old, and its number is leased to its process under the same epoch.
    fn written_ahead(
        &self,
        owner: &RunId,
        attempt: &AttemptId,
        number: &PhoneNumberId,
        now: Instant,
    ) -> Option<Violation> {
        let broken = |invariant, sentence| Some(Violation { invariant, sentence });
        self.store.with(|state| {
            let intents = state.open_intents();
            let Some(intent) = intents.iter().find(|intent| intent.attempt == *attempt) else {
                return broken("I6", format!("{attempt} was sent at {now} without an open intent"));
            };
            // The process counts from its decision, the store from when that was written: the store may only be later.
            if state.open_until(attempt).is_some_and(|until| until < now) {
                return broken("I6", format!("{attempt} was sent at {now}, later than its intent says"));
            }
            if !self.keeps_leases {
                return None;
            }
            let lease = state.leases().find(|(leased, _)| *leased == number).map(|(_, lease)| lease);
            match lease {
                Some(lease) if lease.owner == *owner && lease.epoch == intent.epoch && now < lease.expires_at => None,
                _ => broken(
                    "I4",
                    format!("{owner} sent {attempt} at {now} under epoch {}, and the lease is {lease:?}", intent.epoch),
                ),
            }
        })
    }

    /// I2 and I3: nothing for another agent is unresolved on the number, over all processes.
    fn excluded(&self, number: &PhoneNumberId, agent: Option<&AgentId>, now: Instant) -> Option<Violation> {
        let open: BTreeSet<AttemptId> =
            self.store.with(|state| state.open_intents().into_iter().map(|intent| intent.attempt).collect());
        let seen = self.lock();
        let others = seen.sent.iter().filter(|sent| sent.number == *number && sent.agent.as_ref() != agent);
        let unresolved =
            |sent: &&Sent| !sent.resolved && open.contains(&sent.attempt) && now < sent.at.after(self.lateness);
        let other = others.into_iter().find(unresolved)?;
        let sentence = format!(
            "a request for {agent:?} was sent on {number} at {now}, and {} for {:?} of {} is unresolved",
            other.attempt, other.agent, other.at
        );
        Some(Violation { invariant: "I2", sentence })
    }

    fn resolved<T>(&self, place: usize, answer: &Result<T, ProviderError>) {
        let certain = answer.as_ref().map_or_else(|error| error.side_effect() == SideEffect::None, |_| true);
        if certain {
            self.lock().sent[place].resolved = true;
        }
    }
}

/// See the module.
pub(super) struct ProcessProvider {
    pub(super) inner: FakeProvider,
    pub(super) clock: ProcessClock,
    pub(super) owner: RunId,
    pub(super) watch: Arc<Watch>,
}

impl ProcessProvider {
    /// The last look at the clock; `None` where it is too late.
    fn too_late(&self, not_after: Instant) -> Option<ProviderError> {
        let late = self.clock.now().monotonic > not_after;
        let detail = "its time to be sent had passed, so nothing was sent";
        late.then(|| ProviderError::retryable(FailureKind::TooLate, None, detail))
    }
}

#[async_trait]
impl Agents for ProcessProvider {
    async fn agent(&self, id: &AgentId) -> Result<Option<AgentProfile>, ProviderError> {
        self.inner.agent(id).await
    }

    async fn agents(&self, page: &PageRequest) -> Result<Page<AgentProfile>, ProviderError> {
        self.inner.agents(page).await
    }

    async fn summaries(&self, ids: &[AgentId]) -> Result<BTreeMap<AgentId, AgentProfile>, ProviderError> {
        self.inner.summaries(ids).await
    }
}

#[async_trait]
impl Numbers for ProcessProvider {
    async fn number(&self, id: &PhoneNumberId) -> Result<Option<Number>, ProviderError> {
        self.inner.number(id).await
    }

    async fn numbers(&self) -> Result<Vec<Number>, ProviderError> {
        self.inner.numbers().await
    }

    async fn assign(&self, order: &AssignNumber) -> Result<Number, ProviderError> {
        if let Some(error) = self.too_late(order.not_after) {
            return Err(error);
        }
        let place = self.watch.leaves(&self.owner, &order.attempt, &order.number, order.agent.as_ref());
        let not_after = self.clock.truly(order.not_after);
        let answer = self.inner.assign(&AssignNumber { not_after, ..order.clone() }).await;
        self.watch.resolved(place, &answer);
        answer
    }
}

#[async_trait]
impl Dialer for ProcessProvider {
    async fn dial(&self, request: &DialRequest) -> Result<DialAnswer, ProviderError> {
        if let Some(error) = self.too_late(request.not_after) {
            return Err(error);
        }
        let place = self.watch.leaves(&self.owner, &request.attempt, &request.number, Some(&request.agent));
        let not_after = self.clock.truly(request.not_after);
        let answer = self.inner.dial(&DialRequest { not_after, ..request.clone() }).await;
        self.watch.resolved(place, &answer);
        answer
    }
}

#[async_trait]
impl Conversations for ProcessProvider {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<Conversation>, ProviderError> {
        self.inner.conversation(id).await
    }

    async fn conversations(&self, query: &ConversationQuery) -> Result<Page<ConversationSummary>, ProviderError> {
        self.inner.conversations(query).await
    }
}
