//! Lists of calls and batches.

use partyline_domain::ports::Recorded;
use partyline_domain::{BatchId, CallId};
use sqlx::{PgPool, Postgres, QueryBuilder};

use super::reads::moment;
use crate::archive::{Batch, BatchCursor, CallFilter, CallRow, StateWord};
use crate::codec::{self, BatchRecord, CallRecord, EventRecord};
use crate::error::Fault;
use crate::policy::FOUND_MAX;

const CALLS: &str = concat!(
    "SELECT ",
    codec::call_columns!(),
    " FROM partyline.calls AS c JOIN partyline.choices AS h ON h.id = c.choice WHERE c.account = "
);

/// The calls that match.
pub(super) async fn calls(pool: &PgPool, account: i64, filter: &CallFilter) -> Result<Vec<CallRow>, Fault> {
    let mut query: QueryBuilder<Postgres> = QueryBuilder::new(CALLS);
    query.push_bind(account);
    narrow(&mut query, filter);
    let (than, order) = if filter.oldest_first { (" > ", " ASC") } else { (" < ", " DESC") };
    if let Some(after) = &filter.after {
        query.push(" AND c.seq").push(than).push("(SELECT seq FROM partyline.calls WHERE account = ");
        query.push_bind(account).push(" AND id = ").push_bind(after.as_str().to_owned()).push(")");
    }
    query.push(" ORDER BY c.seq").push(order);
    query.push(" LIMIT ").push_bind(filter.limit.map(codec::limit));
    let found: Vec<CallRecord> = query.build_query_as().fetch_all(pool).await?;
    found.into_iter().map(CallRecord::read).collect()
}

fn narrow(query: &mut QueryBuilder<Postgres>, filter: &CallFilter) {
    if !filter.states.is_empty() {
        let states: Vec<&str> = filter.states.iter().map(|state| StateWord::as_str(*state)).collect();
        query.push(" AND c.state = ANY(").push_bind(states).push(")");
    }
    if let Some(agent) = &filter.agent {
        query.push(" AND c.agent = ").push_bind(agent.as_str().to_owned());
    }
    if let Some(number) = &filter.number {
        query.push(" AND (c.number = ").push_bind(number.as_str().to_owned());
        query.push(" OR c.number IS NULL AND c.choice IN (SELECT choice FROM partyline.choice_numbers WHERE number = ");
        query.push_bind(number.as_str().to_owned()).push("))");
    }
    if let Some(batch) = &filter.batch {
        query.push(" AND c.batch = ").push_bind(batch.as_str().to_owned());
    }
    if let Some(to) = &filter.to {
        query.push(" AND c.callee = ").push_bind(to.e164().to_owned());
    }
    if let Some(since) = filter.since {
        query.push(" AND c.submitted_at >= ").push_bind(codec::nanoseconds(since));
    }
    if let Some(until) = filter.until {
        query.push(" AND c.submitted_at < ").push_bind(codec::nanoseconds(until));
    }
    if filter.open_only {
        query.push(" AND NOT c.closed");
    }
}

/// A call with its events.
pub(super) async fn call(
    pool: &PgPool,
    account: i64,
    call: &CallId,
) -> Result<Option<(CallRow, Vec<Recorded>)>, Fault> {
    let mut tx = moment(pool).await?;
    let found: Option<CallRecord> = sqlx::query_as(concat!(
        "SELECT ",
        codec::call_columns!(),
        " FROM partyline.calls AS c JOIN partyline.choices AS h ON h.id = c.choice WHERE c.account = $1 AND c.id = $2"
    ))
    .bind(account)
    .bind(call.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(record) = found else { return Ok(None) };
    let events: Vec<EventRecord> = sqlx::query_as(
        "SELECT call, version, at, format, payload FROM partyline.events WHERE call = $1 ORDER BY version",
    )
    .bind(record.seq)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let events = events.into_iter().map(EventRecord::read).collect::<Result<_, _>>()?;
    Ok(Some((record.read()?, events)))
}

/// Ids that begin with this.
pub(super) async fn find(pool: &PgPool, account: i64, prefix: &str) -> Result<Vec<CallId>, Fault> {
    let prefix = codec::text(prefix);
    let found = match codec::after_prefix(&prefix) {
        Some(end) => sqlx::query_scalar(
            "SELECT id FROM partyline.calls WHERE account = $1 AND id >= $3 AND id < $4 AND choice IS NOT NULL \
             ORDER BY seq + 0 DESC LIMIT $2",
        )
        .bind(account)
        .bind(FOUND_MAX)
        .bind(prefix)
        .bind(end),
        None => sqlx::query_scalar(
            "SELECT id FROM partyline.calls WHERE account = $1 AND choice IS NOT NULL ORDER BY seq DESC LIMIT $2",
        )
        .bind(account)
        .bind(FOUND_MAX),
    };
    let found: Vec<String> = found.fetch_all(pool).await?;
    found.into_iter().map(codec::id).collect()
}

/// Batches with their counts, newest first.
pub(super) async fn batches(
    pool: &PgPool,
    account: i64,
    only: Option<&BatchId>,
    unfinished: bool,
    limit: usize,
) -> Result<Vec<Batch>, Fault> {
    let found: Vec<BatchRecord> = sqlx::query_as(
        "SELECT b.id, b.file, b.total, b.options, b.created_at, b.state AS batch_state, n.* \
         FROM (SELECT * FROM partyline.batches AS w WHERE w.account = $1 AND ($2::text IS NULL OR w.id = $2) \
         AND (NOT $3 OR w.state <> 'cancelled' AND (EXISTS (SELECT 1 FROM partyline.calls AS o \
         WHERE o.account = $1 AND o.batch = w.id AND o.state IN ('waiting', 'verified', 'assigned', 'dialling', 'in_doubt')) \
         OR (SELECT count(*) FROM partyline.calls AS o WHERE o.account = $1 AND o.batch = w.id) < w.total)) \
         ORDER BY w.opened_ms DESC, w.seq DESC LIMIT $4) AS b \
         CROSS JOIN LATERAL (SELECT count(*) AS calls, count(*) FILTER (WHERE c.state = 'waiting') AS waiting, \
         count(*) FILTER (WHERE c.state IN ('verified', 'assigned', 'dialling', 'in_doubt')) AS running, \
         count(*) FILTER (WHERE c.state = 'initiated') AS initiated, \
         count(*) FILTER (WHERE c.state = 'failed') AS failed, count(*) FILTER (WHERE c.state = 'unknown') AS unknown, \
         count(*) FILTER (WHERE c.closed) AS closed_calls \
         FROM partyline.calls AS c WHERE c.account = $1 AND c.batch = b.id) AS n \
         ORDER BY b.opened_ms DESC, b.seq DESC",
    )
    .bind(account)
    .bind(only.map(BatchId::as_str))
    .bind(unfinished)
    .bind(codec::limit(limit))
    .fetch_all(pool)
    .await?;
    found.into_iter().map(BatchRecord::read).collect()
}

/// A batch's calls behind a line.
pub(super) async fn batch_calls(
    pool: &PgPool,
    account: i64,
    batch: &BatchId,
    after: u64,
    limit: usize,
) -> Result<Vec<CallRow>, Fault> {
    let found: Vec<CallRecord> = sqlx::query_as(concat!(
        "SELECT ",
        codec::call_columns!(),
        " FROM partyline.calls AS c JOIN partyline.choices AS h ON h.id = c.choice \
         WHERE c.account = $1 AND c.batch = $2 AND c.line > $3 ORDER BY c.line, c.seq LIMIT $4"
    ))
    .bind(account)
    .bind(batch.as_str())
    .bind(codec::stored(after))
    .bind(codec::limit(limit))
    .fetch_all(pool)
    .await?;
    found.into_iter().map(CallRecord::read).collect()
}

/// A batch's calls that have changed. A transaction may become visible after one that began later: when all pages are read,
/// the next one begins again behind the oldest transaction that was still under way. What is younger than that is told
/// again until it has ended.
pub(super) async fn batch_changed(
    pool: &PgPool,
    account: i64,
    batch: &BatchId,
    since: BatchCursor,
    limit: usize,
) -> Result<(Vec<CallRow>, BatchCursor), Fault> {
    let mut tx = moment(pool).await?;
    let under_way: i64 =
        sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetch_one(&mut *tx).await?;
    let found: Vec<CallRecord> = sqlx::query_as(concat!(
        "SELECT ",
        codec::call_columns!(),
        " FROM partyline.calls AS c JOIN partyline.choices AS h ON h.id = c.choice \
         WHERE c.account = $1 AND c.batch = $2 AND (c.changed, c.seq) > ($3, $4) ORDER BY c.changed, c.seq LIMIT $5"
    ))
    .bind(account)
    .bind(batch.as_str())
    .bind(since.at.0)
    .bind(since.at.1)
    .bind(codec::limit(limit))
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let place = |record: &CallRecord| (record.changed, record.seq);
    // Beyond the first place where something could still come in, nothing is settled until the next time round.
    let settled = match found.iter().rfind(|record| record.changed < under_way) {
        Some(record) if since.at == since.settled => place(record),
        _ => since.settled,
    };
    let is_last = found.len() < limit;
    let at = found.last().filter(|_| !is_last).map_or(settled, place);
    let cursor = BatchCursor { at, settled };
    Ok((found.into_iter().map(CallRecord::read).collect::<Result<_, _>>()?, cursor))
}
