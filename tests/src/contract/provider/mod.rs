//! The contract of the provider's ports: [`Agents`](partyline_domain::ports::Agents),
//! [`Numbers`](partyline_domain::ports::Numbers), [`Dialer`](partyline_domain::ports::Dialer) and
//! [`Conversations`](partyline_domain::ports::Conversations).
//!
//! A case asks for a fresh world, tells it what is to go wrong (in the vocabulary of
//! [`partyline_fake_adapter::faults`]), and judges by two things: what the port answers, and what the world's
//! ledger says has happened. An adapter that speaks the same HTTP API is tested against the emulator; an adapter
//! for another provider needs a world of its own that can go wrong in the same ways.

pub mod agents;
pub mod conversations;
pub mod dialer;
pub mod doubts;
pub mod numbers;
pub mod reads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{
    AgentProfile, AssignNumber, Clock, Conversation, ConversationQuery, ConversationSummary, DialAccepted, DialAnswer,
    DialRequest, NumberProvider, PAGE_SIZE_MAX, PageRequest, Provider,
};
use partyline_domain::{
    AgentId, AttemptId, CallOptions, ConversationId, PhoneNumber, PhoneNumberId, ProviderError, RingingTimeout,
};
use partyline_fake_adapter::world::{Ledger, Operation};

use crate::contract::Harness;

/// A provider to test.
#[async_trait]
pub trait ProviderHarness: Harness {
    /// A fresh world with this many agents that are not archived (at least 2), and an adapter that talks to it.
    async fn world(&self, agents: usize) -> Box<dyn ProviderWorld>;
}

/// Who and what is in a world. No number is assigned to anybody in the beginning.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The agents that are not archived, each with another name.
    pub agents: Vec<AgentProfile>,
    /// One that is archived.
    pub archived: AgentProfile,
    /// A number of Twilio's.
    pub twilio: PhoneNumberId,
    /// A number behind a SIP trunk.
    pub sip_trunk: PhoneNumberId,
    /// A number of Exotel's.
    pub exotel: PhoneNumberId,
    /// A number of Twilio's that can only call, not be called: it cannot be assigned.
    pub outbound_only: PhoneNumberId,
}

/// A provider's world and an adapter that talks to it. Callees answer at once, conversations show in the list
/// at once, and every request has its effect at once, unless a fault says otherwise.
#[async_trait]
pub trait ProviderWorld: Send + Sync {
    /// The adapter under test. It is set up so that it gives up soon: what never answers is waited for no longer
    /// than a second beyond the ringing timeout.
    fn provider(&self) -> Arc<dyn Provider>;

    /// The clock that the adapter goes by.
    fn clock(&self) -> Arc<dyn Clock>;

    /// Who and what is in the world.
    fn cast(&self) -> &Cast;

    /// Schedules a fault, written as [`partyline_fake_adapter::FaultRule`] reads it.
    async fn inject(&self, rule: &str);

    /// Forgets all faults that have not happened.
    async fn heal(&self);

    /// What really happened.
    async fn ledger(&self) -> Ledger;

    /// The dynamic variables that a conversation was opened with, ours included: each value as JSON text.
    async fn variables(&self, conversation: &ConversationId) -> BTreeMap<String, String>;

    /// Lets at least this much time pass on the adapter's clock.
    async fn pass(&self, by: Duration);
}

/// A phone number that is nobody's.
fn callee() -> PhoneNumber {
    PhoneNumber::parse("+12025550123").expect("a number")
}

/// An id that nothing has.
const UNKNOWN: &str = "unknown_0000000000000000000000000000";

fn attempt(name: &str) -> AttemptId {
    AttemptId::parse(&format!("contract.{name}")).expect("an id")
}

fn unknown_agent() -> AgentId {
    AgentId::parse(UNKNOWN).expect("an id")
}

fn unknown_number() -> PhoneNumberId {
    PhoneNumberId::parse(UNKNOWN).expect("an id")
}

/// A dial with no options, from the Twilio number, by the first agent.
fn dial(world: &dyn ProviderWorld, name: &str) -> DialRequest {
    let cast = world.cast();
    let ringing_timeout = RingingTimeout::from_seconds(1).expect("within bounds");
    DialRequest {
        attempt: attempt(name),
        agent: cast.agents[0].id.clone(),
        number: cast.twilio.clone(),
        provider: NumberProvider::Twilio,
        to: callee(),
        options: Arc::new(CallOptions { ringing_timeout, ..CallOptions::default() }),
        not_after: world.clock().now().monotonic.after(Duration::from_secs(60)),
    }
}

/// An order to give `number` to `agent`.
fn assign(world: &dyn ProviderWorld, number: &PhoneNumberId, agent: Option<&AgentId>) -> AssignNumber {
    AssignNumber {
        attempt: attempt("assign"),
        number: number.clone(),
        agent: agent.cloned(),
        not_after: world.clock().now().monotonic.after(Duration::from_secs(60)),
    }
}

fn accepted(answer: Result<DialAnswer, ProviderError>) -> DialAccepted {
    match answer {
        Ok(DialAnswer::Accepted(accepted)) => accepted,
        Ok(DialAnswer::Refused(refused)) => panic!("refused: {refused:?}"),
        Err(error) => panic!("failed: {error:?}"),
    }
}

async fn conversation(world: &dyn ProviderWorld, id: &ConversationId) -> Conversation {
    let found = world.provider().conversation(id).await.expect("a read works");
    found.unwrap_or_else(|| panic!("there is no conversation {id}"))
}

/// All conversations that match, page by page.
async fn conversations(world: &dyn ProviderWorld, query: ConversationQuery) -> Vec<ConversationSummary> {
    let mut found = Vec::new();
    let mut query = query;
    // More pages than any case needs: a list that never ends is a failure, not a hang.
    for _ in 0..100 {
        let page = world.provider().conversations(&query).await.expect("a read works");
        found.extend(page.items);
        match page.next {
            Some(next) => query.page.cursor = Some(next),
            None => return found,
        }
    }
    panic!("the list does not end");
}

async fn executed(world: &dyn ProviderWorld, attempt: &AttemptId) -> usize {
    world.ledger().await.dials_of_attempt(attempt).count()
}

async fn requests(world: &dyn ProviderWorld, operation: Operation) -> usize {
    world.ledger().await.requests_of(operation).count()
}

fn page(size: u16) -> PageRequest {
    PageRequest { size: Some(size.min(PAGE_SIZE_MAX)), ..PageRequest::default() }
}
