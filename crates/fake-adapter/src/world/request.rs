//! What can be asked of the provider, and what it can say: the vocabulary that the ports and the routes share.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::ports::{
    AgentProfile, ConversationQuery, ConversationSummary, Number, NumberProvider, Page, PageRequest,
};
use partyline_domain::{AgentId, AttemptId, CallOptions, ConversationId, PhoneNumber, PhoneNumberId};

use super::conversation::ConversationView;
use super::failure::Failure;

/// The kinds of request. A fault is scheduled, and a latency set, for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// The list of agents.
    Agents,
    /// One agent.
    Agent,
    /// Many agents at once.
    Summaries,
    /// The list of numbers.
    Numbers,
    /// One number.
    Number,
    /// A change of who answers a number.
    Assign,
    /// A dial.
    Dial,
    /// The list of conversations.
    Conversations,
    /// One conversation.
    Conversation,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Agents,
        Self::Agent,
        Self::Summaries,
        Self::Numbers,
        Self::Number,
        Self::Assign,
        Self::Dial,
        Self::Conversations,
        Self::Conversation,
    ];

    /// Its name, as in a fault rule.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Agent => "agent",
            Self::Summaries => "summaries",
            Self::Numbers => "numbers",
            Self::Number => "number",
            Self::Assign => "assign",
            Self::Dial => "dial",
            Self::Conversations => "conversations",
            Self::Conversation => "conversation",
        }
    }

    /// All names, for people.
    pub fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// Whether it changes nothing.
    pub fn is_read(self) -> bool {
        !matches!(self, Self::Assign | Self::Dial)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The list of agents.
    Agents {
        /// Which page.
        page: PageRequest,
        /// Whether those that are put away are listed instead of the others.
        archived: bool,
    },
    /// One agent.
    Agent {
        /// Its id.
        id: AgentId,
        /// Whether the numbers it answers are wanted too.
        numbers: bool,
    },
    /// Many agents at once.
    Summaries(Vec<AgentId>),
    /// The list of numbers.
    Numbers {
        /// Only those of this provider.
        provider: Option<String>,
        /// Only those that this agent answers.
        agent: Option<String>,
    },
    /// One number.
    Number(PhoneNumberId),
    /// A change of a number.
    Assign(AssignOrder),
    /// A dial.
    Dial(DialOrder),
    /// The list of conversations.
    Conversations(ConversationQuery),
    /// One conversation.
    Conversation(ConversationId),
    /// Something that is refused as it stands: it does not validate, or the key is wrong.
    Rejected(Operation, Box<Failure>),
}

impl Request {
    /// What kind of request it is.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Agents { .. } => Operation::Agents,
            Self::Agent { .. } => Operation::Agent,
            Self::Summaries(_) => Operation::Summaries,
            Self::Numbers { .. } => Operation::Numbers,
            Self::Number(_) => Operation::Number,
            Self::Assign(_) => Operation::Assign,
            Self::Dial(_) => Operation::Dial,
            Self::Conversations(_) => Operation::Conversations,
            Self::Conversation(_) => Operation::Conversation,
            Self::Rejected(operation, _) => *operation,
        }
    }

    /// The route it takes over HTTP.
    pub fn route(&self) -> &'static str {
        match self.operation() {
            Operation::Agents => "GET /v1/convai/agents",
            Operation::Agent => "GET /v1/convai/agents/{agent_id}",
            Operation::Summaries => "GET /v1/convai/agents/summaries",
            Operation::Numbers => "GET /v1/convai/phone-numbers",
            Operation::Number => "GET /v1/convai/phone-numbers/{phone_number_id}",
            Operation::Assign => "PATCH /v1/convai/phone-numbers/{phone_number_id}",
            Operation::Dial => match self.dial_route() {
                Some(NumberProvider::SipTrunk) => "POST /v1/convai/sip-trunk/outbound-call",
                Some(NumberProvider::Exotel) => "POST /v1/convai/exotel/outbound-call",
                Some(NumberProvider::Twilio | NumberProvider::Other(_)) | None => {
                    "POST /v1/convai/twilio/outbound-call"
                }
            },
            Operation::Conversations => "GET /v1/convai/conversations",
            Operation::Conversation => "GET /v1/convai/conversations/{conversation_id}",
        }
    }

    fn dial_route(&self) -> Option<&NumberProvider> {
        if let Self::Dial(order) = self { Some(&order.route) } else { None }
    }

    /// The attempt it was sent for, where it says so.
    pub fn attempt(&self) -> Option<&AttemptId> {
        match self {
            Self::Assign(order) => order.attempt.as_ref(),
            Self::Dial(order) => order.attempt.as_ref(),
            Self::Agents { .. }
            | Self::Agent { .. }
            | Self::Summaries(_)
            | Self::Numbers { .. }
            | Self::Number(_)
            | Self::Conversations(_)
            | Self::Conversation(_)
            | Self::Rejected(..) => None,
        }
    }
}

/// Who is to answer a number from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignee {
    /// Whoever does now.
    Unchanged,
    /// Nobody.
    Nobody,
    /// This agent.
    Agent(AgentId),
}

/// A change of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignOrder {
    /// The number.
    pub number: PhoneNumberId,
    /// Who is to answer it.
    pub assignee: Assignee,
    /// Its new label, where it gets one.
    pub label: Option<String>,
    /// The attempt it was sent for; HTTP does not carry one.
    pub attempt: Option<AttemptId>,
}

/// A dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialOrder {
    /// The route it takes; must be that of the number.
    pub route: NumberProvider,
    /// Who is to speak, as the request says.
    pub agent: AgentId,
    /// The number to call from.
    pub number: PhoneNumberId,
    /// The callee; `None` where the text given is no phone number, which the telephony side refuses.
    pub to: Option<PhoneNumber>,
    /// Our attempt id, from the dynamic variable.
    pub attempt: Option<AttemptId>,
    /// Everything else the conversation is opened with.
    pub client: ClientData,
    /// How long the callee's phone may ring.
    pub ringing_timeout: Duration,
}

/// What a conversation is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientData {
    /// As a port gives it.
    Options(Arc<CallOptions>),
    /// As a route gives it: `conversation_initiation_client_data`.
    Json(Arc<serde_json::Value>),
}

/// What the provider says when it says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A page of agents.
    Agents(Page<AgentProfile>),
    /// An agent, and the numbers it answers where they were asked for.
    Agent(AgentProfile, Vec<Number>),
    /// The agents that exist among those asked for.
    Summaries(BTreeMap<AgentId, AgentProfile>),
    /// All numbers.
    Numbers(Vec<Number>),
    /// A number, read or changed.
    Number(Number),
    /// The verdict on a dial.
    Dialed(Dialed),
    /// A page of conversations.
    Conversations(Page<ConversationSummary>),
    /// A conversation.
    Conversation(Box<ConversationView>),
}

/// The verdict on a dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialed {
    /// The route it took.
    pub route: NumberProvider,
    /// Whether it was taken.
    pub success: bool,
    /// In words.
    pub message: Cow<'static, str>,
    /// The conversation it opened.
    pub conversation: Option<ConversationId>,
    /// What the telephony side calls it.
    pub call_sid: Option<String>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dress {
    /// As usual.
    #[default]
    Usual,
    /// With fields and words that no client knows.
    Strange,
    /// Without everything that may be left out.
    Sparse,
}

/// What comes back for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200 and a body.
    Good(Body, Dress),
    /// Another status.
    Failed(Failure),
    /// 200 and nonsense.
    Garbage,
    /// 200 and half of a body, then the connection is closed.
    Half(Body),
    /// Nothing: the connection is cut.
    Reset,
    /// Nothing at all, for ever.
    Silence,
}
