//! From what came over the wire to a request, with the validator's errors.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use http::Uri;
use partyline_domain::ports::{ConversationQuery, NumberProvider, PAGE_SIZE_MAX, PageRequest};
use partyline_domain::{
    ATTEMPT_VARIABLE, AgentId, AttemptId, ConversationId, PhoneNumber, PhoneNumberId, RingingTimeout, Timestamp,
};
use serde_json::Value;

use crate::world::{AssignOrder, Assignee, ClientData, DialOrder, Failure, Request};

type Parsed = Result<Request, Failure>;

struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn read(query: Option<&str>) -> Result<Self, Failure> {
        let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(Self(Vec::new())) };
        let bad = || Failure::bad_request("invalid_parameters", "The query cannot be read.");
        let uri: Uri = format!("/?{query}").parse().map_err(|_| bad())?;
        Query::try_from_uri(&uri).map(|Query(pairs)| Self(pairs)).map_err(|_| bad())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn one(&self, name: &str) -> Option<String> {
        self.all(name).last().map(str::to_owned)
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, Failure> {
        let message = "Input should be a valid integer, unable to parse string as an integer";
        let invalid = |_| Failure::invalid("query", name, "int_parsing", message);
        self.one(name).map(|text| text.parse().map_err(invalid)).transpose()
    }

    fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Failure> {
        Ok(self.number(name)?.map(|seconds| Timestamp::from_unix(Duration::from_secs(seconds))))
    }

    fn page(&self) -> Result<PageRequest, Failure> {
        // A size beyond all bounds is as wrong as one just beyond the bound.
        let bounded = |size: u64| u16::try_from(size).unwrap_or(PAGE_SIZE_MAX + 1);
        let size = self.number("page_size")?.map(bounded);
        let cursor = self.one("cursor").filter(|cursor| !cursor.is_empty());
        Ok(PageRequest { size, cursor, search: self.one("search").filter(|text| !text.is_empty()) })
    }
}

pub(super) fn agents(query: Option<&str>) -> Parsed {
    let pairs = Pairs::read(query)?;
    let archived = match pairs.one("archived").as_deref() {
        None | Some("" | "false" | "False" | "0") => false,
        Some("true" | "True" | "1") => true,
        Some(_) => {
            let message = "Input should be a valid boolean, unable to interpret input";
            return Err(Failure::invalid("query", "archived", "bool_parsing", message));
        }
    };
    Ok(Request::Agents { page: pairs.page()?, archived })
}

pub(super) fn agent(id: &str) -> Parsed {
    Ok(Request::Agent { id: agent_id(id)?, numbers: true })
}

pub(super) fn summaries(query: Option<&str>) -> Parsed {
    let pairs = Pairs::read(query)?;
    let ids = pairs.all("agent_ids").map(agent_id).collect::<Result<Vec<_>, _>>()?;
    match ids.len() {
        0 => Err(Failure::invalid("query", "agent_ids", "missing", "Field required")),
        count if count > usize::from(PAGE_SIZE_MAX) => {
            let message = "List should have at most 100 items after validation";
            Err(Failure::invalid("query", "agent_ids", "too_long", message))
        }
        _ => Ok(Request::Summaries(ids)),
    }
}

pub(super) fn numbers(query: Option<&str>) -> Parsed {
    let pairs = Pairs::read(query)?;
    Ok(Request::Numbers { provider: pairs.one("provider"), agent: pairs.one("agent_id") })
}

pub(super) fn number(id: &str) -> Parsed {
    number_id(id).map(Request::Number)
}

pub(super) fn assign(id: &str, body: &[u8]) -> Parsed {
    let (number, body) = (number_id(id)?, object(body)?);
    let assignee = match body.get("agent_id") {
        None => Assignee::Unchanged,
        Some(Value::Null) => Assignee::Nobody,
        Some(Value::String(id)) => Assignee::Agent(agent_id(id)?),
        Some(_) => return Err(not_text("agent_id")),
    };
    let label = match body.get("label") {
        None | Some(Value::Null) => None,
        Some(Value::String(label)) => Some(label.clone()),
        Some(_) => return Err(not_text("label")),
    };
    Ok(Request::Assign(AssignOrder { number, assignee, label, attempt: None }))
}

pub(super) fn dial(route: NumberProvider, body: &[u8]) -> Parsed {
    const REQUIRED: [&str; 3] = ["agent_id", "agent_phone_number_id", "to_number"];
    let mut body = object(body)?;
    let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| !body.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(Failure::missing_fields(&missing));
    }
    let ringing_timeout = ringing_timeout(body.get("telephony_call_config"))?;
    let client = body.remove("conversation_initiation_client_data").unwrap_or(Value::Null);
    if !client.is_null() && !client.is_object() {
        let message = "Input should be a valid dictionary or object to extract fields from";
        return Err(Failure::invalid("body", "conversation_initiation_client_data", "model_attributes_type", message));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).ok_or_else(|| not_text(name));
    let attempt = client.get("dynamic_variables").and_then(|variables| variables.get(ATTEMPT_VARIABLE));
    let attempt = attempt.and_then(Value::as_str).and_then(|attempt| AttemptId::parse(attempt).ok());
    Ok(Request::Dial(DialOrder {
        route,
        agent: agent_id(text("agent_id")?)?,
        number: number_id(text("agent_phone_number_id")?)?,
        to: PhoneNumber::parse(text("to_number")?).ok(),
        attempt,
        client: ClientData::Json(Arc::new(client)),
        ringing_timeout,
    }))
}

fn ringing_timeout(config: Option<&Value>) -> Result<Duration, Failure> {
    let Some(given) = config.and_then(|config| config.get("ringing_timeout_secs")) else {
        return Ok(RingingTimeout::default().duration());
    };
    let seconds = given.as_u64().and_then(|seconds| u16::try_from(seconds).ok());
    let timeout = seconds.and_then(|seconds| RingingTimeout::from_seconds(seconds).ok());
    timeout.map(RingingTimeout::duration).ok_or_else(|| {
        let message = "Input should be an integer from 1 to 999";
        Failure::invalid("body", "telephony_call_config", "int_range", message)
    })
}

pub(super) fn conversations(query: Option<&str>) -> Parsed {
    let pairs = Pairs::read(query)?;
    Ok(Request::Conversations(ConversationQuery {
        user_id: pairs.one("user_id"),
        agent: pairs.one("agent_id").map(|id| agent_id(&id)).transpose()?,
        started_after: pairs.time("call_start_after_unix")?,
        started_before: pairs.time("call_start_before_unix")?,
        page: pairs.page()?,
    }))
}

pub(super) fn conversation(id: &str) -> Parsed {
    ConversationId::parse(id).map(Request::Conversation).map_err(|_| Failure::no_conversation(id))
}

fn object(body: &[u8]) -> Result<serde_json::Map<String, Value>, Failure> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => {
            let message = "Input should be a valid dictionary or object to extract fields from";
            Err(Failure::invalid("body", "", "model_attributes_type", message))
        }
        Err(_) => Err(Failure::invalid("body", "", "json_invalid", "JSON decode error")),
    }
}

fn not_text(field: &str) -> Failure {
    Failure::invalid("body", field, "string_type", "Input should be a valid string")
}

fn agent_id(text: &str) -> Result<AgentId, Failure> {
    AgentId::parse(text).map_err(|_| Failure::not_found("agent_not_found", text))
}

fn number_id(text: &str) -> Result<PhoneNumberId, Failure> {
    PhoneNumberId::parse(text).map_err(|_| Failure::not_found("phone_number_not_found", text))
}
