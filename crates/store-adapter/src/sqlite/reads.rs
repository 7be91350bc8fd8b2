//! What is read without writing: on connections of their own, so that nobody waits for the writer.

use std::path::PathBuf;

use async_trait::async_trait;
use partyline_domain::ports::{Followed, Intent, Recorded};
use partyline_domain::{AgentId, BatchId, CallId, PhoneNumberId};
use sqlx::SqlitePool;

use super::{lists, numbers, schema};
use crate::archive::{Batch, BatchCursor, CallFilter, CallRow, NumberRow, StoreInfo, StoreKind};
use crate::codec::{self, EventRecord, IntentRecord};
use crate::error::Fault;
use crate::store::Reads;

/// See the module.
pub(super) struct Readers {
    pub(super) pool: SqlitePool,
    pub(super) account: i64,
    pub(super) path: PathBuf,
}

#[async_trait]
impl Reads for Readers {
    async fn events(&self, call: &CallId, after: u64) -> Result<Vec<Recorded>, Fault> {
        let found: Vec<EventRecord> = sqlx::query_as(
            "SELECT e.call, e.version, e.at, e.format, e.payload FROM calls AS c JOIN events AS e ON e.call = c.seq \
             WHERE c.account = $1 AND c.id = $2 AND e.version > $3 ORDER BY e.version",
        )
        .bind(self.account)
        .bind(call.as_str())
        .bind(codec::stored(after))
        .fetch_all(&self.pool)
        .await?;
        found.into_iter().map(EventRecord::read).collect()
    }

    async fn open_intents(&self) -> Result<Vec<Intent>, Fault> {
        let found: Vec<IntentRecord> = sqlx::query_as(
            "SELECT number, opened_ms, send_by_ms, format, payload FROM intents \
             WHERE account = $1 AND resolved_ms IS NULL ORDER BY seq",
        )
        .bind(self.account)
        .fetch_all(&self.pool)
        .await?;
        found.iter().map(IntentRecord::read).collect()
    }

    async fn remembered(&self, number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, Fault> {
        let found = sqlx::query_scalar("SELECT agent FROM inbound WHERE account = $1 AND number = $2");
        let found: Option<Option<String>> =
            found.bind(self.account).bind(number.as_str()).fetch_optional(&self.pool).await?;
        found.map(codec::some_id).transpose()
    }

    async fn follow(&self, calls: &[(CallId, u64)]) -> Result<Vec<Followed>, Fault> {
        let asked: Vec<_> = calls.iter().map(|(call, after)| (call, codec::stored(*after))).collect();
        let asked = codec::json(&asked)?;
        // One view of the file for both questions: a call is not to be closed without its last event.
        let mut tx = self.pool.begin().await?;
        let found: Vec<(i64, String, bool)> = sqlx::query_as(
            "SELECT c.seq, c.id, c.closed FROM json_each($2) AS j \
             CROSS JOIN calls AS c ON c.account = $1 AND c.id = j.value ->> 0 \
             WHERE c.closed = 1 OR c.version > j.value ->> 1 ORDER BY j.key",
        )
        .bind(self.account)
        .bind(&asked)
        .fetch_all(&mut *tx)
        .await?;
        let events: Vec<EventRecord> = sqlx::query_as(
            "SELECT e.call, e.version, e.at, e.format, e.payload FROM json_each($2) AS j \
             CROSS JOIN calls AS c ON c.account = $1 AND c.id = j.value ->> 0 \
             JOIN events AS e ON e.call = c.seq AND e.version > j.value ->> 1 ORDER BY e.call, e.version",
        )
        .bind(self.account)
        .bind(&asked)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        codec::followed(found, events)
    }

    async fn calls(&self, filter: &CallFilter) -> Result<Vec<CallRow>, Fault> {
        lists::calls(&self.pool, self.account, filter).await
    }

    async fn call(&self, call: &CallId) -> Result<Option<(CallRow, Vec<Recorded>)>, Fault> {
        lists::call(&self.pool, self.account, call).await
    }

    async fn find(&self, prefix: &str) -> Result<Vec<CallId>, Fault> {
        lists::find(&self.pool, self.account, prefix).await
    }

    async fn batches(&self, only: Option<&BatchId>, unfinished: bool, limit: usize) -> Result<Vec<Batch>, Fault> {
        lists::batches(&self.pool, self.account, only, unfinished, limit).await
    }

    async fn batch_calls(&self, batch: &BatchId, after: u64, limit: usize) -> Result<Vec<CallRow>, Fault> {
        lists::batch_calls(&self.pool, self.account, batch, after, limit).await
    }

    async fn batch_changed(
        &self,
        batch: &BatchId,
        since: BatchCursor,
        limit: usize,
    ) -> Result<(Vec<CallRow>, BatchCursor), Fault> {
        lists::batch_changed(&self.pool, self.account, batch, since, limit).await
    }

    async fn numbers(&self) -> Result<Vec<NumberRow>, Fault> {
        numbers::all(&self.pool, self.account).await
    }

    async fn info(&self) -> Result<StoreInfo, Fault> {
        let (calls, bytes): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM calls WHERE account = $1), \
             (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())",
        )
        .bind(self.account)
        .fetch_one(&self.pool)
        .await?;
        Ok(StoreInfo {
            kind: StoreKind::Sqlite,
            place: self.path.display().to_string(),
            schema: schema::known(),
            calls: codec::count(calls),
            bytes: codec::count(bytes),
        })
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
