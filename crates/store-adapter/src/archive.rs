//! What people ask of a store beside what the dispatcher needs: lists of calls, batches, who holds which number,
//! what may be thrown away. Both databases answer it.
//!
//! Everything here concerns one account, that of the view it is asked through. It knows no command line and formats
//! nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use partyline_domain::flow::{Dialed, Stage};
use partyline_domain::ports::{IntentKind, ProviderCallId, Recorded, StoreUnavailable};
use partyline_domain::{
    AgentId, AttemptId, BatchId, CallId, ConversationId, IdempotencyKey, NumberChoice, PhoneNumber, PhoneNumberId,
    RunId, Timestamp,
};

/// How far a call is, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateWord {
    /// Asked for; its agent is not verified.
    Waiting,
    /// Its agent exists.
    Verified,
    /// Its number has the agent, and no dial is open.
    Assigned,
    /// A dial may be on its way.
    Dialling,
    /// Nobody knows whether its dial was executed; it is being looked up.
    InDoubt,
    /// The provider took the dial.
    Initiated,
    /// It failed.
    Failed,
    /// It failed, and may have been dialled all the same.
    Unknown,
}

impl StateWord {
    /// Every word, in the order of a call's life.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Verified,
        Self::Assigned,
        Self::Dialling,
        Self::InDoubt,
        Self::Initiated,
        Self::Failed,
        Self::Unknown,
    ];

    /// As one word for people, JSON and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Verified => "verified",
            Self::Assigned => "assigned",
            Self::Dialling => "dialling",
            Self::InDoubt => "in_doubt",
            Self::Initiated => "initiated",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// The word's meaning; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }

    /// Whether the call has ended. (One that ended unknown may still turn out to be initiated.)
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Initiated | Self::Failed | Self::Unknown)
    }
}

/// What the provider's record of a call's conversation came to, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProofWord {
    /// Everything it shows is as it should be.
    Matches,
    /// It names another agent, number or callee.
    Mismatch,
    /// There was no record, or it could not be read.
    Absent,
}

impl ProofWord {
    /// As one word for people, JSON and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::Mismatch => "mismatch",
            Self::Absent => "absent",
        }
    }

    /// The word's meaning; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Matches, Self::Mismatch, Self::Absent].into_iter().find(|word| word.as_str() == text)
    }
}

/// Which calls are wanted. Absent fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Only calls in one of these states; empty = in any.
    pub states: BTreeSet<StateWord>,
    /// Only calls of this agent.
    pub agent: Option<AgentId>,
    /// Only calls that went from this number or, where none is chosen yet, may be placed from it.
    pub number: Option<PhoneNumberId>,
    /// Only calls of this batch.
    pub batch: Option<BatchId>,
    /// Only calls to this callee.
    pub to: Option<PhoneNumber>,
    /// Only calls asked for at this time or later.
    pub since: Option<Timestamp>,
    /// Only calls asked for before this time.
    pub until: Option<Timestamp>,
    /// Only calls that some process has something left to do for.
    pub open_only: bool,
    /// Oldest first; else newest first. By the order in which the store took them in.
    pub oldest_first: bool,
    /// Goes on behind this call, in the same order; a call that is not there gives nothing.
    pub after: Option<CallId>,
    /// As many at most; `None` = all of them.
    pub limit: Option<usize>,
}

/// A call, as a line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// Its id.
    pub id: CallId,
    /// The agent that is to speak.
    pub agent: AgentId,
    /// The callee; [`PhoneNumber::ERASED`] where it was erased.
    pub to: PhoneNumber,
    /// The numbers that it may be placed from.
    pub numbers: NumberChoice,
    /// The number it was placed from, or is about to be.
    pub number: Option<PhoneNumberId>,
    /// How far it is.
    pub state: StateWord,
    /// The step at which it failed.
    pub stage: Option<Stage>,
    /// Why it failed, as one word ([`partyline_domain::flow::FailureReason::as_str`]).
    pub reason: Option<String>,
    /// Whether the callee's phone may have rung.
    pub dialed: Dialed,
    /// What happened last, for people: why it failed, or why it is in doubt.
    pub detail: Option<String>,
    /// Its conversation.
    pub conversation: Option<ConversationId>,
    /// The telephony side's id of it.
    pub provider_call_id: Option<ProviderCallId>,
    /// What the provider's record of the conversation came to.
    pub proof: Option<ProofWord>,
    /// When it was asked for, by the wall clock of the process that took it.
    pub submitted_at: Timestamp,
    /// When its last event was decided, by the wall clock of the process that decided it.
    pub updated_at: Timestamp,
    /// How many events it has.
    pub version: u64,
    /// The batch it belongs to, its line there, and its agent as that line names it.
    pub batch: Option<partyline_domain::ports::BatchRow>,
    /// The caller's word for it.
    pub key: Option<IdempotencyKey>,
    /// The call that it repeats.
    pub repeats: Option<CallId>,
    /// No process has anything left to do for it.
    pub closed: bool,
    /// Somebody has asked for it to be cancelled.
    pub cancel: bool,
    /// The process that has it.
    pub owner: Option<RunId>,
}

/// A batch that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBatch {
    /// Its id.
    pub id: BatchId,
    /// The name of its file, for people.
    pub file: String,
    /// How many rows it has.
    pub rows: u64,
    /// How it was asked for, in the caller's own form; the store does not look into it.
    pub options: String,
    /// When, by the caller's wall clock.
    pub created_at: Timestamp,
}

/// Whether a batch goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BatchState {
    /// Its calls are placed.
    Running,
    /// Those of its calls that no process has are left alone.
    Paused,
    /// As paused, for good.
    Cancelled,
}

impl BatchState {
    /// As one word for people, JSON and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
        }
    }

    /// The word's meaning; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Paused, Self::Cancelled].into_iter().find(|state| state.as_str() == text)
    }
}

/// How many calls of a batch are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchCounts {
    /// Calls that the store has taken of it; less than its rows where handing in was interrupted.
    pub total: u64,
    /// Not begun: still [`StateWord::Waiting`].
    pub waiting: u64,
    /// Begun and not ended.
    pub running: u64,
    /// Ended well.
    pub initiated: u64,
    /// Failed, and not dialled.
    pub failed: u64,
    /// Ended without anybody knowing whether the phone rang.
    pub unknown: u64,
    /// Of those that ended, calls that no process has anything left to do for.
    pub closed: u64,
}

/// A batch with its progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What was handed in.
    pub batch: NewBatch,
    /// Whether it goes on.
    pub state: BatchState,
    /// How far its calls are.
    pub counts: BatchCounts,
}

/// Where a reader of a batch's changes is. Opaque; begins with [`BatchCursor::START`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchCursor {
    /// Where the next page begins: behind this change and call.
    pub(crate) at: (i64, i64),
    /// Up to here nothing can come in between any more.
    pub(crate) settled: (i64, i64),
}

impl BatchCursor {
    /// Before everything.
    pub const START: Self = Self { at: (i64::MIN, i64::MIN), settled: (i64::MIN, i64::MIN) };
}

/// An intent that is open on a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIntent {
    /// Its id.
    pub attempt: AttemptId,
    /// What it is about.
    pub kind: IntentKind,
    /// The agent it names.
    pub agent: Option<AgentId>,
    /// How long ago it was written, by the store's clock.
    pub age: Duration,
}

/// Who a process is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    /// The machine it runs on.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// What it was started to do, without secrets: for example `batch`.
    pub command: String,
}

/// Who holds a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub owner: RunId,
    /// Who that is, where it has told.
    pub process: Option<ProcessInfo>,
    /// So long until its lease runs out; zero where it has.
    pub expires_in: Duration,
}

/// A number, as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberRow {
    /// Its id.
    pub number: PhoneNumberId,
    /// Who holds it, also with a lease that has run out; `None` = it is free.
    pub holder: Option<Holder>,
    /// The epoch of its last lease; 0 = there was none.
    pub epoch: u64,
    /// Calls that no process has and that may be placed from it.
    pub waiting: u64,
    /// Calls that a process has and that went from it or may be placed from it.
    pub claimed: u64,
    /// Who was to answer it after the last change that we meant to make, as far as is remembered: `None` where no change
    /// is known, `Some(None)` where nobody was to.
    pub last_agent: Option<Option<AgentId>>,
    /// Requests that may have been sent and have no known outcome, oldest first.
    pub unresolved: Vec<OpenIntent>,
    /// Who answered it before we changed it: `None` where nothing is remembered.
    pub remembered: Option<Option<AgentId>>,
    /// Processes that ask for it.
    pub wanted_by: Vec<RunId>,
}

/// What is to be thrown away. Only calls that are closed, and only by the store's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purge {
    /// Calls that were closed so long ago are deleted with their events.
    pub delete_after: Option<Duration>,
    /// The callees of calls that were closed so long ago are erased.
    pub redact_after: Option<Duration>,
}

/// What was thrown away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Calls that are gone.
    pub deleted: u64,
    /// Calls whose callee was erased.
    pub redacted: u64,
    /// Batches that are gone with the last of their calls.
    pub batches: u64,
}

/// Which database a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// One file on this machine.
    Sqlite,
    /// A server.
    Postgres,
}

impl StoreKind {
    /// As one word for people and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// What a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// Which database it is.
    pub kind: StoreKind,
    /// Where it is, without its password.
    pub place: String,
    /// The version of its tables.
    pub schema: u32,
    /// How many calls of this account it has.
    pub calls: u64,
    /// How large all of it is, with what other accounts have.
    pub bytes: u64,
}

/// What people ask of a store. Every question is one transaction and may be repeated.
#[async_trait]
pub trait Archive: Send + Sync {
    /// The calls that match.
    async fn calls(&self, filter: &CallFilter) -> Result<Vec<CallRow>, StoreUnavailable>;

    /// A call with all its events, oldest first.
    async fn call(&self, call: &CallId) -> Result<Option<(CallRow, Vec<Recorded>)>, StoreUnavailable>;

    /// Ids that begin with `prefix`, newest first: at most ten.
    async fn find(&self, prefix: &str) -> Result<Vec<CallId>, StoreUnavailable>;

    /// Opens a batch. One that is open already stays as it is.
    async fn open_batch(&self, batch: &NewBatch) -> Result<(), StoreUnavailable>;

    /// A batch with its progress.
    async fn batch(&self, batch: &BatchId) -> Result<Option<Batch>, StoreUnavailable>;

    /// Batches, newest first. An unfinished one is running or paused, and has rows that were not handed in or calls that
    /// have not ended.
    async fn batches(&self, unfinished_only: bool, limit: usize) -> Result<Vec<Batch>, StoreUnavailable>;

    /// Lets a batch go on, or holds it up; `false` where there is no such batch. Calls that a process has go on. What was
    /// cancelled stays cancelled.
    async fn set_batch(&self, batch: &BatchId, state: BatchState) -> Result<bool, StoreUnavailable>;

    /// Cancels a batch: calls that no process has are withdrawn, the others are asked to be cancelled. How many were
    /// withdrawn, and how many asked.
    async fn cancel_batch(&self, batch: &BatchId, at: Timestamp) -> Result<(u64, u64), StoreUnavailable>;

    /// A batch's calls behind this line of its file, in the order of the lines.
    async fn batch_calls(&self, batch: &BatchId, after: u64, limit: usize) -> Result<Vec<CallRow>, StoreUnavailable>;

    /// A batch's calls that have changed since `since`, at most `limit`, and where to go on from; a page that is not full is
    /// the last one for now. The same change may be told more than once, because changes can become visible out of order:
    /// compare [`CallRow::version`] and [`CallRow::closed`]. Nothing is left out.
    async fn batch_changed(
        &self,
        batch: &BatchId,
        since: BatchCursor,
        limit: usize,
    ) -> Result<(Vec<CallRow>, BatchCursor), StoreUnavailable>;

    /// Every number that the store knows of, in the order of their ids.
    async fn numbers(&self) -> Result<Vec<NumberRow>, StoreUnavailable>;

    /// Throws away what is old.
    async fn purge(&self, purge: &Purge) -> Result<Purged, StoreUnavailable>;

    /// What the store is.
    async fn info(&self) -> Result<StoreInfo, StoreUnavailable>;
}
