//! What a store knows of a number: who uses it, and what is open on it.

use partyline_domain::ports::{IntentKind, Number};
use partyline_domain::{AgentId, PhoneNumberId};
use partyline_store_adapter::{Holder, NumberRow};
use serde::Serialize;

use crate::commands::calls::Names;
use crate::printer::milliseconds;

/// The columns beside those of the provider.
pub(super) const HEADING: [&str; 5] = ["HELD BY", "SESSION", "WAITING", "CLAIMED", "UNRESOLVED"];

/// What a store knows of one number; nothing, where no call was ever meant for it.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a>(Option<&'a NumberRow>);

/// The same in JSON.
#[derive(Serialize)]
pub(super) struct SharedFields<'a> {
    holder: Option<HolderFields<'a>>,
    epoch: u64,
    session_agent_id: Option<&'a str>,
    waiting: u64,
    claimed: u64,
    unresolved: Vec<OpenFields<'a>>,
    /// Whether the number is to be given back to who answered it before, and who that was (`null` = nobody).
    remembered: bool,
    remembered_agent_id: Option<&'a str>,
    wanted: bool,
}

/// Who holds a number, in JSON.
#[derive(Serialize)]
struct HolderFields<'a> {
    owner: &'a str,
    host: Option<&'a str>,
    pid: Option<u32>,
    command: Option<&'a str>,
    expires_in_ms: u64,
}

/// A request of unknown outcome, in JSON.
#[derive(Serialize)]
struct OpenFields<'a> {
    attempt_id: &'a str,
    kind: &'static str,
    call_id: Option<&'a str>,
    agent_id: Option<&'a str>,
    age_ms: u64,
}

impl<'a> Shared<'a> {
    /// What is known of this number.
    pub(super) fn of(number: &PhoneNumberId, all: &'a [NumberRow]) -> Self {
        Self(all.iter().find(|row| row.number == *number))
    }

    /// Who holds it with a lease that has not run out.
    fn holder(self) -> Option<&'a Holder> {
        self.0?.holder.as_ref().filter(|holder| !holder.expires_in.is_zero())
    }

    /// The agent whose calls are being placed from it; `Some(None)` where nobody is to answer it.
    fn session(self) -> Option<&'a Option<AgentId>> {
        self.holder()?;
        self.0?.last_agent.as_ref()
    }

    /// For JSON.
    pub(super) fn fields(self) -> SharedFields<'a> {
        let row = self.0;
        let remembered = row.and_then(|row| row.remembered.as_ref());
        SharedFields {
            holder: self.holder().map(HolderFields::of),
            epoch: row.map_or(0, |row| row.epoch),
            session_agent_id: self.session().and_then(Option::as_ref).map(AgentId::as_str),
            waiting: row.map_or(0, |row| row.waiting),
            claimed: row.map_or(0, |row| row.claimed),
            unresolved: row.map(|row| row.unresolved.iter().map(OpenFields::of).collect()).unwrap_or_default(),
            remembered: remembered.is_some(),
            remembered_agent_id: remembered.and_then(Option::as_ref).map(AgentId::as_str),
            wanted: row.is_some_and(|row| !row.wanted_by.is_empty()),
        }
    }

    /// For a table, a cell for each column of [`HEADING`].
    pub(super) fn cells(self, number: &Number, names: Names<'_>) -> [String; 5] {
        let count = |count: Option<u64>| count.unwrap_or(0).to_string();
        let row = self.0;
        let name = |agent: &AgentId| match &number.assigned {
            Some(assigned) if assigned.id == *agent && names.alias(agent).is_none() => assigned.name.clone(),
            Some(_) | None => names.agent(agent).to_owned(),
        };
        let session = self.session().map(|agent| agent.as_ref().map_or_else(|| "nobody".to_owned(), name));
        [
            self.holder().map_or_else(|| "-".to_owned(), told),
            session.unwrap_or_else(|| "-".to_owned()),
            count(row.map(|row| row.waiting)),
            count(row.map(|row| row.claimed)),
            row.map_or(0, |row| row.unresolved.len()).to_string(),
        ]
    }
}

impl<'a> HolderFields<'a> {
    fn of(holder: &'a Holder) -> Self {
        let process = holder.process.as_ref();
        Self {
            owner: holder.owner.as_str(),
            host: process.map(|process| process.host.as_str()),
            pid: process.map(|process| process.pid),
            command: process.map(|process| process.command.as_str()),
            expires_in_ms: milliseconds(holder.expires_in),
        }
    }
}

impl<'a> OpenFields<'a> {
    fn of(open: &'a partyline_store_adapter::OpenIntent) -> Self {
        let (kind, call) = match &open.kind {
            IntentKind::Dial(call) => ("dial", Some(call.as_str())),
            IntentKind::Assign => ("assign", None),
            IntentKind::Restore => ("restore", None),
        };
        Self {
            attempt_id: open.attempt.as_str(),
            kind,
            call_id: call,
            agent_id: open.agent.as_ref().map(AgentId::as_str),
            age_ms: milliseconds(open.age),
        }
    }
}

/// Who holds a number, for people.
pub(super) fn told(holder: &Holder) -> String {
    match &holder.process {
        Some(process) => format!("{}:{} {}", process.host, process.pid, process.command),
        None => holder.owner.to_string(),
    }
}
