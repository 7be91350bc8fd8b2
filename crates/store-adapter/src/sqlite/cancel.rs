//! Calls that somebody cancels, one by one or all of a batch.

use partyline_domain::flow::{CallEvent, Dialed, FailureReason, WithdrawReason};
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
        Some(owner) => claim::dead(tx).await?.contains(owner.as_str()),
    };
    if !is_free || !known.progress.before_dial() {
        sqlx::query("UPDATE calls SET cancel = 1, held = 0 WHERE account = $1 AND id = $2")
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
    let dead = codec::json(&claim::dead(tx).await?)?;
    let tick = tx.tick().await?;
    sqlx::query("UPDATE batches SET state = 'cancelled' WHERE account = $1 AND id = $2")
        .bind(tx.account)
        .bind(batch.as_str())
        .execute(&mut *tx.connection)
        .await?;
    // The event first: it goes by the calls as they are. `Progress::withdraw` says the same.
    sqlx::query(
        "INSERT INTO events (call, version, at, format, payload) SELECT seq, version + 1, $3, $4, $5 FROM calls \
         WHERE account = $1 AND batch = $2 AND state IN ('waiting', 'verified', 'assigned') AND closed = 0 \
         AND (owner IS NULL OR owner IN (SELECT value FROM json_each($6)))",
    )
    .bind(tx.account)
    .bind(batch.as_str())
    .bind(codec::nanoseconds(at))
    .bind(FORMAT)
    .bind(codec::json(&event())?)
    .bind(&dead)
    .execute(&mut *tx.connection)
    .await?;
    let withdrawn = sqlx::query(
        "UPDATE calls SET version = version + 1, updated_at = $3, reason = $4, detail = $5, closed = 1, closed_ms = $6, \
         owner = NULL, held = 0, changed = $7, \
         stage = CASE state WHEN 'waiting' THEN 'verify' WHEN 'verified' THEN 'assign' ELSE 'initiate' END, \
         state = CASE WHEN given_up THEN 'unknown' ELSE 'failed' END, dialed = CASE WHEN given_up THEN $8 ELSE $9 END \
         WHERE account = $1 AND batch = $2 AND state IN ('waiting', 'verified', 'assigned') AND closed = 0 \
         AND (owner IS NULL OR owner IN (SELECT value FROM json_each($10)))",
    )
    .bind(tx.account)
    .bind(batch.as_str())
    .bind(codec::nanoseconds(at))
    .bind(FailureReason::Cancelled.as_str())
    .bind(WITHDRAWN)
    .bind(tx.now)
    .bind(tick)
    .bind(Dialed::Unknown.as_str())
    .bind(Dialed::No.as_str())
    .bind(&dead)
    .execute(&mut *tx.connection)
    .await?;
    let asked = sqlx::query(
        "UPDATE calls SET cancel = 1, held = 0, changed = $3 WHERE account = $1 AND batch = $2 AND closed = 0 \
         AND state IN ('waiting', 'verified', 'assigned', 'dialling', 'in_doubt')",
    )
    .bind(tx.account)
    .bind(batch.as_str())
    .bind(tick)
    .execute(&mut *tx.connection)
    .await?;
    Ok((withdrawn.rows_affected(), asked.rows_affected()))
}
