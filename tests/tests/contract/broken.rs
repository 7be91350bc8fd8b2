//! The suites can fail: adapters that break a promise are caught.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use partyline_domain::ports::{
    AgentProfile, Agents, AssignNumber, AssignedAgent, Change, Clock, Conversation, ConversationQuery,
    ConversationSummary, Conversations, DialAnswer, DialRequest, Dialer, Entry, Intent, Journal, MemoryJournal, Number,
    Numbers, Page, PageRequest, Provider, Recorded,
};
use partyline_domain::{AgentId, CallId, ConversationId, JournalError, PhoneNumberId, ProviderError};
use partyline_fake_adapter::world::Ledger;
use partyline_tests::contract::journal::{self, JournalHarness};
use partyline_tests::contract::provider::{Cast, ProviderHarness, ProviderWorld, doubts, numbers};
use partyline_tests::contract::{Harness, provider};

use crate::provider_fake::Direct;

/// Dials again when there is no verdict, and believes that an assignment is what was asked for.
struct Careless(Arc<dyn Provider>);

#[async_trait]
impl Agents for Careless {
    async fn agent(&self, id: &AgentId) -> Result<Option<AgentProfile>, ProviderError> {
        self.0.agent(id).await
    }

    async fn agents(&self, page: &PageRequest) -> Result<Page<AgentProfile>, ProviderError> {
        self.0.agents(page).await
    }

    async fn summaries(&self, ids: &[AgentId]) -> Result<BTreeMap<AgentId, AgentProfile>, ProviderError> {
        self.0.summaries(ids).await
    }
}

#[async_trait]
impl Numbers for Careless {
    async fn number(&self, id: &PhoneNumberId) -> Result<Option<Number>, ProviderError> {
        self.0.number(id).await
    }

    async fn numbers(&self) -> Result<Vec<Number>, ProviderError> {
        self.0.numbers().await
    }

    async fn assign(&self, order: &AssignNumber) -> Result<Number, ProviderError> {
        let assigned = order.agent.clone().map(|id| AssignedAgent { id, name: String::new() });
        self.0.assign(order).await.map(|number| Number { assigned, ..number })
    }
}

#[async_trait]
impl Dialer for Careless {
    async fn dial(&self, request: &DialRequest) -> Result<DialAnswer, ProviderError> {
        match self.0.dial(request).await {
            Err(_) => self.0.dial(request).await,
            answer => answer,
        }
    }
}

#[async_trait]
impl Conversations for Careless {
    async fn conversation(&self, id: &ConversationId) -> Result<Option<Conversation>, ProviderError> {
        self.0.conversation(id).await
    }

    async fn conversations(&self, query: &ConversationQuery) -> Result<Page<ConversationSummary>, ProviderError> {
        self.0.conversations(query).await
    }
}

#[derive(Default)]
struct WithCareless(Direct);

impl Harness for WithCareless {
    fn run(&self, case: impl Future<Output = ()>) {
        self.0.run(case);
    }
}

#[async_trait]
impl ProviderHarness for WithCareless {
    async fn world(&self, agents: usize) -> Box<dyn ProviderWorld> {
        Box::new(CarelessWorld(self.0.world(agents).await))
    }
}

struct CarelessWorld(Box<dyn ProviderWorld>);

#[async_trait]
impl ProviderWorld for CarelessWorld {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(Careless(self.0.provider()))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock()
    }

    fn cast(&self) -> &Cast {
        self.0.cast()
    }

    async fn inject(&self, rule: &str) {
        self.0.inject(rule).await;
    }

    async fn heal(&self) {
        self.0.heal().await;
    }

    async fn ledger(&self) -> Ledger {
        self.0.ledger().await
    }

    async fn variables(&self, conversation: &ConversationId) -> BTreeMap<String, String> {
        self.0.variables(conversation).await
    }

    async fn pass(&self, by: Duration) {
        self.0.pass(by).await;
    }
}

#[test]
#[should_panic(expected = "one invocation sends at most one request")]
fn a_second_dial_is_caught() {
    let harness = WithCareless::default();
    harness.run(doubts::a_dial_without_a_verdict_is_in_doubt(&harness));
}

#[test]
#[should_panic(expected = "left == right")]
fn a_believed_assignment_is_caught() {
    let harness = WithCareless::default();
    harness.run(numbers::an_ignored_assignment_shows_in_the_answer(&harness));
}

#[test]
fn what_is_done_well_still_passes() {
    let harness = WithCareless::default();
    harness.run(provider::agents::every_page_of_agents_can_be_read(&harness));
}

/// Writes an entry change by change, and stops at a conflict.
#[derive(Default)]
struct Torn(MemoryJournal);

#[async_trait]
impl Journal for Torn {
    async fn commit(&self, entries: Vec<Entry>) -> Vec<Result<(), JournalError>> {
        let mut answers = Vec::new();
        for entry in entries {
            let changes = entry.changes.into_iter().map(|change: Change| Entry { changes: vec![change] });
            answers.push(self.0.commit(changes.collect()).await.into_iter().collect());
        }
        answers
    }

    async fn events(&self, call: &CallId, after: u64) -> Result<Vec<Recorded>, JournalError> {
        self.0.events(call, after).await
    }

    async fn open_intents(&self) -> Result<Vec<Intent>, JournalError> {
        self.0.open_intents().await
    }

    async fn remembered(&self, number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, JournalError> {
        self.0.remembered(number).await
    }
}

struct WithTorn;

impl Harness for WithTorn {
    fn run(&self, case: impl Future<Output = ()>) {
        case.now_or_never().expect("memory never waits");
    }
}

#[async_trait]
impl JournalHarness for WithTorn {
    async fn journal(&self) -> Arc<dyn Journal> {
        Arc::new(Torn::default())
    }

    async fn reopened(&self, journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
        journal
    }
}

#[test]
#[should_panic(expected = "left == right")]
fn a_torn_entry_is_caught() {
    WithTorn.run(journal::a_conflict_writes_nothing_of_its_entry(&WithTorn));
}
