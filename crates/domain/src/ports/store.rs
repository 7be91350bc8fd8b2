//! The store: what several processes that share numbers must agree on (`scheduling.md` 4.3).
//!
//! A store is a [`Journal`] that outlives its processes, with a queue of calls, a lease for each number, and the
//! evidence of who was assigned when. One value of this type is one process's view of it, and has that process's
//! [`Store::owner`]. Nothing in it depends on the processes' wall clocks: ages and remaining times are measured by the
//! store's own clock and handed out as durations.
//!
//! Proved by the suite `partyline_tests::contract::store`, which any adapter can be run against.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use crate::ids::{AgentId, BatchId, CallId, IdempotencyKey, PhoneNumberId, RunId};
use crate::ports::{AgentProfile, Intent, Journal, Number, Recorded};
use crate::request::CallRequest;
use crate::time::Timestamp;

/// A call that is to be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewCall {
    /// What is asked for.
    pub request: CallRequest,
    /// When it was asked for, by the caller's wall clock; the time of its first event.
    pub at: Timestamp,
    /// The caller's word for this call: the same word never leads to a second one.
    pub key: Option<IdempotencyKey>,
    /// The batch it belongs to, and its place in there.
    pub batch: Option<BatchRow>,
    /// The call whose outcome stayed unknown and that this one repeats, by somebody's explicit word.
    pub repeats: Option<CallId>,
}

/// A row of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BatchRow {
    /// The batch.
    pub batch: BatchId,
    /// The line of the row in its file.
    pub line: u64,
    /// The agent as the row names it, for people.
    pub agent: String,
}

/// What became of a call that was handed in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// It is taken.
    New,
    /// A call of this id is there: it was handed in before, and the answer was lost.
    Again,
    /// A call with the same key asks for the same; that one counts, and this one is not taken.
    Replayed(CallId),
    /// A call with the same key asks for something else; this one is not taken.
    KeyTaken(CallId),
}

/// What a process wants to take.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The ordinal of this claim among those of its process, from 1.
    pub ordinal: u64,
    /// The ordinal of the last claim whose answer arrived; 0 = none. What claims after it took for this process is handed
    /// out again, as part of this answer: numbers as they are then, calls beyond `calls_max` too.
    pub answered: u64,
    /// How long its leases hold.
    pub ttl: Duration,
    /// The numbers it may take; `None` = all of the account.
    pub numbers: Option<BTreeSet<PhoneNumberId>>,
    /// How many calls it takes at most; 0 = only numbers.
    pub calls_max: usize,
}

/// What a process got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Numbers that it holds from now on, each under a new epoch. (What it held before it goes on holding.)
    pub numbers: Vec<Taken>,
    /// Calls that are its own from now on: those that have waited longest first, urgent ones before others.
    pub calls: Vec<StoredCall>,
    /// Whether more calls wait for the numbers that it holds.
    pub more: bool,
    /// Agents that were verified, and how long ago they were asked about.
    pub agents: Vec<(AgentProfile, Duration)>,
    /// Calls wait for numbers that others hold; so long until the first of those leases runs out, unless renewed.
    pub retry_in: Option<Duration>,
}

/// A number that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The number.
    pub number: PhoneNumberId,
    /// The epoch of the new lease: one more than that of the lease before.
    pub epoch: u64,
    /// Requests of earlier epochs whose outcome is not known.
    pub unresolved: Vec<Unresolved>,
    /// Who answered the number before we changed it: `None` where nothing is remembered.
    pub remembered: Option<Option<AgentId>>,
    /// Where something is remembered: the agents of all assign intents written since, so that a successor knows which
    /// changes were ours.
    pub ours: BTreeSet<AgentId>,
    /// The number as the holder before left it with a clean release, and how long ago that was confirmed.
    pub seen: Option<(Number, Duration)>,
}

/// A request that may have been sent, or may still be, and has no known outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unresolved {
    /// What was to be sent.
    pub intent: Intent,
    /// So long until it cannot be sent any more; zero where that has passed.
    pub open_for: Duration,
    /// So long ago that passed; zero where it has not.
    pub over_for: Duration,
}

/// A call with its history.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredCall {
    /// All its events, oldest first; the first is `CallRequested`.
    pub events: Vec<Recorded>,
    /// How long ago it was taken in.
    pub waited: Duration,
    /// So long until its open dial cannot be sent any more; zero where that has passed, or none is open.
    pub open_for: Duration,
    /// So long ago that passed; zero where it has not, or none is open.
    pub over_for: Duration,
    /// Somebody has asked for it to be cancelled.
    pub cancel: bool,
}

/// What a renewal came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Renewed {
    /// The leases that hold from now on, by number and epoch. What is missing is lost.
    pub leases: Vec<(PhoneNumberId, u64)>,
    /// Calls of this process that somebody asks to be cancelled.
    pub cancel: Vec<CallId>,
    /// Numbers of this process that somebody asks for ([`Store::want`]).
    pub wanted: Vec<PhoneNumberId>,
}

/// What a process gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Release {
    /// Numbers that it does not need any more, with their epochs.
    pub numbers: Vec<(PhoneNumberId, u64)>,
    /// Calls that others may take.
    pub calls: Vec<CallId>,
    /// What it knows of agents, and how long ago they were asked about.
    pub agents: Vec<(AgentProfile, Duration)>,
    /// What it knows of the numbers that it gives back, and how long ago that was confirmed.
    pub seen: Vec<(Number, Duration)>,
}

/// What has happened to a call since somebody looked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Followed {
    /// The call.
    pub call: CallId,
    /// Its events after the version that was asked for, oldest first.
    pub events: Vec<Recorded>,
    /// Whether no process has anything left to do for it ([`crate::ports::Change::Close`]).
    pub closed: bool,
}

/// What became of the wish to cancel a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CancelAnswer {
    /// No process had it: it is withdrawn.
    Withdrawn,
    /// A process has it and is told; if its dial has not been sent by then, it is withdrawn.
    Asked,
    /// It has ended.
    Ended,
    /// There is no such call.
    Unknown,
}

/// The store could not do what it was asked. It may have done it all the same: every operation may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the store is not available: {detail}")]
pub struct StoreUnavailable {
    /// What happened, as a lowercase fragment; names no password and no key.
    pub detail: String,
}

/// What several processes share.
///
/// Contract, beside that of [`Journal`]:
/// - *Linearizable*: every operation is one transaction, and takes effect at one moment between call and answer.
/// - *Fenced*: a commit with an intent is refused with [`JournalError::Fenced`](crate::JournalError::Fenced), and writes
///   nothing of its entry, unless this process holds the number under the intent's epoch and, where the intent is to dial,
///   has claimed the call. (A lease that has run out and that nobody else has taken still counts: the epoch has not
///   changed.) Events alone are refused with
///   [`JournalError::Conflict`](crate::JournalError::Conflict) where their version does not fit, where another process has
///   the call, and where the call is closed, unless they are late evidence (`CallInitiated`, `ProofRead`).
/// - *Idempotent*: an operation whose answer was lost may be repeated. A commit that is repeated word for word is
///   answered `Ok` and changes nothing.
/// - An *epoch* grows by one with each lease of a number and never falls, also when a lease row was lost.
/// - A number is free when it is released or its lease has run out by the store's clock. A call is free when no process
///   has it, or the process that has it holds no lease that has not run out.
#[async_trait]
pub trait Store: Journal {
    /// The process this view belongs to. Unique over all processes and for all time.
    fn owner(&self) -> &RunId;

    /// Takes calls in, all in one transaction: each gets its first event and waits. One answer for each, in their order.
    async fn submit(&self, calls: Vec<NewCall>) -> Result<Vec<Accepted>, StoreUnavailable>;

    /// Takes free numbers for which calls wait, or whose inbound agent is still remembered (so that somebody gives them
    /// back whose process has ended), and free calls that may be placed from a number that this process holds
    /// (with those just taken). Calls of numbers that others hold are left to them. Numbers that somebody else
    /// [wants](Store::want) are not taken.
    async fn claim(&self, claim: &Claim) -> Result<Claimed, StoreUnavailable>;

    /// Prolongs every lease of this process that nobody else has taken, also one that has run out.
    async fn renew(&self, ttl: Duration) -> Result<Renewed, StoreUnavailable>;

    /// Gives numbers and calls back: others may take them at once. What is not this process's any more is left alone.
    async fn release(&self, release: Release) -> Result<(), StoreUnavailable>;

    /// Takes one number without regard to calls; `None` where somebody else holds it. Who holds it is then asked to give
    /// it back when the session in progress has ended; the wish lasts for `ttl` and is renewed by asking again.
    async fn want(&self, number: &PhoneNumberId, ttl: Duration) -> Result<Option<Taken>, StoreUnavailable>;

    /// What has happened to calls since the given versions. Calls to which nothing has happened are absent.
    async fn follow(&self, calls: &[(CallId, u64)]) -> Result<Vec<Followed>, StoreUnavailable>;

    /// Cancels a call that no process has; else asks the process that has it to.
    async fn cancel(&self, call: &CallId, at: Timestamp) -> Result<CancelAnswer, StoreUnavailable>;

    /// Returns when another process may have changed something that concerns this one: calls that wait, numbers that are
    /// free, wishes. May return without reason; may be late, but never later than its polling period.
    async fn changed(&self);
}
