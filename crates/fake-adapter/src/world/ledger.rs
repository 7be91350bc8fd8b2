//! The truth ledger: what the provider really did, and when. Checkers and tests judge by it.

use partyline_domain::{AgentId, AttemptId, CallId, ConversationId, Instant, Now, PhoneNumber, PhoneNumberId};

use super::request::Operation;
use crate::faults::Fault;

/// How much is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LedgerDetail {
    /// Nothing: for benchmarks.
    Nothing,
    /// Dials and assignments.
    Effects,
    /// Requests as well.
    #[default]
    Everything,
}

/// A dial that the provider executed: the callee's phone may have rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialEntry {
    /// The request, by its number.
    pub request: u64,
    /// Our attempt id, where the request carried one.
    pub attempt: Option<AttemptId>,
    /// The agent that the request names.
    pub requested: AgentId,
    /// The agent that was assigned to the number at that instant.
    pub assigned: Option<AgentId>,
    /// The agent that spoke.
    pub answered: AgentId,
    /// The number.
    pub number: PhoneNumberId,
    /// The callee.
    pub to: PhoneNumber,
    /// When it was executed (with a bind delay: when the agent was bound).
    pub at: Now,
    /// The conversation.
    pub conversation: ConversationId,
}

impl DialEntry {
    /// Whether another agent spoke than the request names.
    pub fn is_misrouted(&self) -> bool {
        self.answered != self.requested
    }
}

/// Who changed a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A request, by its number, and its attempt id where it carried one.
    Request(u64, Option<AttemptId>),
    /// Somebody else, past our interfaces.
    Outsider,
}

/// A change of who answers a number that the provider made (also one to the same agent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignmentEntry {
    /// The number.
    pub number: PhoneNumberId,
    /// Who answered it before.
    pub before: Option<AgentId>,
    /// Who answers it from then on.
    pub after: Option<AgentId>,
    /// When.
    pub at: Now,
    /// Who did that.
    pub writer: Writer,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// It has not had its effect yet.
    Open,
    /// An answer with this status.
    Status(u16),
    /// 200 and nonsense.
    Garbage,
    /// 200 and half of a body.
    Half,
    /// The connection was cut.
    Reset,
    /// Nothing, for ever.
    Silence,
}

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEntry {
    /// Its number, from 1.
    pub id: u64,
    /// What kind it was.
    pub operation: Operation,
    /// Its route.
    pub route: &'static str,
    /// Its attempt id, where it carried one.
    pub attempt: Option<AttemptId>,
    /// What went wrong with it.
    pub fault: Option<Fault>,
    /// When it arrived.
    pub arrived_at: Instant,
    /// When it has its effect; `None` = never.
    pub effect_at: Option<Instant>,
    /// When it is answered; `None` = never.
    pub answer_at: Option<Instant>,
    /// What came of it.
    pub outcome: RequestOutcome,
}

/// Everything that was written down, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The dials.
    pub dials: Vec<DialEntry>,
    /// The assignments.
    pub assignments: Vec<AssignmentEntry>,
    /// The requests.
    pub requests: Vec<RequestEntry>,
}

impl Ledger {
    /// The dials of one attempt. More than one means that somebody sent it twice.
    pub fn dials_of_attempt<'a>(&'a self, attempt: &'a AttemptId) -> impl Iterator<Item = &'a DialEntry> {
        self.dials.iter().filter(move |dial| dial.attempt.as_ref() == Some(attempt))
    }

    /// The dials of one call, whatever their attempt.
    pub fn dials_of_call<'a>(&'a self, call: &'a CallId) -> impl Iterator<Item = &'a DialEntry> {
        self.dials.iter().filter(move |dial| dial.attempt.as_ref().is_some_and(|attempt| is_of(attempt, call)))
    }

    /// The dials in which another agent spoke than the request names.
    pub fn misroutes(&self) -> impl Iterator<Item = &DialEntry> {
        self.dials.iter().filter(|dial| dial.is_misrouted())
    }

    /// How a number was assigned, oldest first.
    pub fn assignments_of<'a>(&'a self, number: &'a PhoneNumberId) -> impl Iterator<Item = &'a AssignmentEntry> {
        self.assignments.iter().filter(move |entry| entry.number == *number)
    }

    /// The requests of one kind.
    pub fn requests_of(&self, operation: Operation) -> impl Iterator<Item = &RequestEntry> {
        self.requests.iter().filter(move |request| request.operation == operation)
    }
}

/// Whether this is `AttemptId::of_call(call, n)` for some n.
fn is_of(attempt: &AttemptId, call: &CallId) -> bool {
    let rest = attempt.as_str().strip_prefix(call.as_str()).and_then(|rest| rest.strip_prefix('.'));
    rest.is_some_and(|ordinal| !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit()))
}
