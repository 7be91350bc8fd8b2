//! From an answer to what goes over the wire: the shapes of 2026 with every field that a client may require.

use std::collections::BTreeMap;

use axum::body::Body as HttpBody;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use partyline_domain::ports::{AgentProfile, ConversationStatus, ConversationSummary, Number, NumberProvider, Page};
use partyline_domain::{AgentId, CallOptions, Decimal, PhoneNumber, VariableValue};
use serde_json::{Map, Value, json};

use super::connection::{Cut, HalfBody};
use crate::world::{Body, ClientData, ConversationView, Dialed, Dress, Failure, Form, Reply, SharedWorld};

/// When every agent of the emulator was made: 2026-09-21T14:13:20Z.
const CREATED_AT: u64 = 1_790_000_000;
const VOICE: &str = "21m00Tcm4TlvDq8ikWAM";

/// The response for an answer; `asked` are the agents that a summary was wanted of.
pub(super) fn response(world: &SharedWorld, asked: &[AgentId], reply: Reply) -> Response {
    match reply {
        Reply::Good(body, dress) => json_response(StatusCode::OK, &dressed(self::body(world, asked, body), dress)),
        Reply::Failed(failure) => failed(&failure),
        Reply::Garbage => json_response(StatusCode::OK, &Value::from("It works!")),
        Reply::Half(body) => {
            let whole = Bytes::from(self::body(world, asked, body).to_string());
            let mut response = Response::new(HttpBody::new(HalfBody::of(&whole)));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Reply::Reset | Reply::Silence => {
            let mut response = Response::new(HttpBody::empty());
            response.extensions_mut().insert(Cut);
            response
        }
    }
}

/// What the framework says where there is no such route.
pub(super) fn framework(status: StatusCode, detail: &str) -> Response {
    json_response(status, &json!({ "detail": detail }))
}

pub(super) fn json_response(status: StatusCode, value: &Value) -> Response {
    text_response(status, "application/json", value.to_string())
}

fn text_response(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(HttpBody::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn failed(failure: &Failure) -> Response {
    let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let Failure { kind, code, legacy, message, .. } = failure;
    let mut response = match failure.form {
        Form::Envelope => {
            let mut detail = json!({ "type": kind, "code": code, "message": message, "status": legacy });
            if let Some(id) = &failure.request_id {
                detail["request_id"] = Value::from(&**id);
            }
            json_response(status, &json!({ "detail": detail }))
        }
        Form::Legacy => json_response(status, &json!({ "detail": { "status": legacy, "message": message } })),
        Form::Validation => {
            let item = |(place, field): &(&str, String)| {
                let location = if field.is_empty() { json!([place]) } else { json!([place, field]) };
                json!({ "type": code, "loc": location, "msg": message, "input": null })
            };
            let items: Vec<Value> = failure.locations.iter().map(item).collect();
            json_response(status, &json!({ "detail": items }))
        }
        Form::Framework => framework(status, message),
        Form::Text => text_response(status, "text/plain; charset=utf-8", message.to_string()),
        Form::Html => {
            let title = format!("{} {message}", failure.status);
            let page = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
            text_response(status, "text/html; charset=UTF-8", page)
        }
    };
    let headers = response.headers_mut();
    if let Some(after) = failure.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
    }
    if let Some(id) = failure.request_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(HeaderName::from_static("request-id"), id);
    }
    response
}

fn body(world: &SharedWorld, asked: &[AgentId], body: Body) -> Value {
    match body {
        Body::Agents(page) => paged("agents", page, |agent| agent_summary(&agent)),
        Body::Agent(profile, numbers) => agent(&profile, &numbers),
        Body::Summaries(known) => summaries(asked, &known),
        Body::Numbers(numbers) => numbers.iter().map(number).collect(),
        Body::Number(one) => number(&one),
        Body::Dialed(verdict) => dialed(verdict),
        Body::Conversations(page) => paged("conversations", page, |summary| {
            conversation_summary(&summary, agent_name(world, &summary.agent).as_deref())
        }),
        Body::Conversation(view) => {
            let name = agent_name(world, &view.record.agent);
            conversation(&view, name.as_deref())
        }
    }
}

fn agent_name(world: &SharedWorld, id: &AgentId) -> Option<String> {
    world.lock().agent(id).map(|agent| agent.name)
}

fn paged<T>(name: &str, page: Page<T>, item: impl FnMut(T) -> Value) -> Value {
    let has_more = page.next.is_some();
    let mut value = json!({ "next_cursor": page.next, "has_more": has_more });
    value[name] = page.items.into_iter().map(item).collect();
    value
}

fn agent_summary(agent: &AgentProfile) -> Value {
    json!({
        "agent_id": agent.id.as_str(),
        "name": agent.name,
        "voice_id": VOICE,
        "tags": [],
        "created_at_unix_secs": CREATED_AT,
        "updated_at_unix_secs": CREATED_AT,
        "access_info": access_info(),
        "last_call_time_unix_secs": null,
        "archived": agent.archived,
    })
}

fn access_info() -> Value {
    json!({
        "is_creator": true,
        "creator_name": "Partyline",
        "creator_email": "partyline@example.invalid",
        "role": "admin",
        "anonymous_access_level_override": null,
        "access_source": "creator",
    })
}

fn agent(agent: &AgentProfile, numbers: &[Number]) -> Value {
    json!({
        "agent_id": agent.id.as_str(),
        "name": agent.name,
        "conversation_config": {
            "agent": { "first_message": format!("{}, good day.", agent.name), "language": "en" },
            "tts": { "voice_id": VOICE },
        },
        "metadata": { "created_at_unix_secs": CREATED_AT, "updated_at_unix_secs": CREATED_AT },
        "platform_settings": { "archived": agent.archived },
        "phone_numbers": numbers.iter().map(number).collect::<Value>(),
        "whatsapp_accounts": [],
        "access_info": access_info(),
        "tags": [],
        "version_id": null,
        "branch_id": null,
        "main_branch_id": null,
    })
}

fn summaries(asked: &[AgentId], known: &BTreeMap<AgentId, AgentProfile>) -> Value {
    let entry = |id: &AgentId| match known.get(id) {
        Some(agent) => json!({ "status": "success", "data": agent_summary(agent) }),
        None => json!({
            "status": "failure",
            "error_code": 404,
            "error_status": "agent_not_found",
            "error_message": format!("Document with id {id} not found."),
        }),
    };
    Value::Object(asked.iter().map(|id| (id.to_string(), entry(id))).collect())
}

fn number(number: &Number) -> Value {
    let assigned = number.assigned.as_ref().map(|agent| {
        json!({ "agent_id": agent.id.as_str(), "agent_name": agent.name, "environment": null, "branch_id": null })
    });
    let mut value = json!({
        "provider": number.provider.as_str(),
        "phone_number": number.caller_id.expose(),
        "label": number.label,
        "phone_number_id": number.id.as_str(),
        "assigned_agent": assigned,
        "supports_inbound": number.inbound,
        "supports_outbound": number.outbound,
    });
    if number.provider == NumberProvider::SipTrunk {
        let trunk = json!({
            "address": "sip.example.invalid",
            "transport": "auto",
            "media_encryption": "allowed",
            "has_auth_credentials": true,
            "headers": {},
            "attributes_to_headers": {},
            "username": null,
            "has_outbound_trunk": true,
            "enabled_codecs": ["PCMU/8000"],
        });
        value["livekit_stack"] = Value::from("standard");
        value["outbound_trunk"] = trunk.clone();
        value["inbound_trunk"] = Value::Null;
        value["provider_config"] = trunk;
        value["store_sip_messages"] = Value::from(true);
    }
    value
}

fn dialed(verdict: Dialed) -> Value {
    let conversation = verdict.conversation.as_ref().map(partyline_domain::ConversationId::as_str);
    let mut value = json!({ "success": verdict.success, "message": verdict.message, "conversation_id": conversation });
    let name = if verdict.route == NumberProvider::SipTrunk { "sip_call_id" } else { "callSid" };
    value[name] = Value::from(verdict.call_sid);
    value
}

fn status_word(status: &ConversationStatus) -> &str {
    match status {
        ConversationStatus::Initiated => "initiated",
        ConversationStatus::InProgress => "in-progress",
        ConversationStatus::Processing => "processing",
        ConversationStatus::Done => "done",
        ConversationStatus::Failed => "failed",
        ConversationStatus::Other(word) => word,
    }
}

fn verdict_word(status: &ConversationStatus) -> &'static str {
    match status {
        ConversationStatus::Done => "success",
        ConversationStatus::Failed => "failure",
        ConversationStatus::Initiated
        | ConversationStatus::InProgress
        | ConversationStatus::Processing
        | ConversationStatus::Other(_) => "unknown",
    }
}

fn conversation_summary(summary: &ConversationSummary, agent_name: Option<&str>) -> Value {
    json!({
        "agent_id": summary.agent.as_str(),
        "agent_name": agent_name,
        "conversation_id": summary.id.as_str(),
        "start_time_unix_secs": summary.started_at.unix_seconds(),
        "call_duration_secs": 0,
        "message_count": 0,
        "status": status_word(&summary.status),
        "call_successful": verdict_word(&summary.status),
        "termination_reason": "",
        "transcript_summary": null,
        "call_summary_title": null,
        "direction": "outbound",
        "branch_id": null,
        "version_id": null,
        "tag_ids": [],
    })
}

fn conversation(view: &ConversationView, agent_name: Option<&str>) -> Value {
    let record = &view.record;
    let over = view.status == ConversationStatus::Done;
    let analysis = over.then(|| json!({ "call_successful": "success", "transcript_summary": "" }));
    let accepted = (view.status != ConversationStatus::Initiated && view.status != ConversationStatus::Failed)
        .then(|| record.started.wall.unix_seconds());
    let error = record.error(&view.status).map(|(code, reason)| json!({ "code": code, "reason": reason }));
    json!({
        "agent_id": record.agent.as_str(),
        "agent_name": agent_name,
        "conversation_id": record.id.as_str(),
        "status": status_word(&view.status),
        "user_id": record.user_id(),
        "branch_id": null,
        "version_id": null,
        "environment": "production",
        "transcript": [],
        "analysis": analysis,
        "has_audio": over,
        "has_user_audio": over,
        "has_response_audio": over,
        "has_auxiliary_audio": false,
        "tag_ids": [],
        "conversation_initiation_client_data": client_data(view),
        "metadata": {
            "start_time_unix_secs": record.started.wall.unix_seconds(),
            "accepted_time_unix_secs": accepted,
            "call_duration_secs": view.spoken.as_secs(),
            "cost": null,
            "cost_fiat": null,
            "termination_reason": "",
            "error": error,
            "phone_call": phone_call(view),
            "batch_call": null,
            "conversation_initiation_source": record.provider.as_str(),
            "warnings": [],
        },
    })
}

fn phone_call(view: &ConversationView) -> Value {
    let record = &view.record;
    let mut value = json!({
        "direction": "outbound",
        "phone_number_id": record.number.as_str(),
        "agent_number": record.from.expose(),
        "external_number": record.to.as_ref().map_or("", PhoneNumber::e164),
        "call_sid": view.call_sid,
    });
    if record.provider == NumberProvider::SipTrunk {
        value["type"] = Value::from("sip_trunking");
        value["call_id"] = Value::Null;
    } else {
        value["type"] = Value::from(record.provider.as_str());
        value["stream_sid"] = Value::from("");
    }
    value
}

/// What the conversation was opened with, and the provider's own variables among it.
fn client_data(view: &ConversationView) -> Value {
    let record = &view.record;
    let mut data = match &record.client {
        ClientData::Json(data) if data.is_object() => data.as_ref().clone(),
        ClientData::Json(_) => json!({}),
        ClientData::Options(options) => {
            let attempt = record.attempt.as_ref().map(partyline_domain::AttemptId::as_str);
            json!({ "user_id": record.user_id(), "dynamic_variables": variables(options, attempt) })
        }
    };
    if !data["dynamic_variables"].is_object() {
        data["dynamic_variables"] = json!({});
    }
    data["dynamic_variables"]["system__agent_id"] = Value::from(record.agent.as_str());
    data["dynamic_variables"]["system__conversation_id"] = Value::from(record.id.as_str());
    data["dynamic_variables"]["system__called_number"] = record.to.as_ref().map(PhoneNumber::e164).into();
    data
}

fn variables(options: &CallOptions, attempt: Option<&str>) -> Value {
    let number = |number: &Decimal| serde_json::from_str(number.as_str()).unwrap_or(Value::Null);
    let value = |value: &VariableValue| match value {
        VariableValue::Text(text) => Value::from(text.as_str()),
        VariableValue::Number(decimal) => number(decimal),
        VariableValue::Bool(truth) => Value::from(*truth),
    };
    let mut all: Map<String, Value> =
        options.variables.iter().map(|(name, given)| (name.to_string(), value(given))).collect();
    if let Some(attempt) = attempt {
        all.insert(partyline_domain::ATTEMPT_VARIABLE.to_owned(), Value::from(attempt));
    }
    Value::Object(all)
}

fn dressed(value: Value, dress: Dress) -> Value {
    match dress {
        Dress::Usual => value,
        Dress::Strange => strange(value),
        Dress::Sparse => sparse(value),
    }
}

/// A field that no client knows, in every object at the top.
fn strange(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => {
            fields.insert(String::from("brand_new_field"), json!({ "nested": [1, null, "two"] }));
            Value::Object(fields)
        }
        Value::Array(items) => items.into_iter().map(strange).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// Without what is null and without what a client can do without.
fn sparse(value: Value) -> Value {
    const OPTIONAL: [&str; 18] = [
        "supports_inbound",
        "supports_outbound",
        "store_sip_messages",
        "provider_config",
        "callSid",
        "sip_call_id",
        "archived",
        "last_call_time_unix_secs",
        "platform_settings",
        "whatsapp_accounts",
        "tag_ids",
        "agent_name",
        "environment",
        "termination_reason",
        "direction",
        "warnings",
        "has_auxiliary_audio",
        "conversation_initiation_source",
    ];
    match value {
        Value::Object(fields) => {
            let kept =
                fields.into_iter().filter(|(name, value)| !value.is_null() && !OPTIONAL.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name, sparse(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(sparse).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}
