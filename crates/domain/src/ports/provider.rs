//! The provider: agents, phone numbers, dialling and conversations.
//!
//! Contract of every method: it may be called at any time and from several tasks at once; it never panics;
//! it returns within a bounded time; a read has no side effect and may be repeated freely, and an adapter
//! may do so itself within a budget. Errors follow [`crate::ProviderError`]. Facts about the provider are
//! in `elevenlabs-api.md`.
//!
//! Proved by the suite `partyline_tests::contract::provider`, which any adapter can be run against.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::ProviderError;
use crate::ids::{AgentId, AttemptId, ConversationId, PhoneNumberId};
use crate::phone::{CallerId, PhoneNumber};
use crate::request::CallOptions;
use crate::time::{Instant, Timestamp};

/// The most entries a page may have.
pub const PAGE_SIZE_MAX: u16 = 100;

/// What is known of an agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AgentProfile {
    /// Its id.
    pub id: AgentId,
    /// Its name, for people; not unique.
    pub name: String,
    /// Whether it has been put away. An archived agent takes no calls.
    pub archived: bool,
}

/// Which page of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// How many entries at most, 1 to [`PAGE_SIZE_MAX`]; absent = the provider's default.
    pub size: Option<u16>,
    /// `next` of the page before; absent = the first page.
    pub cursor: Option<String>,
    /// Only entries whose name holds this text, where the list can be searched.
    pub search: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in the provider's order.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` after the last.
    pub next: Option<String>,
}

/// Who provides the line behind a number; it decides the route of a dial.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum NumberProvider {
    /// Twilio. The dial is answered when Twilio has taken it.
    Twilio,
    /// A SIP trunk. The dial is answered only when the callee picks up, or the invitation fails.
    SipTrunk,
    /// Exotel.
    Exotel,
    /// A kind this version does not know; it can be read and assigned, but not dialled from.
    Other(String),
}

impl NumberProvider {
    /// The provider's own word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Twilio => "twilio",
            Self::SipTrunk => "sip_trunk",
            Self::Exotel => "exotel",
            Self::Other(text) => text,
        }
    }
}

/// The agent that answers a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AssignedAgent {
    /// Its id.
    pub id: AgentId,
    /// Its name; may be empty.
    pub name: String,
}

/// A phone number as the provider holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Number {
    /// Its id; changes when the number is deleted and imported again.
    pub id: PhoneNumberId,
    /// The number callees see.
    pub caller_id: CallerId,
    /// Its label, for people.
    pub label: String,
    /// Who provides the line.
    pub provider: NumberProvider,
    /// Who answers it; `None` = nobody.
    pub assigned: Option<AssignedAgent>,
    /// Whether it can be called. A number that cannot (a verified caller id) cannot be assigned either.
    pub inbound: bool,
    /// Whether calls can be placed from it.
    pub outbound: bool,
}

impl Number {
    /// The id of the agent that answers it.
    pub fn assigned_id(&self) -> Option<&AgentId> {
        self.assigned.as_ref().map(|agent| &agent.id)
    }
}

/// An order to change who answers a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AssignNumber {
    /// Our id of this change, journalled before it is sent.
    pub attempt: AttemptId,
    /// The number.
    pub number: PhoneNumberId,
    /// Who is to answer it; `None` = nobody.
    pub agent: Option<AgentId>,
    /// Nothing is sent after this.
    pub not_after: Instant,
}

/// An order to dial.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DialRequest {
    /// Our id of this dial, journalled before it is sent. The adapter sends it as the dynamic variable
    /// [`crate::ATTEMPT_VARIABLE`], and as the user id where the caller set none.
    pub attempt: AttemptId,
    /// Who is to speak.
    pub agent: AgentId,
    /// The number to call from.
    pub number: PhoneNumberId,
    /// Who provides that number's line: it decides the route.
    pub provider: NumberProvider,
    /// The callee.
    pub to: PhoneNumber,
    /// Everything else the provider is told.
    pub options: Arc<CallOptions>,
    /// Nothing is sent after this.
    pub not_after: Instant,
}

impl DialRequest {
    /// The user id under which the conversation can be listed: the caller's, else our attempt id.
    pub fn user_id(&self) -> &str {
        match &self.options.user_id {
            Some(user) => user.as_str(),
            None => self.attempt.as_str(),
        }
    }
}

/// What the telephony side calls a call (a Twilio SID, a SIP start id).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct ProviderCallId(String);

impl ProviderCallId {
    /// Takes over what the provider says; `None` for an empty text, which it sends for calls that never connected.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then_some(Self(text))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The provider took the dial.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DialAccepted {
    /// The conversation it opened.
    pub conversation: ConversationId,
    /// The telephony side's id, where it was given.
    pub provider_call_id: Option<ProviderCallId>,
}

/// The provider said no, in a whole and readable answer (HTTP 200 with `success: false`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DialRefused {
    /// Why, in the provider's words; holds no whole phone number.
    pub message: String,
    /// A conversation it opened all the same. Where there is one, the callee's phone may have rung:
    /// a busy line is refused this way.
    pub conversation: Option<ConversationId>,
}

/// A whole and readable answer to a dial.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DialAnswer {
    /// Taken.
    Accepted(DialAccepted),
    /// Refused.
    Refused(DialRefused),
}

/// How far a conversation is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConversationStatus {
    /// Created.
    Initiated,
    /// Being spoken.
    InProgress,
    /// Over, being worked up.
    Processing,
    /// Over.
    Done,
    /// Over, or never begun.
    Failed,
    /// A word this version does not know; counts as not over.
    Other(String),
}

impl ConversationStatus {
    /// Whether nothing more will happen.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// The telephone side of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConversationPhoneCall {
    /// The number it was placed from, by id.
    pub number: Option<PhoneNumberId>,
    /// The other party's number.
    pub external_number: Option<CallerId>,
    /// The telephony side's id.
    pub provider_call_id: Option<ProviderCallId>,
}

/// The provider's record of one conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The agent that spoke.
    pub agent: AgentId,
    /// How far it is.
    pub status: ConversationStatus,
    /// The user id it was opened with.
    pub user_id: Option<String>,
    /// Our attempt id, from the dynamic variable [`crate::ATTEMPT_VARIABLE`].
    pub attempt: Option<AttemptId>,
    /// The telephone side, once the provider shows it.
    pub phone_call: Option<ConversationPhoneCall>,
    /// Why it failed, in the provider's words.
    pub error: Option<String>,
}

/// One line of the list of conversations. It carries no user id and no number (`elevenlabs-api.md` section 4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConversationSummary {
    /// Its id.
    pub id: ConversationId,
    /// The agent that spoke.
    pub agent: AgentId,
    /// When it began.
    pub started_at: Timestamp,
    /// How far it is.
    pub status: ConversationStatus,
}

/// Which conversations are wanted. Absent fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationQuery {
    /// Opened with exactly this user id.
    pub user_id: Option<String>,
    /// Spoken by this agent. Never used to find a dial in doubt: a misrouted conversation names another agent.
    pub agent: Option<AgentId>,
    /// Begun at or after this (whole seconds).
    pub started_after: Option<Timestamp>,
    /// Begun at or before this (whole seconds).
    pub started_before: Option<Timestamp>,
    /// Which page; newest first.
    pub page: PageRequest,
}

/// Reads agents.
#[async_trait]
pub trait Agents: Send + Sync {
    /// The agent, or `None` where the provider knows none of that id.
    async fn agent(&self, id: &AgentId) -> Result<Option<AgentProfile>, ProviderError>;

    /// One page of the agents that are not archived. To see all, follow `next` to its end.
    async fn agents(&self, page: &PageRequest) -> Result<Page<AgentProfile>, ProviderError>;

    /// Many agents at once, at most [`PAGE_SIZE_MAX`]; those the provider does not know are absent.
    async fn summaries(&self, ids: &[AgentId]) -> Result<BTreeMap<AgentId, AgentProfile>, ProviderError>;
}

/// Reads and assigns numbers.
#[async_trait]
pub trait Numbers: Send + Sync {
    /// The number, or `None` where the provider knows none of that id.
    async fn number(&self, id: &PhoneNumberId) -> Result<Option<Number>, ProviderError>;

    /// All numbers of the account; the provider does not page this list.
    async fn numbers(&self) -> Result<Vec<Number>, ProviderError>;

    /// Changes who answers a number and returns the number *as the provider's answer shows it*: the caller
    /// compares it with what was asked. An adapter may repeat it while `not_after` has not passed and as long
    /// as every send so far provably had no effect; one that may have had an effect is told at once, because
    /// the number must then stay with that agent until the send can no longer land.
    async fn assign(&self, order: &AssignNumber) -> Result<Number, ProviderError>;
}

/// Dials.
#[async_trait]
pub trait Dialer: Send + Sync {
    /// Places one call. **Not idempotent, and never repeated by an adapter**: one invocation sends at most one
    /// request, follows no redirect, and sends nothing after `not_after` (then: permanent-or-retryable error
    /// of kind `TooLate`, effect none). Waits for the answer at least as long as the callee's phone may ring.
    /// Dropping the returned future after its first poll leaves the dial in doubt.
    ///
    /// An error is `Retryable` only where the provider provably refused before dialling or nothing was sent;
    /// it is `InDoubt` for everything after the first byte that is not a whole, readable verdict.
    async fn dial(&self, request: &DialRequest) -> Result<DialAnswer, ProviderError>;
}

/// Reads conversations.
#[async_trait]
pub trait Conversations: Send + Sync {
    /// The conversation, or `None` where the provider knows none of that id (yet).
    async fn conversation(&self, id: &ConversationId) -> Result<Option<Conversation>, ProviderError>;

    /// One page of the conversations that match. A new one may be missing for a while.
    async fn conversations(&self, query: &ConversationQuery) -> Result<Page<ConversationSummary>, ProviderError>;
}

/// All of a provider.
pub trait Provider: Agents + Numbers + Dialer + Conversations {}

impl<T: Agents + Numbers + Dialer + Conversations> Provider for T {}
