//! What can happen to a call. These are the journal's events: numbered, stored, and read back by any
//! process, so a change to one is a change of a stored format.

use crate::error::FailureKind;
use crate::flow::failure::FailureReason;
use crate::ids::{AgentId, AttemptId, ConversationId, PhoneNumberId};
use crate::ports::ProviderCallId;
use crate::request::CallRequest;

/// Whether a step was answered by asking the provider now or by an answer of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Evidence {
    /// Asked for this call.
    Fresh,
    /// Known from before and still young enough.
    Cached,
}

/// What the assign step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum AssignmentOutcome {
    /// The number was changed, and the provider's answer names the agent.
    Assigned,
    /// The number had the agent.
    Already,
    /// Nothing was assigned: the policy says so, or the number is outbound-only.
    Skipped,
}

impl AssignmentOutcome {
    /// As one word for logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Already => "already",
            Self::Skipped => "skipped",
        }
    }
}

/// Why nobody knows whether a dial was executed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum DoubtCause {
    /// The request failed in a way that leaves its effect open.
    Provider(FailureKind),
    /// The request was dropped while it was open.
    Interrupted,
    /// The process ended while the request was open.
    Recovered,
}

impl DoubtCause {
    /// As one word for logs and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Provider(kind) => kind.as_str(),
            Self::Interrupted => "interrupted",
            Self::Recovered => "recovered",
        }
    }
}

/// How a conversation id was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum FoundBy {
    /// From the answer to the dial.
    Answer,
    /// From a look-up after a doubt.
    LookUp,
}

/// What the provider's record of the conversation says about the call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Proof {
    /// Everything it shows is as it should be.
    Matches {
        /// Whether it already showed number and callee too, not only the agent.
        complete: bool,
    },
    /// There is no record yet, or it could not be read.
    Absent,
    /// The call went wrong: each field that differs holds what the record says.
    Mismatch {
        /// Another agent spoke.
        agent: Option<AgentId>,
        /// Another number was used.
        number: Option<PhoneNumberId>,
        /// Somebody else was called.
        callee: bool,
    },
}

/// Why a call was taken back before its dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WithdrawReason {
    /// The caller said so.
    Cancelled,
    /// The dispatcher was shut down.
    ShutDown,
    /// The journal did not take an intent.
    Journal,
    /// The journal has events of this call that are not ours: another process has it, and may dial it.
    Superseded,
    /// It was not dialled by the time it was wanted.
    Expired,
}

/// What happened to a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum CallEvent {
    /// It was asked for. Always the first event, and only that.
    CallRequested {
        /// What was asked for, whole.
        request: CallRequest,
    },
    /// Its agent exists.
    AgentVerified {
        /// The agent's name, for people.
        agent_name: String,
        /// Whether this was asked now.
        evidence: Evidence,
    },
    /// Its agent cannot take it, or could not be asked about.
    VerificationFailed {
        /// Why.
        reason: FailureReason,
        /// The same for people.
        detail: String,
    },
    /// The number has its agent, or need not. Happens again where the assignment had to be renewed before a dial.
    NumberAssigned {
        /// The number.
        number: PhoneNumberId,
        /// What was done.
        outcome: AssignmentOutcome,
        /// Whether this was asked now.
        evidence: Evidence,
    },
    /// The number does not have its agent (any more), and the call was given up.
    AssignmentFailed {
        /// Why.
        reason: FailureReason,
        /// The same for people.
        detail: String,
    },
    /// A dial is about to be sent.
    DialIntended {
        /// The dial.
        attempt: AttemptId,
    },
    /// The dial was provably not executed; another may follow.
    DialNotExecuted {
        /// The dial.
        attempt: AttemptId,
        /// Why.
        kind: FailureKind,
        /// The same for people.
        detail: String,
    },
    /// The provider said no to the dial, and the call was given up.
    DialRefused {
        /// The dial.
        attempt: AttemptId,
        /// A conversation was opened all the same: the phone may have rung.
        conversation: Option<ConversationId>,
        /// The provider's words.
        detail: String,
    },
    /// The dial was provably not executed, and the call was given up.
    DialFailed {
        /// The dial.
        attempt: AttemptId,
        /// Why.
        kind: FailureKind,
        /// The same for people.
        detail: String,
    },
    /// Nobody knows whether the dial was executed.
    DialDoubted {
        /// The dial.
        attempt: AttemptId,
        /// Why.
        cause: DoubtCause,
        /// The same for people.
        detail: String,
    },
    /// The dial was executed: here is its conversation.
    CallInitiated {
        /// The dial.
        attempt: AttemptId,
        /// The conversation.
        conversation: ConversationId,
        /// The telephony side's id.
        provider_call_id: Option<ProviderCallId>,
        /// How it was learned.
        found_by: FoundBy,
    },
    /// The look-ups ended, the dial was not found and can no longer take effect; as the call's policy says in so
    /// many words, another may follow.
    DialGivenUp {
        /// The dial.
        attempt: AttemptId,
        /// How many look-ups there were, and what came of them, for people.
        detail: String,
    },
    /// The look-ups ended, and the dial was not found.
    LookUpsEnded {
        /// The dial.
        attempt: AttemptId,
        /// How many look-ups there were, and what came of them, for people.
        detail: String,
    },
    /// The call was taken back before a dial.
    CallWithdrawn {
        /// Why.
        reason: WithdrawReason,
        /// The same for people.
        detail: String,
    },
    /// The conversation was read back.
    ProofRead {
        /// What it says.
        proof: Proof,
    },
}

impl CallEvent {
    /// The event's name, as in the flow table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CallRequested { .. } => "CallRequested",
            Self::AgentVerified { .. } => "AgentVerified",
            Self::VerificationFailed { .. } => "VerificationFailed",
            Self::NumberAssigned { .. } => "NumberAssigned",
            Self::AssignmentFailed { .. } => "AssignmentFailed",
            Self::DialIntended { .. } => "DialIntended",
            Self::DialNotExecuted { .. } => "DialNotExecuted",
            Self::DialRefused { .. } => "DialRefused",
            Self::DialFailed { .. } => "DialFailed",
            Self::DialDoubted { .. } => "DialDoubted",
            Self::CallInitiated { .. } => "CallInitiated",
            Self::DialGivenUp { .. } => "DialGivenUp",
            Self::LookUpsEnded { .. } => "LookUpsEnded",
            Self::CallWithdrawn { .. } => "CallWithdrawn",
            Self::ProofRead { .. } => "ProofRead",
        }
    }
}
