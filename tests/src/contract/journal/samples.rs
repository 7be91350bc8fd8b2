//! What the journal's cases write.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use partyline_domain::flow::{
    AssignmentOutcome, CallEvent, DoubtCause, Evidence, FailureReason, FoundBy, Proof, WithdrawReason,
};
use partyline_domain::ports::{Change, Entry, Intent, IntentKind, ProviderCallId, Recorded};
use partyline_domain::{
    AfterCall, AgentId, AssignmentPolicy, AttemptId, CallId, CallOptions, CallRequest, ConversationId, Decimal,
    FailureKind, NumberChoice, Overrides, PhoneNumber, PhoneNumberId, Policies, Priority, ProofPolicy, RingingTimeout,
    Timestamp, UserId, VariableName, VariableValue,
};

pub(super) fn call(name: &str) -> CallId {
    CallId::parse(name).expect("an id")
}

pub(super) fn attempt(name: &str) -> AttemptId {
    AttemptId::parse(name).expect("an id")
}

pub(super) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).expect("an id")
}

pub(super) fn number(name: &str) -> PhoneNumberId {
    PhoneNumberId::parse(name).expect("an id")
}

fn at(version: u64) -> Timestamp {
    Timestamp::from_unix(Duration::new(1_790_000_000 + version, 123_456_789))
}

pub(super) fn recorded(version: u64, event: CallEvent) -> Recorded {
    Recorded { version, at: at(version), event }
}

/// Plain events that tell their version.
pub(super) fn events(versions: RangeInclusive<u64>) -> Vec<Recorded> {
    let event = |version| CallEvent::DialIntended { attempt: attempt(&format!("v{version}")) };
    versions.map(|version| recorded(version, event(version))).collect()
}

/// Events in the same places that say something else.
pub(super) fn others(versions: RangeInclusive<u64>) -> Vec<Recorded> {
    let event = |version| CallEvent::DialIntended { attempt: attempt(&format!("other{version}")) };
    versions.map(|version| recorded(version, event(version))).collect()
}

pub(super) fn append(name: &str, expected: u64, events: &[Recorded]) -> Change {
    Change::Append { call: call(name), expected, events: events.to_vec() }
}

pub(super) fn one(change: Change) -> Entry {
    Entry { changes: vec![change] }
}

pub(super) fn intent(name: &str, kind: IntentKind) -> Intent {
    Intent {
        attempt: attempt(name),
        kind,
        number: number("phnum_1"),
        agent: Some(agent("agent_1")),
        epoch: 7,
        send_by: at(60),
        within: Duration::from_secs(20),
        lateness: Duration::from_secs(90),
    }
}

/// A request that uses every field.
fn request() -> CallRequest {
    let variable = |name: &str, value| (VariableName::parse(name).expect("a name"), value);
    let variables = BTreeMap::from([
        variable("guest", VariableValue::Text("Zoë \"O'Neil\"\n".into())),
        variable("price", VariableValue::Number(Decimal::parse("-0.10").expect("a number"))),
        variable("vip", VariableValue::Bool(true)),
    ]);
    let overrides = Overrides {
        language: Some("en".into()),
        first_message: Some("Hello".into()),
        prompt: Some("Be brief.".into()),
        voice: Some("voice_1".into()),
    };
    let options = CallOptions {
        overrides,
        variables,
        user_id: Some(UserId::parse("Ada Lovelace").expect("a user id")),
        ringing_timeout: RingingTimeout::from_seconds(45).expect("within bounds"),
        recording: Some(false),
    };
    let policies = Policies {
        assignment: AssignmentPolicy::Always,
        after_call: AfterCall::Restore,
        proof: ProofPolicy::Required,
        settle_after_post: Duration::from_millis(1500),
        ..Policies::default()
    };
    CallRequest {
        id: call("call_1"),
        agent: agent("agent_1"),
        numbers: NumberChoice::one(number("phnum_1")),
        to: PhoneNumber::parse("+12025550123").expect("a number"),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::new(options),
        policies: Arc::new(policies),
    }
}

/// Whole lives of calls which together hold every kind of event.
pub(super) fn stories() -> Vec<Vec<CallEvent>> {
    let detail = || "the provider said \"no\" — 503".to_owned();
    let conversation = || ConversationId::parse("conv_1").expect("an id");
    let requested = || CallEvent::CallRequested { request: request() };
    let verified = || CallEvent::AgentVerified { agent_name: "Hôtel".into(), evidence: Evidence::Fresh };
    let outcome = AssignmentOutcome::Assigned;
    let assigned = || CallEvent::NumberAssigned { number: number("phnum_1"), outcome, evidence: Evidence::Cached };
    let dial = |name| CallEvent::DialIntended { attempt: attempt(name) };
    let not_executed =
        CallEvent::DialNotExecuted { attempt: attempt("1"), kind: FailureKind::RateLimited, detail: detail() };
    let doubted = |cause| CallEvent::DialDoubted { attempt: attempt("1"), cause, detail: detail() };
    let initiated = |name, found_by| CallEvent::CallInitiated {
        attempt: attempt(name),
        conversation: conversation(),
        provider_call_id: ProviderCallId::new("CA1"),
        found_by,
    };
    let mismatch = Proof::Mismatch { agent: Some(agent("agent_2")), number: Some(number("phnum_2")), callee: true };
    let proof = |proof| CallEvent::ProofRead { proof };
    let reason = FailureReason::Provider(FailureKind::Unauthorized);
    let cancelled = WithdrawReason::Cancelled;
    let refused =
        CallEvent::DialRefused { attempt: attempt("1"), conversation: Some(conversation()), detail: detail() };
    let failed = CallEvent::DialFailed { attempt: attempt("1"), kind: FailureKind::Invalid, detail: detail() };
    let timed_out = DoubtCause::Provider(FailureKind::TimedOut);
    let ended = CallEvent::LookUpsEnded { attempt: attempt("1"), detail: "not found".into() };
    vec![
        vec![requested(), CallEvent::VerificationFailed { reason: reason.clone(), detail: detail() }],
        vec![requested(), verified(), CallEvent::AssignmentFailed { reason, detail: detail() }],
        vec![requested(), verified(), CallEvent::CallWithdrawn { reason: cancelled, detail: detail() }],
        vec![requested(), verified(), assigned(), dial("1"), refused],
        vec![requested(), verified(), assigned(), dial("1"), failed],
        vec![
            requested(),
            verified(),
            assigned(),
            dial("1"),
            not_executed,
            dial("2"),
            initiated("2", FoundBy::Answer),
            proof(mismatch),
        ],
        vec![
            requested(),
            verified(),
            assigned(),
            dial("1"),
            doubted(timed_out),
            initiated("1", FoundBy::LookUp),
            proof(Proof::Matches { complete: false }),
        ],
        vec![
            requested(),
            verified(),
            assigned(),
            dial("1"),
            doubted(DoubtCause::Recovered),
            ended,
            initiated("1", FoundBy::LookUp),
            proof(Proof::Absent),
        ],
    ]
}
