//! The states of a call. Each holds exactly what is true in it, in private fields; the only ways from one
//! to another are the methods here, each of which consumes the state it leaves.

#![expect(clippy::unused_self, reason = "a move consumes the state it leaves")]

use crate::flow::event::{AssignmentOutcome, DoubtCause, FoundBy, Proof};
use crate::flow::failure::{Dialed, Failure, FailureReason, Stage};
use crate::ids::{AttemptId, ConversationId, PhoneNumberId};
use crate::ports::ProviderCallId;

/// Where a call is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallState {
    /// Asked for; the agent is not verified.
    Requested(Requested),
    /// The agent exists; the number is not confirmed.
    Verified(Verified),
    /// The number has the agent, or need not. Holds how far the dial got.
    Assigned(Assigned),
    /// The provider took the dial; there is a conversation.
    Initiated(Initiated),
    /// It ended without a conversation that we know of.
    Failed(Failed),
}

/// See [`CallState::Requested`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requested(());

/// See [`CallState::Verified`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verified(());

/// See [`CallState::Assigned`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Assigned {
    number: PhoneNumberId,
    outcome: AssignmentOutcome,
    dial: Dial,
    // An earlier dial was given up without knowing whether it was executed.
    given_up: bool,
}

/// How far the dial got.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dial {
    /// Nothing was sent, or everything that was sent was provably not executed.
    NotSent,
    /// This attempt may be on its way.
    Sent(AttemptId),
    /// Nobody knows whether this attempt was executed; only a look-up can tell.
    InDoubt(AttemptId, DoubtCause),
}

/// See [`CallState::Initiated`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Initiated(Box<Conversed>);

// Boxed, as is `Ended`: the calls that wait are many, and their states are as large as the largest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Conversed {
    number: PhoneNumberId,
    outcome: AssignmentOutcome,
    conversation: ConversationId,
    provider_call_id: Option<ProviderCallId>,
    found_by: FoundBy,
    proof: Option<Proof>,
}

/// See [`CallState::Failed`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failed(Box<Ended>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Ended {
    failure: Failure,
    // Set where the outcome is unknown.
    open: Option<Open>,
    conversation: Option<ConversationId>,
}

/// A dial that may still be found, and what the assign step did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Open {
    pub(super) attempt: AttemptId,
    number: PhoneNumberId,
    outcome: AssignmentOutcome,
}

/// What a dial's conversation is known by.
pub(super) struct Found {
    pub(super) conversation: ConversationId,
    pub(super) provider_call_id: Option<ProviderCallId>,
    pub(super) by: FoundBy,
}

fn failed(stage: Stage, reason: FailureReason, detail: &str) -> Failed {
    let dialed = if reason == FailureReason::Superseded { Dialed::Unknown } else { Dialed::No };
    let failure = Failure { stage, reason, dialed, detail: detail.to_owned() };
    Failed(Box::new(Ended { failure, open: None, conversation: None }))
}

impl Requested {
    pub(super) fn new() -> Self {
        Self(())
    }

    pub(super) fn verify(self) -> Verified {
        Verified(())
    }

    pub(super) fn fail(self, reason: FailureReason, detail: &str) -> Failed {
        failed(Stage::Verify, reason, detail)
    }
}

impl Verified {
    pub(super) fn assign(self, number: PhoneNumberId, outcome: AssignmentOutcome) -> Assigned {
        Assigned { number, outcome, dial: Dial::NotSent, given_up: false }
    }

    pub(super) fn fail(self, reason: FailureReason, detail: &str) -> Failed {
        failed(Stage::Assign, reason, detail)
    }
}

impl Assigned {
    /// The number it is placed from.
    pub fn number(&self) -> &PhoneNumberId {
        &self.number
    }

    /// What the assign step did.
    pub fn outcome(&self) -> AssignmentOutcome {
        self.outcome
    }

    /// How far the dial got.
    pub fn dial(&self) -> &Dial {
        &self.dial
    }

    pub(super) fn with_dial(self, dial: Dial) -> Self {
        Self { dial, ..self }
    }

    pub(super) fn reassign(self, number: PhoneNumberId, outcome: AssignmentOutcome) -> Self {
        Self { number, outcome, ..self }
    }

    pub(super) fn give_up_dial(self) -> Self {
        Self { dial: Dial::NotSent, given_up: true, ..self }
    }

    pub(super) fn lose(self, reason: FailureReason, detail: &str) -> Failed {
        self.failed(Stage::Assign, reason, detail)
    }

    fn failed(&self, stage: Stage, reason: FailureReason, detail: &str) -> Failed {
        let mut failed = failed(stage, reason, detail);
        if self.given_up {
            failed.0.failure.dialed = Dialed::Unknown;
        }
        failed
    }

    pub(super) fn initiate(self, found: Found) -> Initiated {
        initiated(self.number, self.outcome, found)
    }

    pub(super) fn fail(self, reason: FailureReason, detail: &str) -> Failed {
        self.failed(Stage::Initiate, reason, detail)
    }

    pub(super) fn refuse(self, conversation: Option<ConversationId>, detail: &str) -> Failed {
        let mut failed = self.failed(Stage::Initiate, FailureReason::Refused, detail);
        if conversation.is_some() {
            failed.0.failure.dialed = Dialed::Unknown;
        }
        failed.0.conversation = conversation;
        failed
    }

    pub(super) fn give_up(self, attempt: AttemptId, detail: &str) -> Failed {
        let mut failed = failed(Stage::Initiate, FailureReason::OutcomeUnknown, detail);
        failed.0.failure.dialed = Dialed::Unknown;
        let open = Open { attempt, number: self.number, outcome: self.outcome };
        failed.0.open = Some(open);
        failed
    }
}

fn initiated(number: PhoneNumberId, outcome: AssignmentOutcome, found: Found) -> Initiated {
    let Found { conversation, provider_call_id, by } = found;
    Initiated(Box::new(Conversed { number, outcome, conversation, provider_call_id, found_by: by, proof: None }))
}

impl Initiated {
    /// The number it was placed from.
    pub fn number(&self) -> &PhoneNumberId {
        &self.0.number
    }

    /// What the assign step did.
    pub fn outcome(&self) -> AssignmentOutcome {
        self.0.outcome
    }

    /// The conversation.
    pub fn conversation(&self) -> &ConversationId {
        &self.0.conversation
    }

    /// The telephony side's id, where it is known.
    pub fn provider_call_id(&self) -> Option<&ProviderCallId> {
        self.0.provider_call_id.as_ref()
    }

    /// How the conversation was learned.
    pub fn found_by(&self) -> FoundBy {
        self.0.found_by
    }

    /// What the record says, where it has been read. A mismatch makes the call misrouted.
    pub fn proof(&self) -> Option<&Proof> {
        self.0.proof.as_ref()
    }

    pub(super) fn with_proof(self, proof: Proof) -> Self {
        Self(Box::new(Conversed { proof: Some(proof), ..*self.0 }))
    }
}

impl Failed {
    /// Where, why, and whether the phone may have rung.
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    /// A conversation that was opened although the dial was refused.
    pub fn conversation(&self) -> Option<&ConversationId> {
        self.0.conversation.as_ref()
    }

    /// The dial whose outcome is unknown: the call may still turn out to be initiated.
    pub fn open_attempt(&self) -> Option<&AttemptId> {
        self.0.open.as_ref().map(|open| &open.attempt)
    }

    pub(super) fn find(self, open: Open, found: Found) -> Initiated {
        initiated(open.number, open.outcome, found)
    }

    pub(super) fn open(&self) -> Option<&Open> {
        self.0.open.as_ref()
    }
}

impl CallState {
    /// The state's name, as in the flow table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested(_) => "Requested",
            Self::Verified(_) => "Verified",
            Self::Assigned(assigned) => match assigned.dial {
                Dial::NotSent if assigned.given_up => "Assigned (given up)",
                Dial::NotSent => "Assigned (not sent)",
                Dial::Sent(_) => "Assigned (sent)",
                Dial::InDoubt(..) => "Assigned (in doubt)",
            },
            Self::Initiated(_) => "Initiated",
            Self::Failed(failed) if failed.0.open.is_some() => "Failed (unknown)",
            Self::Failed(_) => "Failed",
        }
    }

    /// Whether the call has ended. Only `Failed (unknown)` can still change: to `Initiated`, on late evidence.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Initiated(_) | Self::Failed(_))
    }

    /// Whether the callee's phone may have rung, as far as is known now.
    pub fn dialed(&self) -> Dialed {
        match self {
            Self::Requested(_) | Self::Verified(_) => Dialed::No,
            Self::Assigned(assigned) => match assigned.dial {
                Dial::NotSent if !assigned.given_up => Dialed::No,
                Dial::NotSent | Dial::Sent(_) | Dial::InDoubt(..) => Dialed::Unknown,
            },
            Self::Initiated(_) => Dialed::Yes,
            Self::Failed(failed) => failed.0.failure.dialed,
        }
    }
}
