//! What is old is thrown away, a few hundred calls at a time.

use partyline_domain::PhoneNumber;
use partyline_domain::flow::CallEvent;

use super::transaction::Tx;
use crate::archive::{Purge, Purged};
use crate::codec::{self, FORMAT};
use crate::error::Fault;
use crate::policy::RESOLVED_KEPT_MS;

/// Throws away at most `most` calls; what was thrown away, and whether there is more.
pub(super) async fn run(tx: &mut Tx<'_>, purge: &Purge, most: u32) -> Result<(Purged, bool), Fault> {
    let mut purged = Purged::default();
    let before = |tx: &Tx<'_>, age| tx.now.saturating_sub(codec::milliseconds(age));
    if let Some(age) = purge.delete_after {
        (purged.deleted, purged.batches) = delete(tx, before(tx, age), most).await?;
    }
    if let Some(age) = purge.redact_after.filter(|_| purged.deleted == 0) {
        purged.redacted = redact(tx, before(tx, age), most).await?;
    }
    sqlx::query(
        "DELETE FROM intents WHERE seq IN \
         (SELECT seq FROM intents WHERE account = $1 AND resolved_ms < $2 ORDER BY resolved_ms LIMIT $3)",
    )
    .bind(tx.account)
    .bind(tx.now.saturating_sub(RESOLVED_KEPT_MS))
    .bind(i64::from(most) * 4)
    .execute(&mut *tx.connection)
    .await?;
    Ok((purged, purged.deleted + purged.redacted > 0))
}

async fn delete(tx: &mut Tx<'_>, before: i64, most: u32) -> Result<(u64, u64), Fault> {
    let gone: Vec<(i64, Option<String>)> = sqlx::query_as(
        "SELECT seq, batch FROM calls WHERE account = $1 AND closed = 1 AND closed_ms <= $2 ORDER BY closed_ms LIMIT $3",
    )
    .bind(tx.account)
    .bind(before)
    .bind(i64::from(most))
    .fetch_all(&mut *tx.connection)
    .await?;
    if gone.is_empty() {
        return Ok((0, 0));
    }
    let seqs: Vec<i64> = gone.iter().map(|(seq, _)| *seq).collect();
    let delete = sqlx::query("DELETE FROM calls WHERE seq IN (SELECT value FROM json_each($1))");
    let deleted = delete.bind(codec::json(&seqs)?).execute(&mut *tx.connection).await?.rows_affected();
    let batches: std::collections::BTreeSet<String> = gone.into_iter().filter_map(|(_, batch)| batch).collect();
    let emptied = sqlx::query(
        "DELETE FROM batches WHERE account = $1 AND id IN (SELECT value FROM json_each($2)) \
         AND NOT EXISTS (SELECT 1 FROM calls AS c WHERE c.account = $1 AND c.batch = batches.id)",
    )
    .bind(tx.account)
    .bind(codec::json(&batches)?)
    .execute(&mut *tx.connection)
    .await?;
    Ok((deleted, emptied.rows_affected()))
}

/// Erases callees, in the column and in the event that asked for the call.
async fn redact(tx: &mut Tx<'_>, before: i64, most: u32) -> Result<u64, Fault> {
    let found: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT c.seq, e.format, e.payload FROM calls AS c JOIN events AS e ON e.call = c.seq AND e.version = 1 \
         WHERE c.account = $1 AND c.closed = 1 AND c.callee <> 'erased' AND c.closed_ms <= $2 ORDER BY c.closed_ms LIMIT $3",
    )
    .bind(tx.account)
    .bind(before)
    .bind(i64::from(most))
    .fetch_all(&mut *tx.connection)
    .await?;
    let mut rows = Vec::with_capacity(found.len());
    for (seq, format, payload) in &found {
        let mut event: CallEvent = codec::read(*format, payload)?;
        if let CallEvent::CallRequested { request } = &mut event {
            request.to = PhoneNumber::ERASED;
        }
        rows.push((seq, codec::json(&event)?));
    }
    let rows = codec::json(&rows)?;
    sqlx::query(
        "UPDATE events SET format = $1, payload = u.row ->> 1 FROM (SELECT value AS row FROM json_each($2)) AS u \
         WHERE events.call = u.row ->> 0 AND events.version = 1",
    )
    .bind(FORMAT)
    .bind(&rows)
    .execute(&mut *tx.connection)
    .await?;
    sqlx::query("UPDATE calls SET callee = $1 WHERE seq IN (SELECT value ->> 0 FROM json_each($2))")
        .bind(PhoneNumber::ERASED.e164())
        .bind(&rows)
        .execute(&mut *tx.connection)
        .await?;
    Ok(found.len() as u64)
}
