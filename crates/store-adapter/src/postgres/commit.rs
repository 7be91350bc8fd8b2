//! Entries of the journal: what they ask about is locked and loaded, [judged](crate::plan), and written, each in a few
//! statements for all of them together.

use std::collections::{BTreeMap, BTreeSet};

use partyline_domain::ports::{Entry, Intent, IntentKind, Recorded};
use partyline_domain::{AgentId, AttemptId, CallId, JournalError, PhoneNumberId};

use super::submit::{Rows, choices, insert};
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
    let leases = leases(tx, asked.numbers.iter().map(PhoneNumberId::as_str).collect()).await?;
    let calls = calls(tx, asked.calls.iter()).await?;
    let events = events(tx, &calls, overwritten(entries(), &calls)).await?;
    let intents = intents(tx, asked.attempts.iter().map(AttemptId::as_str).collect()).await?;
    Ok(Known { calls, leases, intents, events })
}

/// What is known of these calls, which nobody else changes from now on; those that are not there are absent.
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
        " FROM partyline.calls AS c WHERE c.account = $1 AND c.id = ANY($2) ORDER BY c.seq FOR UPDATE"
    ))
    .bind(tx.account)
    .bind(&ids)
    .fetch_all(&mut *tx.connection)
    .await?;
    found.into_iter().map(|record| Ok((codec::id(record.id.clone())?, record.read()?))).collect()
}

async fn events(
    tx: &mut Tx<'_>,
    calls: &BTreeMap<CallId, KnownCall>,
    wanted: Vec<(CallId, u64, u64)>,
) -> Result<BTreeMap<(CallId, u64), Recorded>, Fault> {
    let mut events = BTreeMap::new();
    for (call, after, until) in wanted {
        let Some(seq) = calls.get(&call).and_then(|known| known.seq) else { continue };
        let found: Vec<EventRecord> = sqlx::query_as(
            "SELECT call, version, at, format, payload FROM partyline.events \
             WHERE call = $1 AND version > $2 AND version <= $3",
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

/// Who holds these numbers; nobody else takes them before the end of the transaction.
async fn leases(tx: &mut Tx<'_>, numbers: Vec<&str>) -> Result<BTreeMap<PhoneNumberId, KnownLease>, Fault> {
    let mut leases = BTreeMap::new();
    if numbers.is_empty() {
        return Ok(leases);
    }
    let found: Vec<(String, String, i64, bool)> = sqlx::query_as(
        "SELECT number, owner, epoch, expires_ms > $3 FROM partyline.leases WHERE account = $1 AND number = ANY($2) \
         ORDER BY number FOR SHARE",
    )
    .bind(tx.account)
    .bind(&numbers)
    .bind(tx.now)
    .fetch_all(&mut *tx.connection)
    .await?;
    for (number, owner, epoch, holds) in found {
        let lease = KnownLease { owner: Some(codec::id(owner)?), epoch: codec::count(epoch), holds };
        leases.insert(codec::id(number)?, lease);
    }
    Ok(leases)
}

async fn intents(tx: &mut Tx<'_>, attempts: Vec<&str>) -> Result<BTreeMap<AttemptId, Intent>, Fault> {
    if attempts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<IntentRecord> = sqlx::query_as(
        "SELECT number, opened_ms, send_by_ms, format, payload FROM partyline.intents \
         WHERE account = $1 AND attempt = ANY($2)",
    )
    .bind(tx.account)
    .bind(&attempts)
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
    let mut rows = Rows::default();
    for (call, known) in &new {
        rows.begun(call, known, &choices, tx)?;
    }
    for (call, seq) in insert(tx, rows, 0).await? {
        if let Some((known, _)) = writes.calls.get_mut(&call) {
            known.seq = Some(seq);
        }
    }
    Ok(())
}

async fn write_events(tx: &mut Tx<'_>, writes: &Writes) -> Result<(), Fault> {
    if writes.events.is_empty() {
        return Ok(());
    }
    let (mut seqs, mut versions, mut times, mut payloads) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (call, recorded) in &writes.events {
        seqs.push(writes.calls.get(call).and_then(|(known, _)| known.seq));
        versions.push(codec::stored(recorded.version));
        times.push(codec::nanoseconds(recorded.at));
        payloads.push(codec::json(&recorded.event)?);
    }
    insert_events(tx, seqs, versions, times, payloads).await
}

/// Adds events to calls.
pub(super) async fn insert_events(
    tx: &mut Tx<'_>,
    seqs: Vec<Option<i64>>,
    versions: Vec<i64>,
    times: Vec<i64>,
    payloads: Vec<String>,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO partyline.events (call, version, at, format, payload) \
         SELECT u.call, u.version, u.at, $5, u.payload \
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) AS u (call, version, at, payload)",
    )
    .bind(seqs)
    .bind(versions)
    .bind(times)
    .bind(payloads)
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
    let done = sqlx::query(
        "UPDATE partyline.calls AS c SET version = u.version, updated_at = u.updated_at, state = u.state, \
         stage = u.stage, reason = u.reason, dialed = u.dialed, detail = u.detail, number = u.number, \
         conversation = u.conversation, provider_call_id = u.provider_call_id, proof = u.proof, given_up = u.given_up, \
         owner = u.owner, closed_ms = CASE WHEN u.closed AND NOT c.closed THEN $2 ELSE c.closed_ms END, \
         closed = u.closed, held = c.held AND u.before_dial, changed = pg_current_xact_id()::text::bigint \
         FROM json_to_recordset($1::json) AS u (seq bigint, before bigint, version bigint, updated_at bigint, state text, \
         stage text, reason text, dialed text, detail text, number text, conversation text, provider_call_id text, \
         proof text, given_up boolean, owner text, closed boolean, before_dial boolean) \
         WHERE c.seq = u.seq AND c.version = u.before",
    )
    .bind(codec::json(&rows)?)
    .bind(tx.now)
    .execute(&mut *tx.connection)
    .await?;
    if done.rows_affected() == rows.len() as u64 {
        Ok(())
    } else {
        Err(Fault::met(format!("{} calls of {} have the expected version", done.rows_affected(), rows.len())))
    }
}

/// A call's columns, by the names of the statement above.
fn call_row(known: &KnownCall, before: u64) -> serde_json::Value {
    let progress = &known.progress;
    serde_json::json!({
        "seq": known.seq,
        "before": codec::stored(before),
        "version": codec::stored(progress.version),
        "updated_at": codec::nanoseconds(progress.updated_at),
        "state": progress.state.as_str(),
        "stage": progress.stage.map(partyline_domain::flow::Stage::as_str),
        "reason": progress.reason,
        "dialed": progress.dialed.as_str(),
        "detail": progress.detail.as_deref().map(codec::text),
        "number": progress.number,
        "conversation": progress.conversation,
        "provider_call_id": progress.provider_call_id.as_ref().map(|id| codec::text(id.as_str())),
        "proof": progress.proof.map(crate::archive::ProofWord::as_str),
        "given_up": progress.given_up,
        "owner": known.owner,
        "closed": known.closed,
        "before_dial": progress.before_dial(),
    })
}

async fn write_intents(tx: &mut Tx<'_>, intents: &[Intent]) -> Result<(), Fault> {
    if intents.is_empty() {
        return Ok(());
    }
    let (mut attempts, mut numbers, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    let (mut epochs, mut send_by, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
    for intent in intents {
        attempts.push(intent.attempt.as_str());
        numbers.push(intent.number.as_str());
        calls.push(match &intent.kind {
            IntentKind::Dial(call) => Some(call.as_str()),
            IntentKind::Assign | IntentKind::Restore => None,
        });
        epochs.push(codec::stored(intent.epoch));
        send_by.push(tx.now.saturating_add(codec::milliseconds(intent.within)));
        payloads.push(codec::json(intent)?);
    }
    sqlx::query(
        "INSERT INTO partyline.intents \
         (account, attempt, number, call, epoch, owner, opened_ms, send_by_ms, format, payload) \
         SELECT $1, u.attempt, u.number, u.call, u.epoch, $2, $3, u.send_by, $4, u.payload \
         FROM unnest($5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::text[]) WITH ORDINALITY \
         AS u (attempt, number, call, epoch, send_by, payload, place) ORDER BY u.place",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .bind(tx.now)
    .bind(FORMAT)
    .bind(&attempts)
    .bind(&numbers)
    .bind(&calls)
    .bind(&epochs)
    .bind(&send_by)
    .bind(&payloads)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

async fn resolve(tx: &mut Tx<'_>, attempts: &BTreeSet<AttemptId>) -> Result<(), Fault> {
    if attempts.is_empty() {
        return Ok(());
    }
    let attempts: Vec<&str> = attempts.iter().map(AttemptId::as_str).collect();
    sqlx::query(
        "UPDATE partyline.intents SET resolved_ms = $2 \
         WHERE account = $1 AND resolved_ms IS NULL AND attempt = ANY($3)",
    )
    .bind(tx.account)
    .bind(tx.now)
    .bind(&attempts)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

async fn write_memory(tx: &mut Tx<'_>, memory: &Memory) -> Result<(), Fault> {
    let (number, query) = match memory {
        Memory::Remember(number, agent) => {
            let insert =
                "INSERT INTO partyline.inbound (account, number, agent) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            (
                number,
                sqlx::query(insert).bind(tx.account).bind(number.as_str()).bind(agent.as_ref().map(AgentId::as_str)),
            )
        }
        Memory::Ours(number, agent) => {
            let insert = "INSERT INTO partyline.ours (account, number, agent) SELECT account, number, $3 \
                          FROM partyline.inbound WHERE account = $1 AND number = $2 ON CONFLICT DO NOTHING";
            (number, sqlx::query(insert).bind(tx.account).bind(number.as_str()).bind(agent.as_str()))
        }
        Memory::Forget(number) => {
            let delete = "DELETE FROM partyline.inbound WHERE account = $1 AND number = $2";
            (number, sqlx::query(delete).bind(tx.account).bind(number.as_str()))
        }
    };
    query.execute(&mut *tx.connection).await?;
    if matches!(memory, Memory::Forget(_)) {
        let delete = sqlx::query("DELETE FROM partyline.ours WHERE account = $1 AND number = $2");
        delete.bind(tx.account).bind(number.as_str()).execute(&mut *tx.connection).await?;
    }
    Ok(())
}

/// What was seen of a number that is about to be changed may no longer be so.
async fn write_changed(tx: &mut Tx<'_>, changed: &BTreeMap<PhoneNumberId, Option<AgentId>>) -> Result<(), Fault> {
    for (number, agent) in changed {
        sqlx::query("DELETE FROM partyline.seen WHERE account = $1 AND number = $2")
            .bind(tx.account)
            .bind(number.as_str())
            .execute(&mut *tx.connection)
            .await?;
        sqlx::query(
            "INSERT INTO partyline.numbers (account, number, changed, agent) VALUES ($1, $2, true, $3) \
             ON CONFLICT (account, number) DO UPDATE SET changed = true, agent = excluded.agent",
        )
        .bind(tx.account)
        .bind(number.as_str())
        .bind(agent.as_ref().map(AgentId::as_str))
        .execute(&mut *tx.connection)
        .await?;
    }
    Ok(())
}
