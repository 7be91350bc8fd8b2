//! What is sent: the bodies of an assignment and of a dial.

use std::collections::BTreeMap;

use bytes::Bytes;
use partyline_domain::ports::{DialRequest, NumberProvider};
use partyline_domain::{ATTEMPT_VARIABLE, AgentId, Overrides, VariableValue};
use serde_json::value::RawValue;

use super::Unusable;
use crate::wire;

pub(crate) fn assign_body(agent: Option<&AgentId>) -> Result<Bytes, Unusable> {
    bytes(&wire::AssignBody { agent_id: agent.map(AgentId::as_str) })
}

/// The body of a dial. Recording can be asked of Twilio only, where two fields mean it (`elevenlabs-api.md`
/// section 3): both are sent, with the same value; on the other routes it is left out.
pub(crate) fn dial_body(request: &DialRequest) -> Result<Bytes, Unusable> {
    let options = &request.options;
    let recording = options.recording.filter(|_| request.provider == NumberProvider::Twilio);
    bytes(&wire::DialBody {
        agent_id: request.agent.as_str(),
        agent_phone_number_id: request.number.as_str(),
        to_number: request.to.e164(),
        conversation_initiation_client_data: wire::ClientData {
            user_id: request.user_id(),
            dynamic_variables: variables(request)?,
            conversation_config_override: config_override(&options.overrides),
        },
        telephony_call_config: wire::TelephonyConfig {
            ringing_timeout_secs: options.ringing_timeout.seconds(),
            twilio_call_recording_enabled: recording,
        },
        call_recording_enabled: recording,
    })
}

fn variables(request: &DialRequest) -> Result<BTreeMap<&str, wire::Variable<'_>>, Unusable> {
    let mut variables = BTreeMap::new();
    for (name, value) in &request.options.variables {
        let value = match value {
            VariableValue::Text(text) => wire::Variable::Text(text),
            VariableValue::Bool(flag) => wire::Variable::Bool(*flag),
            VariableValue::Number(number) => {
                let raw = RawValue::from_string(number.as_str().to_owned());
                wire::Variable::Number(raw.map_err(|_| Unusable("a variable is not a number that JSON can carry"))?)
            }
        };
        variables.insert(name.as_str(), value);
    }
    variables.insert(ATTEMPT_VARIABLE, wire::Variable::Text(request.attempt.as_str()));
    Ok(variables)
}

/// Only what is set: a null or empty field is not the same as an absent one (`elevenlabs-api.md` section 3).
fn config_override(overrides: &Overrides) -> Option<wire::ConfigOverride<'_>> {
    if overrides.is_empty() {
        return None;
    }
    let agent = wire::AgentOverride {
        language: overrides.language.as_deref(),
        first_message: overrides.first_message.as_deref(),
        prompt: overrides.prompt.as_deref().map(|prompt| wire::PromptOverride { prompt }),
    };
    let is_agent_set = agent.language.is_some() || agent.first_message.is_some() || agent.prompt.is_some();
    Some(wire::ConfigOverride {
        agent: is_agent_set.then_some(agent),
        tts: overrides.voice.as_deref().map(|voice_id| wire::VoiceOverride { voice_id }),
    })
}

fn bytes(body: &impl serde::Serialize) -> Result<Bytes, Unusable> {
    let json = serde_json::to_vec(body).map_err(|_| Unusable("the request is not expressible as JSON"))?;
    Ok(Bytes::from(json))
}
