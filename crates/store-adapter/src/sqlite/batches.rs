//! Batches: opened, held up, let go on.

use partyline_domain::BatchId;

use super::transaction::Tx;
use crate::archive::{BatchState, NewBatch};
use crate::codec;
use crate::error::Fault;

/// Opens a batch; one that is open stays as it is.
pub(super) async fn open(tx: &mut Tx<'_>, batch: &NewBatch) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO batches (account, id, seq, file, total, options, created_at, opened_ms, state) \
         SELECT $1, $2, COALESCE(max(seq), 0) + 1, $3, $4, $5, $6, $7, 'running' FROM batches WHERE account = $1 \
         ON CONFLICT DO NOTHING",
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
        "UPDATE batches SET state = CASE state WHEN 'cancelled' THEN state ELSE $3 END \
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
        "UPDATE calls SET held = $3 WHERE account = $1 AND batch = $2 AND closed = 0 AND owner IS NULL AND held <> $3 \
         AND cancel = 0 AND state IN ('waiting', 'verified', 'assigned')",
    )
    .bind(tx.account)
    .bind(batch.as_str())
    .bind(held)
    .execute(&mut *tx.connection)
    .await?;
    Ok(true)
}
