//! What is old is thrown away, a few hundred calls at a time.

use std::collections::BTreeSet;

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
        "DELETE FROM partyline.intents WHERE seq = ANY(ARRAY(SELECT seq FROM partyline.intents \
         WHERE account = $1 AND resolved_ms < $2 ORDER BY resolved_ms LIMIT $3))",
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
        "DELETE FROM partyline.calls WHERE seq = ANY(ARRAY(SELECT seq FROM partyline.calls \
         WHERE account = $1 AND closed AND closed_ms <= $2 ORDER BY closed_ms LIMIT $3 FOR UPDATE)) RETURNING seq, batch",
    )
    .bind(tx.account)
    .bind(before)
    .bind(i64::from(most))
    .fetch_all(&mut *tx.connection)
    .await?;
    let deleted = gone.len() as u64;
    let batches: BTreeSet<String> = gone.into_iter().filter_map(|(_, batch)| batch).collect();
    let emptied = sqlx::query(
        "DELETE FROM partyline.batches AS b WHERE b.account = $1 AND b.id = ANY($2) \
         AND NOT EXISTS (SELECT 1 FROM partyline.calls AS c WHERE c.account = $1 AND c.batch = b.id)",
    )
    .bind(tx.account)
    .bind(batches.into_iter().collect::<Vec<_>>())
    .execute(&mut *tx.connection)
    .await?;
    Ok((deleted, emptied.rows_affected()))
}

/// Erases callees, in the column and in the event that asked for the call.
async fn redact(tx: &mut Tx<'_>, before: i64, most: u32) -> Result<u64, Fault> {
    let found: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT c.seq, e.format, e.payload FROM partyline.calls AS c \
         JOIN partyline.events AS e ON e.call = c.seq AND e.version = 1 \
         WHERE c.account = $1 AND c.closed AND c.callee <> 'erased' AND c.closed_ms <= $2 ORDER BY c.closed_ms LIMIT $3",
    )
    .bind(tx.account)
    .bind(before)
    .bind(i64::from(most))
    .fetch_all(&mut *tx.connection)
    .await?;
    let (mut seqs, mut payloads) = (Vec::new(), Vec::new());
    for (seq, format, payload) in found {
        let mut event: CallEvent = codec::read(format, &payload)?;
        if let CallEvent::CallRequested { request } = &mut event {
            request.to = PhoneNumber::ERASED;
        }
        seqs.push(seq);
        payloads.push(codec::json(&event)?);
    }
    sqlx::query(
        "UPDATE partyline.events AS e SET format = $3, payload = u.payload \
         FROM unnest($1::bigint[], $2::text[]) AS u (call, payload) WHERE e.call = u.call AND e.version = 1",
    )
    .bind(&seqs)
    .bind(&payloads)
    .bind(FORMAT)
    .execute(&mut *tx.connection)
    .await?;
    sqlx::query("UPDATE partyline.calls SET callee = $2 WHERE seq = ANY($1)")
        .bind(&seqs)
        .bind(PhoneNumber::ERASED.e164())
        .execute(&mut *tx.connection)
        .await?;
    Ok(seqs.len() as u64)
}
