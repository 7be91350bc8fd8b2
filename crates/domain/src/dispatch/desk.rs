//! A line and what happens at it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::dispatch::effect::Slot;
use crate::dispatch::session::Session;
use crate::dispatch::sharing::Held;
use crate::flow::FailureReason;
use crate::ids::PhoneNumberId;
use crate::line::Line;
use crate::time::Instant;

/// A line and what happens at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Desk {
    pub(super) line: Line,
    /// Calls that may dial or are dialling.
    pub(super) in_flight: BTreeSet<Slot>,
    /// Whose turn it is.
    pub(super) session: Option<Session>,
    /// The call for which the number is being assigned.
    pub(super) served: Option<Slot>,
    /// The last call that wants the number given back.
    pub(super) closing: Option<Slot>,
    /// How giving the number back goes.
    pub(super) giving_back: GivingBack,
    /// It could not be read.
    pub(super) trouble: Option<Trouble>,
    /// Whether it is used.
    pub(super) trust: Trust,
    /// The lease, where numbers are shared with other processes and this one has it.
    pub(super) held: Option<Held>,
    /// The latest epoch under which this process had it.
    pub(super) last_epoch: u64,
}

/// How giving a number back goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct GivingBack {
    /// How often it has failed.
    pub(super) tries: u32,
    /// When it is tried again.
    pub(super) not_before: Option<Instant>,
    /// Whether people were told that it has to wait.
    pub(super) delay_told: bool,
}

/// A number that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Trouble {
    pub(super) since: Instant,
    pub(super) reason: FailureReason,
    pub(super) detail: String,
}

/// How long a number that could not be read is passed over where others will do.
pub(super) const TROUBLE_PAUSE: Duration = Duration::from_secs(5);
/// What counts towards stopping a number is forgotten after so long (`scheduling.md` 4.3 no. 7).
const MEMORY: Duration = Duration::from_secs(3600);

/// Whether a number is used, and what speaks against it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Trust {
    pub(super) stopped: bool,
    mismatches: VecDeque<Instant>,
    outside_changes: VecDeque<Instant>,
}

fn count(times: &mut VecDeque<Instant>, now: Instant) -> usize {
    times.retain(|at| now.since(*at) < MEMORY);
    times.push_back(now);
    times.len()
}

impl Trust {
    /// Counts a conversation of another agent; `true` where that is one too many.
    pub(super) fn mismatch(&mut self, limit: Option<u32>, now: Instant) -> bool {
        limit.is_some_and(|limit| count(&mut self.mismatches, now) >= limit as usize)
    }

    /// Counts a change by somebody else; `true` where that is one too many.
    pub(super) fn outside_change(&mut self, limit: Option<u32>, now: Instant) -> bool {
        limit.is_some_and(|limit| count(&mut self.outside_changes, now) >= limit as usize)
    }
}

impl Desk {
    pub(super) fn new(number: PhoneNumberId) -> Self {
        Self {
            line: Line::new(number),
            in_flight: BTreeSet::new(),
            session: None,
            served: None,
            closing: None,
            giving_back: GivingBack::default(),
            trouble: None,
            trust: Trust::default(),
            held: None,
            last_epoch: 0,
        }
    }

    /// The session, where it serves calls.
    pub(super) fn open_session(&self) -> Option<&Session> {
        self.session.as_ref().filter(|session| !session.closing)
    }

    /// Whether the number is passed over: it is stopped, or it could not be read a moment ago.
    pub(super) fn is_out_of_use(&self, now: Instant) -> bool {
        let troubled = |trouble: &Trouble| now.since(trouble.since) < TROUBLE_PAUSE;
        self.trust.stopped || self.trouble.as_ref().is_some_and(troubled)
    }
}
