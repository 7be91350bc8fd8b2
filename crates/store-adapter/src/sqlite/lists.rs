//! Lists of calls and batches.

use partyline_domain::ports::Recorded;
use partyline_domain::{BatchId, CallId};
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use crate::archive::{Batch, BatchCursor, CallFilter, CallRow, StateWord};
use crate::codec::{self, BatchRecord, CallRecord, EventRecord};
use crate::error::Fault;
use crate::policy::FOUND_MAX;

const CALLS: &str = concat!(
    "SELECT ",
    codec::call_columns!(),
    " FROM calls AS c JOIN choices AS h ON h.id = c.choice WHERE c.account = "
);

/// The calls that match.
pub(super) async fn calls(pool: &SqlitePool, account: i64, filter: &CallFilter) -> Result<Vec<CallRow>, Fault> {
    let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(CALLS);
    query.push_bind(account);
    narrow(&mut query, filter);
    let (than, order) = if filter.oldest_first { (" > ", " ASC") } else { (" < ", " DESC") };
    if let Some(after) = &filter.after {
        query.push(" AND c.seq").push(than).push("(SELECT seq FROM calls WHERE account = ").push_bind(account);
        query.push(" AND id = ").push_bind(after.as_str().to_owned()).push(")");
    }
    query.push(" ORDER BY c.seq").push(order);
    query.push(" LIMIT ").push_bind(filter.limit.map_or(-1, codec::limit));
    let found: Vec<CallRecord> = query.build_query_as().fetch_all(pool).await?;
    found.into_iter().map(CallRecord::read).collect()
}

fn narrow(query: &mut QueryBuilder<Sqlite>, filter: &CallFilter) {
    if !filter.states.is_empty() {
        query.push(" AND c.state IN (");
        let mut states = query.separated(", ");
        for state in &filter.states {
            states.push_bind(StateWord::as_str(*state));
        }
        query.push(")");
    }
    if let Some(agent) = &filter.agent {
        query.push(" AND c.agent = ").push_bind(agent.as_str().to_owned());
    }
    if let Some(number) = &filter.number {
        query.push(" AND (c.number = ").push_bind(number.as_str().to_owned());
        query.push(" OR c.number IS NULL AND c.choice IN (SELECT choice FROM choice_numbers WHERE number = ");
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
        query.push(" AND c.closed = 0");
    }
}

/// A call with its events.
pub(super) async fn call(
    pool: &SqlitePool,
    account: i64,
    call: &CallId,
) -> Result<Option<(CallRow, Vec<Recorded>)>, Fault> {
    let mut tx = pool.begin().await?;
    let found: Option<CallRecord> = sqlx::query_as(concat!(
        "SELECT ",
        codec::call_columns!(),
        " FROM calls AS c JOIN choices AS h ON h.id = c.choice WHERE c.account = $1 AND c.id = $2"
    ))
    .bind(account)
    .bind(call.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(record) = found else { return Ok(None) };
    let events =
        sqlx::query_as("SELECT call, version, at, format, payload FROM events WHERE call = $1 ORDER BY version");
    let events: Vec<EventRecord> = events.bind(record.seq).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    let events = events.into_iter().map(EventRecord::read).collect::<Result<_, _>>()?;
    Ok(Some((record.read()?, events)))
}

/// Ids that begin with this.
pub(super) async fn find(pool: &SqlitePool, account: i64, prefix: &str) -> Result<Vec<CallId>, Fault> {
    let found = match codec::after_prefix(prefix) {
        Some(end) => sqlx::query_scalar(
            "SELECT id FROM calls WHERE account = $1 AND id >= $3 AND id < $4 AND choice IS NOT NULL \
             ORDER BY +seq DESC LIMIT $2",
        )
        .bind(account)
        .bind(FOUND_MAX)
        .bind(prefix)
        .bind(end),
        None => sqlx::query_scalar(
            "SELECT id FROM calls WHERE account = $1 AND choice IS NOT NULL ORDER BY seq DESC LIMIT $2",
        )
        .bind(account)
        .bind(FOUND_MAX),
    };
    let found: Vec<String> = found.fetch_all(pool).await?;
    found.into_iter().map(codec::id).collect()
}

/// Batches with their counts, newest first.
pub(super) async fn batches(
    pool: &SqlitePool,
    account: i64,
    only: Option<&BatchId>,
    unfinished: bool,
    limit: usize,
) -> Result<Vec<Batch>, Fault> {
    let found: Vec<BatchRecord> = sqlx::query_as(
        "SELECT b.id, b.file, b.total, b.options, b.created_at, b.state AS batch_state, count(c.seq) AS calls, \
         COALESCE(sum(c.state = 'waiting'), 0) AS waiting, \
         COALESCE(sum(c.state IN ('verified', 'assigned', 'dialling', 'in_doubt')), 0) AS running, \
         COALESCE(sum(c.state = 'initiated'), 0) AS initiated, COALESCE(sum(c.state = 'failed'), 0) AS failed, \
         COALESCE(sum(c.state = 'unknown'), 0) AS unknown, COALESCE(sum(c.closed), 0) AS closed_calls \
         FROM (SELECT * FROM batches WHERE account = $1 AND ($2 IS NULL OR id = $2) AND (NOT $3 OR state <> 'cancelled' \
         AND (EXISTS (SELECT 1 FROM calls AS o WHERE o.account = $1 AND o.batch = batches.id \
         AND o.state IN ('waiting', 'verified', 'assigned', 'dialling', 'in_doubt')) \
         OR (SELECT count(*) FROM calls AS o WHERE o.account = $1 AND o.batch = batches.id) < total)) \
         ORDER BY opened_ms DESC, seq DESC LIMIT $4) AS b \
         LEFT JOIN calls AS c ON c.account = $1 AND c.batch = b.id GROUP BY b.id ORDER BY b.opened_ms DESC, b.seq DESC",
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
    pool: &SqlitePool,
    account: i64,
    batch: &BatchId,
    after: u64,
    limit: usize,
) -> Result<Vec<CallRow>, Fault> {
    let found: Vec<CallRecord> = sqlx::query_as(concat!(
        "SELECT ",
        codec::call_columns!(),
        " FROM calls AS c JOIN choices AS h ON h.id = c.choice \
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

/// A batch's calls that have changed. Here changes become visible in the order of their ticks, so nothing is told twice.
pub(super) async fn batch_changed(
    pool: &SqlitePool,
    account: i64,
    batch: &BatchId,
    since: BatchCursor,
    limit: usize,
) -> Result<(Vec<CallRow>, BatchCursor), Fault> {
    let found: Vec<CallRecord> = sqlx::query_as(concat!(
        "SELECT ",
        codec::call_columns!(),
        " FROM calls AS c JOIN choices AS h ON h.id = c.choice \
         WHERE c.account = $1 AND c.batch = $2 AND (c.changed, c.seq) > ($3, $4) ORDER BY c.changed, c.seq LIMIT $5"
    ))
    .bind(account)
    .bind(batch.as_str())
    .bind(since.at.0)
    .bind(since.at.1)
    .bind(codec::limit(limit))
    .fetch_all(pool)
    .await?;
    let cursor = found.last().map_or(since, |last| {
        let at = (last.changed, last.seq);
        BatchCursor { at, settled: at }
    });
    Ok((found.into_iter().map(CallRecord::read).collect::<Result<_, _>>()?, cursor))
}
