//! What the store holds, as plain data, and who has what of it.
//!
//! The operations are in the files beside: calls in `queue`, numbers in `lease`, commits in `record`. Every one takes
//! the time of the store's own clock and happens at that moment. Tests: `tests/store_state.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use partyline_domain::flow::CallEvent;
use partyline_domain::ports::{AgentProfile, BatchRow, Intent, IntentKind, Number, Recorded, Unresolved};
use partyline_domain::{
    AgentId, AttemptId, CallId, CallRequest, IdempotencyKey, Instant, LinePolicy, PhoneNumberId, Priority, RunId,
};

/// What is known of agents is handed out for this long after they were asked about.
pub const AGENTS_KNOWN_FOR: Duration = Duration::from_secs(300);

/// A whole store as a value: the same operations at the same times give equal states, so that a small world with it can
/// be searched exhaustively, and another store can be compared with it.
///
/// ```
/// use partyline_domain::ports::Claim;
/// use partyline_domain::{Instant, PhoneNumberId, RunId};
/// use partyline_fake_adapter::StoreState;
/// use std::time::Duration;
/// let mut store = StoreState::default();
/// let (ada, bob) = (RunId::parse("run_ada")?, RunId::parse("run_bob")?);
/// let number = PhoneNumberId::parse("phnum_1")?;
/// let (now, ttl) = (Instant::default(), Duration::from_secs(10));
/// assert_eq!(store.want(&ada, &number, ttl, now).map(|taken| taken.epoch), Some(1));
/// assert_eq!(store.want(&bob, &number, ttl, now), None);
/// assert_eq!(store.want(&bob, &number, ttl, now.after(ttl)).map(|taken| taken.epoch), Some(2));
/// # Ok::<(), partyline_domain::InvalidId>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoreState {
    pub(super) calls: BTreeMap<CallId, CallRow>,
    pub(super) keys: BTreeMap<IdempotencyKey, CallId>,
    pub(super) leases: BTreeMap<PhoneNumberId, LeaseRow>,
    // Apart from the leases, because a lease row may be lost and an epoch never falls.
    pub(super) epochs: BTreeMap<PhoneNumberId, u64>,
    pub(super) wishes: BTreeMap<(PhoneNumberId, RunId), Instant>,
    pub(super) intents: BTreeMap<AttemptId, IntentRow>,
    pub(super) inbound: BTreeMap<PhoneNumberId, InboundRow>,
    pub(super) agents: BTreeMap<AgentId, Aged<AgentProfile>>,
    pub(super) seen: BTreeMap<PhoneNumberId, Aged<Number>>,
    pub(super) counted: u64,
}

/// A call as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallRow {
    /// All its events, oldest first.
    pub history: Vec<Recorded>,
    /// When it was taken in, by the store's clock.
    pub taken_in: Instant,
    /// Its place in the order in which calls were taken in.
    pub order: u64,
    /// The row of a batch it belongs to.
    pub batch: Option<BatchRow>,
    /// The call that it repeats.
    pub repeats: Option<CallId>,
    /// The process that has it.
    pub holder: Option<Holder>,
    /// Somebody has asked for it to be cancelled.
    pub cancel: bool,
    /// No process has anything left to do for it.
    pub closed: bool,
}

/// Who has a call, and since which of its claims.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The process.
    pub owner: RunId,
    /// The ordinal of the claim it was taken with; 0 where the process wrote the call down itself.
    pub claim: u64,
}

/// The lease of a number. It may have run out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseRow {
    /// The process that holds it, or held it last.
    pub owner: RunId,
    /// Its epoch.
    pub epoch: u64,
    /// When it runs out, by the store's clock.
    pub expires_at: Instant,
    /// The ordinal of the claim it was taken with; 0 where it was wanted.
    pub claim: u64,
}

/// An intent, also after it was resolved: attempts are never forgotten, so that a repeated commit is known as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct IntentRow {
    pub(super) intent: Intent,
    pub(super) order: u64,
    pub(super) open_until: Instant,
    pub(super) resolved: bool,
}

/// Who answered a number before it was changed, and how much had been counted when that was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct InboundRow {
    pub(super) inbound: Option<AgentId>,
    pub(super) since: u64,
}

/// Something that was known for `age` when it was written down at `at`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Aged<T> {
    pub(super) value: T,
    pub(super) at: Instant,
    pub(super) age: Duration,
}

impl<T> Aged<T> {
    pub(super) fn age_at(&self, now: Instant) -> Duration {
        self.age.saturating_add(now.since(self.at))
    }
}

impl CallRow {
    /// What was asked for; `None` where the history does not begin with it.
    pub fn request(&self) -> Option<&CallRequest> {
        match self.history.first().map(|recorded| &recorded.event) {
            Some(CallEvent::CallRequested { request }) => Some(request),
            Some(_) | None => None,
        }
    }

    /// The version its history ends at.
    pub fn version(&self) -> u64 {
        self.history.len() as u64
    }

    /// The process that has it.
    pub fn owner(&self) -> Option<&RunId> {
        self.holder.as_ref().map(|holder| &holder.owner)
    }

    /// Whether it may be placed from one of these numbers.
    pub(super) fn may_use_any(&self, numbers: &BTreeSet<PhoneNumberId>) -> bool {
        self.request().is_some_and(|request| request.numbers.iter().any(|number| numbers.contains(number)))
    }

    /// Its place in the line: an urgent call counts as taken in earlier.
    pub(super) fn turn(&self) -> (Instant, u64) {
        let is_urgent = self.request().is_some_and(|request| request.priority == Priority::Urgent);
        let behind = if is_urgent { Duration::ZERO } else { LinePolicy::default().urgent_ahead };
        (self.taken_in.after(behind), self.order)
    }
}

impl StoreState {
    /// Every call, in the order of their ids.
    pub fn calls(&self) -> impl Iterator<Item = (&CallId, &CallRow)> {
        self.calls.iter()
    }

    /// A call.
    pub fn call(&self, id: &CallId) -> Option<&CallRow> {
        self.calls.get(id)
    }

    /// Every lease that was not given back, in the order of the numbers; some may have run out.
    pub fn leases(&self) -> impl Iterator<Item = (&PhoneNumberId, &LeaseRow)> {
        self.leases.iter()
    }

    /// The epoch of a number's last lease; 0 where it never had one.
    pub fn epoch(&self, number: &PhoneNumberId) -> u64 {
        self.epochs.get(number).copied().unwrap_or_default()
    }

    /// Until when what an open intent is about may be sent, by the store's clock.
    pub fn open_until(&self, attempt: &AttemptId) -> Option<Instant> {
        self.intents.get(attempt).filter(|row| !row.resolved).map(|row| row.open_until)
    }

    /// Loses the row of a number's lease, as a careless operator may. Its epoch is known elsewhere.
    pub fn lose_lease(&mut self, number: &PhoneNumberId) {
        self.leases.remove(number);
    }

    pub(super) fn count(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }

    /// Who holds a number, by the store's clock.
    pub(super) fn holder_of(&self, number: &PhoneNumberId, now: Instant) -> Option<&LeaseRow> {
        self.leases.get(number).filter(|lease| lease.expires_at > now)
    }

    /// The numbers that a process holds, by the store's clock.
    pub(super) fn held_by(&self, owner: &RunId, now: Instant) -> BTreeSet<PhoneNumberId> {
        let held = self.leases.iter().filter(|(_, lease)| lease.owner == *owner && lease.expires_at > now);
        held.map(|(number, _)| number.clone()).collect()
    }

    fn holds_any(&self, owner: &RunId, now: Instant) -> bool {
        self.leases.values().any(|lease| lease.owner == *owner && lease.expires_at > now)
    }

    /// Whether no process has the call, or only one that holds nothing any more.
    pub(super) fn is_free(&self, row: &CallRow, now: Instant) -> bool {
        !row.closed && row.owner().is_none_or(|owner| !self.holds_any(owner, now))
    }

    pub(super) fn open_intents_by_age(&self) -> Vec<&IntentRow> {
        let mut open: Vec<_> = self.intents.values().filter(|row| !row.resolved).collect();
        open.sort_by_key(|row| row.order);
        open
    }

    /// The requests for a number from before an epoch that have no known outcome, oldest first.
    pub(super) fn unresolved(&self, number: &PhoneNumberId, epoch: u64, now: Instant) -> Vec<Unresolved> {
        let open = self.open_intents_by_age().into_iter();
        let earlier = open.filter(|row| row.intent.number == *number && row.intent.epoch < epoch);
        let unresolved = |row: &IntentRow| Unresolved {
            intent: row.intent.clone(),
            open_for: row.open_until.since(now),
            over_for: now.since(row.open_until),
        };
        earlier.map(unresolved).collect()
    }

    /// When the call's open dial can be sent for the last time; `None` where none is open.
    pub(super) fn dial_open_until(&self, call: &CallId) -> Option<Instant> {
        let concerns = |intent: &Intent| matches!(&intent.kind, IntentKind::Dial(of) if of == call);
        let open = self.intents.values().filter(|row| !row.resolved && concerns(&row.intent));
        open.map(|row| row.open_until).max()
    }

    /// The agents that were to be assigned to a number since something was remembered of it.
    pub(super) fn ours(&self, number: &PhoneNumberId) -> BTreeSet<AgentId> {
        let Some(InboundRow { since, .. }) = self.inbound.get(number) else { return BTreeSet::new() };
        let concerns = |row: &&IntentRow| row.order > *since && row.intent.number == *number;
        let assigned = self.intents.values().filter(concerns).filter(|row| row.intent.kind == IntentKind::Assign);
        assigned.filter_map(|row| row.intent.agent.clone()).collect()
    }
}
