//! Calls that are handed in.

use std::collections::{BTreeMap, BTreeSet};

use partyline_domain::flow::CallEvent;
use partyline_domain::ports::{Accepted, NewCall};
use partyline_domain::{CallId, CallRequest, IdempotencyKey, NumberChoice, PhoneNumberId, Priority};

use super::commit::insert_events;
use super::transaction::Tx;
use crate::accept::Taken;
use crate::codec;
use crate::error::Fault;
use crate::plan::KnownCall;

/// New calls, column by column.
#[derive(Default)]
pub(super) struct Rows<'a> {
    id: Vec<&'a str>,
    agent: Vec<Option<&'a str>>,
    callee: Vec<Option<&'a str>>,
    choice: Vec<Option<i64>>,
    turn: Vec<i64>,
    submitted_at: Vec<i64>,
    key: Vec<Option<&'a str>>,
    batch: Vec<Option<&'a str>>,
    line: Vec<Option<i64>>,
    row_agent: Vec<Option<String>>,
    repeats: Vec<Option<&'a str>>,
    owner: Vec<Option<&'a str>>,
    held: Vec<bool>,
}

impl<'a> Rows<'a> {
    fn submitted(
        &mut self,
        call: &'a NewCall,
        choices: &BTreeMap<String, i64>,
        held: bool,
        now: i64,
    ) -> Result<(), Fault> {
        let request = &call.request;
        let batch = call.batch.as_ref();
        self.id.push(request.id.as_str());
        self.agent.push(Some(request.agent.as_str()));
        self.callee.push(Some(request.to.e164()));
        self.choice.push(choices.get(&codec::json(&request.numbers)?).copied());
        self.turn.push(codec::turn(request.priority, now));
        self.submitted_at.push(codec::nanoseconds(call.at));
        self.key.push(call.key.as_ref().map(IdempotencyKey::as_str));
        self.batch.push(batch.map(|row| row.batch.as_str()));
        self.line.push(batch.map(|row| codec::stored(row.line)));
        self.row_agent.push(batch.map(|row| codec::text(&row.agent)));
        self.repeats.push(call.repeats.as_ref().map(CallId::as_str));
        self.owner.push(None);
        self.held.push(held);
        Ok(())
    }

    /// A call that begins with an entry of the journal: the process that wrote it has it.
    pub(super) fn begun(
        &mut self,
        call: &'a CallId,
        known: &'a KnownCall,
        choices: &BTreeMap<String, i64>,
        tx: &Tx<'a>,
    ) -> Result<(), Fault> {
        let request = known.request.as_ref();
        let numbers = request.map(|request| codec::json(&request.numbers)).transpose()?;
        self.id.push(call.as_str());
        self.agent.push(request.map(|request| request.agent.as_str()));
        self.callee.push(request.map(|request| request.to.e164()));
        self.choice.push(numbers.and_then(|numbers| choices.get(&numbers).copied()));
        self.turn.push(codec::turn(request.map_or(Priority::Normal, |request| request.priority), tx.now));
        self.submitted_at.push(codec::nanoseconds(known.progress.updated_at));
        self.key.push(None);
        self.batch.push(None);
        self.line.push(None);
        self.row_agent.push(None);
        self.repeats.push(None);
        self.owner.push(Some(tx.me.as_str()));
        self.held.push(false);
        Ok(())
    }
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
    let held = held(tx, accepted).await?;
    let choices = choices(tx, accepted.iter().map(|call| &call.request)).await?;
    let mut rows = Rows::default();
    for call in accepted {
        let is_held = call.batch.as_ref().is_some_and(|row| held.contains(row.batch.as_str()));
        rows.submitted(call, &choices, is_held, tx.now)?;
    }
    let seqs: BTreeMap<CallId, i64> = insert(tx, rows, 1).await?.into_iter().collect();
    let (mut places, mut times, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
    for call in accepted {
        let event = CallEvent::CallRequested { request: call.request.clone() };
        places.push(seqs.get(&call.request.id).copied());
        times.push(codec::nanoseconds(call.at));
        payloads.push(codec::json(&event)?);
    }
    insert_events(tx, places, vec![1; accepted.len()], times, payloads).await
}

/// Makes rows of calls that have so many events, of which none tells more than what is asked for. Their places.
pub(super) async fn insert(tx: &mut Tx<'_>, rows: Rows<'_>, version: i64) -> Result<Vec<(CallId, i64)>, Fault> {
    let made: Vec<(String, i64)> = sqlx::query_as(
        "INSERT INTO partyline.calls (account, id, version, agent, callee, choice, turn, submitted_at, taken_ms, \
         updated_at, key, batch, line, row_agent, repeats, state, dialed, owner, origin, held, changed) \
         SELECT $1, u.id, $2, u.agent, u.callee, u.choice, u.turn, u.submitted_at, $3, u.submitted_at, u.key, u.batch, \
         u.line, u.row_agent, u.repeats, 'waiting', 'no', u.owner, $4, u.held, pg_current_xact_id()::text::bigint \
         FROM unnest($5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], \
         $12::text[], $13::bigint[], $14::text[], $15::text[], $16::text[], $17::boolean[]) WITH ORDINALITY \
         AS u (id, agent, callee, choice, turn, submitted_at, key, batch, line, row_agent, repeats, owner, held, place) \
         ORDER BY u.place RETURNING id, seq",
    )
    .bind(tx.account)
    .bind(version)
    .bind(tx.now)
    .bind(tx.me.as_str())
    .bind(&rows.id)
    .bind(&rows.agent)
    .bind(&rows.callee)
    .bind(&rows.choice)
    .bind(&rows.turn)
    .bind(&rows.submitted_at)
    .bind(&rows.key)
    .bind(&rows.batch)
    .bind(&rows.line)
    .bind(&rows.row_agent)
    .bind(&rows.repeats)
    .bind(&rows.owner)
    .bind(&rows.held)
    .fetch_all(&mut *tx.connection)
    .await?;
    made.into_iter().map(|(id, seq)| Ok((codec::id(id)?, seq))).collect()
}

/// The ids and keys among these that are taken. One that another process takes meanwhile makes the transaction fail, and
/// the next try finds it.
async fn taken(tx: &mut Tx<'_>, calls: &[&NewCall]) -> Result<Taken, Fault> {
    let ids: Vec<&str> = calls.iter().map(|call| call.request.id.as_str()).collect();
    let found = sqlx::query_scalar("SELECT id FROM partyline.calls WHERE account = $1 AND id = ANY($2)");
    let found: Vec<String> = found.bind(tx.account).bind(&ids).fetch_all(&mut *tx.connection).await?;
    let mut taken = Taken { ids: found.into_iter().map(codec::id).collect::<Result<_, _>>()?, ..Taken::default() };
    let keys: Vec<&str> = calls.iter().filter_map(|call| call.key.as_ref()).map(IdempotencyKey::as_str).collect();
    if keys.is_empty() {
        return Ok(taken);
    }
    let found: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT c.key, e.format, e.payload FROM partyline.calls AS c \
         JOIN partyline.events AS e ON e.call = c.seq AND e.version = 1 WHERE c.account = $1 AND c.key = ANY($2)",
    )
    .bind(tx.account)
    .bind(&keys)
    .fetch_all(&mut *tx.connection)
    .await?;
    for (key, format, payload) in found {
        if let CallEvent::CallRequested { request } = codec::read(format, &payload)? {
            taken.keys.insert(codec::id(key)?, request);
        }
    }
    Ok(taken)
}

/// The batches among those of these calls that do not go on. None of them changes before the end of the transaction.
async fn held(tx: &mut Tx<'_>, calls: &[&NewCall]) -> Result<BTreeSet<String>, Fault> {
    let batches: BTreeSet<&str> = calls.iter().filter_map(|call| Some(call.batch.as_ref()?.batch.as_str())).collect();
    if batches.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, state FROM partyline.batches WHERE account = $1 AND id = ANY($2) ORDER BY id FOR SHARE",
    )
    .bind(tx.account)
    .bind(batches.into_iter().collect::<Vec<_>>())
    .fetch_all(&mut *tx.connection)
    .await?;
    Ok(found.into_iter().filter(|(_, state)| state != "running").map(|(batch, _)| batch).collect())
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
        let known = sqlx::query_scalar("SELECT id FROM partyline.choices WHERE account = $1 AND digest = $2");
        let known: Option<i64> =
            known.bind(tx.account).bind(codec::digest(&text)).fetch_optional(&mut *tx.connection).await?;
        let choice = match known {
            Some(choice) => choice,
            None => make_choice(tx, &text, numbers).await?,
        };
        found.insert(text, choice);
    }
    Ok(found)
}

async fn make_choice(tx: &mut Tx<'_>, text: &str, numbers: &NumberChoice) -> Result<i64, Fault> {
    let made =
        sqlx::query_scalar("INSERT INTO partyline.choices (account, numbers, digest) VALUES ($1, $2, $3) RETURNING id");
    let made = made.bind(tx.account).bind(text).bind(codec::digest(text));
    let choice: i64 = made.fetch_one(&mut *tx.connection).await?;
    let numbers: Vec<&str> = numbers.iter().map(PhoneNumberId::as_str).collect();
    sqlx::query("INSERT INTO partyline.choice_numbers (choice, number) SELECT $1, unnest($2::text[])")
        .bind(choice)
        .bind(&numbers)
        .execute(&mut *tx.connection)
        .await?;
    Ok(choice)
}
