//! Puts together what the store knows of each number, from the rows of several tables. Shared by both databases.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use partyline_domain::PhoneNumberId;
use sqlx::FromRow;

use crate::archive::{Holder, NumberRow, OpenIntent, ProcessInfo};
use crate::codec::{self, IntentRecord};
use crate::error::Fault;

/// A lease with its process, as the databases give it.
#[derive(Debug, FromRow)]
pub(crate) struct LeaseRecord {
    number: String,
    owner: String,
    epoch: i64,
    expires_ms: i64,
    host: Option<String>,
    pid: Option<i64>,
    command: Option<String>,
}

/// A number's last epoch and change, as the databases give them.
#[derive(Debug, FromRow)]
pub(crate) struct NumberRecord {
    number: String,
    epoch: i64,
    changed: bool,
    agent: Option<String>,
}

/// The rows, as the databases give them.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) now_ms: i64,
    pub(crate) leases: Vec<LeaseRecord>,
    pub(crate) numbers: Vec<NumberRecord>,
    pub(crate) intents: Vec<IntentRecord>,
    /// Number and agent.
    pub(crate) inbound: Vec<(String, Option<String>)>,
    /// Number and process.
    pub(crate) wishes: Vec<(String, String)>,
    /// Choice and number.
    pub(crate) choices: Vec<(i64, String)>,
    /// Choice, and how many calls wait.
    pub(crate) waiting: Vec<(i64, i64)>,
    /// Choice, the number that was chosen, and how many calls somebody has.
    pub(crate) claimed: Vec<(i64, Option<String>, i64)>,
}

impl Census {
    pub(crate) fn read(self) -> Result<Vec<NumberRow>, Fault> {
        let mut table = Table { now_ms: self.now_ms, rows: BTreeMap::new() };
        let mut choices: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for (choice, number) in self.choices {
            table.row(&number)?;
            choices.entry(choice).or_default().insert(number);
        }
        for record in self.numbers {
            let row = table.row(&record.number)?;
            row.epoch = codec::count(record.epoch);
            row.last_agent = if record.changed { Some(codec::some_id(record.agent)?) } else { None };
        }
        for record in self.leases {
            table.lease(record)?;
        }
        for record in &self.intents {
            table.intent(record)?;
        }
        for (number, agent) in self.inbound {
            table.row(&number)?.remembered = Some(codec::some_id(agent)?);
        }
        for (number, owner) in self.wishes {
            table.row(&number)?.wanted_by.push(codec::id(owner)?);
        }
        for (choice, count) in self.waiting {
            for number in choices.get(&choice).into_iter().flatten() {
                table.row(number)?.waiting += codec::count(count);
            }
        }
        for (choice, chosen, count) in self.claimed {
            let all = || choices.get(&choice).into_iter().flatten().cloned().collect();
            for number in chosen.map_or_else(all, |number| BTreeSet::from([number])) {
                table.row(&number)?.claimed += codec::count(count);
            }
        }
        Ok(table.rows.into_values().collect())
    }
}

struct Table {
    now_ms: i64,
    rows: BTreeMap<PhoneNumberId, NumberRow>,
}

impl Table {
    fn row(&mut self, number: &str) -> Result<&mut NumberRow, Fault> {
        let number: PhoneNumberId = codec::id(number.to_owned())?;
        Ok(self.rows.entry(number.clone()).or_insert_with(|| NumberRow {
            number,
            holder: None,
            epoch: 0,
            waiting: 0,
            claimed: 0,
            last_agent: None,
            unresolved: Vec::new(),
            remembered: None,
            wanted_by: Vec::new(),
        }))
    }

    fn lease(&mut self, record: LeaseRecord) -> Result<(), Fault> {
        let expires_in = codec::between(self.now_ms, record.expires_ms);
        let process = record.host.map(|host| ProcessInfo {
            host,
            pid: record.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default(),
            command: record.command.unwrap_or_default(),
        });
        let holder = Holder { owner: codec::id(record.owner)?, process, expires_in };
        let row = self.row(&record.number)?;
        row.holder = Some(holder);
        row.epoch = row.epoch.max(codec::count(record.epoch));
        Ok(())
    }

    fn intent(&mut self, record: &IntentRecord) -> Result<(), Fault> {
        let intent = record.read()?;
        let age: Duration = codec::between(record.opened_ms, self.now_ms);
        let open = OpenIntent { attempt: intent.attempt, kind: intent.kind, agent: intent.agent, age };
        self.row(&record.number)?.unresolved.push(open);
        Ok(())
    }
}
