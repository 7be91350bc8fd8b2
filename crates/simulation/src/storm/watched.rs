//! The ports with a record of what goes through them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::flow::CallEvent;
use partyline_domain::ports::{
    AgentProfile, Agents, AssignNumber, Change, Clock, Conversation, ConversationQuery, ConversationSummary,
    Conversations, DialAnswer, DialRequest, Dialer, Entry, Intent, Journal, MemoryJournal, Number, Numbers, Page,
    PageRequest, Recorded, Timer,
};
use partyline_domain::{
    AgentId, AttemptId, CallId, ConversationId, FailureKind, JournalError, PhoneNumberId, ProviderError, SideEffect,
};
use partyline_fake_adapter::{FakeProvider, VirtualClock};

use super::options::Options;
use super::record::{Answer, Asked, Happening, Record, assigned};

/// The provider, with connections that do not come about (a part of F7 that never reaches the world).
pub(super) struct WatchedProvider {
    inner: FakeProvider,
    record: Record,
    options: Arc<Options>,
    calm: Arc<AtomicBool>,
}

impl WatchedProvider {
    pub(super) fn new(inner: FakeProvider, record: Record, options: Arc<Options>, calm: Arc<AtomicBool>) -> Self {
        Self { inner, record, options, calm }
    }

    async fn send<T>(
        &self,
        asked: Asked,
        request: impl Future<Output = Result<T, ProviderError>> + Send,
        good: impl FnOnce(&T) -> Answer + Send,
    ) -> Result<T, ProviderError> {
        let waiting = self.record.sent(asked);
        if !self.calm.load(Ordering::Relaxed) && self.options.is_unreachable(waiting.id() as u64) {
            waiting.answered(Answer::Unsent(FailureKind::Unreachable));
            let detail = "no connection came about";
            return Err(ProviderError::retryable(FailureKind::Unreachable, None, detail));
        }
        let result = request.await;
        waiting.answered(match &result {
            Ok(value) => good(value),
            Err(error) if matches!(error.kind(), FailureKind::TooLate | FailureKind::NotBuilt) => {
                Answer::Unsent(error.kind())
            }
            Err(error) if error.side_effect() == SideEffect::None => Answer::NoEffect(error.kind()),
            Err(error) => Answer::InDoubt(error.kind()),
        });
        result
    }
}

fn any<T>(_: &T) -> Answer {
    Answer::Good
}

#[async_trait]
impl Agents for WatchedProvider {
    async fn agent(&self, id: &AgentId) -> Result<Option<AgentProfile>, ProviderError> {
        self.send(Asked::Agent(id.clone()), self.inner.agent(id), any).await
    }

    async fn agents(&self, page: &PageRequest) -> Result<Page<AgentProfile>, ProviderError> {
        self.send(Asked::Agents(0), self.inner.agents(page), any).await
    }

    async fn summaries(&self, ids: &[AgentId]) -> Result<BTreeMap<AgentId, AgentProfile>, ProviderError> {
        self.send(Asked::Agents(ids.len()), self.inner.summaries(ids), any).await
    }
}

#[async_trait]
impl Numbers for WatchedProvider {
    async fn number(&self, id: &PhoneNumberId) -> Result<Option<Number>, ProviderError> {
        let shown = |number: &Option<Number>| Answer::Numbers(number.iter().map(assigned).collect());
        self.send(Asked::Number(id.clone()), self.inner.number(id), shown).await
    }

    async fn numbers(&self) -> Result<Vec<Number>, ProviderError> {
        let shown = |numbers: &Vec<Number>| Answer::Numbers(numbers.iter().map(assigned).collect());
        self.send(Asked::Numbers, self.inner.numbers(), shown).await
    }

    async fn assign(&self, order: &AssignNumber) -> Result<Number, ProviderError> {
        let asked = Asked::Assign {
            attempt: order.attempt.clone(),
            number: order.number.clone(),
            agent: order.agent.clone(),
            not_after: order.not_after,
        };
        let shown = |number: &Number| Answer::Numbers(vec![assigned(number)]);
        self.send(asked, self.inner.assign(order), shown).await
    }
}

#[async_trait]
impl Dialer for WatchedProvider {
    async fn dial(&self, request: &DialRequest) -> Result<DialAnswer, ProviderError> {
        let asked = Asked::Dial {
            attempt: request.attempt.clone(),
            number: request.number.clone(),
            agent: request.agent.clone(),
            not_after: request.not_after,
        };
        let said = |answer: &DialAnswer| match answer {
            DialAnswer::Accepted(accepted) => Answer::Accepted(accepted.conversation.clone()),
            DialAnswer::Refused(refused) => Answer::Refused(refused.conversation.clone()),
        };
        self.send(asked, self.inner.dial(request), said).await
    }
}

#[async_trait]
impl Conversations for WatchedProvider {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<Conversation>, ProviderError> {
        self.send(Asked::Conversation(id.clone()), self.inner.conversation(id), any).await
    }

    async fn conversations(&self, query: &ConversationQuery) -> Result<Page<ConversationSummary>, ProviderError> {
        self.send(Asked::Conversations, self.inner.conversations(query), any).await
    }
}

/// The memory journal, which takes its time. That time is what tells an intent that is written ahead from one that
/// is written while the request is already on its way.
pub(super) struct WatchedJournal {
    inner: MemoryJournal,
    record: Record,
    clock: VirtualClock,
    delay: Duration,
}

impl WatchedJournal {
    pub(super) fn new(record: Record, clock: VirtualClock, delay: Duration) -> Self {
        Self { inner: MemoryJournal::new(), record, clock, delay }
    }
}

#[async_trait]
impl Journal for WatchedJournal {
    async fn commit(&self, entries: Vec<Entry>) -> Vec<Result<(), JournalError>> {
        if !self.delay.is_zero() {
            self.clock.sleep_until(self.clock.now().monotonic.after(self.delay)).await;
        }
        let intents: Vec<Vec<Intent>> = entries.iter().map(|entry| intents(entry).cloned().collect()).collect();
        let answers = self.inner.commit(entries).await;
        for (intents, _) in intents.into_iter().zip(&answers).filter(|(_, answer)| answer.is_ok()) {
            for intent in intents {
                self.record.note(Happening::Intended(Box::new(intent)));
            }
        }
        answers
    }

    async fn events(&self, call: &CallId, after: u64) -> Result<Vec<Recorded>, JournalError> {
        self.inner.events(call, after).await
    }

    async fn open_intents(&self) -> Result<Vec<Intent>, JournalError> {
        self.inner.open_intents().await
    }

    async fn remembered(&self, number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, JournalError> {
        self.inner.remembered(number).await
    }
}

fn intents(entry: &Entry) -> impl Iterator<Item = &Intent> {
    entry.changes.iter().filter_map(|change| if let Change::Intend(intent) = change { Some(intent) } else { None })
}

/// The attempt that an event of a call is about.
pub(super) fn attempt_of(event: &CallEvent) -> Option<&AttemptId> {
    if let CallEvent::DialIntended { attempt }
    | CallEvent::DialNotExecuted { attempt, .. }
    | CallEvent::DialRefused { attempt, .. }
    | CallEvent::DialFailed { attempt, .. }
    | CallEvent::DialDoubted { attempt, .. }
    | CallEvent::DialGivenUp { attempt, .. }
    | CallEvent::CallInitiated { attempt, .. }
    | CallEvent::LookUpsEnded { attempt, .. } = event
    {
        Some(attempt)
    } else {
        None
    }
}
