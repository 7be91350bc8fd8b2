//! The stored form of events and intents (feature `serde`). Whoever keeps a journal reads what older versions wrote, so
//! `fixtures/events-v1.jsonl` is only ever added to: every line in it must be readable for ever, and today's events
//! must be written as they stand there. `PARTYLINE_BLESS=1` appends what is new.
#![cfg(feature = "serde")]
#![expect(clippy::disallowed_methods, reason = "the test compares with a committed file")]

use std::sync::Arc;
use std::time::Duration;

use partyline_domain::flow::{
    AssignmentOutcome, CallEvent, DoubtCause, Evidence, FailureReason, FoundBy, Proof, WithdrawReason,
};
use partyline_domain::ports::{Change, Entry, Intent, IntentKind, ProviderCallId, Recorded};
use partyline_domain::{
    AgentId, AttemptId, CallId, CallOptions, CallRequest, ConversationId, Decimal, FailureKind, NumberChoice,
    Overrides, PhoneNumber, PhoneNumberId, Policies, Priority, Timestamp, UserId, VariableName, VariableValue,
};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events-v1.jsonl");

fn request() -> CallRequest {
    let name = |text| VariableName::parse(text).expect("valid");
    let options = CallOptions {
        overrides: Overrides { language: Some("en".into()), ..Overrides::default() },
        variables: [
            (name("count"), VariableValue::Number(Decimal::parse("0.10").expect("valid"))),
            (name("name"), VariableValue::Text("Ada".into())),
            (name("vip"), VariableValue::Bool(true)),
        ]
        .into(),
        user_id: UserId::parse("user-7").ok(),
        ..CallOptions::default()
    };
    CallRequest {
        id: CallId::parse("call_1").expect("valid"),
        agent: AgentId::parse("agent_1").expect("valid"),
        numbers: NumberChoice::one(PhoneNumberId::parse("phnum_1").expect("valid")),
        to: PhoneNumber::parse("+12025550123").expect("valid"),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::new(options),
        policies: Arc::new(Policies::default()),
    }
}

fn events() -> Vec<CallEvent> {
    let attempt = || AttemptId::parse("call_1.1").expect("valid");
    let conversation = || ConversationId::parse("conv_1").expect("valid");
    let detail = || "what happened".to_owned();
    vec![
        CallEvent::CallRequested { request: request() },
        CallEvent::AgentVerified { agent_name: "Restaurant".into(), evidence: Evidence::Fresh },
        CallEvent::VerificationFailed { reason: FailureReason::AgentNotFound, detail: detail() },
        CallEvent::NumberAssigned {
            number: PhoneNumberId::parse("phnum_1").expect("valid"),
            outcome: AssignmentOutcome::Already,
            evidence: Evidence::Cached,
        },
        CallEvent::AssignmentFailed { reason: FailureReason::Provider(FailureKind::Unavailable), detail: detail() },
        CallEvent::DialIntended { attempt: attempt() },
        CallEvent::DialNotExecuted { attempt: attempt(), kind: FailureKind::RateLimited, detail: detail() },
        CallEvent::DialRefused { attempt: attempt(), conversation: Some(conversation()), detail: detail() },
        CallEvent::DialFailed { attempt: attempt(), kind: FailureKind::Invalid, detail: detail() },
        CallEvent::DialDoubted {
            attempt: attempt(),
            cause: DoubtCause::Provider(FailureKind::TimedOut),
            detail: detail(),
        },
        CallEvent::CallInitiated {
            attempt: attempt(),
            conversation: conversation(),
            provider_call_id: ProviderCallId::new("CA1"),
            found_by: FoundBy::LookUp,
        },
        CallEvent::LookUpsEnded { attempt: attempt(), detail: detail() },
        CallEvent::CallWithdrawn { reason: WithdrawReason::Cancelled, detail: detail() },
        CallEvent::ProofRead { proof: Proof::Matches { complete: true } },
        CallEvent::ProofRead {
            proof: Proof::Mismatch { agent: AgentId::parse("agent_2").ok(), number: None, callee: false },
        },
        CallEvent::DialGivenUp { attempt: AttemptId::parse("call_1.1").expect("valid"), detail: "not found".into() },
    ]
}

fn lines() -> Vec<String> {
    let at = Timestamp::from_unix(Duration::from_secs(1_790_000_000));
    let recorded = |(version, event)| Recorded { version, at, event };
    let to_line = |recorded: Recorded| serde_json::to_string(&recorded).expect("events are serialisable");
    (1..).zip(events()).map(recorded).map(to_line).collect()
}

#[test]
fn what_was_stored_is_readable_for_ever_and_written_the_same() {
    let mut stored = std::fs::read_to_string(FIXTURE).unwrap_or_default();
    let missing: Vec<String> = lines().into_iter().filter(|line| !stored.lines().any(|old| old == line)).collect();
    if !missing.is_empty() && std::env::var_os("PARTYLINE_BLESS").is_some() {
        stored.extend(missing.iter().map(|line| format!("{line}\n")));
        std::fs::write(FIXTURE, &stored).expect("the fixture can be written");
    } else {
        assert!(missing.is_empty(), "not as stored before: {missing:#?}");
    }
    for line in stored.lines() {
        let read: Recorded = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        assert!(!read.event.name().is_empty());
    }
}

#[test]
fn a_policy_that_was_stored_before_a_field_was_added_has_its_default() {
    let read: Policies = serde_json::from_str(r#"{"dial":{"sends_max":1},"look_up":{}}"#).expect("readable");
    assert_eq!(read.dial.sends_max, 1);
    assert_eq!(read.dial.send_within, Policies::default().dial.send_within);
    assert_eq!(read.look_up, Policies::default().look_up);
}

#[test]
fn a_journal_entry_goes_there_and_back() {
    let intent = Intent {
        attempt: AttemptId::parse("call_1.1").expect("valid"),
        kind: IntentKind::Dial(CallId::parse("call_1").expect("valid")),
        number: PhoneNumberId::parse("phnum_1").expect("valid"),
        agent: None,
        epoch: 3,
        send_by: Timestamp::from_unix(Duration::from_secs(1_790_000_002)),
        within: Duration::from_secs(2),
        lateness: Duration::from_secs(90),
    };
    let number = intent.number.clone();
    let changes = vec![
        Change::Remember { number: number.clone(), inbound: None },
        Change::Intend(intent),
        Change::Forget(number),
    ];
    let entry = Entry { changes };
    let text = serde_json::to_string(&entry).expect("serialisable");
    assert_eq!(serde_json::from_str::<Entry>(&text).expect("readable"), entry);
}
