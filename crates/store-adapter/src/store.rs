//! The store as the rest of the program sees it: one view of one process, whichever database is behind it. Writes go to the
//! [writer](crate::writer), reads go straight to the database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::ports::{
    Accepted, CancelAnswer, Claim, Claimed, Entry, Followed, Intent, Journal, NewCall, Recorded, Release, Renewed,
    Store, StoreUnavailable, Taken,
};
use partyline_domain::{AgentId, BatchId, CallId, JournalError, PhoneNumberId, RunId, Timestamp};

use crate::archive::{
    Archive, Batch, BatchCursor, BatchState, CallFilter, CallRow, NewBatch, NumberRow, Purge, Purged, StoreInfo,
};
use crate::changes::Changes;
use crate::error::Fault;
use crate::work::{Answer, Work};
use crate::writer::WriterHandle;

/// What a database can be asked without writing.
#[async_trait]
pub(crate) trait Reads: Send + Sync {
    async fn events(&self, call: &CallId, after: u64) -> Result<Vec<Recorded>, Fault>;
    async fn open_intents(&self) -> Result<Vec<Intent>, Fault>;
    async fn remembered(&self, number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, Fault>;
    async fn follow(&self, calls: &[(CallId, u64)]) -> Result<Vec<Followed>, Fault>;
    async fn calls(&self, filter: &CallFilter) -> Result<Vec<CallRow>, Fault>;
    async fn call(&self, call: &CallId) -> Result<Option<(CallRow, Vec<Recorded>)>, Fault>;
    async fn find(&self, prefix: &str) -> Result<Vec<CallId>, Fault>;
    async fn batches(&self, only: Option<&BatchId>, unfinished: bool, limit: usize) -> Result<Vec<Batch>, Fault>;
    async fn batch_calls(&self, batch: &BatchId, after: u64, limit: usize) -> Result<Vec<CallRow>, Fault>;
    async fn batch_changed(
        &self,
        batch: &BatchId,
        since: BatchCursor,
        limit: usize,
    ) -> Result<(Vec<CallRow>, BatchCursor), Fault>;
    async fn numbers(&self) -> Result<Vec<NumberRow>, Fault>;
    async fn info(&self) -> Result<StoreInfo, Fault>;
    /// Puts down the connections.
    async fn close(&self);
}

/// How many calls one transaction throws away: others are not to wait long.
const PURGE_STEP: u32 = 500;
/// Whoever looks something up waits for so long at most: a server that has gone silent may never say so.
const READ_WITHIN: Duration = Duration::from_secs(65);
/// What is asked for at once beyond this is asked for in parts.
const FOLLOW_STEP: usize = 2000;

/// One process's view of a store. Clones are the same view.
#[derive(Clone)]
pub struct SqlStore(Arc<View>);

struct View {
    owner: RunId,
    writer: WriterHandle,
    task: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
    reads: Arc<dyn Reads>,
    changes: Changes,
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlStore({})", self.0.owner)
    }
}

fn mixed_up() -> StoreUnavailable {
    StoreUnavailable { detail: "it answered another question".to_owned() }
}

/// What is read, if the database answers in time.
async fn read<T>(reading: impl Future<Output = Result<T, Fault>> + Send) -> Result<T, Fault> {
    let answer = tokio::time::timeout(READ_WITHIN, reading).await;
    answer.unwrap_or_else(|_| Err(Fault::trouble("it does not answer")))
}

/// The answer of this kind, or an error.
macro_rules! ask {
    ($store:expr, $work:expr, $answer:pat => $value:expr) => {
        match $store.0.writer.ask($work).await? {
            $answer => Ok($value),
            _ => Err(mixed_up()),
        }
    };
}

impl SqlStore {
    pub(crate) fn new(
        owner: RunId,
        (writer, task): (WriterHandle, tokio::task::JoinHandle<()>),
        reads: Arc<dyn Reads>,
        changes: Changes,
    ) -> Self {
        Self(Arc::new(View { owner, writer, task: tokio::sync::Mutex::new(Some(task)), reads, changes }))
    }

    pub(crate) fn writer(&self) -> WriterHandle {
        self.0.writer.clone()
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// Writes what waits to be written and puts the connections down. Other clones must not be used any more; a store that
    /// is not closed loses nothing that was answered.
    pub async fn close(self) {
        let task = self.0.task.lock().await.take();
        let reads = self.0.reads.clone();
        let last = Arc::strong_count(&self.0) == 1;
        drop(self);
        if let Some(task) = task.filter(|_| last) {
            // A writer that panicked has been reported.
            let _ = task.await;
        }
        reads.close().await;
    }
}

#[async_trait]
impl Journal for SqlStore {
    async fn commit(&self, entries: Vec<Entry>) -> Vec<Result<(), JournalError>> {
        let count = entries.len();
        if count == 0 {
            return Vec::new();
        }
        let failed = |error: StoreUnavailable| {
            // Only a writer that has ended answers so: what it was handed may have been written.
            let effect = partyline_domain::SideEffect::Possible;
            vec![Err(JournalError::Unavailable { detail: error.detail, effect }); count]
        };
        match self.0.writer.ask(Work::Commit(entries)).await {
            Ok(Answer::Commit(answers)) => answers,
            Ok(_) => failed(mixed_up()),
            Err(error) => failed(error),
        }
    }

    async fn events(&self, call: &CallId, after: u64) -> Result<Vec<Recorded>, JournalError> {
        Ok(read(self.0.reads.events(call, after)).await?)
    }

    async fn open_intents(&self) -> Result<Vec<Intent>, JournalError> {
        Ok(read(self.0.reads.open_intents()).await?)
    }

    async fn remembered(&self, number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, JournalError> {
        Ok(read(self.0.reads.remembered(number)).await?)
    }
}

#[async_trait]
impl Store for SqlStore {
    fn owner(&self) -> &RunId {
        &self.0.owner
    }

    async fn submit(&self, calls: Vec<NewCall>) -> Result<Vec<Accepted>, StoreUnavailable> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        ask!(self, Work::Submit(calls), Answer::Submit(answers) => answers)
    }

    async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreUnavailable> {
        ask!(self, Work::Claim(claim.clone()), Answer::Claim(claimed) => claimed)
    }

    async fn renew(&self, ttl: Duration) -> Result<Renewed, StoreUnavailable> {
        ask!(self, Work::Renew(ttl), Answer::Renew(renewed) => renewed)
    }

    async fn release(&self, release: Release) -> Result<(), StoreUnavailable> {
        ask!(self, Work::Release(release), Answer::Done => ())
    }

    async fn want(&self, number: &PhoneNumberId, ttl: Duration) -> Result<Option<Taken>, StoreUnavailable> {
        ask!(self, Work::Want(number.clone(), ttl), Answer::Want(taken) => taken)
    }

    async fn follow(&self, calls: &[(CallId, u64)]) -> Result<Vec<Followed>, StoreUnavailable> {
        let mut followed = Vec::new();
        for part in calls.chunks(FOLLOW_STEP) {
            followed.extend(read(self.0.reads.follow(part)).await?);
        }
        Ok(followed)
    }

    async fn cancel(&self, call: &CallId, at: Timestamp) -> Result<CancelAnswer, StoreUnavailable> {
        ask!(self, Work::Cancel(call.clone(), at), Answer::Cancel(answer) => answer)
    }

    async fn changed(&self) {
        self.0.changes.wait().await;
    }
}

#[async_trait]
impl Archive for SqlStore {
    async fn calls(&self, filter: &CallFilter) -> Result<Vec<CallRow>, StoreUnavailable> {
        Ok(read(self.0.reads.calls(filter)).await?)
    }

    async fn call(&self, call: &CallId) -> Result<Option<(CallRow, Vec<Recorded>)>, StoreUnavailable> {
        Ok(read(self.0.reads.call(call)).await?)
    }

    async fn find(&self, prefix: &str) -> Result<Vec<CallId>, StoreUnavailable> {
        Ok(read(self.0.reads.find(prefix)).await?)
    }

    async fn open_batch(&self, batch: &NewBatch) -> Result<(), StoreUnavailable> {
        ask!(self, Work::OpenBatch(batch.clone()), Answer::Done => ())
    }

    async fn batch(&self, batch: &BatchId) -> Result<Option<Batch>, StoreUnavailable> {
        Ok(read(self.0.reads.batches(Some(batch), false, 1)).await?.pop())
    }

    async fn batches(&self, unfinished_only: bool, limit: usize) -> Result<Vec<Batch>, StoreUnavailable> {
        Ok(read(self.0.reads.batches(None, unfinished_only, limit)).await?)
    }

    async fn set_batch(&self, batch: &BatchId, state: BatchState) -> Result<bool, StoreUnavailable> {
        ask!(self, Work::SetBatch(batch.clone(), state), Answer::SetBatch(found) => found)
    }

    async fn cancel_batch(&self, batch: &BatchId, at: Timestamp) -> Result<(u64, u64), StoreUnavailable> {
        ask!(self, Work::CancelBatch(batch.clone(), at), Answer::CancelBatch(withdrawn, asked) => (withdrawn, asked))
    }

    async fn batch_calls(&self, batch: &BatchId, after: u64, limit: usize) -> Result<Vec<CallRow>, StoreUnavailable> {
        Ok(read(self.0.reads.batch_calls(batch, after, limit)).await?)
    }

    async fn batch_changed(
        &self,
        batch: &BatchId,
        since: BatchCursor,
        limit: usize,
    ) -> Result<(Vec<CallRow>, BatchCursor), StoreUnavailable> {
        Ok(read(self.0.reads.batch_changed(batch, since, limit)).await?)
    }

    async fn numbers(&self) -> Result<Vec<NumberRow>, StoreUnavailable> {
        Ok(read(self.0.reads.numbers()).await?)
    }

    async fn purge(&self, purge: &Purge) -> Result<Purged, StoreUnavailable> {
        let mut sum = Purged::default();
        loop {
            let (part, more) = ask!(self, Work::Purge(*purge, PURGE_STEP), Answer::Purge(part, more) => (part, more))?;
            sum.deleted += part.deleted;
            sum.redacted += part.redacted;
            sum.batches += part.batches;
            if !more {
                return Ok(sum);
            }
        }
    }

    async fn info(&self) -> Result<StoreInfo, StoreUnavailable> {
        Ok(read(self.0.reads.info()).await?)
    }
}
