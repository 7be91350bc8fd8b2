//! The world that the provider's cases want to find, made of the fake adapter's.

use std::collections::BTreeMap;

use partyline_domain::ports::NumberProvider;
use partyline_domain::{ATTEMPT_VARIABLE, ConversationId, VariableValue};
use partyline_fake_adapter::world::{AgentSpec, ClientData, NumberSpec};
use partyline_fake_adapter::{SharedWorld, World, WorldConfig};
use partyline_tests::contract::provider::Cast;

/// A world with this many agents, and who is in it.
pub(crate) fn world(agents: usize) -> (SharedWorld, Cast) {
    let mut config = WorldConfig::of(agents, 4, &NumberProvider::Twilio);
    config.numbers[1].provider = NumberProvider::SipTrunk;
    config.numbers[2].provider = NumberProvider::Exotel;
    config.numbers[3] = NumberSpec { inbound: false, ..config.numbers[3].clone() };
    config.agents.push(AgentSpec { archived: true, ..AgentSpec::named("Old Inn") });
    let world = World::new(config);
    let profile = |id| world.agent(id).expect("it was just made");
    let mut agents: Vec<_> = world.agent_ids().iter().map(profile).collect();
    let archived = agents.pop().expect("it was just pushed");
    let [twilio, sip_trunk, exotel, outbound_only] =
        <[_; 4]>::try_from(world.number_ids()).expect("four numbers were made");
    let cast = Cast { agents, archived, twilio, sip_trunk, exotel, outbound_only };
    (SharedWorld::new(world), cast)
}

/// Schedules a fault.
pub(crate) fn inject(world: &SharedWorld, rule: &str) {
    let rule = rule.parse().unwrap_or_else(|error| panic!("{rule}: {error}"));
    world.lock().faults().add(rule);
}

/// The variables of a conversation, as JSON.
pub(crate) fn variables(world: &SharedWorld, id: &ConversationId) -> BTreeMap<String, String> {
    let world = world.lock();
    let record = world.conversations().iter().find(|record| record.id == *id).expect("there is such a conversation");
    match &record.client {
        ClientData::Json(data) => {
            let variables = data["dynamic_variables"].as_object().expect("variables were sent");
            variables.iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
        }
        ClientData::Options(options) => {
            let json = |value: &VariableValue| match value {
                VariableValue::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
                VariableValue::Number(number) => number.as_str().to_owned(),
                VariableValue::Bool(truth) => truth.to_string(),
            };
            let ours = record.attempt.iter().map(|attempt| (ATTEMPT_VARIABLE.to_owned(), format!("\"{attempt}\"")));
            let theirs = options.variables.iter().map(|(name, value)| (name.as_str().to_owned(), json(value)));
            theirs.chain(ours).collect()
        }
    }
}
