//! The events of a call in plain words.

use partyline_domain::flow::{AssignmentOutcome, CallEvent, Evidence, FailureReason, FoundBy, Proof, WithdrawReason};
use partyline_domain::ports::ProviderCallId;
use partyline_domain::{CallRequest, Priority};

use super::fields::Names;
use crate::errors::{kind_word, reason_word};
use crate::when;

/// What happened, as one line. It is data: phone numbers are whole.
pub(super) fn told(event: &CallEvent, names: Names<'_>) -> String {
    match event {
        CallEvent::CallRequested { request } => requested(request, names),
        CallEvent::AgentVerified { agent_name, evidence } => {
            format!("agent verified: {agent_name} ({})", asked(*evidence))
        }
        CallEvent::VerificationFailed { reason, detail } => format!("agent not verified: {}", failed(reason, detail)),
        CallEvent::NumberAssigned { number, outcome, evidence } => {
            let (number, asked) = (names.number(number), asked(*evidence));
            match outcome {
                AssignmentOutcome::Assigned => format!("number {number} assigned to the agent ({asked})"),
                AssignmentOutcome::Already => format!("number {number} had the agent already ({asked})"),
                AssignmentOutcome::Skipped => format!("number {number} chosen, its assignment left as it was"),
            }
        }
        CallEvent::AssignmentFailed { reason, detail } => format!("number not assigned: {}", failed(reason, detail)),
        CallEvent::DialIntended { attempt } => format!("about to dial: attempt {attempt}"),
        CallEvent::DialNotExecuted { kind, detail, .. } => {
            format!("not dialled, and may be tried again: {detail} ({})", kind_word(*kind))
        }
        CallEvent::DialRefused { conversation, detail, .. } => match conversation {
            None => format!("dial refused: {detail}"),
            Some(id) => format!("dial refused, but the phone may have rung: {detail} (conversation {id})"),
        },
        CallEvent::DialFailed { kind, detail, .. } => format!("not dialled: {detail} ({})", kind_word(*kind)),
        CallEvent::DialDoubted { cause, detail, .. } => {
            format!("in doubt, nobody knows whether it was dialled: {detail} ({})", cause.as_str())
        }
        CallEvent::CallInitiated { conversation, provider_call_id, found_by, .. } => {
            let id = provider_call_id.as_ref().map(ProviderCallId::as_str);
            let id = id.map(|id| format!(", at the provider {id}")).unwrap_or_default();
            match found_by {
                FoundBy::Answer => format!("initiated: {conversation}{id}"),
                FoundBy::LookUp => format!("found by looking it up, so it was dialled: {conversation}{id}"),
            }
        }
        CallEvent::DialGivenUp { attempt, detail } => {
            format!("attempt {attempt} given up, another follows as asked: {detail}")
        }
        CallEvent::LookUpsEnded { detail, .. } => format!("outcome unknown, the phone may have rung: {detail}"),
        CallEvent::CallWithdrawn { reason, detail } => format!("withdrawn ({}): {detail}", withdrawn(*reason)),
        CallEvent::ProofRead { proof } => proved(proof, names),
        _ => event.name().to_owned(),
    }
}

fn requested(request: &CallRequest, names: Names<'_>) -> String {
    let to = if request.to.is_erased() { "a callee who was erased" } else { request.to.e164() };
    let numbers: Vec<&str> = request.numbers.iter().map(|number| names.number(number)).collect();
    let numbers =
        if let [only] = numbers.as_slice() { (*only).to_owned() } else { format!("one of {}", numbers.join(", ")) };
    let urgent = match request.priority {
        Priority::Normal => "",
        Priority::Urgent => ", urgent",
    };
    let expires = request.expires_at.map(|at| format!(", not after {}", when::told(at))).unwrap_or_default();
    format!("asked for: {} calls {to} from {numbers}{urgent}{expires}", names.agent(&request.agent))
}

fn asked(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Fresh => "asked now",
        Evidence::Cached => "known",
    }
}

fn failed(reason: &FailureReason, detail: &str) -> String {
    format!("{detail} ({})", reason_word(reason))
}

fn withdrawn(reason: WithdrawReason) -> &'static str {
    match reason {
        WithdrawReason::Cancelled => "cancelled",
        WithdrawReason::ShutDown => "its process was stopped",
        WithdrawReason::Journal => "the store did not take it",
        WithdrawReason::Superseded => "another process has it",
        WithdrawReason::Expired => "expired",
        _ => "for a reason that this version does not know",
    }
}

fn proved(proof: &Proof, names: Names<'_>) -> String {
    match proof {
        Proof::Matches { complete: true } => "proof: the provider's record names agent, number and callee".to_owned(),
        Proof::Matches { complete: false } => {
            "proof: the provider's record names the agent, but not number and callee".to_owned()
        }
        Proof::Absent => "proof: the provider had no record, or it could not be read".to_owned(),
        Proof::Mismatch { agent, number, callee } => {
            let agent = agent.as_ref().map(|agent| format!("the agent {}", names.agent(agent)));
            let number = number.as_ref().map(|number| format!("the number {}", names.number(number)));
            let callee = callee.then(|| "another callee".to_owned());
            let others: Vec<String> = [agent, number, callee].into_iter().flatten().collect();
            format!("proof: MISROUTED: the provider's record names {}", others.join(" and "))
        }
    }
}

#[cfg(test)]
mod tests {
    use partyline_domain::flow::DoubtCause;
    use partyline_domain::{AgentId, ConversationId, FailureKind, PhoneNumber};

    use super::super::tests::{aliases, attempt, names, request, unknown};
    use super::*;

    fn say(event: &CallEvent) -> String {
        told(event, names(&aliases()))
    }

    #[test]
    fn the_events_of_a_call_of_unknown_outcome_are_plain_words() {
        let said: Vec<String> = unknown().iter().map(say).collect();
        assert_eq!(
            said,
            [
                "asked for: hotel calls +12025550123 from main",
                "agent verified: Hotel (known)",
                "number main had the agent already (asked now)",
                "about to dial: attempt call_1.1",
                "in doubt, nobody knows whether it was dialled: no whole answer (timed_out)",
                "outcome unknown, the phone may have rung: 5 look-ups found nothing",
            ]
        );
    }

    #[test]
    fn what_was_found_and_what_was_lost_are_told_apart() {
        let conversation = ConversationId::parse("conv_1").expect("valid");
        let initiated = |found_by| CallEvent::CallInitiated {
            attempt: attempt(),
            conversation: conversation.clone(),
            provider_call_id: ProviderCallId::new("CA1"),
            found_by,
        };
        assert_eq!(say(&initiated(FoundBy::Answer)), "initiated: conv_1, at the provider CA1");
        assert!(say(&initiated(FoundBy::LookUp)).starts_with("found by looking it up, so it was dialled: conv_1"));
        let lost = CallEvent::DialFailed { attempt: attempt(), kind: FailureKind::Interrupted, detail: "d".into() };
        assert_eq!(say(&lost), "not dialled: d (connection_lost)");
        let cause = DoubtCause::Recovered;
        let doubted = CallEvent::DialDoubted { attempt: attempt(), cause, detail: "its process ended".into() };
        assert!(say(&doubted).ends_with("its process ended (recovered)"));
        let withdrawn = CallEvent::CallWithdrawn { reason: WithdrawReason::Expired, detail: "too late".into() };
        assert_eq!(say(&withdrawn), "withdrawn (expired): too late");
        let other = AgentId::parse("agent_x").expect("valid");
        let proof = Proof::Mismatch { agent: Some(other), number: None, callee: true };
        let told = "proof: MISROUTED: the provider's record names the agent agent_x and another callee";
        assert_eq!(say(&CallEvent::ProofRead { proof }), told);
    }

    #[test]
    fn an_erased_callee_is_said_to_be_erased() {
        let request = CallRequest { to: PhoneNumber::ERASED, priority: Priority::Urgent, ..request() };
        let told = say(&CallEvent::CallRequested { request });
        assert_eq!(told, "asked for: hotel calls a callee who was erased from main, urgent");
    }
}
