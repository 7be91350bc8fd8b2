//! A stored call as fields: for JSON, for the columns of an export, and for tables.

use std::collections::BTreeMap;

use partyline_domain::ports::{ProviderCallId, Recorded};
use partyline_domain::{AgentId, PhoneNumberId};
use partyline_store_adapter::{CallRow, ProofWord};
use serde::Serialize;

use crate::errors::{CONNECTION_LOST, MISROUTED};
use crate::settings::{NumberSettings, Settings};
use crate::when;

/// What agents and numbers are called here.
#[derive(Clone, Copy)]
pub(in crate::commands) struct Names<'a> {
    pub(super) agents: &'a BTreeMap<String, AgentId>,
    pub(super) numbers: &'a BTreeMap<String, NumberSettings>,
}

impl<'a> Names<'a> {
    /// The aliases of the settings.
    pub(in crate::commands) fn of(settings: &'a Settings) -> Self {
        Self { agents: &settings.agents, numbers: &settings.numbers }
    }

    /// An agent's alias; the first of several.
    pub(in crate::commands) fn alias(self, agent: &AgentId) -> Option<&'a str> {
        self.agents.iter().find(|(_, id)| *id == agent).map(|(alias, _)| alias.as_str())
    }

    /// A number's alias; the first of several.
    pub(in crate::commands) fn alias_of_number(self, number: &PhoneNumberId) -> Option<&'a str> {
        self.numbers.iter().find(|(_, known)| known.id == *number).map(|(alias, _)| alias.as_str())
    }

    /// An agent in as few words as name it.
    pub(in crate::commands) fn agent<'t>(self, agent: &'t AgentId) -> &'t str
    where
        'a: 't,
    {
        self.alias(agent).unwrap_or(agent.as_str())
    }

    /// A number in as few words as name it.
    pub(in crate::commands) fn number<'t>(self, number: &'t PhoneNumberId) -> &'t str
    where
        'a: 't,
    {
        self.alias_of_number(number).unwrap_or(number.as_str())
    }

    /// An agent with its id.
    pub(in crate::commands) fn whole_agent(self, agent: &AgentId) -> String {
        self.alias(agent).map_or_else(|| agent.to_string(), |alias| format!("{alias} ({agent})"))
    }

    /// A number with its id.
    pub(in crate::commands) fn whole_number(self, number: &PhoneNumberId) -> String {
        self.alias_of_number(number).map_or_else(|| number.to_string(), |alias| format!("{alias} ({number})"))
    }
}

/// A call's fields. Their names are promises, in JSON and as columns; `null` or empty = not known, or none.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Fields<'a> {
    call_id: &'a str,
    asked_at: String,
    updated_at: String,
    agent_id: &'a str,
    agent: Option<&'a str>,
    to: Option<&'a str>,
    phone_number_id: Option<&'a str>,
    number: Option<&'a str>,
    state: &'static str,
    stage: Option<&'static str>,
    reason: Option<&'a str>,
    dialed: &'static str,
    conversation_id: Option<&'a str>,
    provider_call_id: Option<&'a str>,
    proof: Option<&'static str>,
    error: Option<&'a str>,
    batch_id: Option<&'a str>,
    row: Option<u64>,
    key: Option<&'a str>,
    repeats: Option<&'a str>,
    open: bool,
    cancel_asked: bool,
    owner: Option<&'a str>,
}

/// The columns of an export, in their order.
pub(in crate::commands) const COLUMNS: [&str; 23] = [
    "call_id",
    "asked_at",
    "updated_at",
    "agent_id",
    "agent",
    "to",
    "phone_number_id",
    "number",
    "state",
    "stage",
    "reason",
    "dialed",
    "conversation_id",
    "provider_call_id",
    "proof",
    "error",
    "batch_id",
    "row",
    "key",
    "repeats",
    "open",
    "cancel_asked",
    "owner",
];

impl<'a> Fields<'a> {
    /// The fields of a call.
    pub(in crate::commands) fn of(row: &'a CallRow, names: Names<'a>) -> Self {
        let number = row.number.as_ref().or(row.numbers.only());
        Self {
            call_id: row.id.as_str(),
            asked_at: when::exactly(row.submitted_at),
            updated_at: when::exactly(row.updated_at),
            agent_id: row.agent.as_str(),
            agent: names.alias(&row.agent),
            to: (!row.to.is_erased()).then(|| row.to.e164()),
            phone_number_id: number.map(PhoneNumberId::as_str),
            number: number.and_then(|number| names.alias_of_number(number)),
            state: row.state.as_str(),
            stage: row.stage.map(partyline_domain::flow::Stage::as_str),
            reason: row.reason.as_deref().map(reason),
            dialed: row.dialed.as_str(),
            conversation_id: row.conversation.as_ref().map(partyline_domain::ConversationId::as_str),
            provider_call_id: row.provider_call_id.as_ref().map(ProviderCallId::as_str),
            proof: row.proof.map(ProofWord::as_str),
            error: row.detail.as_deref(),
            batch_id: row.batch.as_ref().map(|batch| batch.batch.as_str()),
            row: row.batch.as_ref().map(|batch| batch.line),
            key: row.key.as_ref().map(partyline_domain::IdempotencyKey::as_str),
            repeats: row.repeats.as_ref().map(partyline_domain::CallId::as_str),
            open: !row.closed,
            cancel_asked: row.cancel,
            owner: row.owner.as_ref().map(partyline_domain::RunId::as_str),
        }
    }

    /// The same as cells, one for each of [`COLUMNS`].
    pub(in crate::commands) fn cells(&self) -> [String; 23] {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        [
            self.call_id.to_owned(),
            self.asked_at.clone(),
            self.updated_at.clone(),
            self.agent_id.to_owned(),
            text(self.agent),
            text(self.to),
            text(self.phone_number_id),
            text(self.number),
            self.state.to_owned(),
            text(self.stage),
            text(self.reason),
            self.dialed.to_owned(),
            text(self.conversation_id),
            text(self.provider_call_id),
            text(self.proof),
            text(self.error),
            text(self.batch_id),
            self.row.map(|row| row.to_string()).unwrap_or_default(),
            text(self.key),
            text(self.repeats),
            self.open.to_string(),
            self.cancel_asked.to_string(),
            text(self.owner),
        ]
    }
}

/// An event in JSON: its version, its time, its name, and whatever it holds.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct EventFields<'a> {
    version: u64,
    at: String,
    #[serde(flatten)]
    event: &'a partyline_domain::flow::CallEvent,
}

impl<'a> EventFields<'a> {
    /// The fields of an event.
    pub(in crate::commands) fn of(recorded: &'a Recorded) -> Self {
        Self { version: recorded.version, at: when::exactly(recorded.at), event: &recorded.event }
    }
}

/// Why a call failed as one word, as `call --json` says it. The store keeps the core's words.
fn reason(stored: &str) -> &str {
    match stored {
        "interrupted" => CONNECTION_LOST,
        other => other,
    }
}

/// What a table says beside the state.
pub(super) fn remark(row: &CallRow) -> &str {
    match (&row.reason, row.proof) {
        (Some(stored), _) => reason(stored),
        (None, Some(ProofWord::Mismatch)) => MISROUTED,
        (None, Some(ProofWord::Matches | ProofWord::Absent) | None) if row.cancel && !row.state.has_ended() => {
            "to be cancelled"
        }
        (None, Some(ProofWord::Matches | ProofWord::Absent) | None) => "",
    }
}

#[cfg(test)]
mod tests {
    use partyline_domain::flow::{Dialed, Stage};
    use partyline_domain::ports::BatchRow;
    use partyline_domain::{BatchId, CallId, ConversationId, IdempotencyKey, PhoneNumber, RunId};
    use partyline_store_adapter::StateWord;

    use super::super::tests::{aliases, history, names, row, unknown};
    use super::*;

    fn whole() -> CallRow {
        CallRow {
            state: StateWord::Failed,
            stage: Some(Stage::Initiate),
            reason: Some("interrupted".into()),
            dialed: Dialed::Unknown,
            detail: Some("said \"no\"".into()),
            conversation: Some(ConversationId::parse("conv_1").expect("valid")),
            proof: Some(ProofWord::Absent),
            batch: Some(BatchRow { batch: BatchId::parse("batch_1").expect("valid"), line: 7, agent: "hotel".into() }),
            key: Some(IdempotencyKey::parse("k").expect("valid")),
            repeats: Some(CallId::parse("call_0").expect("valid")),
            closed: true,
            owner: Some(RunId::parse("run_1").expect("valid")),
            ..row()
        }
    }

    #[test]
    fn columns_and_keys_are_the_same_in_the_same_order() {
        let (aliases, row) = (aliases(), whole());
        let fields = Fields::of(&row, names(&aliases));
        let json = serde_json::to_string(&fields).expect("our own type");
        let mut rest = json.as_str();
        for (column, cell) in COLUMNS.iter().zip(fields.cells()) {
            let key = format!("\"{column}\":");
            let at = rest.find(&key).unwrap_or_else(|| panic!("{column} comes later than in {json}"));
            rest = &rest[at + key.len()..];
            let text = if cell.is_empty() { "null".to_owned() } else { serde_json::to_string(&cell).expect("a text") };
            assert!(rest.starts_with(&text) || rest.starts_with(&cell), "{column}: {cell} in {rest}");
        }
        assert_eq!(json.matches("\":").count(), COLUMNS.len(), "{json}");
    }

    #[test]
    fn a_call_has_names_and_words_that_people_know() {
        let aliases = aliases();
        let row = whole();
        let value = serde_json::to_value(Fields::of(&row, names(&aliases))).expect("our own type");
        assert_eq!((value["agent"].as_str(), value["number"].as_str()), (Some("hotel"), Some("main")));
        assert_eq!(value["reason"], "connection_lost");
        assert_eq!(value["open"], false);
        let erased = CallRow { to: PhoneNumber::ERASED, ..row };
        let value = serde_json::to_value(Fields::of(&erased, names(&aliases))).expect("our own type");
        assert!(value["to"].is_null(), "{value}");
    }

    #[test]
    fn a_remark_tells_what_the_state_does_not() {
        let initiated = CallRow { state: StateWord::Initiated, ..row() };
        assert_eq!(remark(&initiated), "");
        assert_eq!(remark(&CallRow { proof: Some(ProofWord::Mismatch), ..initiated.clone() }), "misrouted");
        assert_eq!(remark(&CallRow { cancel: true, ..initiated }), "");
        assert_eq!(remark(&CallRow { cancel: true, ..row() }), "to be cancelled");
        assert_eq!(remark(&whole()), "connection_lost");
    }

    #[test]
    fn an_event_is_flat() {
        let events = history(unknown());
        let value = serde_json::to_value(EventFields::of(&events[3])).expect("our own type");
        let expected = r#"{"at":"2026-09-21T14:13:20.750Z","attempt":"call_1.1","event":"dial_intended","version":4}"#;
        assert_eq!(value.to_string(), expected);
    }
}
