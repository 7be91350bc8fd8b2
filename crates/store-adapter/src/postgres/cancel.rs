//! Calls that somebody cancels, one by one or all of a batch.

use partyline_domain::flow::{CallEvent, FailureReason, WithdrawReason};
use partyline_domain::ports::{CancelAnswer, Recorded};
use partyline_domain::{BatchId, CallId, Timestamp};

use super::transaction::Tx;
use super::{claim, commit};
use crate::codec::{self, FORMAT};
use crate::error::Fault;
use crate::plan::Writes;
use crate::policy::WITHDRAWN;

fn event() -> CallEvent {
    CallEvent::CallWithdrawn { reason: WithdrawReason::Cancelled, detail: WITHDRAWN.to_owned() }
}

/// Cancels a call or asks for it; see [`partyline_domain::ports::Store::cancel`]. A call that no process has but whose dial
/// may have been sent cannot be withdrawn: whoever takes it is told of the wish.
pub(super) async fn one(tx: &mut Tx<'_>, call: &CallId, at: Timestamp) -> Result<CancelAnswer, Fault> {
    let Some(mut known) = commit::calls(tx, std::iter::once(call)).await?.remove(call) else {
        return Ok(CancelAnswer::Unknown);
    };
    if known.closed || known.progress.state.has_ended() {
        return Ok(CancelAnswer::Ended);
    }
    tx.wakes = true;
    let is_free = match &known.owner {
        None => true,
        Some(owner) => claim::dead(tx).await?.iter().any(|dead| dead == owner.as_str()),
    };
    if !is_free || !known.progress.before_dial() {
        sqlx::query("UPDATE partyline.calls SET cancel = true, held = false WHERE account = $1 AND id = $2")
            .bind(tx.account)
            .bind(call.as_str())
            .execute(&mut *tx.connection)
            .await?;
        return Ok(CancelAnswer::Asked);
    }
    let before = known.progress.version;
    let recorded = Recorded { version: before + 1, at, event: event() };
    known.progress.apply(&recorded);
    known.closed = true;
    known.owner = None;
    let mut writes = Writes { remote: true, events: vec![(call.clone(), recorded)], ..Writes::default() };
    writes.calls.insert(call.clone(), (known, before));
    commit::write(tx, writes).await?;
    Ok(CancelAnswer::Withdrawn)
}

/// Cancels all calls of a batch; how many were withdrawn, and how many are asked for.
pub(super) async fn batch(tx: &mut Tx<'_>, batch: &BatchId, at: Timestamp) -> Result<(u64, u64), Fault> {
    tx.wakes = true;
    let dead = claim::dead(tx).await?;
    sqlx::query("UPDATE partyline.batches SET state = 'cancelled' WHERE account = $1 AND id = $2")
        .bind(tx.account)
        .bind(batch.as_str())
        .execute(&mut *tx.connection)
        .await?;
    let free: Vec<i64> = sqlx::query_scalar(
        "SELECT seq FROM partyline.calls WHERE account = $1 AND batch = $2 AND NOT closed \
         AND state IN ('waiting', 'verified', 'assigned') AND (owner IS NULL OR owner = ANY($3)) ORDER BY seq FOR UPDATE",
    )
    .bind(tx.account)
    .bind(batch.as_str())
    .bind(&dead)
    .fetch_all(&mut *tx.connection)
    .await?;
    // `Progress::withdraw` says the same.
    sqlx::query(
        "WITH gone AS (UPDATE partyline.calls SET version = version + 1, updated_at = $2, reason = $3, detail = $4, \
         closed = true, closed_ms = $5, owner = NULL, held = false, changed = pg_current_xact_id()::text::bigint, \
         stage = CASE state WHEN 'waiting' THEN 'verify' WHEN 'verified' THEN 'assign' ELSE 'initiate' END, \
         state = CASE WHEN given_up THEN 'unknown' ELSE 'failed' END, \
         dialed = CASE WHEN given_up THEN 'unknown' ELSE 'no' END WHERE seq = ANY($1) RETURNING seq, version) \
         INSERT INTO partyline.events (call, version, at, format, payload) SELECT seq, version, $2, $6, $7 FROM gone",
    )
    .bind(&free)
    .bind(codec::nanoseconds(at))
    .bind(FailureReason::Cancelled.as_str())
    .bind(WITHDRAWN)
    .bind(tx.now)
    .bind(FORMAT)
    .bind(codec::json(&event())?)
    .execute(&mut *tx.connection)
    .await?;
    let asked = sqlx::query(
        "UPDATE partyline.calls SET cancel = true, held = false, changed = pg_current_xact_id()::text::bigint \
         WHERE seq = ANY(ARRAY(SELECT seq FROM partyline.calls WHERE account = $1 AND batch = $2 AND NOT closed \
         AND state IN ('waiting', 'verified', 'assigned', 'dialling', 'in_doubt') ORDER BY seq FOR UPDATE))",
    )
    .bind(tx.account)
    .bind(batch.as_str())
    .execute(&mut *tx.connection)
    .await?;
    Ok((free.len() as u64, asked.rows_affected()))
}
