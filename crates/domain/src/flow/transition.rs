//! The table of the flow: one match on the pair (state, event). What is not in it is illegal.

use crate::flow::event::{CallEvent, FoundBy, WithdrawReason};
use crate::flow::failure::FailureReason;
use crate::flow::state::{CallState, Dial, Found, Requested};
use crate::ids::AttemptId;

/// An event that cannot happen in a state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{event} cannot happen to a call that is {from}")]
pub struct IllegalTransition {
    /// The state.
    pub from: &'static str,
    /// The event.
    pub event: &'static str,
}

impl CallState {
    /// The state of a call that has just been asked for.
    pub fn requested() -> Self {
        Self::Requested(Requested::new())
    }

    /// Folds a call's whole history.
    ///
    /// # Errors
    /// [`IllegalTransition`] where the history does not begin with `CallRequested` or breaks the table.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a CallEvent>) -> Result<Self, IllegalTransition> {
        let mut events = events.into_iter();
        match events.next() {
            Some(CallEvent::CallRequested { .. }) => events.try_fold(Self::requested(), Self::apply),
            Some(first) => Err(IllegalTransition { from: "not requested", event: first.name() }),
            None => Err(IllegalTransition { from: "not requested", event: "nothing" }),
        }
    }

    /// The state after `event`.
    ///
    /// # Errors
    /// [`IllegalTransition`] where the table has no such pair, or the event is about another dial than the
    /// one that is open.
    pub fn apply(self, event: &CallEvent) -> Result<Self, IllegalTransition> {
        use CallEvent as E;
        let illegal = IllegalTransition { from: self.name(), event: event.name() };
        Ok(match (self, event) {
            (Self::Requested(call), E::AgentVerified { .. }) => Self::Verified(call.verify()),
            (Self::Requested(call), E::VerificationFailed { reason, detail }) => {
                Self::Failed(call.fail(reason.clone(), detail))
            }
            (Self::Verified(call), E::NumberAssigned { number, outcome, .. }) => {
                Self::Assigned(call.assign(number.clone(), *outcome))
            }
            (Self::Verified(call), E::AssignmentFailed { reason, detail }) => {
                Self::Failed(call.fail(reason.clone(), detail))
            }
            (Self::Requested(call), E::CallWithdrawn { reason, detail }) => {
                Self::Failed(call.fail(withdrawn(*reason), detail))
            }
            (Self::Verified(call), E::CallWithdrawn { reason, detail }) => {
                Self::Failed(call.fail(withdrawn(*reason), detail))
            }
            (Self::Assigned(call), event) => {
                let open = call.dial().clone();
                match (open, event) {
                    (Dial::NotSent, E::DialIntended { attempt }) => {
                        Self::Assigned(call.with_dial(Dial::Sent(attempt.clone())))
                    }
                    (Dial::NotSent, E::CallWithdrawn { reason, detail }) => {
                        Self::Failed(call.fail(withdrawn(*reason), detail))
                    }
                    (Dial::NotSent, E::NumberAssigned { number, outcome, .. }) => {
                        Self::Assigned(call.reassign(number.clone(), *outcome))
                    }
                    (Dial::NotSent, E::AssignmentFailed { reason, detail }) => {
                        Self::Failed(call.lose(reason.clone(), detail))
                    }
                    (Dial::Sent(sent), event) if Some(&sent) == attempt_of(event) => answered(call, event, illegal)?,
                    (Dial::InDoubt(sent, _), E::DialGivenUp { attempt, .. }) if sent == *attempt => {
                        Self::Assigned(call.give_up_dial())
                    }
                    (Dial::InDoubt(sent, _), E::LookUpsEnded { attempt, detail }) if sent == *attempt => {
                        Self::Failed(call.give_up(attempt.clone(), detail))
                    }
                    (Dial::InDoubt(sent, _), event) if Some(&sent) == attempt_of(event) => {
                        Self::Initiated(call.initiate(found(event, FoundBy::LookUp).ok_or(illegal)?))
                    }
                    (Dial::NotSent | Dial::Sent(_) | Dial::InDoubt(..), _) => return Err(illegal),
                }
            }
            (Self::Failed(call), event) => match (call.open().cloned(), found(event, FoundBy::LookUp)) {
                (Some(open), Some(found)) if Some(&open.attempt) == attempt_of(event) => {
                    Self::Initiated(call.find(open, found))
                }
                _ => return Err(illegal),
            },
            (Self::Initiated(call), E::ProofRead { proof }) => Self::Initiated(call.with_proof(proof.clone())),
            (Self::Requested(_) | Self::Verified(_) | Self::Initiated(_), _) => return Err(illegal),
        })
    }
}

/// What an answer to the open dial leads to.
fn answered(
    call: super::Assigned,
    event: &CallEvent,
    illegal: IllegalTransition,
) -> Result<CallState, IllegalTransition> {
    use CallEvent as E;
    if let Some(found) = found(event, FoundBy::Answer) {
        return Ok(CallState::Initiated(call.initiate(found)));
    }
    Ok(match event {
        E::DialNotExecuted { .. } => CallState::Assigned(call.with_dial(Dial::NotSent)),
        E::DialFailed { kind, detail, .. } => CallState::Failed(call.fail(FailureReason::Provider(*kind), detail)),
        E::DialRefused { conversation, detail, .. } => CallState::Failed(call.refuse(conversation.clone(), detail)),
        E::DialDoubted { attempt, cause, .. } => {
            CallState::Assigned(call.with_dial(Dial::InDoubt(attempt.clone(), cause.clone())))
        }
        E::CallRequested { .. }
        | E::AgentVerified { .. }
        | E::VerificationFailed { .. }
        | E::NumberAssigned { .. }
        | E::AssignmentFailed { .. }
        | E::DialIntended { .. }
        | E::CallInitiated { .. }
        | E::DialGivenUp { .. }
        | E::LookUpsEnded { .. }
        | E::CallWithdrawn { .. }
        | E::ProofRead { .. } => return Err(illegal),
    })
}

fn withdrawn(reason: WithdrawReason) -> FailureReason {
    match reason {
        WithdrawReason::Cancelled => FailureReason::Cancelled,
        WithdrawReason::ShutDown => FailureReason::ShutDown,
        WithdrawReason::Journal => FailureReason::Journal,
        WithdrawReason::Superseded => FailureReason::Superseded,
        WithdrawReason::Expired => FailureReason::Expired,
    }
}

/// The conversation that the event brings, where it was learned in the way that fits the state.
fn found(event: &CallEvent, by: FoundBy) -> Option<Found> {
    let CallEvent::CallInitiated { conversation, provider_call_id, found_by, .. } = event else { return None };
    let found = Found { conversation: conversation.clone(), provider_call_id: provider_call_id.clone(), by };
    (*found_by == by).then_some(found)
}

fn attempt_of(event: &CallEvent) -> Option<&AttemptId> {
    match event {
        CallEvent::DialNotExecuted { attempt, .. }
        | CallEvent::DialRefused { attempt, .. }
        | CallEvent::DialFailed { attempt, .. }
        | CallEvent::DialDoubted { attempt, .. }
        | CallEvent::CallInitiated { attempt, .. }
        | CallEvent::DialGivenUp { attempt, .. }
        | CallEvent::LookUpsEnded { attempt, .. } => Some(attempt),
        CallEvent::CallRequested { .. }
        | CallEvent::AgentVerified { .. }
        | CallEvent::VerificationFailed { .. }
        | CallEvent::NumberAssigned { .. }
        | CallEvent::AssignmentFailed { .. }
        | CallEvent::DialIntended { .. }
        | CallEvent::CallWithdrawn { .. }
        | CallEvent::ProofRead { .. } => None,
    }
}
