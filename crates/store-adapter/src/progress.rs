//! How far a call is, kept beside its events so that lists need not fold them. The meaning of every event is the flow's
//! ([`partyline_domain::flow::CallState`]); a test compares the two over whole lives.

use partyline_domain::flow::{CallEvent, Dialed, FailureReason, Proof, Stage, WithdrawReason};
use partyline_domain::ports::{ProviderCallId, Recorded};
use partyline_domain::{ConversationId, PhoneNumberId, Timestamp};

use crate::archive::{ProofWord, StateWord};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) version: u64,
    pub(crate) updated_at: Timestamp,
    pub(crate) state: StateWord,
    pub(crate) stage: Option<Stage>,
    pub(crate) reason: Option<String>,
    pub(crate) dialed: Dialed,
    pub(crate) detail: Option<String>,
    pub(crate) number: Option<PhoneNumberId>,
    pub(crate) conversation: Option<ConversationId>,
    pub(crate) provider_call_id: Option<ProviderCallId>,
    pub(crate) proof: Option<ProofWord>,
    /// An earlier dial was given up without knowing whether it was executed.
    pub(crate) given_up: bool,
}

impl Progress {
    /// Of a call without events.
    pub(crate) fn new() -> Self {
        Self {
            version: 0,
            updated_at: Timestamp::default(),
            state: StateWord::Waiting,
            stage: None,
            reason: None,
            dialed: Dialed::No,
            detail: None,
            number: None,
            conversation: None,
            provider_call_id: None,
            proof: None,
            given_up: false,
        }
    }

    /// Whether no dial is open and the call has not ended: it may be taken back.
    pub(crate) fn before_dial(&self) -> bool {
        matches!(self.state, StateWord::Waiting | StateWord::Verified | StateWord::Assigned)
    }

    /// Takes in the next event.
    pub(crate) fn apply(&mut self, recorded: &Recorded) {
        self.version += 1;
        self.updated_at = recorded.at;
        match &recorded.event {
            CallEvent::CallRequested { .. } => self.go(StateWord::Waiting),
            CallEvent::AgentVerified { .. } => self.go(StateWord::Verified),
            CallEvent::NumberAssigned { number, .. } => {
                self.go(StateWord::Assigned);
                self.number = Some(number.clone());
            }
            CallEvent::DialIntended { .. } => {
                self.go(StateWord::Dialling);
                self.dialed = Dialed::Unknown;
            }
            CallEvent::DialNotExecuted { detail, .. } => self.back(detail),
            CallEvent::DialGivenUp { detail, .. } => {
                self.given_up = true;
                self.back(detail);
            }
            CallEvent::DialDoubted { detail, .. } => {
                self.go(StateWord::InDoubt);
                self.dialed = Dialed::Unknown;
                self.detail = Some(detail.clone());
            }
            CallEvent::CallInitiated { conversation, provider_call_id, .. } => {
                self.go(StateWord::Initiated);
                self.dialed = Dialed::Yes;
                self.conversation = Some(conversation.clone());
                self.provider_call_id.clone_from(provider_call_id);
            }
            CallEvent::ProofRead { proof } => self.proof = Some(word(proof)),
            CallEvent::VerificationFailed { reason, detail } => self.fail(Stage::Verify, reason, detail),
            CallEvent::AssignmentFailed { reason, detail } => self.fail(Stage::Assign, reason, detail),
            CallEvent::DialFailed { kind, detail, .. } => {
                self.fail(Stage::Initiate, &FailureReason::Provider(*kind), detail);
            }
            CallEvent::DialRefused { conversation, detail, .. } => {
                self.given_up |= conversation.is_some();
                self.conversation.clone_from(conversation);
                self.fail(Stage::Initiate, &FailureReason::Refused, detail);
            }
            CallEvent::LookUpsEnded { detail, .. } => {
                self.given_up = true;
                self.fail(Stage::Initiate, &FailureReason::OutcomeUnknown, detail);
            }
            CallEvent::CallWithdrawn { reason, detail } => self.withdraw(*reason, detail),
            // An event of a later version of the domain: the state stays as it is.
            _ => {}
        }
    }

    fn go(&mut self, state: StateWord) {
        self.state = state;
        self.stage = None;
        self.reason = None;
        self.detail = None;
    }

    fn back(&mut self, detail: &str) {
        self.go(StateWord::Assigned);
        self.dialed = if self.given_up { Dialed::Unknown } else { Dialed::No };
        self.detail = Some(detail.to_owned());
    }

    fn withdraw(&mut self, reason: WithdrawReason, detail: &str) {
        let stage = match self.state {
            StateWord::Waiting => Stage::Verify,
            StateWord::Verified => Stage::Assign,
            StateWord::Assigned
            | StateWord::Dialling
            | StateWord::InDoubt
            | StateWord::Initiated
            | StateWord::Failed
            | StateWord::Unknown => Stage::Initiate,
        };
        let reason = match reason {
            WithdrawReason::ShutDown => FailureReason::ShutDown,
            WithdrawReason::Journal => FailureReason::Journal,
            WithdrawReason::Superseded => FailureReason::Superseded,
            WithdrawReason::Expired => FailureReason::Expired,
            // Also a reason of a later version of the domain.
            WithdrawReason::Cancelled | _ => FailureReason::Cancelled,
        };
        self.given_up |= reason == FailureReason::Superseded;
        self.fail(stage, &reason, detail);
    }

    fn fail(&mut self, stage: Stage, reason: &FailureReason, detail: &str) {
        let unknown = self.given_up;
        self.go(if unknown { StateWord::Unknown } else { StateWord::Failed });
        self.dialed = if unknown { Dialed::Unknown } else { Dialed::No };
        self.stage = Some(stage);
        self.reason = Some(reason.as_str().to_owned());
        self.detail = Some(detail.to_owned());
    }
}

fn word(proof: &Proof) -> ProofWord {
    match proof {
        Proof::Matches { .. } => ProofWord::Matches,
        Proof::Absent => ProofWord::Absent,
        Proof::Mismatch { .. } => ProofWord::Mismatch,
    }
}

#[cfg(test)]
mod tests;
