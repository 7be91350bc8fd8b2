//! What a database is asked to write, and what it answers.

use std::time::Duration;

use partyline_domain::ports::{Accepted, CancelAnswer, Claim, Claimed, Entry, NewCall, Release, Renewed, Taken};
use partyline_domain::{AttemptId, BatchId, CallId, JournalError, PhoneNumberId, Timestamp};

use crate::archive::{BatchState, NewBatch, Purge, Purged};

/// One thing to do. All of them may be repeated.
#[derive(Debug)]
pub(crate) enum Work {
    Commit(Vec<Entry>),
    Submit(Vec<NewCall>),
    Claim(Claim),
    Renew(Duration),
    Release(Release),
    Want(PhoneNumberId, Duration),
    Cancel(CallId, Timestamp),
    OpenBatch(NewBatch),
    SetBatch(BatchId, BatchState),
    CancelBatch(BatchId, Timestamp),
    /// Throws away at most as many calls.
    Purge(Purge, u32),
    /// Grants a permit for a dial, within these limits.
    Permit(AttemptId, PermitLimits),
    /// Gives permits back.
    ReturnPermit(AttemptId),
    /// Takes turns of a rate.
    Pace(Pace),
}

/// How many permits there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PermitLimits {
    pub(crate) in_flight: Option<usize>,
    pub(crate) live: Option<usize>,
}

/// Which turns of a rate are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Which rate: `dials` or `requests`.
    pub(crate) kind: &'static str,
    pub(crate) interval: Duration,
    /// As many at most.
    pub(crate) turns: u32,
    /// Only turns that come within this; where none does, none is taken.
    pub(crate) horizon: Duration,
}

/// What a database answers; each to the work of the same name.
#[derive(Debug)]
pub(crate) enum Answer {
    Commit(Vec<Result<(), JournalError>>),
    Submit(Vec<Accepted>),
    Claim(Claimed),
    Renew(Renewed),
    Want(Option<Taken>),
    Cancel(CancelAnswer),
    SetBatch(bool),
    CancelBatch(u64, u64),
    /// What was thrown away, and whether there is more.
    Purge(Purged, bool),
    /// Whether it was granted.
    Permit(bool),
    /// How many turns were taken, and how long it is until the first of them, or until one can be taken.
    Pace(u32, Duration),
    /// There is nothing to say.
    Done,
}

impl Work {
    /// Whether it is tried until it is done, whatever the state of the database. The others are answered with an error,
    /// because their callers come again.
    pub(crate) fn must_be_done(&self) -> bool {
        matches!(self, Self::Commit(_) | Self::ReturnPermit(_))
    }

    /// How much there is to write, roughly.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Commit(entries) => entries.len(),
            Self::Submit(calls) => calls.len(),
            Self::Claim(_)
            | Self::Renew(_)
            | Self::Release(_)
            | Self::Want(..)
            | Self::Cancel(..)
            | Self::OpenBatch(_)
            | Self::SetBatch(..)
            | Self::CancelBatch(..)
            | Self::Purge(..)
            | Self::Permit(..)
            | Self::ReturnPermit(_)
            | Self::Pace(_) => 1,
        }
    }
}
