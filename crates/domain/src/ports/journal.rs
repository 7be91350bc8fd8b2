//! The journal: what happened to every call, and what is about to be sent.
//!
//! A write to the provider is released only by the journal's answer to its intent, so after a crash the
//! open intents name everything that may have been sent and is not resolved.
//!
//! Proved by the suite `partyline_tests::contract::journal`, which any adapter can be run against.

use std::collections::btree_map::Entry as MapEntry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::JournalError;
use crate::flow::CallEvent;
use crate::ids::{AgentId, AttemptId, CallId, PhoneNumberId};
use crate::time::Timestamp;

/// One event of a call with its place in the call's history.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Recorded {
    /// 1 for the first event of the call, then one more each.
    pub version: u64,
    /// When it was decided, by this process's wall clock.
    pub at: Timestamp,
    /// What happened.
    pub event: CallEvent,
}

/// What an intent is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum IntentKind {
    /// To dial for this call.
    Dial(CallId),
    /// To assign the number.
    Assign,
    /// To give the number back to who answered it before.
    Restore,
}

/// Something that is about to be sent to the provider and may take effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Intent {
    /// Its id, also known to the provider where it is a dial.
    pub attempt: AttemptId,
    /// What it is about.
    pub kind: IntentKind,
    /// The number it concerns.
    pub number: PhoneNumberId,
    /// The agent it names; `None` where the number is to be nobody's.
    pub agent: Option<AgentId>,
    /// The epoch of the lease under which it is sent; 0 where there are no leases.
    pub epoch: u64,
    /// It is not sent after this, by the wall clock of the process that decided it.
    pub send_by: Timestamp,
    /// The same from its decision on. A store counts it from when the intent is written, by a clock of its own.
    pub within: Duration,
    /// How long after it was sent it may still take effect, as far as whoever decided it knows: a successor waits for that
    /// where it is more than its own bound.
    #[cfg_attr(feature = "serde", serde(default))]
    pub lateness: Duration,
}

/// One change within an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Change {
    /// Adds events to a call whose history ends at version `expected` (0 for a new call).
    Append {
        /// The call.
        call: CallId,
        /// The version its history ends at.
        expected: u64,
        /// The events, numbered from `expected + 1`.
        events: Vec<Recorded>,
    },
    /// Opens an intent.
    Intend(Intent),
    /// Closes an intent: its outcome is known, or can no longer become known.
    Resolve(AttemptId),
    /// Remembers who answered a number before we changed it (`None` = nobody). Kept as it is where one is
    /// remembered already: the first one counts.
    Remember {
        /// The number.
        number: PhoneNumberId,
        /// Who answered it.
        inbound: Option<AgentId>,
    },
    /// Forgets who answered a number: it has been given back, or somebody else has changed it. Nothing happens where
    /// another process holds the number, which has its own to remember; so with [`Change::Remember`].
    Forget(PhoneNumberId),
    /// Notes that no process has anything left to do for a call. Nothing happens where another process has it.
    Close(CallId),
}

/// Changes that are written together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// The changes, applied in this order.
    pub changes: Vec<Change>,
}

impl Entry {
    /// The calls that it adds events to, or closes.
    pub fn calls(&self) -> impl Iterator<Item = &CallId> {
        self.changes.iter().filter_map(|change| match change {
            Change::Append { call, .. } | Change::Close(call) => Some(call),
            Change::Intend(_) | Change::Resolve(_) | Change::Remember { .. } | Change::Forget(_) => None,
        })
    }
}

/// Keeps the journal.
///
/// Contract: an entry is atomic and durable (as far as the adapter promises) when its answer is `Ok`;
/// entries take effect in the order given; `Conflict` is a normal answer and writes nothing of its entry;
/// the other entries of the same commit are not touched by it, but for those that append to the same call or close it:
/// they continue events that never happened, and are refused too. Look-ups see every entry that was answered.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes entries; one answer for each, in their order.
    async fn commit(&self, entries: Vec<Entry>) -> Vec<Result<(), JournalError>>;

    /// The events of a call after version `after`, oldest first; empty for an unknown call.
    async fn events(&self, call: &CallId, after: u64) -> Result<Vec<Recorded>, JournalError>;

    /// The intents that are open, oldest first.
    async fn open_intents(&self) -> Result<Vec<Intent>, JournalError>;

    /// Who answered a number before we changed it: `None` where nothing is remembered,
    /// `Some(None)` where nobody did.
    async fn remembered(&self, number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, JournalError>;
}

/// A journal that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Memory>);

/// How many events most calls have after the first.
const EVENTS_USUAL: usize = 5;

#[derive(Debug, Default)]
struct Memory {
    calls: BTreeMap<CallId, Vec<Recorded>>,
    intents: VecDeque<Intent>,
    inbound: BTreeMap<PhoneNumberId, Option<AgentId>>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every call in it, in the order of their ids.
    pub fn calls(&self) -> Vec<CallId> {
        self.lock().calls.keys().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        // A panic while the lock was held is our bug and has been reported; the data is still whole,
        // because an entry is checked before it is applied.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Memory {
    fn write(&mut self, entry: Entry) -> Result<(), JournalError> {
        let mut changes = entry.changes.into_iter();
        let is_append = |change: &Change| matches!(change, Change::Append { .. });
        if changes.as_slice().iter().skip(1).any(is_append) {
            self.check(changes.as_slice())?;
        } else if let Some(first) = changes.next() {
            // The only change that can fail comes first, so it need not be looked up before it is made.
            self.apply(first)?;
        }
        changes.try_for_each(|change| self.apply(change))
    }

    /// Whether every append of an entry finds its call where it expects it.
    fn check(&self, changes: &[Change]) -> Result<(), JournalError> {
        let mut versions = BTreeMap::new();
        for change in changes {
            if let Change::Append { call, expected, events } = change {
                let stored = || self.calls.get(call).map_or(0, |events| events.len() as u64);
                let version: &mut u64 = versions.entry(call).or_insert_with(stored);
                if *version != *expected {
                    return Err(JournalError::Conflict { call: call.clone(), expected: *expected, actual: *version });
                }
                *version += events.len() as u64;
            }
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) -> Result<(), JournalError> {
        match change {
            Change::Append { call, expected, events } => return self.append(call, expected, events),
            Change::Intend(intent) => self.intents.push_back(intent),
            Change::Resolve(attempt) => {
                // The oldest are resolved first, as a rule.
                if let Some(index) = self.intents.iter().position(|intent| intent.attempt == attempt) {
                    self.intents.remove(index);
                }
            }
            Change::Remember { number, inbound } => {
                self.inbound.entry(number).or_insert(inbound);
            }
            Change::Forget(number) => {
                self.inbound.remove(&number);
            }
            // It has one process only.
            Change::Close(_) => {}
        }
        Ok(())
    }

    fn append(&mut self, call: CallId, expected: u64, mut events: Vec<Recorded>) -> Result<(), JournalError> {
        match self.calls.entry(call) {
            MapEntry::Vacant(place) if expected == 0 => {
                events.reserve(EVENTS_USUAL);
                place.insert(events);
                Ok(())
            }
            MapEntry::Occupied(mut place) if place.get().len() as u64 == expected => {
                place.get_mut().append(&mut events);
                Ok(())
            }
            MapEntry::Vacant(place) => Err(JournalError::Conflict { call: place.into_key(), expected, actual: 0 }),
            MapEntry::Occupied(place) => {
                let (call, actual) = (place.key().clone(), place.get().len() as u64);
                Err(JournalError::Conflict { call, expected, actual })
            }
        }
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn commit(&self, entries: Vec<Entry>) -> Vec<Result<(), JournalError>> {
        let mut memory = self.lock();
        let mut refused: BTreeMap<CallId, JournalError> = BTreeMap::new();
        let mut write = |entry: Entry| {
            if let Some(error) = entry.calls().find_map(|call| refused.get(call)) {
                return Err(error.clone());
            }
            let appends: Vec<CallId> = entry.calls().cloned().collect();
            let answer = memory.write(entry);
            if let Err(error) = &answer {
                refused.extend(appends.into_iter().map(|call| (call, error.clone())));
            }
            answer
        };
        entries.into_iter().map(&mut write).collect()
    }

    async fn events(&self, call: &CallId, after: u64) -> Result<Vec<Recorded>, JournalError> {
        let memory = self.lock();
        let events = memory.calls.get(call).map_or(&[][..], Vec::as_slice);
        Ok(events.iter().filter(|recorded| recorded.version > after).cloned().collect())
    }

    async fn open_intents(&self) -> Result<Vec<Intent>, JournalError> {
        Ok(self.lock().intents.iter().cloned().collect())
    }

    async fn remembered(&self, number: &PhoneNumberId) -> Result<Option<Option<AgentId>>, JournalError> {
        Ok(self.lock().inbound.get(number).cloned())
    }
}
