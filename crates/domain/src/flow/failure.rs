//! Why a call failed, and whether a phone may have rung.

use crate::error::FailureKind;

/// The step of the flow that a call was at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Stage {
    /// Making sure that the agent exists.
    Verify,
    /// Making sure that the number has the agent.
    Assign,
    /// Dialling.
    Initiate,
}

impl Stage {
    /// As one word for logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Assign => "assign",
            Self::Initiate => "initiate",
        }
    }
}

/// Whether the callee's phone may have rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Dialed {
    /// The provider took the dial.
    Yes,
    /// No byte of the dial left, or the provider refused it.
    No,
    /// It may have rung.
    Unknown,
}

impl Dialed {
    /// As one word for logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FailureReason {
    /// The provider knows no agent of that id.
    AgentNotFound,
    /// The agent has been put away.
    AgentArchived,
    /// The provider knows no number of that id.
    NumberNotFound,
    /// Calls cannot be placed from this number: its provider's kind is unknown here, or it is inbound only.
    NumberUnsupported,
    /// The provider's answer to the assignment names another agent, or none.
    NotAssigned,
    /// The provider said no to the dial.
    Refused,
    /// A request to the provider failed.
    Provider(FailureKind),
    /// The journal did not take the intent, so nothing was sent.
    Journal,
    /// Another process has this call; it may dial it, or have dialled it.
    Superseded,
    /// The caller took the call back before it was dialled.
    Cancelled,
    /// The dispatcher was shut down before the call was dialled.
    ShutDown,
    /// The call was not dialled by the time it was wanted.
    Expired,
    /// The agent kept failing, and no more of its calls are tried for now.
    AgentFailing,
    /// Every number that the call may be placed from kept failing, and is left alone for now.
    NumberFailing,
    /// Every number that the call may be placed from is stopped: somebody else is changing it, or other agents than
    /// the calls' spoke. It is used again when an operator says so.
    NumberStopped,
    /// The dial may have been executed, and the look-ups ended without finding it.
    OutcomeUnknown,
}

impl FailureReason {
    /// As one word for logs and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AgentNotFound => "agent_not_found",
            Self::AgentArchived => "agent_archived",
            Self::NumberNotFound => "number_not_found",
            Self::NumberUnsupported => "number_unsupported",
            Self::NotAssigned => "not_assigned",
            Self::Refused => "refused",
            Self::Provider(kind) => kind.as_str(),
            Self::Journal => "journal_unavailable",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
            Self::ShutDown => "shut_down",
            Self::Expired => "expired",
            Self::AgentFailing => "agent_failing",
            Self::NumberFailing => "number_failing",
            Self::NumberStopped => "number_stopped",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }
}

/// How a call failed: where, why, and whether the phone may have rung.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Failure {
    /// The step it was at.
    pub stage: Stage,
    /// Why.
    pub reason: FailureReason,
    /// Whether the phone may have rung. Never [`Dialed::Yes`].
    pub dialed: Dialed,
    /// The same for people, as a lowercase fragment; holds no key and no whole phone number.
    pub detail: String,
}
