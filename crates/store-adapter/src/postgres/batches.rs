//! Batches: opened, held up, let go on.

use partyline_domain::BatchId;

use super::transaction::Tx;
use crate::archive::{BatchState, NewBatch};
use crate::codec;
use crate::error::Fault;

/// Opens a batch; one that is open stays as it is.
pub(super) async fn open(tx: &mut Tx<'_>, batch: &NewBatch) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO partyline.batches (account, id, file, total, options, created_at, opened_ms, state) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'running') ON CONFLICT DO NOTHING",
    )
    .bind(tx.account)
    .bind(batch.id.as_str())
    .bind(codec::text(&batch.file))
    .bind(codec::stored(batch.rows))
    .bind(codec::text(&batch.options))
    .bind(codec::nanoseconds(batch.created_at))
    .bind(tx.now)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// Lets a batch go on or holds it up; whether there is one. Calls whose dial may have been sent are not held up: they have
/// to be brought to their ends.
pub(super) async fn set(tx: &mut Tx<'_>, batch: &BatchId, state: BatchState) -> Result<bool, Fault> {
    tx.wakes = true;
    let found: Option<String> = sqlx::query_scalar(
        "UPDATE partyline.batches SET state = CASE state WHEN 'cancelled' THEN state ELSE $3 END \
         WHERE account = $1 AND id = $2 RETURNING state",
    )
    .bind(tx.account)
    .bind(batch.as_str())
    .bind(state.as_str())
    .fetch_optional(&mut *tx.connection)
    .await?;
    let Some(state) = found else { return Ok(false) };
    let held = state != BatchState::Running.as_str();
    sqlx::query(
        "UPDATE partyline.calls SET held = $3 WHERE seq = ANY(ARRAY(SELECT seq FROM partyline.calls \
         WHERE account = $1 AND batch = $2 AND NOT closed AND owner IS NULL AND held <> $3 AND NOT cancel \
         AND state IN ('waiting', 'verified', 'assigned') ORDER BY seq FOR UPDATE))",
    )
    .bind(tx.account)
    .bind(batch.as_str())
    .bind(held)
    .execute(&mut *tx.connection)
    .await?;
    Ok(true)
}
