//! From the provider's JSON to the domain's types and back. Pure.
//!
//! One rule decides what may be missing: an object must say what it is (its ids); everything else has a
//! stand-in. In a list, an element that does not say what it is is skipped and logged. Tests are in
//! `convert/tests.rs`, with fixtures after `elevenlabs-api.md`.

mod order;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_domain::ports::{
    AgentProfile, AssignedAgent, Conversation, ConversationPhoneCall, ConversationStatus, ConversationSummary,
    DialAccepted, DialAnswer, DialRefused, Number, NumberProvider, Page, ProviderCallId,
};
use partyline_domain::{ATTEMPT_VARIABLE, AgentId, AttemptId, CallerId, ConversationId, PhoneNumberId, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::warn;

use crate::text::presentable;
use crate::wire;

pub(crate) use order::{assign_body, dial_body};

/// The word that stands where the provider gives none.
const UNKNOWN: &str = "unknown";

/// An answer that does not say what it must. The text quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unusable(pub(crate) &'static str);

/// Reads a body. What serde says of it is not passed on: it may quote private text.
pub(crate) fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unusable> {
    serde_json::from_slice(body).map_err(|_| Unusable("the answer is not of the expected form"))
}

/// Takes `thing` only where it is the one that was asked for: another one says nothing about that.
pub(crate) fn about<Id: PartialEq, T>(asked: &Id, thing: T, id: impl Fn(&T) -> &Id) -> Result<T, Unusable> {
    let is_asked = id(&thing) == asked;
    is_asked.then_some(thing).ok_or(Unusable("the answer is about something else than was asked for"))
}

pub(crate) fn agent(agent: wire::Agent) -> Result<AgentProfile, Unusable> {
    let id = agent.agent_id.and_then(|id| AgentId::parse(&id).ok()).ok_or(Unusable("the agent has no usable id"))?;
    Ok(AgentProfile { id, name: agent.name.unwrap_or_default(), archived: agent.archived.unwrap_or(false) })
}

/// What `agents/summaries` says of one agent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Summary {
    Known(AgentProfile),
    Unknown,
    /// It says neither clearly.
    Unclear,
}

pub(crate) fn summary(asked: &AgentId, entry: Option<&Value>) -> Summary {
    let Some(entry) = entry.and_then(|entry| serde_json::from_value::<wire::SummaryEntry>(entry.clone()).ok()) else {
        return Summary::Unclear;
    };
    let is_not_found = entry.error_code == Some(404)
        || entry.error_status.is_some_and(|status| status == "not_found" || status.ends_with("_not_found"));
    match (entry.status.as_deref(), entry.data.map(agent)) {
        (Some("success"), Some(Ok(profile))) if profile.id == *asked => Summary::Known(profile),
        (Some("failure"), None) if is_not_found => Summary::Unknown,
        (_, _) => Summary::Unclear,
    }
}

pub(crate) fn number(number: wire::Number) -> Result<Number, Unusable> {
    let id = number.phone_number_id.and_then(|id| PhoneNumberId::parse(&id).ok());
    Ok(Number {
        id: id.ok_or(Unusable("the phone number has no usable id"))?,
        caller_id: CallerId::new(number.phone_number.unwrap_or_default()),
        label: number.label.unwrap_or_default(),
        provider: number_provider(number.provider.as_deref().unwrap_or(UNKNOWN)),
        assigned: assigned(&number.assigned_agent)?,
        // The two fields are deprecated and may vanish (`elevenlabs-api.md` section 2).
        inbound: number.supports_inbound.unwrap_or(true),
        outbound: number.supports_outbound.unwrap_or(true),
    })
}

fn number_provider(word: &str) -> NumberProvider {
    match word {
        "twilio" => NumberProvider::Twilio,
        "sip_trunk" => NumberProvider::SipTrunk,
        "exotel" => NumberProvider::Exotel,
        other => NumberProvider::Other(other.to_owned()),
    }
}

/// Who answers. An agent that cannot be read is an error, not nobody: a restore would take it away.
fn assigned(value: &Value) -> Result<Option<AssignedAgent>, Unusable> {
    const UNREADABLE: Unusable = Unusable("the phone number's assigned agent cannot be read");
    let agent = match value {
        Value::Null => return Ok(None),
        Value::Object(agent) => agent,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => return Err(UNREADABLE),
    };
    let id = optional_text(agent.get("agent_id").ok_or(UNREADABLE)?).map_err(|NoText| UNREADABLE)?;
    let Some(id) = id else { return Ok(None) };
    let name = agent.get("agent_name").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Some(AssignedAgent { id: AgentId::parse(id).map_err(|_| UNREADABLE)?, name }))
}

/// A value that is neither a text nor nothing.
struct NoText;

/// A text; null and "" mean that there is none.
fn optional_text(value: &Value) -> Result<Option<&str>, NoText> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(NoText),
    }
}

pub(crate) fn numbers(list: wire::Numbers) -> Vec<Number> {
    match list {
        wire::Numbers::Bare(values) | wire::Numbers::Wrapped { phone_numbers: values } => {
            elements("phone number", values, number)
        }
    }
}

/// A page; `asked` is the cursor it was asked for with.
pub(crate) fn page<W: DeserializeOwned, T>(
    what: &'static str,
    page: wire::Page,
    asked: Option<&str>,
    convert: impl Fn(W) -> Result<T, Unusable>,
) -> Result<Page<T>, Unusable> {
    const NO_NEXT_PAGE: Unusable = Unusable("the list goes on but names no next page");
    let next = match page.has_more {
        Some(false) => None,
        Some(true) | None => optional_text(&page.next_cursor).map_err(|NoText| NO_NEXT_PAGE)?,
    };
    if next.is_none() && page.has_more == Some(true) {
        return Err(NO_NEXT_PAGE);
    }
    if next.is_some() && next == asked {
        return Err(Unusable("the page's next cursor is its own, so that the list would never end"));
    }
    let next = next.map(str::to_owned);
    Ok(Page { items: elements(what, page.items, convert), next })
}

fn elements<W: DeserializeOwned, T>(
    what: &'static str,
    values: Vec<Value>,
    convert: impl Fn(W) -> Result<T, Unusable>,
) -> Vec<T> {
    let one = |(index, value): (usize, Value)| {
        let read = serde_json::from_value(value).map_err(|_| Unusable("it is not of the expected form"));
        match read.and_then(&convert) {
            Ok(element) => Some(element),
            Err(why) => {
                warn!(what, index, %why, "skipped an element of a list");
                None
            }
        }
    };
    values.into_iter().enumerate().filter_map(one).collect()
}

/// The verdict on a dial. `success` decides, and a success must name its conversation. A refusal need not, but a
/// conversation that cannot be read is one all the same: the callee's phone may have rung.
pub(crate) fn dial_answer(answer: wire::DialAnswer) -> Result<DialAnswer, Unusable> {
    const UNREADABLE: Unusable = Unusable("the answer names a conversation whose id cannot be read");
    let conversation = optional_text(&answer.conversation_id).map_err(|NoText| UNREADABLE)?;
    let conversation = conversation.map(ConversationId::parse).transpose().map_err(|_| UNREADABLE)?;
    let call_ids = [answer.call_sid_camel, answer.call_sid, answer.sip_call_id];
    match (answer.success, conversation) {
        (Some(true), Some(conversation)) => Ok(DialAnswer::Accepted(DialAccepted {
            conversation,
            provider_call_id: call_ids.into_iter().flatten().find_map(ProviderCallId::new),
        })),
        (Some(true), None) => Err(Unusable("the provider says that the call was placed, but names no conversation")),
        (Some(false), conversation) => {
            let message = answer.message.as_deref().map(presentable).filter(|message| !message.is_empty());
            let message = message.unwrap_or_else(|| "the provider gave no reason".to_owned());
            Ok(DialAnswer::Refused(DialRefused { message, conversation }))
        }
        (None, _) => Err(Unusable("the answer does not say whether the call was placed")),
    }
}

fn status(word: Option<&str>) -> ConversationStatus {
    match word.unwrap_or(UNKNOWN) {
        "initiated" => ConversationStatus::Initiated,
        // The list and the webhooks do not agree on the sign (`elevenlabs-api.md` section 12, no. 7).
        "in-progress" | "in_progress" => ConversationStatus::InProgress,
        "processing" => ConversationStatus::Processing,
        "done" => ConversationStatus::Done,
        "failed" => ConversationStatus::Failed,
        other => ConversationStatus::Other(other.to_owned()),
    }
}

/// The two ids that every conversation has.
fn conversation_ids(id: Option<String>, agent: Option<String>) -> Result<(ConversationId, AgentId), Unusable> {
    let id = id.and_then(|id| ConversationId::parse(&id).ok()).ok_or(Unusable("the conversation has no usable id"))?;
    let agent = agent.and_then(|id| AgentId::parse(&id).ok()).ok_or(Unusable("the conversation names no agent"))?;
    Ok((id, agent))
}

pub(crate) fn conversation_summary(summary: wire::ConversationSummary) -> Result<ConversationSummary, Unusable> {
    let (id, agent) = conversation_ids(summary.conversation_id, summary.agent_id)?;
    let started_at = Timestamp::from_unix(Duration::from_secs(summary.start_time_unix_secs.unwrap_or_default()));
    Ok(ConversationSummary { id, agent, started_at, status: status(summary.status.as_deref()) })
}

pub(crate) fn conversation(conversation: wire::Conversation) -> Result<Conversation, Unusable> {
    let (id, agent) = conversation_ids(conversation.conversation_id, conversation.agent_id)?;
    let status = status(conversation.status.as_deref());
    let metadata = conversation.metadata.unwrap_or_default();
    let variables = conversation.conversation_initiation_client_data.and_then(|data| data.dynamic_variables);
    Ok(Conversation {
        id,
        agent,
        error: failure(&metadata, &status),
        status,
        user_id: conversation.user_id.filter(|user| !user.is_empty()),
        attempt: variables.as_ref().and_then(attempt),
        phone_call: metadata.phone_call.map(phone_call),
    })
}

fn attempt(variables: &BTreeMap<String, Value>) -> Option<AttemptId> {
    AttemptId::parse(variables.get(ATTEMPT_VARIABLE)?.as_str()?).ok()
}

fn phone_call(call: wire::PhoneCall) -> ConversationPhoneCall {
    ConversationPhoneCall {
        number: call.phone_number_id.and_then(|id| PhoneNumberId::parse(&id).ok()),
        external_number: call.external_number.filter(|number| !number.is_empty()).map(CallerId::new),
        provider_call_id: call.call_sid.and_then(ProviderCallId::new),
    }
}

/// Why a conversation failed: the error's reason, else its type or code, else why it ended.
fn failure(metadata: &wire::Metadata, status: &ConversationStatus) -> Option<String> {
    let error = &metadata.error;
    let of_error = ["reason", "error_type", "message"].iter().find_map(|key| error[*key].as_str());
    let of_end = metadata.termination_reason.as_deref().filter(|_| *status == ConversationStatus::Failed);
    let text = of_error.or(error.as_str()).map(str::to_owned);
    let code = || error["code"].as_i64().map(|code| format!("error {code}"));
    let told = text.or_else(code).or_else(|| of_end.map(str::to_owned))?;
    Some(presentable(&told)).filter(|told| !told.is_empty())
}
