//! Enumerates every pair of state and event of the flow. The result is the documentation of the flow, and
//! `docs/flow-table.md` must be it: run with `PARTYLINE_BLESS=1` to write it anew, and read the difference.

use std::fmt::Write as _;
use std::sync::Arc;

use partyline_domain::flow::{
    AssignmentOutcome, CallEvent, CallState, Dialed, DoubtCause, Evidence, FailureReason, FoundBy, Proof,
    WithdrawReason,
};
use partyline_domain::{
    AgentId, AttemptId, CallId, CallRequest, ConversationId, FailureKind, NumberChoice, PhoneNumber, PhoneNumberId,
    Priority,
};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/flow-table.md");

fn attempt(ordinal: u32) -> AttemptId {
    AttemptId::of_call(&CallId::parse("call").expect("valid"), ordinal)
}

fn request() -> CallRequest {
    CallRequest {
        id: CallId::parse("call").expect("valid"),
        agent: AgentId::parse("agent").expect("valid"),
        numbers: NumberChoice::one(PhoneNumberId::parse("phnum").expect("valid")),
        to: PhoneNumber::parse("+12025550123").expect("valid"),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::default(),
    }
}

fn found(found_by: FoundBy, ordinal: u32) -> CallEvent {
    let conversation = ConversationId::parse("conv").expect("valid");
    CallEvent::CallInitiated { attempt: attempt(ordinal), conversation, provider_call_id: None, found_by }
}

/// Every event, in the variants that the table tells apart.
fn events() -> Vec<(&'static str, CallEvent)> {
    let detail = String::new;
    let (kind, reason) = (FailureKind::RateLimited, FailureReason::AgentNotFound);
    let conversation = ConversationId::parse("conv").expect("valid");
    vec![
        ("CallRequested", CallEvent::CallRequested { request: request() }),
        ("AgentVerified", CallEvent::AgentVerified { agent_name: "A".into(), evidence: Evidence::Fresh }),
        ("VerificationFailed", CallEvent::VerificationFailed { reason: reason.clone(), detail: detail() }),
        (
            "NumberAssigned",
            CallEvent::NumberAssigned {
                number: PhoneNumberId::parse("phnum").expect("valid"),
                outcome: AssignmentOutcome::Assigned,
                evidence: Evidence::Fresh,
            },
        ),
        ("AssignmentFailed", CallEvent::AssignmentFailed { reason, detail: detail() }),
        ("DialIntended", CallEvent::DialIntended { attempt: attempt(1) }),
        ("DialNotExecuted", CallEvent::DialNotExecuted { attempt: attempt(1), kind, detail: detail() }),
        ("DialFailed", CallEvent::DialFailed { attempt: attempt(1), kind, detail: detail() }),
        ("DialRefused", CallEvent::DialRefused { attempt: attempt(1), conversation: None, detail: detail() }),
        (
            "DialRefused (conversation)",
            CallEvent::DialRefused { attempt: attempt(1), conversation: Some(conversation), detail: detail() },
        ),
        (
            "DialDoubted",
            CallEvent::DialDoubted { attempt: attempt(1), cause: DoubtCause::Interrupted, detail: detail() },
        ),
        ("CallInitiated (answer)", found(FoundBy::Answer, 1)),
        ("CallInitiated (look-up)", found(FoundBy::LookUp, 1)),
        ("CallInitiated (look-up, another dial)", found(FoundBy::LookUp, 2)),
        ("DialGivenUp", CallEvent::DialGivenUp { attempt: attempt(1), detail: detail() }),
        ("LookUpsEnded", CallEvent::LookUpsEnded { attempt: attempt(1), detail: detail() }),
        ("CallWithdrawn", CallEvent::CallWithdrawn { reason: WithdrawReason::Cancelled, detail: detail() }),
        ("ProofRead", CallEvent::ProofRead { proof: Proof::Matches { complete: true } }),
    ]
}

/// Every state, each as the fold of the shortest history that leads to it.
fn states() -> Vec<CallState> {
    let event = |name: &str| {
        let all = events();
        all.into_iter().find(|(of, _)| *of == name).map(|(_, event)| event).expect("an event of that name")
    };
    let histories: [&[&str]; 9] = [
        &[],
        &["AgentVerified"],
        &["AgentVerified", "NumberAssigned"],
        &["AgentVerified", "NumberAssigned", "DialIntended"],
        &["AgentVerified", "NumberAssigned", "DialIntended", "DialDoubted"],
        &["AgentVerified", "NumberAssigned", "DialIntended", "DialDoubted", "DialGivenUp"],
        &["AgentVerified", "NumberAssigned", "DialIntended", "CallInitiated (answer)"],
        &["AgentVerified", "NumberAssigned", "DialIntended", "DialDoubted", "LookUpsEnded"],
        &["VerificationFailed"],
    ];
    let fold = |history: &&[&str]| {
        let history: Vec<CallEvent> = ["CallRequested"].iter().chain(*history).map(|name| event(name)).collect();
        CallState::fold(&history).expect("a legal history")
    };
    histories.iter().map(fold).collect()
}

fn describe(state: &CallState) -> String {
    match state {
        CallState::Failed(failed) => {
            let failure = failed.failure();
            format!("{}: {}, dialed {}", state.name(), failure.stage.as_str(), failure.dialed.as_str())
        }
        CallState::Requested(_) | CallState::Verified(_) | CallState::Assigned(_) | CallState::Initiated(_) => {
            state.name().to_owned()
        }
    }
}

fn table() -> String {
    let mut text = String::from(
        "# The flow of a call: every state and every event\n\n\
         Generated by `tests/tests/flow_table.rs` from the code of `partyline-domain`; a test keeps it true. The first event of a\n\
         call is always `CallRequested`. A pair that is not listed is illegal: the code refuses it with an error that names both.\n\n\
         | state | event | becomes |\n| --- | --- | --- |\n",
    );
    let mut illegal = String::from("\n## Illegal pairs\n\n| state | events |\n| --- | --- |\n");
    for state in states() {
        let mut refused = Vec::new();
        for (name, event) in events() {
            match state.clone().apply(&event) {
                Ok(next) => writeln!(text, "| {} | {name} | {} |", state.name(), describe(&next)).expect("to a string"),
                Err(_) => refused.push(name),
            }
        }
        writeln!(illegal, "| {} | {} |", state.name(), refused.join(", ")).expect("to a string");
    }
    text + &illegal
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test compares with a committed file")]
fn the_committed_table_is_the_flow() {
    let table = table();
    if std::env::var_os("PARTYLINE_BLESS").is_some() {
        std::fs::write(TABLE, &table).expect("the table can be written");
    }
    let committed = std::fs::read_to_string(TABLE).expect("docs/flow-table.md is committed");
    assert_eq!(committed, table, "docs/flow-table.md is out of date: run this test with PARTYLINE_BLESS=1");
}

#[test]
fn every_illegal_pair_names_state_and_event() {
    for state in states() {
        for (name, event) in events() {
            if let Err(illegal) = state.clone().apply(&event) {
                assert_eq!(illegal.from, state.name());
                assert!(name.starts_with(illegal.event), "{name} is named {}", illegal.event);
            }
        }
    }
}

#[test]
fn nothing_leads_out_of_a_terminal_state_but_late_evidence_and_proof() {
    for state in states().into_iter().filter(CallState::is_terminal) {
        for (name, event) in events() {
            let Ok(next) = state.clone().apply(&event) else { continue };
            let late = state.name() == "Failed (unknown)" && name == "CallInitiated (look-up)";
            let proof = state.name() == "Initiated" && name == "ProofRead";
            assert!(late || proof, "{} + {name} became {}", state.name(), next.name());
        }
    }
}

#[test]
fn only_what_was_refused_or_never_sent_counts_as_not_dialled() {
    for state in states() {
        let dialed = state.dialed();
        match state.name() {
            "Requested" | "Verified" | "Assigned (not sent)" | "Failed" => assert_eq!(dialed, Dialed::No),
            "Initiated" => assert_eq!(dialed, Dialed::Yes),
            _ => assert_eq!(dialed, Dialed::Unknown, "{}", state.name()),
        }
    }
}
