//! The writing connection and its transactions.

use async_trait::async_trait;
use partyline_domain::RunId;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};

use super::{batches, cancel, claim, commit, lease, permits, purge, put_down, schema, submit};
use crate::archive::ProcessInfo;
use crate::error::Fault;
use crate::work::{Answer, Work};
use crate::writer::Backend;

/// The writer's side of a file.
pub(super) struct Sqlite {
    options: SqliteConnectOptions,
    /// `None` where it was given up: the next transaction opens another one.
    connection: Option<SqliteConnection>,
    account: i64,
    me: RunId,
    /// Who this process is, until it is written down.
    unknown: Option<ProcessInfo>,
}

/// A transaction under way.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    pub(super) account: i64,
    pub(super) me: &'a RunId,
    /// When it began, by the store's clock.
    pub(super) now: i64,
    /// Others are told of it.
    pub(super) wakes: bool,
    tick: Option<i64>,
}

impl Sqlite {
    pub(super) fn new(
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        account: i64,
        me: RunId,
        process: ProcessInfo,
    ) -> Self {
        Self { options, connection: Some(connection), account, me, unknown: Some(process) }
    }

    async fn attempt(&mut self, works: &[&Work]) -> Result<Vec<Answer>, Fault> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.options.connect().await?),
        };
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        let now = now(connection).await?;
        let (account, me) = (self.account, &self.me);
        let mut tx = Tx { connection, account, me, now, wakes: false, tick: None };
        if let Some(process) = &self.unknown {
            schema::register(&mut tx, process).await?;
        }
        let answers = tx.run(works).await?;
        tx.tell().await?;
        sqlx::query("COMMIT").execute(&mut *connection).await?;
        self.unknown = None;
        if works.iter().any(|work| matches!(work, Work::Purge(..))) {
            // What was erased is still in the log. Where others read it, their next checkpoint does it.
            let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *connection).await;
        }
        Ok(answers)
    }

    /// Leaves the connection as it was before the transaction, or without one.
    async fn undo(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        match sqlx::query("ROLLBACK").execute(&mut connection).await {
            Ok(_) => self.connection = Some(connection),
            // There was no transaction, or the file is in trouble: a new connection knows nothing of it.
            Err(_) => put_down(connection).await,
        }
    }
}

#[async_trait]
impl Backend for Sqlite {
    async fn transact(&mut self, works: &[&Work]) -> Result<Vec<Answer>, Fault> {
        let answers = self.attempt(works).await;
        if answers.is_err() {
            self.undo().await;
        }
        answers
    }

    async fn close(self) {
        if let Some(connection) = self.connection {
            put_down(connection).await;
        }
    }
}

/// The store's clock: milliseconds since 1970.
pub(super) async fn now(connection: &mut SqliteConnection) -> Result<i64, Fault> {
    let now = sqlx::query_scalar("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)");
    Ok(now.fetch_one(connection).await?)
}

impl Tx<'_> {
    /// Does all of it, in this order; commits and submissions that stand together are written together.
    async fn run(&mut self, works: &[&Work]) -> Result<Vec<Answer>, Fault> {
        let mut answers = Vec::with_capacity(works.len());
        let mut rest = works;
        while let Some((first, others)) = rest.split_first() {
            let commits =
                rest.iter().map_while(|work| if let Work::Commit(entries) = work { Some(entries) } else { None });
            let commits: Vec<_> = commits.map(Vec::as_slice).collect();
            if !commits.is_empty() {
                answers.extend(commit::run(self, &commits).await?.into_iter().map(Answer::Commit));
                rest = &rest[commits.len()..];
                continue;
            }
            let submits = rest.iter().map_while(|work| if let Work::Submit(calls) = work { Some(calls) } else { None });
            let submits: Vec<_> = submits.map(Vec::as_slice).collect();
            if !submits.is_empty() {
                answers.extend(submit::run(self, &submits).await?.into_iter().map(Answer::Submit));
                rest = &rest[submits.len()..];
                continue;
            }
            answers.push(self.one(first).await?);
            rest = others;
        }
        Ok(answers)
    }

    async fn one(&mut self, work: &Work) -> Result<Answer, Fault> {
        match work {
            Work::Commit(entries) => Ok(Answer::Commit(commit::run(self, &[entries]).await?.remove(0))),
            Work::Submit(calls) => Ok(Answer::Submit(submit::run(self, &[calls]).await?.remove(0))),
            Work::Claim(asked) => claim::run(self, asked).await.map(Answer::Claim),
            Work::Renew(ttl) => lease::renew(self, *ttl).await.map(Answer::Renew),
            Work::Release(release) => lease::release(self, release).await.map(|()| Answer::Done),
            Work::Want(number, ttl) => lease::want(self, number, *ttl).await.map(Answer::Want),
            Work::Cancel(call, at) => cancel::one(self, call, *at).await.map(Answer::Cancel),
            Work::OpenBatch(batch) => batches::open(self, batch).await.map(|()| Answer::Done),
            Work::SetBatch(batch, state) => batches::set(self, batch, *state).await.map(Answer::SetBatch),
            Work::CancelBatch(batch, at) => {
                let (withdrawn, asked) = cancel::batch(self, batch, *at).await?;
                Ok(Answer::CancelBatch(withdrawn, asked))
            }
            Work::Purge(what, most) => {
                let (purged, more) = purge::run(self, what, *most).await?;
                Ok(Answer::Purge(purged, more))
            }
            Work::Permit(attempt, limits) => permits::grant(self, attempt, *limits).await.map(Answer::Permit),
            Work::ReturnPermit(attempt) => permits::give_back(self, attempt).await.map(|()| Answer::Done),
            Work::Pace(pace) => {
                let (turns, wait) = permits::pace(self, *pace).await?;
                Ok(Answer::Pace(turns, wait))
            }
        }
    }

    /// The place of this transaction among those that change calls.
    pub(super) async fn tick(&mut self) -> Result<i64, Fault> {
        if let Some(tick) = self.tick {
            return Ok(tick);
        }
        let next = sqlx::query_scalar("UPDATE clock SET tick = tick + 1 RETURNING tick");
        let tick: i64 = next.fetch_one(&mut *self.connection).await?;
        self.tick = Some(tick);
        Ok(tick)
    }

    /// Leaves word for the others, who look at this.
    async fn tell(&mut self) -> Result<(), Fault> {
        if self.wakes {
            // The row may have been thrown away, where this process has done nothing for days.
            sqlx::query(
                "INSERT INTO processes (account, owner, host, pid, command, started_ms, seen_ms, wakes) \
                 VALUES ($1, $2, '', 0, '', $3, $3, 1) \
                 ON CONFLICT (account, owner) DO UPDATE SET wakes = wakes + 1, seen_ms = excluded.seen_ms",
            )
            .bind(self.account)
            .bind(self.me.as_str())
            .bind(self.now)
            .execute(&mut *self.connection)
            .await?;
        }
        Ok(())
    }
}
