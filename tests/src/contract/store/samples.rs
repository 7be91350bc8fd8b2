//! What the store's cases hand in and write.

use std::sync::Arc;
use std::time::Duration;

use partyline_domain::flow::{AssignmentOutcome, CallEvent, DoubtCause, Evidence, FoundBy, WithdrawReason};
use partyline_domain::ports::{
    AgentProfile, AssignedAgent, Change, Intent, IntentKind, NewCall, Number, NumberProvider, Recorded, Release,
};
use partyline_domain::{
    AgentId, AttemptId, CallId, CallRequest, CallerId, ConversationId, IdempotencyKey, NumberChoice, PhoneNumber,
    PhoneNumberId, Priority, Timestamp,
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

pub(super) fn at(second: u64) -> Timestamp {
    Timestamp::from_unix(Duration::new(1_790_000_000 + second, 123_456_789))
}

/// A call for an agent from any of these numbers.
pub(super) fn new_call(name: &str, numbers: &[&str]) -> NewCall {
    let request = CallRequest {
        id: call(name),
        agent: agent("agent_1"),
        numbers: NumberChoice::any_of(numbers.iter().map(|name| number(name))).expect("at least one"),
        to: PhoneNumber::parse("+12025550123").expect("a fictional number"),
        priority: Priority::Normal,
        expires_at: None,
        options: Arc::default(),
        policies: Arc::default(),
    };
    NewCall { request, at: at(1), key: None, batch: None, repeats: None }
}

pub(super) fn urgent(name: &str, numbers: &[&str]) -> NewCall {
    let NewCall { request, at, key, batch, repeats } = new_call(name, numbers);
    NewCall { request: CallRequest { priority: Priority::Urgent, ..request }, at, key, batch, repeats }
}

pub(super) fn keyed(call: NewCall, key: &str) -> NewCall {
    NewCall { key: Some(IdempotencyKey::parse(key).expect("a key")), ..call }
}

pub(super) fn request_of(event: &CallEvent) -> Option<&CallRequest> {
    if let CallEvent::CallRequested { request } = event { Some(request) } else { None }
}

/// The first event of a call that was handed in.
pub(super) fn requested(call: &NewCall) -> Recorded {
    Recorded { version: 1, at: call.at, event: CallEvent::CallRequested { request: call.request.clone() } }
}

pub(super) fn append(name: &str, expected: u64, events: Vec<CallEvent>) -> Change {
    let recorded = |(version, event)| Recorded { version, at: at(version), event };
    Change::Append { call: call(name), expected, events: (expected + 1..).zip(events).map(recorded).collect() }
}

pub(super) fn verified() -> CallEvent {
    CallEvent::AgentVerified { agent_name: "Restaurant".into(), evidence: Evidence::Fresh }
}

pub(super) fn assigned(name: &str) -> CallEvent {
    let outcome = AssignmentOutcome::Assigned;
    CallEvent::NumberAssigned { number: number(name), outcome, evidence: Evidence::Fresh }
}

pub(super) fn dialled(name: &str) -> CallEvent {
    CallEvent::DialIntended { attempt: attempt(name) }
}

pub(super) fn doubted(name: &str) -> CallEvent {
    let (cause, detail) = (DoubtCause::Interrupted, "dropped".to_owned());
    CallEvent::DialDoubted { attempt: attempt(name), cause, detail }
}

pub(super) fn initiated(name: &str) -> CallEvent {
    CallEvent::CallInitiated {
        attempt: attempt(name),
        conversation: ConversationId::parse("conv_1").expect("an id"),
        provider_call_id: None,
        found_by: FoundBy::Answer,
    }
}

/// What is found out long after the look-ups ended.
pub(super) fn found(name: &str) -> CallEvent {
    CallEvent::CallInitiated {
        attempt: attempt(name),
        conversation: ConversationId::parse("conv_1").expect("an id"),
        provider_call_id: None,
        found_by: FoundBy::LookUp,
    }
}

pub(super) fn given_up(name: &str) -> CallEvent {
    CallEvent::LookUpsEnded { attempt: attempt(name), detail: "not found".into() }
}

pub(super) fn withdrawn() -> CallEvent {
    CallEvent::CallWithdrawn { reason: WithdrawReason::Expired, detail: "it came too late".into() }
}

pub(super) fn intent(name: &str, kind: IntentKind, on: &str, epoch: u64) -> Intent {
    Intent {
        attempt: attempt(name),
        kind,
        number: number(on),
        agent: Some(agent("agent_1")),
        epoch,
        send_by: at(60),
        within: Duration::from_secs(20),
        lateness: Duration::from_secs(90),
    }
}

pub(super) fn assign(name: &str, on: &str, epoch: u64) -> Change {
    Change::Intend(intent(name, IntentKind::Assign, on, epoch))
}

pub(super) fn dial(name: &str, of: &str, on: &str, epoch: u64) -> Change {
    Change::Intend(intent(name, IntentKind::Dial(call(of)), on, epoch))
}

pub(super) fn remember(name: &str, inbound: Option<&str>) -> Change {
    Change::Remember { number: number(name), inbound: inbound.map(agent) }
}

pub(super) fn profile(name: &str) -> AgentProfile {
    AgentProfile { id: agent(name), name: format!("Agent \"{name}\""), archived: false }
}

/// A number as the provider shows it.
pub(super) fn shown(name: &str, assigned: Option<&str>) -> Number {
    Number {
        id: number(name),
        caller_id: CallerId::new("+12025550100"),
        label: "Front desk".into(),
        provider: NumberProvider::Twilio,
        assigned: assigned.map(|id| AssignedAgent { id: agent(id), name: "Zoë".into() }),
        inbound: true,
        outbound: true,
    }
}

/// Gives back one number with what is known of it.
pub(super) fn known_release(epoch: u64, seen: Number, age: Duration) -> Release {
    Release { numbers: vec![(seen.id.clone(), epoch)], seen: vec![(seen, age)], ..Release::default() }
}
