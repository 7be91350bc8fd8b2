//! Entries of the journal: what they ask about is loaded, [judged](crate::plan), and written, each in a few statements for
//! all of them together.

use std::collections::{BTreeMap, BTreeSet};

use partyline_domain::ports::{Entry, Intent, IntentKind};
use partyline_domain::{AgentId, AttemptId, CallId, JournalError, PhoneNumberId};

use super::submit::{Row, choices, insert};
use super::transaction::Tx;
use crate::codec::{self, EventRecord, FORMAT, IntentRecord, KnownRecord};
use crate::error::Fault;
use crate::plan::{Known, KnownCall, KnownLease, Memory, Plan, Questions, Writes, overwritten};

/// Writes the entries of several commits; the answers of each.
pub(super) async fn run(tx: &mut Tx<'_>, commits: &[&[Entry]]) -> Result<Vec<Vec<Result<(), JournalError>>>, Fault> {
    let entries = || commits.iter().flat_map(|entries| entries.iter());
    let known = load(tx, entries).await?;
    let mut plan = Plan::new(tx.me, known);
    let answers = commits.iter().map(|entries| plan.enter_all(entries)).collect();
    write(tx, plan.finish()).await?;
    Ok(answers)
}

async fn load<'a, I: Iterator<Item = &'a Entry>>(tx: &mut Tx<'_>, entries: impl Fn() -> I) -> Result<Known, Fault> {
    let asked = Questions::of(entries());
    let calls = calls(tx, asked.calls.iter()).await?;
    let events = events(tx, &calls, overwritten(entries(), &calls)).await?;
    let leases = leases(tx, &asked.numbers.into_iter().collect::<Vec<_>>()).await?;
    let intents = intents(tx, &asked.attempts.into_iter().collect::<Vec<_>>()).await?;
    Ok(Known { calls, leases, intents, events })
}

/// What is known of these calls; those that are not there are absent.
pub(super) async fn calls(
    tx: &mut Tx<'_>,
    ids: impl Iterator<Item = &CallId>,
) -> Result<BTreeMap<CallId, KnownCall>, Fault> {
    let ids: Vec<&str> = ids.map(CallId::as_str).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<KnownRecord> = sqlx::query_as(concat!(
        "SELECT c.id, c.seq, c.owner, c.origin, c.closed, ",
        codec::progress_columns!(),
        " FROM json_each($2) AS j CROSS JOIN calls AS c ON c.account = $1 AND c.id = j.value"
    ))
    .bind(tx.account)
    .bind(codec::json(&ids)?)
    .fetch_all(&mut *tx.connection)
    .await?;
    found.into_iter().map(|record| Ok((codec::id(record.id.clone())?, record.read()?))).collect()
}

async fn events(
    tx: &mut Tx<'_>,
    calls: &BTreeMap<CallId, KnownCall>,
    wanted: Vec<(CallId, u64, u64)>,
) -> Result<BTreeMap<(CallId, u64), partyline_domain::ports::Recorded>, Fault> {
    let mut events = BTreeMap::new();
    for (call, after, until) in wanted {
        let Some(seq) = calls.get(&call).and_then(|known| known.seq) else { continue };
        let found: Vec<EventRecord> = sqlx::query_as(
            "SELECT call, version, at, format, payload FROM events WHERE call = $1 AND version > $2 AND version <= $3",
        )
        .bind(seq)
        .bind(codec::stored(after))
        .bind(codec::stored(until))
        .fetch_all(&mut *tx.connection)
        .await?;
        for record in found {
            let recorded = record.read()?;
            events.insert((call.clone(), recorded.version), recorded);
        }
    }
    Ok(events)
}

async fn leases(tx: &mut Tx<'_>, numbers: &[PhoneNumberId]) -> Result<BTreeMap<PhoneNumberId, KnownLease>, Fault> {
    let mut leases = BTreeMap::new();
    if numbers.is_empty() {
        return Ok(leases);
    }
    let found: Vec<(String, String, i64, bool)> = sqlx::query_as(
        "SELECT number, owner, epoch, expires_ms > $3 FROM leases \
         WHERE account = $1 AND number IN (SELECT value FROM json_each($2))",
    )
    .bind(tx.account)
    .bind(codec::json(numbers)?)
    .bind(tx.now)
    .fetch_all(&mut *tx.connection)
    .await?;
    for (number, owner, epoch, holds) in found {
        let lease = KnownLease { owner: Some(codec::id(owner)?), epoch: codec::count(epoch), holds };
        leases.insert(codec::id(number)?, lease);
    }
    Ok(leases)
}

async fn intents(tx: &mut Tx<'_>, attempts: &[AttemptId]) -> Result<BTreeMap<AttemptId, Intent>, Fault> {
    if attempts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<IntentRecord> = sqlx::query_as(
        "SELECT number, opened_ms, send_by_ms, format, payload FROM intents \
         WHERE account = $1 AND attempt IN (SELECT value FROM json_each($2))",
    )
    .bind(tx.account)
    .bind(codec::json(attempts)?)
    .fetch_all(&mut *tx.connection)
    .await?;
    let read = |record: IntentRecord| record.read().map(|intent| (intent.attempt.clone(), intent));
    found.into_iter().map(read).collect()
}

/// Writes what was planned.
pub(super) async fn write(tx: &mut Tx<'_>, mut writes: Writes) -> Result<(), Fault> {
    tx.wakes |= writes.remote;
    begin(tx, &mut writes).await?;
    write_events(tx, &writes).await?;
    write_calls(tx, &writes).await?;
    write_intents(tx, &writes.intents).await?;
    resolve(tx, &writes.resolved).await?;
    for memory in &writes.memory {
        write_memory(tx, memory).await?;
    }
    write_changed(tx, &writes.changed).await
}

/// Makes the rows of calls that begin with an entry.
async fn begin(tx: &mut Tx<'_>, writes: &mut Writes) -> Result<(), Fault> {
    let new = writes.begun();
    if new.is_empty() {
        return Ok(());
    }
    let choices = choices(tx, new.iter().filter_map(|(_, known)| known.request.as_ref())).await?;
    let mut rows = Vec::with_capacity(new.len());
    for (call, known) in &new {
        rows.push(Row::begun(call, known, &choices, tx)?);
    }
    insert(tx, &rows, 0).await?;
    let found = calls(tx, new.iter().map(|(call, _)| call)).await?;
    for (call, stored) in found {
        if let Some((known, _)) = writes.calls.get_mut(&call) {
            known.seq = stored.seq;
        }
    }
    Ok(())
}

async fn write_events(tx: &mut Tx<'_>, writes: &Writes) -> Result<(), Fault> {
    if writes.events.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(writes.events.len());
    for (call, recorded) in &writes.events {
        let seq = writes.calls.get(call).and_then(|(known, _)| known.seq);
        let payload = codec::json(&recorded.event)?;
        rows.push((seq, codec::stored(recorded.version), codec::nanoseconds(recorded.at), payload));
    }
    sqlx::query(
        "INSERT INTO events (call, version, at, format, payload) \
         SELECT value ->> 0, value ->> 1, value ->> 2, $2, value ->> 3 FROM json_each($1)",
    )
    .bind(codec::json(&rows)?)
    .bind(FORMAT)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

async fn write_calls(tx: &mut Tx<'_>, writes: &Writes) -> Result<(), Fault> {
    if writes.calls.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = writes.calls.values().map(|(known, before)| call_row(known, *before)).collect();
    let tick = tx.tick().await?;
    let done = sqlx::query(
        "UPDATE calls SET version = u.row ->> 2, updated_at = u.row ->> 3, state = u.row ->> 4, stage = u.row ->> 5, \
         reason = u.row ->> 6, dialed = u.row ->> 7, detail = u.row ->> 8, number = u.row ->> 9, \
         conversation = u.row ->> 10, provider_call_id = u.row ->> 11, proof = u.row ->> 12, given_up = u.row ->> 13, \
         owner = u.row ->> 14, closed_ms = CASE WHEN closed = 0 AND u.row ->> 15 THEN $2 ELSE closed_ms END, \
         closed = u.row ->> 15, held = CASE WHEN u.row ->> 16 THEN held ELSE 0 END, changed = $3 \
         FROM (SELECT value AS row FROM json_each($1)) AS u \
         WHERE calls.seq = u.row ->> 0 AND calls.version = u.row ->> 1",
    )
    .bind(codec::json(&rows)?)
    .bind(tx.now)
    .bind(tick)
    .execute(&mut *tx.connection)
    .await?;
    if done.rows_affected() == rows.len() as u64 {
        Ok(())
    } else {
        Err(Fault::met(format!("{} calls of {} have the expected version", done.rows_affected(), rows.len())))
    }
}

/// A call's columns, in the order of the statement above.
fn call_row(known: &KnownCall, before: u64) -> serde_json::Value {
    let progress = &known.progress;
    serde_json::json!([
        known.seq,
        codec::stored(before),
        codec::stored(progress.version),
        codec::nanoseconds(progress.updated_at),
        progress.state.as_str(),
        progress.stage.map(partyline_domain::flow::Stage::as_str),
        progress.reason,
        progress.dialed.as_str(),
        progress.detail.as_deref().map(codec::text),
        progress.number,
        progress.conversation,
        progress.provider_call_id.as_ref().map(|id| codec::text(id.as_str())),
        progress.proof.map(crate::archive::ProofWord::as_str),
        i64::from(progress.given_up),
        known.owner,
        i64::from(known.closed),
        i64::from(progress.before_dial()),
    ])
}

async fn write_intents(tx: &mut Tx<'_>, intents: &[Intent]) -> Result<(), Fault> {
    if intents.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(intents.len());
    for intent in intents {
        let call = match &intent.kind {
            IntentKind::Dial(call) => Some(call),
            IntentKind::Assign | IntentKind::Restore => None,
        };
        let send_by = tx.now.saturating_add(codec::milliseconds(intent.within));
        let epoch = codec::stored(intent.epoch);
        rows.push((&intent.attempt, &intent.number, call, epoch, send_by, codec::json(intent)?));
    }
    sqlx::query(
        "INSERT INTO intents (account, attempt, number, call, epoch, owner, opened_ms, send_by_ms, format, payload) \
         SELECT $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, $2, $3, value ->> 4, $4, value ->> 5 \
         FROM json_each($5)",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .bind(tx.now)
    .bind(FORMAT)
    .bind(codec::json(&rows)?)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

async fn resolve(tx: &mut Tx<'_>, attempts: &BTreeSet<AttemptId>) -> Result<(), Fault> {
    if attempts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE intents SET resolved_ms = $2 WHERE account = $1 AND resolved_ms IS NULL \
         AND attempt IN (SELECT value FROM json_each($3))",
    )
    .bind(tx.account)
    .bind(tx.now)
    .bind(codec::json(attempts)?)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

async fn write_memory(tx: &mut Tx<'_>, memory: &Memory) -> Result<(), Fault> {
    let (number, query) = match memory {
        Memory::Remember(number, agent) => {
            let insert = "INSERT INTO inbound (account, number, agent) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            (
                number,
                sqlx::query(insert).bind(tx.account).bind(number.as_str()).bind(agent.as_ref().map(AgentId::as_str)),
            )
        }
        Memory::Ours(number, agent) => {
            let insert = "INSERT INTO ours (account, number, agent) SELECT account, number, $3 FROM inbound \
                          WHERE account = $1 AND number = $2 ON CONFLICT DO NOTHING";
            (number, sqlx::query(insert).bind(tx.account).bind(number.as_str()).bind(agent.as_str()))
        }
        Memory::Forget(number) => {
            let delete = "DELETE FROM inbound WHERE account = $1 AND number = $2";
            (number, sqlx::query(delete).bind(tx.account).bind(number.as_str()))
        }
    };
    query.execute(&mut *tx.connection).await?;
    if matches!(memory, Memory::Forget(_)) {
        let delete = sqlx::query("DELETE FROM ours WHERE account = $1 AND number = $2");
        delete.bind(tx.account).bind(number.as_str()).execute(&mut *tx.connection).await?;
    }
    Ok(())
}

/// What was seen of a number that is about to be changed may no longer be so.
async fn write_changed(tx: &mut Tx<'_>, changed: &BTreeMap<PhoneNumberId, Option<AgentId>>) -> Result<(), Fault> {
    for (number, agent) in changed {
        sqlx::query("DELETE FROM seen WHERE account = $1 AND number = $2")
            .bind(tx.account)
            .bind(number.as_str())
            .execute(&mut *tx.connection)
            .await?;
        sqlx::query(
            "INSERT INTO numbers (account, number, changed, agent) VALUES ($1, $2, 1, $3) \
             ON CONFLICT (account, number) DO UPDATE SET changed = 1, agent = excluded.agent",
        )
        .bind(tx.account)
        .bind(number.as_str())
        .bind(agent.as_ref().map(AgentId::as_str))
        .execute(&mut *tx.connection)
        .await?;
    }
    Ok(())
}
