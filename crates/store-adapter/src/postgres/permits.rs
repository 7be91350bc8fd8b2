//! Permits that hold over all processes of an account, and turns of rates.

use std::time::Duration;

use partyline_domain::AttemptId;

use super::transaction::Tx;
use crate::codec;
use crate::error::Fault;
use crate::policy::{self, LATENESS_MS};
use crate::work::{Pace, PermitLimits};

/// Grants a permit, where there is one left; again where it was granted before.
pub(super) async fn grant(tx: &mut Tx<'_>, attempt: &AttemptId, limits: PermitLimits) -> Result<bool, Fault> {
    let has = sqlx::query_scalar("SELECT count(*) FROM partyline.permits WHERE account = $1 AND attempt = $2");
    let has: i64 = has.bind(tx.account).bind(attempt.as_str()).fetch_one(&mut *tx.connection).await?;
    if has > 0 {
        return Ok(true);
    }
    // One counts at a time.
    sqlx::query("SELECT 1 FROM partyline.accounts WHERE id = $1 FOR NO KEY UPDATE")
        .bind(tx.account)
        .execute(&mut *tx.connection)
        .await?;
    free_of_the_dead(tx).await?;
    let (granted, in_flight, live): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM partyline.permits WHERE account = $1), \
         (SELECT count(*) FROM partyline.permits AS p WHERE p.account = $1 AND NOT EXISTS (SELECT 1 FROM partyline.calls AS c \
         WHERE c.account = $1 AND c.id = p.call AND c.state IN ('initiated', 'unknown', 'failed'))), \
         (SELECT count(*) FROM partyline.calls AS c \
         WHERE c.account = $1 AND NOT c.closed AND c.state IN ('in_doubt', 'initiated', 'unknown') \
         AND NOT EXISTS (SELECT 1 FROM partyline.permits AS p WHERE p.account = $1 AND p.call = c.id))",
    )
    .bind(tx.account)
    .fetch_one(&mut *tx.connection)
    .await?;
    let fits = |limit: Option<usize>, used: i64| limit.is_none_or(|limit| used < codec::limit(limit.max(1)));
    if !(fits(limits.in_flight, in_flight) && fits(limits.live, granted + live)) {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO partyline.permits (account, attempt, call, owner, granted_ms) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tx.account)
    .bind(attempt.as_str())
    .bind(policy::call_of(attempt))
    .bind(tx.me.as_str())
    .bind(tx.now)
    .execute(&mut *tx.connection)
    .await?;
    Ok(true)
}

/// Frees the permits of processes that hold nothing any more, once their dials can no longer take effect.
async fn free_of_the_dead(tx: &mut Tx<'_>) -> Result<(), Fault> {
    sqlx::query(
        "DELETE FROM partyline.permits AS p WHERE p.account = $1 AND p.owner <> $2 \
         AND NOT EXISTS (SELECT 1 FROM partyline.leases AS l \
         WHERE l.account = $1 AND l.owner = p.owner AND l.expires_ms > $3) \
         AND NOT EXISTS (SELECT 1 FROM partyline.intents AS i WHERE i.account = $1 AND i.attempt = p.attempt \
         AND i.resolved_ms IS NULL AND i.send_by_ms + $4 > $3)",
    )
    .bind(tx.account)
    .bind(tx.me.as_str())
    .bind(tx.now)
    .bind(LATENESS_MS)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

pub(super) async fn give_back(tx: &mut Tx<'_>, attempt: &AttemptId) -> Result<(), Fault> {
    let delete = sqlx::query("DELETE FROM partyline.permits WHERE account = $1 AND attempt = $2 AND owner = $3");
    let delete = delete.bind(tx.account).bind(attempt.as_str()).bind(tx.me.as_str());
    tx.wakes |= delete.execute(&mut *tx.connection).await?.rows_affected() > 0;
    Ok(())
}

/// Takes turns of a rate: how many, and how long until the first of them, or until there is one to be taken.
pub(super) async fn pace(tx: &mut Tx<'_>, pace: Pace) -> Result<(u32, Duration), Fault> {
    // The first one makes the row; all others wait for its lock.
    sqlx::query("INSERT INTO partyline.rates (account, kind, next_us) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING")
        .bind(tx.account)
        .bind(pace.kind)
        .execute(&mut *tx.connection)
        .await?;
    let (next, now): (i64, i64) = sqlx::query_as(
        "SELECT next_us, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM partyline.rates \
         WHERE account = $1 AND kind = $2 FOR UPDATE",
    )
    .bind(tx.account)
    .bind(pace.kind)
    .fetch_one(&mut *tx.connection)
    .await?;
    let (turns, first) = policy::turns(now, Some(next), pace.interval, pace.horizon, pace.turns);
    if turns > 0 {
        sqlx::query("UPDATE partyline.rates SET next_us = $3 WHERE account = $1 AND kind = $2")
            .bind(tx.account)
            .bind(pace.kind)
            .bind(policy::after(first, turns, pace.interval))
            .execute(&mut *tx.connection)
            .await?;
    }
    Ok((turns, Duration::from_micros(codec::count(first.saturating_sub(now)))))
}
