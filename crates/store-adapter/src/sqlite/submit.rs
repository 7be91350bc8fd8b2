//! Calls that are handed in.

use std::collections::{BTreeMap, BTreeSet};

use partyline_domain::flow::CallEvent;
use partyline_domain::ports::{Accepted, NewCall};
use partyline_domain::{CallId, CallRequest, NumberChoice, PhoneNumberId, Priority};
use serde::Serialize;

use super::transaction::Tx;
use crate::accept::Taken;
use crate::codec::{self, FORMAT};
use crate::error::Fault;
use crate::plan::KnownCall;

/// A new call's columns, in the order of the statement that inserts them.
#[derive(Serialize)]
pub(super) struct Row<'a>(
    &'a CallId,
    Option<&'a str>,
    Option<&'a str>,
    Option<i64>,
    i64,
    i64,
    Option<&'a str>,
    Option<&'a str>,
    Option<i64>,
    Option<String>,
    Option<&'a str>,
    Option<&'a str>,
    &'a str,
    i64,
);

impl<'a> Row<'a> {
    fn submitted(call: &'a NewCall, choices: &BTreeMap<String, i64>, held: bool, tx: &Tx<'a>) -> Result<Self, Fault> {
        let request = &call.request;
        let batch = call.batch.as_ref();
        Ok(Self(
            &request.id,
            Some(request.agent.as_str()),
            Some(request.to.e164()),
            choice_of(choices, &request.numbers)?,
            codec::turn(request.priority, tx.now),
            codec::nanoseconds(call.at),
            call.key.as_ref().map(partyline_domain::IdempotencyKey::as_str),
            batch.map(|row| row.batch.as_str()),
            batch.map(|row| codec::stored(row.line)),
            batch.map(|row| codec::text(&row.agent)),
            call.repeats.as_ref().map(CallId::as_str),
            None,
            tx.me.as_str(),
            i64::from(held),
        ))
    }

    /// A call that begins with an entry of the journal: the process that wrote it has it.
    pub(super) fn begun(
        call: &'a CallId,
        known: &'a KnownCall,
        choices: &BTreeMap<String, i64>,
        tx: &Tx<'a>,
    ) -> Result<Self, Fault> {
        let request = known.request.as_ref();
        let choice = request.map(|request| choice_of(choices, &request.numbers)).transpose()?.flatten();
        let turn = codec::turn(request.map_or(Priority::Normal, |request| request.priority), tx.now);
        Ok(Self(
            call,
            request.map(|request| request.agent.as_str()),
            request.map(|request| request.to.e164()),
            choice,
            turn,
            codec::nanoseconds(known.progress.updated_at),
            None,
            None,
            None,
            None,
            None,
            Some(tx.me.as_str()),
            tx.me.as_str(),
            0,
        ))
    }
}

fn choice_of(choices: &BTreeMap<String, i64>, numbers: &NumberChoice) -> Result<Option<i64>, Fault> {
    Ok(choices.get(&codec::json(numbers)?).copied())
}

/// Takes in the calls of several submissions; the answers of each.
pub(super) async fn run(tx: &mut Tx<'_>, submits: &[&[NewCall]]) -> Result<Vec<Vec<Accepted>>, Fault> {
    let calls = || submits.iter().flat_map(|calls| calls.iter());
    let mut taken = taken(tx, &calls().collect::<Vec<_>>()).await?;
    let answers: Vec<Vec<Accepted>> =
        submits.iter().map(|calls| calls.iter().map(|call| taken.accept(call)).collect()).collect();
    let accepted: Vec<&NewCall> = calls()
        .zip(answers.iter().flatten())
        .filter(|(_, answer)| **answer == Accepted::New)
        .map(|(call, _)| call)
        .collect();
    write(tx, &accepted).await?;
    Ok(answers)
}

async fn write(tx: &mut Tx<'_>, accepted: &[&NewCall]) -> Result<(), Fault> {
    if accepted.is_empty() {
        return Ok(());
    }
    tx.wakes = true;
    let choices = choices(tx, accepted.iter().map(|call| &call.request)).await?;
    let held = held(tx, accepted).await?;
    let mut rows = Vec::with_capacity(accepted.len());
    let mut events = Vec::with_capacity(accepted.len());
    for call in accepted {
        let is_held = call.batch.as_ref().is_some_and(|row| held.contains(row.batch.as_str()));
        rows.push(Row::submitted(call, &choices, is_held, tx)?);
        let event = CallEvent::CallRequested { request: call.request.clone() };
        events.push((&call.request.id, codec::nanoseconds(call.at), codec::json(&event)?));
    }
    insert(tx, &rows, 1).await?;
    sqlx::query(
        "INSERT INTO events (call, version, at, format, payload) \
         SELECT c.seq, 1, j.value ->> 1, $2, j.value ->> 2 \
         FROM json_each($3) AS j CROSS JOIN calls AS c ON c.account = $1 AND c.id = j.value ->> 0",
    )
    .bind(tx.account)
    .bind(FORMAT)
    .bind(codec::json(&events)?)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// Makes rows of calls that have so many events, of which none tells more than what is asked for.
pub(super) async fn insert(tx: &mut Tx<'_>, rows: &[Row<'_>], version: i64) -> Result<(), Fault> {
    let tick = tx.tick().await?;
    sqlx::query(
        "INSERT INTO calls (account, id, version, agent, callee, choice, turn, submitted_at, taken_ms, updated_at, key, \
         batch, line, row_agent, repeats, state, dialed, owner, origin, held, changed) \
         SELECT $1, value ->> 0, $5, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, $2, value ->> 5, \
         value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, 'waiting', 'no', value ->> 11, value ->> 12, \
         value ->> 13, $3 FROM json_each($4)",
    )
    .bind(tx.account)
    .bind(tx.now)
    .bind(tick)
    .bind(codec::json(rows)?)
    .bind(version)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// The ids and keys among these that are taken.
async fn taken(tx: &mut Tx<'_>, calls: &[&NewCall]) -> Result<Taken, Fault> {
    let ids: Vec<&CallId> = calls.iter().map(|call| &call.request.id).collect();
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT c.id FROM json_each($2) AS j CROSS JOIN calls AS c ON c.account = $1 AND c.id = j.value",
    )
    .bind(tx.account)
    .bind(codec::json(&ids)?)
    .fetch_all(&mut *tx.connection)
    .await?;
    let mut taken = Taken { ids: found.into_iter().map(codec::id).collect::<Result<_, _>>()?, ..Taken::default() };
    let keys: Vec<_> = calls.iter().filter_map(|call| call.key.as_ref()).collect();
    if keys.is_empty() {
        return Ok(taken);
    }
    let found: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT c.key, e.format, e.payload FROM json_each($2) AS j \
         CROSS JOIN calls AS c ON c.account = $1 AND c.key = j.value JOIN events AS e ON e.call = c.seq AND e.version = 1",
    )
    .bind(tx.account)
    .bind(codec::json(&keys)?)
    .fetch_all(&mut *tx.connection)
    .await?;
    for (key, format, payload) in found {
        if let CallEvent::CallRequested { request } = codec::read(format, &payload)? {
            taken.keys.insert(codec::id(key)?, request);
        }
    }
    Ok(taken)
}

/// The batches among those of these calls that do not go on.
async fn held(tx: &mut Tx<'_>, calls: &[&NewCall]) -> Result<BTreeSet<String>, Fault> {
    let batches: BTreeSet<&str> = calls.iter().filter_map(|call| Some(call.batch.as_ref()?.batch.as_str())).collect();
    if batches.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM batches WHERE account = $1 AND state <> 'running' AND id IN (SELECT value FROM json_each($2))",
    )
    .bind(tx.account)
    .bind(codec::json(&batches)?)
    .fetch_all(&mut *tx.connection)
    .await?;
    Ok(found.into_iter().collect())
}

/// The keys of the choices that these requests leave, by their text; those that were not there are made.
pub(super) async fn choices(
    tx: &mut Tx<'_>,
    requests: impl Iterator<Item = &CallRequest>,
) -> Result<BTreeMap<String, i64>, Fault> {
    let mut texts: BTreeMap<String, &NumberChoice> = BTreeMap::new();
    for request in requests {
        texts.insert(codec::json(&request.numbers)?, &request.numbers);
    }
    let mut found = BTreeMap::new();
    for (text, numbers) in texts {
        let known = sqlx::query_scalar("SELECT id FROM choices WHERE account = $1 AND numbers = $2");
        let known: Option<i64> = known.bind(tx.account).bind(&text).fetch_optional(&mut *tx.connection).await?;
        let choice = match known {
            Some(choice) => choice,
            None => make_choice(tx, &text, numbers).await?,
        };
        found.insert(text, choice);
    }
    Ok(found)
}

async fn make_choice(tx: &mut Tx<'_>, text: &str, numbers: &NumberChoice) -> Result<i64, Fault> {
    let made = sqlx::query_scalar("INSERT INTO choices (account, numbers) VALUES ($1, $2) RETURNING id");
    let choice: i64 = made.bind(tx.account).bind(text).fetch_one(&mut *tx.connection).await?;
    let numbers: Vec<&PhoneNumberId> = numbers.iter().collect();
    sqlx::query("INSERT INTO choice_numbers (choice, number) SELECT $1, value FROM json_each($2)")
        .bind(choice)
        .bind(codec::json(&numbers)?)
        .execute(&mut *tx.connection)
        .await?;
    Ok(choice)
}
