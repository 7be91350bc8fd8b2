//! What entries of the journal come to, given what the store knows: which are refused, and what the others write. Pure,
//! and the same for both databases, which load what is known within the transaction that writes.
//!
//! The tests are in `plan/tests.rs`.

use std::collections::{BTreeMap, BTreeSet};

use partyline_domain::flow::{CallEvent, CallState};
use partyline_domain::ports::{Change, Entry, Intent, IntentKind, Recorded};
use partyline_domain::{AgentId, AttemptId, CallId, CallRequest, JournalError, PhoneNumberId, RunId};

use crate::progress::Progress;

#[cfg(test)]
mod tests;

/// What entries ask about, so that it can be loaded at once.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    pub(crate) calls: BTreeSet<CallId>,
    pub(crate) numbers: BTreeSet<PhoneNumberId>,
    pub(crate) attempts: BTreeSet<AttemptId>,
}

impl Questions {
    pub(crate) fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut asked = Self::default();
        for change in entries.into_iter().flat_map(|entry| &entry.changes) {
            match change {
                Change::Append { call, .. } | Change::Close(call) => drop(asked.calls.insert(call.clone())),
                Change::Intend(intent) => {
                    asked.numbers.insert(intent.number.clone());
                    asked.attempts.insert(intent.attempt.clone());
                    if let IntentKind::Dial(call) = &intent.kind {
                        asked.calls.insert(call.clone());
                    }
                }
                Change::Remember { number, .. } | Change::Forget(number) => drop(asked.numbers.insert(number.clone())),
                Change::Resolve(_) => {}
            }
        }
        asked
    }
}

/// What the store knows of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownCall {
    /// Its place in the store; `None` for one that begins with an entry.
    pub(crate) seq: Option<i64>,
    /// The process that has it.
    pub(crate) owner: Option<RunId>,
    /// The process that handed it in.
    pub(crate) origin: Option<RunId>,
    pub(crate) closed: bool,
    pub(crate) progress: Progress,
    /// What it asks for, where it begins with an entry.
    pub(crate) request: Option<CallRequest>,
}

/// Who holds a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownLease {
    pub(crate) owner: Option<RunId>,
    pub(crate) epoch: u64,
    /// Whether it has not run out.
    pub(crate) holds: bool,
}

/// What the store knows of all that entries ask about.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) calls: BTreeMap<CallId, KnownCall>,
    pub(crate) leases: BTreeMap<PhoneNumberId, KnownLease>,
    /// Intents, also those that were resolved.
    pub(crate) intents: BTreeMap<AttemptId, Intent>,
    /// Events that appends would write over.
    pub(crate) events: BTreeMap<(CallId, u64), Recorded>,
}

/// A change to what is remembered of a number, in the order of the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Remember(PhoneNumberId, Option<AgentId>),
    Forget(PhoneNumberId),
    /// An assignment of ours.
    Ours(PhoneNumberId, AgentId),
}

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// Events, numbered, in the order of the entries.
    pub(crate) events: Vec<(CallId, Recorded)>,
    /// Calls as they are after it, each with the version it had.
    pub(crate) calls: BTreeMap<CallId, (KnownCall, u64)>,
    pub(crate) intents: Vec<Intent>,
    pub(crate) resolved: BTreeSet<AttemptId>,
    pub(crate) memory: Vec<Memory>,
    /// The numbers that are about to be changed, and who is to answer them.
    pub(crate) changed: BTreeMap<PhoneNumberId, Option<AgentId>>,
    /// Whether another process waits for something in here.
    pub(crate) remote: bool,
}

impl Writes {
    /// The calls that begin with these entries, in the order of the entries.
    pub(crate) fn begun(&self) -> Vec<(CallId, KnownCall)> {
        let firsts = self.events.iter().filter(|(_, recorded)| recorded.version == 1);
        let begun = |call: &CallId| {
            let known = self.calls.get(call).map(|(known, _)| known).filter(|known| known.seq.is_none())?;
            Some((call.clone(), known.clone()))
        };
        firsts.filter_map(|(call, _)| begun(call)).collect()
    }
}

/// Evaluates entries one after the other.
pub(crate) struct Plan<'a> {
    me: &'a RunId,
    known: Known,
    writes: Writes,
}

/// What one entry does, until it is known to be whole.
#[derive(Default)]
struct Draft {
    calls: BTreeMap<CallId, KnownCall>,
    events: Vec<(CallId, Recorded)>,
    intents: Vec<Intent>,
    resolved: Vec<AttemptId>,
    memory: Vec<Memory>,
    /// Counted after what the entry remembers, wherever it stands.
    ours: Vec<Memory>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(me: &'a RunId, known: Known) -> Self {
        Self { me, known, writes: Writes::default() }
    }

    /// Takes the entries of one commit in, in their order. Where one is refused, so are those after it that concern the
    /// same calls: they continue what never happened.
    pub(crate) fn enter_all(&mut self, entries: &[Entry]) -> Vec<Result<(), JournalError>> {
        let mut refused: BTreeMap<&CallId, JournalError> = BTreeMap::new();
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            let answer = match entry.calls().find_map(|call| refused.get(call)) {
                Some(error) => Err(error.clone()),
                None => self.enter(entry),
            };
            if let Err(error) = &answer {
                refused.extend(entry.calls().map(|call| (call, error.clone())));
            }
            answers.push(answer);
        }
        answers
    }

    /// Takes an entry in, or refuses the whole of it. One that is written already, word for word, changes nothing.
    pub(crate) fn enter(&mut self, entry: &Entry) -> Result<(), JournalError> {
        if self.is_written(entry) {
            return Ok(());
        }
        self.check_versions(entry)?;
        self.check_claims(entry)?;
        let mut draft = Draft::default();
        for change in &entry.changes {
            self.change(&mut draft, change)?;
        }
        draft.memory.append(&mut draft.ours);
        self.accept(draft);
        Ok(())
    }

    pub(crate) fn finish(self) -> Writes {
        self.writes
    }

    /// Whether all events and intents of an entry are there. An entry with neither is not known again: to make its changes
    /// twice is to make them once.
    fn is_written(&self, entry: &Entry) -> bool {
        let mut parts = entry.changes.iter().filter_map(|change| self.is_there(change)).peekable();
        parts.peek().is_some() && parts.all(|there| there)
    }

    fn is_there(&self, change: &Change) -> Option<bool> {
        match change {
            Change::Append { call, events, .. } if !events.is_empty() => {
                let stored = |event: &Recorded| self.known.events.get(&(call.clone(), event.version)) == Some(event);
                Some(events.iter().all(stored))
            }
            Change::Intend(intent) => Some(self.known.intents.get(&intent.attempt) == Some(intent)),
            Change::Append { .. }
            | Change::Resolve(_)
            | Change::Remember { .. }
            | Change::Forget(_)
            | Change::Close(_) => None,
        }
    }

    fn check_versions(&self, entry: &Entry) -> Result<(), JournalError> {
        let mut versions = BTreeMap::new();
        for change in &entry.changes {
            if let Change::Append { call, expected, events } = change {
                let known = || self.known.calls.get(call).map_or(0, |known| known.progress.version);
                let version: &mut u64 = versions.entry(call).or_insert_with(known);
                if *version != *expected {
                    return Err(JournalError::Conflict { call: call.clone(), expected: *expected, actual: *version });
                }
                *version += events.len() as u64;
            }
        }
        Ok(())
    }

    /// No other process has the calls, and one that is closed gets nothing but late evidence.
    fn check_claims(&self, entry: &Entry) -> Result<(), JournalError> {
        for change in &entry.changes {
            let Change::Append { call, expected, events } = change else { continue };
            let Some(known) = self.known.calls.get(call) else { continue };
            let others = known.owner.as_ref().is_some_and(|owner| owner != self.me);
            if others || (known.closed && !self.takes_late(call, known, events)) {
                let actual = known.progress.version;
                return Err(JournalError::Conflict { call: call.clone(), expected: *expected, actual });
            }
        }
        Ok(())
    }

    /// Whether the flow allows these events after the end: a conversation that is found late, and what proves it.
    fn takes_late(&self, call: &CallId, known: &KnownCall, events: &[Recorded]) -> bool {
        let late = |event: &CallEvent| matches!(event, CallEvent::CallInitiated { .. } | CallEvent::ProofRead { .. });
        let history = (1..=known.progress.version).map(|version| self.known.events.get(&(call.clone(), version)));
        let history: Option<Vec<&Recorded>> = history.collect();
        let all = history.into_iter().flatten().chain(events).map(|recorded| &recorded.event);
        events.iter().all(|recorded| late(&recorded.event)) && CallState::fold(all).is_ok()
    }

    fn is_held_by_another(&self, number: &PhoneNumberId) -> bool {
        let lease = self.known.leases.get(number).filter(|lease| lease.holds);
        lease.and_then(|lease| lease.owner.as_ref()).is_some_and(|owner| owner != self.me)
    }

    fn change(&self, draft: &mut Draft, change: &Change) -> Result<(), JournalError> {
        match change {
            Change::Append { call, events, .. } => self.append(draft, call, events),
            Change::Intend(intent) => self.intend(draft, intent)?,
            Change::Resolve(attempt) => draft.resolved.push(attempt.clone()),
            Change::Remember { number, .. } | Change::Forget(number) if self.is_held_by_another(number) => {}
            Change::Remember { number, inbound } => {
                draft.memory.push(Memory::Remember(number.clone(), inbound.clone()));
            }
            Change::Forget(number) => draft.memory.push(Memory::Forget(number.clone())),
            Change::Close(call) => {
                let ours = |known: &KnownCall| known.owner.as_ref().is_none_or(|owner| owner == self.me);
                if let Some(mut known) = self.call(draft, call).filter(ours) {
                    known.closed = true;
                    known.owner = None;
                    draft.calls.insert(call.clone(), known);
                }
            }
        }
        Ok(())
    }

    fn call(&self, draft: &Draft, call: &CallId) -> Option<KnownCall> {
        draft.calls.get(call).or_else(|| self.known.calls.get(call)).cloned()
    }

    fn append(&self, draft: &mut Draft, call: &CallId, events: &[Recorded]) {
        let Some(first) = events.first() else { return };
        let mut known = self.call(draft, call).unwrap_or_else(|| self.begin(first));
        for recorded in events {
            known.progress.apply(recorded);
            // The number is the place, whatever the writer says.
            draft.events.push((call.clone(), Recorded { version: known.progress.version, ..recorded.clone() }));
        }
        draft.calls.insert(call.clone(), known);
    }

    /// A call whose history begins with a commit is had by the process that wrote it.
    fn begin(&self, first: &Recorded) -> KnownCall {
        let request =
            if let CallEvent::CallRequested { request } = &first.event { Some(request.clone()) } else { None };
        let me = Some(self.me.clone());
        KnownCall { seq: None, owner: me.clone(), origin: me, closed: false, progress: Progress::new(), request }
    }

    /// A lease that has run out and that nobody else has taken still counts: its epoch has not changed. An attempt is
    /// sent once in all time: one of the same id is somebody else's.
    fn intend(&self, draft: &mut Draft, intent: &Intent) -> Result<(), JournalError> {
        let lease = self.known.leases.get(&intent.number);
        let holds = lease.is_some_and(|lease| lease.owner.as_ref() == Some(self.me) && lease.epoch == intent.epoch);
        let has = match &intent.kind {
            // As it was before the entry, unless it begins with it.
            IntentKind::Dial(call) => {
                let known = self.known.calls.get(call).or_else(|| draft.calls.get(call));
                known.is_some_and(|known| known.owner.as_ref() == Some(self.me))
            }
            IntentKind::Assign | IntentKind::Restore => true,
        };
        if !(holds && has) || self.known.intents.contains_key(&intent.attempt) {
            return Err(JournalError::Fenced { number: intent.number.clone() });
        }
        if let (IntentKind::Assign, Some(agent)) = (&intent.kind, &intent.agent) {
            draft.ours.push(Memory::Ours(intent.number.clone(), agent.clone()));
        }
        // What was resolved before it was there stays open.
        draft.resolved.retain(|attempt| *attempt != intent.attempt);
        draft.intents.push(intent.clone());
        Ok(())
    }

    fn accept(&mut self, draft: Draft) {
        for (call, after) in draft.calls {
            let before = self.known.calls.insert(call.clone(), after.clone());
            let version = before.as_ref().map_or(0, |before| before.progress.version);
            let mine = after.origin.as_ref() == Some(self.me);
            self.writes.remote |= !mine || before.is_some_and(|before| before.closed != after.closed);
            match self.writes.calls.entry(call) {
                std::collections::btree_map::Entry::Vacant(place) => drop(place.insert((after, version))),
                std::collections::btree_map::Entry::Occupied(mut place) => place.get_mut().0 = after,
            }
        }
        for (call, recorded) in draft.events {
            self.known.events.insert((call.clone(), recorded.version), recorded.clone());
            self.writes.events.push((call, recorded));
        }
        for intent in draft.intents {
            if matches!(intent.kind, IntentKind::Assign | IntentKind::Restore) {
                self.writes.changed.insert(intent.number.clone(), intent.agent.clone());
            }
            self.writes.resolved.remove(&intent.attempt);
            self.known.intents.insert(intent.attempt.clone(), intent.clone());
            self.writes.intents.push(intent);
        }
        self.writes.resolved.extend(draft.resolved);
        self.writes.memory.extend(draft.memory);
    }
}

/// The events that must be known before entries can be judged: those at the versions of appends that come too late, and
/// the histories of calls that are closed.
pub(crate) fn overwritten<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    calls: &BTreeMap<CallId, KnownCall>,
) -> Vec<(CallId, u64, u64)> {
    let mut wanted = Vec::new();
    for change in entries.into_iter().flat_map(|entry| &entry.changes) {
        let Change::Append { call, expected, events } = change else { continue };
        let Some(known) = calls.get(call) else { continue };
        if known.closed {
            // Whether it takes late evidence is for the flow to say, which asks for all of it.
            wanted.push((call.clone(), 0, known.progress.version));
        } else if known.progress.version > *expected {
            wanted.push((call.clone(), *expected, expected.saturating_add(events.len() as u64)));
        }
    }
    wanted
}
