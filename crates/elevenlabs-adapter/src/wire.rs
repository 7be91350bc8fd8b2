//! The provider's JSON, as leniently as can be: unknown fields are ignored, a field of the wrong type counts
//! as absent, and absent counts as null. What must not be missing is decided in [`crate::convert`]. Where something
//! unreadable must not look like nothing, the field is kept as it is.
//!
//! Fields and spellings: `elevenlabs-api.md` sections 1 to 4.
#![expect(clippy::struct_field_names, reason = "they are the provider's words")]

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// A field that may be absent, null or of the wrong type.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// Something that is written as an object. Alone, serde would also take an array for the fields in their order,
/// and so `[false]` for a refusal.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// `AgentSummary`, and as much of a whole agent as is read.
#[derive(Deserialize)]
pub(crate) struct Agent {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) agent_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) archived: Option<bool>,
}

/// One entry of `agents/summaries`.
#[derive(Deserialize)]
pub(crate) struct SummaryEntry {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) data: Option<Agent>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) error_code: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) error_status: Option<String>,
}

/// A page of a list. The list itself is not lenient: a page without one is no page.
#[derive(Deserialize)]
pub(crate) struct Page {
    #[serde(alias = "agents", alias = "conversations")]
    pub(crate) items: Vec<Value>,
    // Kept as it is: a list whose next page cannot be read must not look ended.
    #[serde(default)]
    pub(crate) next_cursor: Value,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) has_more: Option<bool>,
}

/// The list of numbers: a bare array. Some clients also expect an object around it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Numbers {
    Bare(Vec<Value>),
    Wrapped { phone_numbers: Vec<Value> },
}

#[derive(Deserialize)]
pub(crate) struct Number {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) phone_number_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) phone_number: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) label: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) provider: Option<String>,
    // Kept as it is: an agent that cannot be read must not look like none.
    #[serde(default)]
    pub(crate) assigned_agent: Value,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) supports_inbound: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) supports_outbound: Option<bool>,
}

/// The answer to a dial, for all routes: each names the call in its own way.
#[derive(Deserialize)]
pub(crate) struct DialAnswer {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) success: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) message: Option<String>,
    // Kept as it is: a conversation that cannot be read must not look like none.
    #[serde(default)]
    pub(crate) conversation_id: Value,
    #[serde(default, rename = "callSid", deserialize_with = "lenient")]
    pub(crate) call_sid_camel: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) call_sid: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) sip_call_id: Option<String>,
}

/// One line of the list of conversations.
#[derive(Deserialize)]
pub(crate) struct ConversationSummary {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) conversation_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) agent_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) start_time_unix_secs: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) status: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Conversation {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) conversation_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) agent_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) user_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) conversation_initiation_client_data: Option<ReadClientData>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) metadata: Option<Metadata>,
}

#[derive(Deserialize)]
pub(crate) struct ReadClientData {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) dynamic_variables: Option<BTreeMap<String, Value>>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Metadata {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) termination_reason: Option<String>,
    #[serde(default)]
    pub(crate) error: Value,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) phone_call: Option<PhoneCall>,
}

#[derive(Deserialize)]
pub(crate) struct PhoneCall {
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) phone_number_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) external_number: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) call_sid: Option<String>,
}

/// The order to change who answers a number. `null` takes the agent away; only an absent key would change nothing.
#[derive(Serialize)]
pub(crate) struct AssignBody<'a> {
    pub(crate) agent_id: Option<&'a str>,
}

/// The order to dial, for all routes.
#[derive(Serialize)]
pub(crate) struct DialBody<'a> {
    pub(crate) agent_id: &'a str,
    pub(crate) agent_phone_number_id: &'a str,
    pub(crate) to_number: &'a str,
    pub(crate) conversation_initiation_client_data: ClientData<'a>,
    pub(crate) telephony_call_config: TelephonyConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) call_recording_enabled: Option<bool>,
}

#[derive(Serialize)]
pub(crate) struct ClientData<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) dynamic_variables: BTreeMap<&'a str, Variable<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conversation_config_override: Option<ConfigOverride<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Variable<'a> {
    Text(&'a str),
    Number(Box<RawValue>),
    Bool(bool),
}

#[derive(Serialize)]
pub(crate) struct ConfigOverride<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<AgentOverride<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tts: Option<VoiceOverride<'a>>,
}

#[derive(Serialize)]
pub(crate) struct AgentOverride<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompt: Option<PromptOverride<'a>>,
}

#[derive(Serialize)]
pub(crate) struct PromptOverride<'a> {
    pub(crate) prompt: &'a str,
}

#[derive(Serialize)]
pub(crate) struct VoiceOverride<'a> {
    pub(crate) voice_id: &'a str,
}

#[derive(Serialize)]
pub(crate) struct TelephonyConfig {
    pub(crate) ringing_timeout_secs: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) twilio_call_recording_enabled: Option<bool>,
}
