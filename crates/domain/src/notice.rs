//! What a dispatcher tells about its work while it works, and what it says of a call in the end.

use std::time::Duration;

use crate::error::FailureKind;
use crate::flow::{AssignmentOutcome, CallState, Proof};
use crate::ids::{AgentId, AttemptId, CallId, ConversationId, PhoneNumberId};
use crate::ports::{Number, Recorded};
use crate::request::CallRequest;

/// Something worth telling. Events of a call are told after the journal has them, everything in the order
/// in which it was decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// The journal has taken an event of a call.
    Recorded {
        /// The call.
        call: CallId,
        /// The event, with its number and time.
        recorded: Recorded,
    },
    /// A call's agent is being asked about.
    VerificationStarted {
        /// The call.
        call: CallId,
        /// The agent.
        agent: AgentId,
    },
    /// A call's number is being made ready. Told for every call that gets this far, also where nothing
    /// needs to be assigned.
    AssignmentStarted {
        /// The call.
        call: CallId,
        /// The number.
        number: PhoneNumberId,
        /// The agent.
        agent: AgentId,
    },
    /// The provider has answered a dial, or the request has failed.
    DialAnswered {
        /// The call.
        call: CallId,
        /// The dial.
        attempt: AttemptId,
        /// What the answer amounts to.
        verdict: DialVerdict,
        /// The HTTP status, where there was one and it was not a success.
        status: Option<u16>,
        /// The id under which the provider's support finds the request.
        request_id: Option<String>,
        /// From sending to answer.
        took: Duration,
    },
    /// An assignment got no clear answer and will be made again.
    AssignRetryScheduled {
        /// The call.
        call: CallId,
        /// From now.
        after: Duration,
        /// What happened, for people.
        detail: String,
    },
    /// A dial that was provably not executed will be sent again.
    RetryScheduled {
        /// The call.
        call: CallId,
        /// From now.
        after: Duration,
        /// Why it was not executed, for people.
        detail: String,
    },
    /// A dial in doubt was looked up.
    LookedUp {
        /// The call.
        call: CallId,
        /// The dial.
        attempt: AttemptId,
        /// How many look-ups there have been.
        count: u32,
        /// What came of it.
        outcome: LookUpOutcome,
        /// When the next look-up is due, from now; `None` after the last.
        next: Option<Duration>,
    },
    /// The provider's record of a conversation could not be read.
    RecordUnread {
        /// The call.
        call: CallId,
        /// Why not, for people.
        detail: String,
    },
    /// The provider's record contradicts a call: another agent spoke, another number was used, or somebody else
    /// was called. The number is not used again before it has been read. This is an alarm: somebody else may be
    /// changing the number.
    NumberQuarantined {
        /// The call.
        call: CallId,
        /// The number.
        number: PhoneNumberId,
        /// The agent that the record names, where it is another.
        seen: Option<AgentId>,
    },
    /// The list of conversations shows an agent for a call that is proved by pages.
    Audited {
        /// The call.
        call: CallId,
        /// The conversation.
        conversation: ConversationId,
        /// What the list says.
        proof: Proof,
    },
    /// The list of conversations could not be read; it is read again.
    SurveyFailed {
        /// Why not, for people.
        detail: String,
    },
    /// Somebody else has changed who answers a number.
    OutsideChange {
        /// The number.
        number: PhoneNumberId,
        /// Who answered it, as far as was known.
        was: Option<AgentId>,
        /// Who answers it.
        now: Option<AgentId>,
    },
    /// A number is not used any more until an operator trusts it again.
    NumberStopped {
        /// The number.
        number: PhoneNumberId,
        /// Why, for people.
        detail: String,
    },
    /// A number is trusted again.
    NumberTrusted {
        /// The number.
        number: PhoneNumberId,
    },
    /// Nothing more is dialled for now: the key is refused, or the quota is used up. Calls that wait fail.
    DiallingStopped {
        /// What the provider's answer amounts to.
        kind: FailureKind,
        /// Why, for people.
        detail: String,
    },
    /// An agent or a number keeps failing and is left alone for a while.
    BreakerOpened {
        /// Which.
        of: Failing,
        /// For so long.
        pause: Duration,
        /// How it failed last, for people.
        detail: String,
    },
    /// An agent or a number works again.
    BreakerClosed {
        /// Which.
        of: Failing,
    },
    /// A number will be given back, but not before a request that may still take effect no longer can.
    RestoreDelayed {
        /// The number.
        number: PhoneNumberId,
        /// From now.
        after: Duration,
    },
    /// A number's inbound agent was to be given back.
    InboundRestored {
        /// The number.
        number: PhoneNumberId,
        /// What came of it.
        outcome: RestoreOutcome,
    },
    /// A number is this process's from now on.
    NumberTaken {
        /// The number.
        number: PhoneNumberId,
        /// The epoch of its lease.
        epoch: u64,
        /// How many requests of earlier holders have no known outcome.
        unresolved: usize,
        /// So long until the last of them can no longer take effect; till then the number may not change hands.
        settles_in: Duration,
    },
    /// A number was given back.
    NumberReleased {
        /// The number.
        number: PhoneNumberId,
    },
    /// Another process has a number that this one had: it did not prolong its lease in time.
    NumberLost {
        /// The number.
        number: PhoneNumberId,
    },
    /// A call waits in the store again, or has gone on elsewhere.
    HandedBack {
        /// The call.
        call: CallId,
    },
    /// A claimed call's history makes no sense to this version; it is left alone.
    HistoryUnreadable,
    /// The store does not answer as it should. Nothing is dialled that it has not taken; it is asked again.
    StoreTrouble {
        /// What happened, for people.
        detail: String,
    },
    /// The store answers again.
    StoreBack,
    /// The store has handed out a number under an epoch that it had handed out before: it has been restored from a
    /// back-up, or is another one, and does not know of every dial that was made. This process leaves it.
    StoreWentBack {
        /// The number.
        number: PhoneNumberId,
    },
    /// A call has ended, with all that belonged to it.
    Completed(Box<CallReport>),
}

/// What keeps failing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failing {
    /// Calls of this agent.
    Agent(AgentId),
    /// Calls from this number.
    Number(PhoneNumberId),
}

/// What came of one look-up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LookUpOutcome {
    /// The dial's conversation was found.
    Found,
    /// It is not to be seen (yet).
    NotFound,
    /// It could not be looked up.
    Failed {
        /// Why not, for people.
        detail: String,
    },
}

impl LookUpOutcome {
    /// As one word for logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::NotFound => "not_found",
            Self::Failed { .. } => "failed",
        }
    }
}

/// What the answer to a dial amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialVerdict {
    /// The provider took it.
    Accepted,
    /// The provider refused it.
    Refused,
    /// It was provably not executed.
    NotExecuted,
    /// Nobody knows.
    InDoubt,
}

impl DialVerdict {
    /// As one word for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::NotExecuted => "not_executed",
            Self::InDoubt => "in_doubt",
        }
    }
}

/// What came of giving a number back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RestoreOutcome {
    /// The number is answered as before.
    Restored {
        /// Who answers it; `None` = nobody.
        to: Option<AgentId>,
    },
    /// Somebody else has changed the number meanwhile; it was left as it is.
    LeftAlone {
        /// Who answers it; `None` = nobody.
        now: Option<AgentId>,
    },
    /// It could not be given back; it may still be answered by the call's agent.
    Failed {
        /// Who should answer it.
        to: Option<AgentId>,
        /// Why not, for people.
        detail: String,
    },
}

/// What became of one call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallReport {
    /// What was asked for.
    pub request: CallRequest,
    /// `Initiated` or `Failed`.
    pub state: CallState,
    /// The agent's name, once it was verified.
    pub agent_name: Option<String>,
    /// The number it was placed from, or was to be; `None` where that was not decided among several.
    pub from: Option<PhoneNumberId>,
    /// The same as it was last seen, once it was read.
    pub number: Option<Number>,
    /// What the assign step did, once it was done; also of a call that failed later.
    pub assignment: Option<AssignmentOutcome>,
    /// What the number's inbound routing was given back to, where that was wanted and this call was the last.
    pub restore: Option<RestoreOutcome>,
    /// From submission to the end of the dial (proof and restore aside).
    pub elapsed: Duration,
}

impl CallReport {
    /// What the provider's record says, where it was read.
    pub fn proof(&self) -> Option<&Proof> {
        match &self.state {
            CallState::Initiated(call) => call.proof(),
            CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) | CallState::Failed(_) => None,
        }
    }

    /// Whether the provider's record names another agent, number or callee than the call.
    pub fn is_misrouted(&self) -> bool {
        matches!(self.proof(), Some(Proof::Mismatch { .. }))
    }
}
