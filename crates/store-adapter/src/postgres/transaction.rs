//! The writing connection and its transactions.

use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::RunId;
use sqlx::PgConnection;

use super::connect::{Settings, put_down};
use super::{batches, cancel, claim, commit, lease, permits, purge, schema, submit};
use crate::archive::ProcessInfo;
use crate::error::{Fault, FaultKind};
use crate::work::{Answer, Work};
use crate::writer::Backend;

/// A transaction that has not ended by then has lost its server.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// The same for what concerns a whole batch, or all that is old: longer than any statement may take.
const ANSWER_LONG_WITHIN: Duration = Duration::from_secs(65);

/// After so many calls and entries the server's statistics are looked at: without any, it takes the account for choosy and
/// reads whole tables. (It makes them itself within minutes, which is long with a queue that has just been filled.)
const STATISTICS_AFTER: [usize; 3] = [500, 5_000, 50_000];

const SILENT: &str = "the server does not answer";

/// The writer's side of a server.
pub(super) struct Postgres {
    settings: Settings,
    /// How much was written, and how often the statistics were looked at.
    written: usize,
    looked: usize,
    /// `None` where it was given up: the next transaction makes another one.
    connection: Option<PgConnection>,
    account: i64,
    channel: String,
    me: RunId,
    /// Who this process is, until it is written down.
    unknown: Option<ProcessInfo>,
}

/// A transaction under way.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) account: i64,
    pub(super) me: &'a RunId,
    /// When it began, by the server's clock. What is judged by it later in the transaction is judged too mildly, never too
    /// strictly.
    pub(super) now: i64,
    /// Others are told of it.
    pub(super) wakes: bool,
}

impl Postgres {
    pub(super) fn new(
        settings: Settings,
        connection: Option<PgConnection>,
        (account, channel): (i64, String),
        me: RunId,
        process: ProcessInfo,
    ) -> Self {
        Self { settings, written: 0, looked: 0, connection, account, channel, me, unknown: Some(process) }
    }

    async fn attempt(&mut self, works: &[&Work]) -> Result<Vec<Answer>, Fault> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.settings.connect().await?),
        };
        sqlx::query("BEGIN").execute(&mut *connection).await?;
        let now = now(connection).await?;
        let mut tx = Tx { connection, account: self.account, me: &self.me, now, wakes: false };
        if let Some(process) = &self.unknown {
            schema::register(&mut tx, process).await?;
        }
        let answers = tx.run(works).await?;
        if tx.wakes {
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(&self.channel)
                .bind(self.me.as_str())
                .execute(&mut *connection)
                .await?;
        }
        sqlx::query("COMMIT").execute(&mut *connection).await?;
        self.unknown = None;
        self.written += works.iter().map(|work| work.weight()).sum::<usize>();
        if STATISTICS_AFTER.get(self.looked).is_some_and(|after| self.written >= *after) {
            self.looked += 1;
            // What goes wrong here makes nothing worse.
            let _ = statistics(connection).await;
        }
        Ok(answers)
    }

    async fn attempt_in_time(&mut self, works: &[&Work]) -> Result<Vec<Answer>, Fault> {
        let is_long = |work: &&Work| matches!(work, Work::SetBatch(..) | Work::CancelBatch(..) | Work::Purge(..));
        let within = if works.iter().any(is_long) { ANSWER_LONG_WITHIN } else { ANSWER_WITHIN };
        match tokio::time::timeout(within, self.attempt(works)).await {
            Ok(answers) => answers,
            Err(_) => Err(Fault::trouble(SILENT)),
        }
    }

    /// Leaves the connection as it was before the transaction, or without one.
    async fn undo(&mut self, fault: &Fault) {
        let Some(mut connection) = self.connection.take() else { return };
        // A server in trouble may be a standby by now, or another one: a new connection finds out.
        let keeps = fault.kind != FaultKind::Trouble
            && matches!(
                tokio::time::timeout(ANSWER_WITHIN, sqlx::query("ROLLBACK").execute(&mut connection)).await,
                Ok(Ok(_))
            );
        if keeps {
            self.connection = Some(connection);
        } else {
            put_down(connection).await;
        }
    }
}

#[async_trait]
impl Backend for Postgres {
    async fn transact(&mut self, works: &[&Work]) -> Result<Vec<Answer>, Fault> {
        // A connection may have died while nobody used it. All work may be repeated, so a new one is tried before that is
        // called trouble.
        let had_one = self.connection.is_some();
        let mut answers = self.attempt_in_time(works).await;
        if let Err(fault) = &answers {
            self.undo(fault).await;
            if had_one && fault.kind == FaultKind::Trouble && fault.detail != SILENT {
                answers = self.attempt_in_time(works).await;
                if let Err(fault) = &answers {
                    self.undo(fault).await;
                }
            }
        }
        answers
    }

    async fn close(self) {
        if let Some(connection) = self.connection {
            put_down(connection).await;
        }
    }
}

/// Has statistics made where there are none yet.
async fn statistics(connection: &mut PgConnection) -> Result<(), Fault> {
    let known: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_catalog.pg_stats WHERE schemaname = 'partyline' AND attname = 'account' \
         AND tablename IN ('calls', 'intents')",
    )
    .fetch_one(&mut *connection)
    .await?;
    if known < 2 {
        sqlx::raw_sql("ANALYZE partyline.calls, partyline.events, partyline.intents").execute(connection).await?;
    }
    Ok(())
}

/// The store's clock: milliseconds since 1970.
pub(super) async fn now(connection: &mut PgConnection) -> Result<i64, Fault> {
    let now = sqlx::query_scalar("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint");
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
}
