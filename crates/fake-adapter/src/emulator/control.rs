//! The emulator's own routes, all under `/_emulator/` and without a key:
//!
//! | route | does |
//! |---|---|
//! | `GET health` | says that it runs |
//! | `GET ledger` | `{dials, assignments, requests}`: what really happened |
//! | `GET faults` | the rules that are not used up |
//! | `POST faults` `{"faults": ["dial:504-after"]}` | adds rules |
//! | `DELETE faults` | forgets all rules |
//! | `POST reassign` `{"phone_number_id", "agent_id"}` | somebody else changes a number (`null` = nobody) |
//! | `POST agents/{id}/archive` `{"archived": true}` | puts an agent away (an empty body does too) |
//! | `POST reset` | makes the world as it was when new |

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use partyline_domain::ports::Clock;
use partyline_domain::{AgentId, AttemptId, Instant, Now, PhoneNumberId};
use serde_json::{Value, json};

use super::render::json_response;
use super::state::State;
use crate::faults::FaultRule;
use crate::world::{AssignmentEntry, DialEntry, Ledger, RequestEntry, RequestOutcome, Writer};

pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/_emulator/health", get(|| async { json_response(StatusCode::OK, &json!({ "status": "ok" })) }))
        .route("/_emulator/ledger", get(ledger))
        .route("/_emulator/faults", get(faults).post(add_faults).delete(clear_faults))
        .route("/_emulator/reassign", post(reassign))
        .route("/_emulator/agents/{agent_id}/archive", post(archive))
        .route("/_emulator/reset", post(reset))
}

async fn ledger(Shared(state): Shared<State>) -> Response {
    let mut world = state.world.lock();
    world.advance(state.clock.now());
    json_response(StatusCode::OK, &ledger_json(world.ledger()))
}

async fn faults(Shared(state): Shared<State>) -> Response {
    let rules: Vec<String> = state.world.lock().faults().rules().iter().map(ToString::to_string).collect();
    json_response(StatusCode::OK, &json!({ "faults": rules }))
}

async fn add_faults(Shared(state): Shared<State>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let Some(texts) = body["faults"].as_array() else {
        return refused(r#"send {"faults": ["<operation>:<fault>[:<count>[@<skip>]]"]}"#);
    };
    let parsed = texts.iter().map(|text| text.as_str().unwrap_or_default().parse::<FaultRule>());
    match parsed.collect::<Result<Vec<_>, _>>() {
        Ok(rules) => {
            for rule in rules {
                state.world.lock().faults().add(rule);
            }
            faults(Shared(state)).await
        }
        Err(error) => refused(&error.to_string()),
    }
}

async fn clear_faults(Shared(state): Shared<State>) -> Response {
    state.world.lock().faults().clear();
    faults(Shared(state)).await
}

async fn reassign(Shared(state): Shared<State>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let number = body["phone_number_id"].as_str().and_then(|id| PhoneNumberId::parse(id).ok());
    let agent = match &body["agent_id"] {
        Value::Null => Some(None),
        Value::String(id) => AgentId::parse(id).ok().map(Some),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let (Some(number), Some(agent)) = (number, agent) else {
        return refused(r#"send {"phone_number_id": "...", "agent_id": "..." or null}"#);
    };
    let outcome = state.world.lock().reassign(&number, agent.as_ref(), state.clock.now());
    done(outcome)
}

async fn archive(Shared(state): Shared<State>, Path(id): Path<String>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let archived = body["archived"].as_bool().unwrap_or(true);
    match AgentId::parse(&id) {
        Ok(agent) => done(state.world.lock().archive(&agent, archived, state.clock.now())),
        Err(error) => refused(&error.to_string()),
    }
}

async fn reset(Shared(state): Shared<State>) -> Response {
    state.world.lock().reset();
    done(Ok(()))
}

fn done(outcome: Result<(), crate::world::Unknown>) -> Response {
    match outcome {
        Ok(()) => json_response(StatusCode::OK, &json!({ "status": "ok" })),
        Err(unknown) => json_response(StatusCode::NOT_FOUND, &json!({ "error": unknown.to_string() })),
    }
}

fn refused(why: &str) -> Response {
    json_response(StatusCode::BAD_REQUEST, &json!({ "error": why }))
}

/// The ledger as JSON; times are milliseconds since the emulator began.
pub fn ledger_json(ledger: &Ledger) -> Value {
    json!({
        "dials": ledger.dials.iter().map(dial).collect::<Value>(),
        "assignments": ledger.assignments.iter().map(assignment).collect::<Value>(),
        "requests": ledger.requests.iter().map(request).collect::<Value>(),
    })
}

fn dial(dial: &DialEntry) -> Value {
    json!({
        "request": dial.request,
        "attempt_id": attempt(dial.attempt.as_ref()),
        "requested_agent_id": dial.requested.as_str(),
        "assigned_agent_id": dial.assigned.as_ref().map(AgentId::as_str),
        "answered_agent_id": dial.answered.as_str(),
        "phone_number_id": dial.number.as_str(),
        "to": dial.to.e164(),
        "at_ms": at(dial.at),
        "at_unix_secs": dial.at.wall.unix_seconds(),
        "conversation_id": dial.conversation.as_str(),
        "misrouted": dial.is_misrouted(),
    })
}

fn assignment(entry: &AssignmentEntry) -> Value {
    let (writer, request, of) = match &entry.writer {
        Writer::Request(id, attempt) => ("request", Some(*id), attempt.as_ref()),
        Writer::Outsider => ("outsider", None, None),
    };
    json!({
        "phone_number_id": entry.number.as_str(),
        "before": entry.before.as_ref().map(AgentId::as_str),
        "after": entry.after.as_ref().map(AgentId::as_str),
        "at_ms": at(entry.at),
        "writer": writer,
        "request": request,
        "attempt_id": attempt(of),
    })
}

fn request(entry: &RequestEntry) -> Value {
    let (outcome, status) = match entry.outcome {
        RequestOutcome::Open => ("open", None),
        RequestOutcome::Status(status) => ("answered", Some(status)),
        RequestOutcome::Garbage => ("garbage", Some(200)),
        RequestOutcome::Half => ("half", Some(200)),
        RequestOutcome::Reset => ("reset", None),
        RequestOutcome::Silence => ("silence", None),
    };
    json!({
        "request": entry.id,
        "operation": entry.operation.as_str(),
        "route": entry.route,
        "attempt_id": attempt(entry.attempt.as_ref()),
        "fault": entry.fault.map(|fault| fault.to_string()),
        "arrived_at_ms": milliseconds(entry.arrived_at),
        "effect_at_ms": entry.effect_at.map(milliseconds),
        "answer_at_ms": entry.answer_at.map(milliseconds),
        "outcome": outcome,
        "status": status,
    })
}

fn attempt(id: Option<&AttemptId>) -> Option<&str> {
    id.map(AttemptId::as_str)
}

fn at(now: Now) -> f64 {
    milliseconds(now.monotonic)
}

fn milliseconds(instant: Instant) -> f64 {
    instant.since_origin().as_secs_f64() * 1000.0
}
