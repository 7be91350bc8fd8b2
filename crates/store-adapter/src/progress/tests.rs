//! Every life of a call that the flow allows, up to a length, told by both.

use partyline_domain::flow::{AssignmentOutcome, CallState, Dial, DoubtCause, Evidence, FoundBy};
use partyline_domain::{AgentId, AttemptId, FailureKind};

use super::*;

const STEPS: usize = 8;

fn menu() -> Vec<CallEvent> {
    let attempt = || AttemptId::parse("c.1").expect("an id");
    let conversation = || ConversationId::parse("conv_1").expect("an id");
    let detail = || "what happened".to_owned();
    let number = PhoneNumberId::parse("n").expect("an id");
    let withdrawn = |reason| CallEvent::CallWithdrawn { reason, detail: detail() };
    let initiated = |found_by| CallEvent::CallInitiated {
        attempt: attempt(),
        conversation: conversation(),
        provider_call_id: ProviderCallId::new("CA1"),
        found_by,
    };
    vec![
        CallEvent::AgentVerified { agent_name: "Restaurant".into(), evidence: Evidence::Fresh },
        CallEvent::VerificationFailed { reason: FailureReason::AgentNotFound, detail: detail() },
        CallEvent::NumberAssigned { number, outcome: AssignmentOutcome::Already, evidence: Evidence::Cached },
        CallEvent::AssignmentFailed { reason: FailureReason::NotAssigned, detail: detail() },
        CallEvent::DialIntended { attempt: attempt() },
        CallEvent::DialNotExecuted { attempt: attempt(), kind: FailureKind::RateLimited, detail: detail() },
        CallEvent::DialRefused { attempt: attempt(), conversation: None, detail: detail() },
        CallEvent::DialRefused { attempt: attempt(), conversation: Some(conversation()), detail: detail() },
        CallEvent::DialFailed { attempt: attempt(), kind: FailureKind::Invalid, detail: detail() },
        CallEvent::DialDoubted { attempt: attempt(), cause: DoubtCause::Recovered, detail: detail() },
        initiated(FoundBy::Answer),
        initiated(FoundBy::LookUp),
        CallEvent::DialGivenUp { attempt: attempt(), detail: detail() },
        CallEvent::LookUpsEnded { attempt: attempt(), detail: detail() },
        withdrawn(WithdrawReason::Cancelled),
        withdrawn(WithdrawReason::ShutDown),
        withdrawn(WithdrawReason::Journal),
        withdrawn(WithdrawReason::Superseded),
        withdrawn(WithdrawReason::Expired),
        CallEvent::ProofRead { proof: Proof::Matches { complete: true } },
        CallEvent::ProofRead { proof: Proof::Absent },
        CallEvent::ProofRead {
            proof: Proof::Mismatch { agent: AgentId::parse("a").ok(), number: None, callee: false },
        },
    ]
}

fn agrees(state: &CallState, progress: &Progress) {
    let expected = match state {
        CallState::Requested(_) => StateWord::Waiting,
        CallState::Verified(_) => StateWord::Verified,
        CallState::Assigned(assigned) => {
            assert_eq!(progress.number.as_ref(), Some(assigned.number()));
            match assigned.dial() {
                Dial::NotSent => StateWord::Assigned,
                Dial::Sent(_) => StateWord::Dialling,
                Dial::InDoubt(..) => StateWord::InDoubt,
            }
        }
        CallState::Initiated(initiated) => {
            assert_eq!(progress.conversation.as_ref(), Some(initiated.conversation()));
            assert_eq!(progress.provider_call_id.as_ref(), initiated.provider_call_id());
            assert_eq!(progress.proof, initiated.proof().map(word));
            StateWord::Initiated
        }
        CallState::Failed(failed) => {
            let failure = failed.failure();
            assert_eq!(progress.stage, Some(failure.stage));
            assert_eq!(progress.reason.as_deref(), Some(failure.reason.as_str()));
            assert_eq!(progress.detail.as_deref(), Some(&*failure.detail));
            assert_eq!(progress.conversation.as_ref(), failed.conversation());
            if failure.dialed == Dialed::Unknown { StateWord::Unknown } else { StateWord::Failed }
        }
    };
    assert_eq!(progress.state, expected, "{}", state.name());
    assert_eq!(progress.dialed, state.dialed(), "{}", state.name());
    assert_eq!(progress.state.has_ended(), state.is_terminal());
}

fn walk(state: &CallState, progress: &Progress, menu: &[CallEvent], steps: usize) -> usize {
    agrees(state, progress);
    if steps == 0 {
        return 1;
    }
    let mut lives = 1;
    for event in menu {
        if let Ok(next) = state.clone().apply(event) {
            let mut after = progress.clone();
            after.apply(&Recorded { version: 0, at: Timestamp::default(), event: event.clone() });
            assert_eq!(after.version, progress.version + 1);
            lives += walk(&next, &after, menu, steps - 1);
        }
    }
    lives
}

#[test]
fn the_columns_say_what_the_flow_says() {
    let lives = walk(&CallState::requested(), &Progress::new(), &menu(), STEPS);
    assert!(lives > 500, "{lives}");
}
