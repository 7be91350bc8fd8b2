//! Commits: fenced by epochs and versions, and known again when they are repeated word for word.

use std::collections::BTreeMap;

use partyline_domain::flow::{CallEvent, CallState};
use partyline_domain::ports::{Change, Entry, Intent, IntentKind, Recorded};
use partyline_domain::{AgentId, CallId, Instant, JournalError, PhoneNumberId, RunId};

use super::state::{CallRow, Holder, InboundRow, IntentRow, StoreState};

impl StoreState {
    /// Writes entries in their order. Where one is refused, so are those after it that append to the same calls.
    pub fn commit_all(&mut self, owner: &RunId, entries: &[Entry], now: Instant) -> Vec<Result<(), JournalError>> {
        let mut refused: BTreeMap<&CallId, JournalError> = BTreeMap::new();
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            let answer = match entry.calls().find_map(|call| refused.get(call)) {
                Some(error) => Err(error.clone()),
                None => self.commit(owner, entry.clone(), now),
            };
            if let Err(error) = &answer {
                refused.extend(entry.calls().map(|call| (call, error.clone())));
            }
            answers.push(answer);
        }
        answers
    }

    /// Writes one entry or nothing of it; see [`partyline_domain::ports::Journal::commit`] and the contract of
    /// [`partyline_domain::ports::Store`].
    ///
    /// # Errors
    /// [`JournalError::Conflict`] where a call has moved on, [`JournalError::Fenced`] where this process does not have
    /// what an intent of the entry needs.
    pub fn commit(&mut self, owner: &RunId, entry: Entry, now: Instant) -> Result<(), JournalError> {
        if self.is_written(&entry) {
            return Ok(());
        }
        let versions = self.check_versions(&entry.changes)?;
        self.check_claims(owner, &entry.changes)?;
        for change in &entry.changes {
            if let Change::Intend(intent) = change {
                let is_new = |call: &CallId| versions.contains_key(call) && !self.calls.contains_key(call);
                self.check_fence(owner, intent, is_new)?;
            }
        }
        let counted = self.counted;
        entry.changes.into_iter().for_each(|change| self.apply(owner, change, counted, now));
        Ok(())
    }

    /// Whether all events and intents of an entry are there, word for word, in their places. An entry with neither is
    /// not known again: to make its changes twice is to make them once.
    fn is_written(&self, entry: &Entry) -> bool {
        let mut parts = entry.changes.iter().filter_map(|change| self.is_there(change)).peekable();
        parts.peek().is_some() && parts.all(|there| there)
    }

    fn is_there(&self, change: &Change) -> Option<bool> {
        match change {
            Change::Append { call, expected, events } if !events.is_empty() => {
                let history = self.calls.get(call).map_or(&[][..], |row| &row.history);
                let from = usize::try_from(*expected).ok().and_then(|at| history.get(at..)).unwrap_or_default();
                Some(from.starts_with(events))
            }
            Change::Intend(intent) => Some(self.intents.get(&intent.attempt).is_some_and(|row| row.intent == *intent)),
            Change::Append { .. }
            | Change::Resolve(_)
            | Change::Remember { .. }
            | Change::Forget(_)
            | Change::Close(_) => None,
        }
    }

    /// Checks that every append finds its call where it expects it; gives the versions after the entry.
    fn check_versions<'a>(&self, changes: &'a [Change]) -> Result<BTreeMap<&'a CallId, u64>, JournalError> {
        let mut versions = BTreeMap::new();
        for change in changes {
            if let Change::Append { call, expected, events } = change {
                let stored = || self.calls.get(call).map_or(0, CallRow::version);
                let version: &mut u64 = versions.entry(call).or_insert_with(stored);
                if *version != *expected {
                    return Err(JournalError::Conflict { call: call.clone(), expected: *expected, actual: *version });
                }
                *version += events.len() as u64;
            }
        }
        Ok(versions)
    }

    /// Checks that no other process has the calls, and that one that is closed gets nothing but late evidence.
    fn check_claims(&self, owner: &RunId, changes: &[Change]) -> Result<(), JournalError> {
        for change in changes {
            let Change::Append { call, expected, events } = change else { continue };
            let Some(row) = self.calls.get(call) else { continue };
            let others = row.owner().is_some_and(|other| other != owner);
            if others || (row.closed && !continues(row, events)) {
                return Err(JournalError::Conflict { call: call.clone(), expected: *expected, actual: row.version() });
            }
        }
        Ok(())
    }

    /// A lease that has run out and that nobody else has taken still counts: its epoch has not changed.
    fn check_fence(
        &self,
        owner: &RunId,
        intent: &Intent,
        is_new: impl Fn(&CallId) -> bool,
    ) -> Result<(), JournalError> {
        let lease = self.leases.get(&intent.number);
        let holds = lease.is_some_and(|lease| lease.owner == *owner && lease.epoch == intent.epoch);
        let has_call = match &intent.kind {
            IntentKind::Dial(call) => {
                is_new(call) || self.calls.get(call).is_some_and(|row| row.owner() == Some(owner))
            }
            IntentKind::Assign | IntentKind::Restore => true,
        };
        // An attempt is sent once in all time: one of another wording under the same id is somebody else's.
        let is_known = self.intents.contains_key(&intent.attempt);
        let passes = holds && has_call && !is_known;
        passes.then_some(()).ok_or_else(|| JournalError::Fenced { number: intent.number.clone() })
    }

    fn is_held_by_another(&self, owner: &RunId, number: &PhoneNumberId, now: Instant) -> bool {
        self.holder_of(number, now).is_some_and(|lease| lease.owner != *owner)
    }

    /// `counted` is how much had been counted before this entry: all its intents come after what it remembers.
    fn apply(&mut self, owner: &RunId, change: Change, counted: u64, now: Instant) {
        match change {
            Change::Append { call, expected: _, events } => self.append(owner, call, events, now),
            Change::Intend(intent) => self.intend(intent, now),
            Change::Resolve(attempt) => {
                if let Some(row) = self.intents.get_mut(&attempt) {
                    row.resolved = true;
                }
            }
            Change::Remember { number, .. } | Change::Forget(number)
                if self.is_held_by_another(owner, &number, now) => {}
            Change::Remember { number, inbound } => {
                self.inbound.entry(number).or_insert(InboundRow { inbound, since: counted });
            }
            Change::Forget(number) => {
                self.inbound.remove(&number);
            }
            Change::Close(call) => {
                let ours = |row: &&mut CallRow| row.owner().is_none_or(|other| other == owner);
                if let Some(row) = self.calls.get_mut(&call).filter(ours) {
                    row.close();
                }
            }
        }
    }

    /// A call whose history begins with a commit is had by the process that wrote it.
    fn append(&mut self, owner: &RunId, call: CallId, events: Vec<Recorded>, now: Instant) {
        if let Some(row) = self.calls.get_mut(&call) {
            row.history.extend(events);
        } else if !events.is_empty() {
            let order = self.count();
            let holder = Some(Holder { owner: owner.clone(), claim: 0 });
            let (batch, repeats) = (None, None);
            let (history, taken_in) = (events, now);
            let row = CallRow { history, taken_in, order, batch, repeats, holder, cancel: false, closed: false };
            self.calls.insert(call, row);
        }
    }

    fn intend(&mut self, intent: Intent, now: Instant) {
        match intent.kind {
            // What was seen of the number may no longer be so.
            IntentKind::Assign | IntentKind::Restore => {
                self.seen.remove(&intent.number);
            }
            IntentKind::Dial(_) => {}
        }
        let (order, open_until) = (self.count(), now.after(intent.within));
        self.intents.insert(intent.attempt.clone(), IntentRow { intent, order, open_until, resolved: false });
    }

    /// The events of a call after version `after`, oldest first.
    pub fn events(&self, call: &CallId, after: u64) -> Vec<Recorded> {
        let history = self.calls.get(call).map_or(&[][..], |row| &row.history);
        history.iter().filter(|recorded| recorded.version > after).cloned().collect()
    }

    /// The intents that are open, oldest first.
    pub fn open_intents(&self) -> Vec<Intent> {
        self.open_intents_by_age().into_iter().map(|row| row.intent.clone()).collect()
    }

    /// Who answered a number before it was changed.
    pub fn remembered(&self, number: &PhoneNumberId) -> Option<Option<AgentId>> {
        self.inbound.get(number).map(|row| row.inbound.clone())
    }
}

/// Whether events are late evidence that the flow allows after a closed call's history.
fn continues(row: &CallRow, events: &[Recorded]) -> bool {
    let late = |event: &CallEvent| matches!(event, CallEvent::CallInitiated { .. } | CallEvent::ProofRead { .. });
    let all = row.history.iter().chain(events).map(|recorded| &recorded.event);
    events.iter().all(|recorded| late(&recorded.event)) && CallState::fold(all).is_ok()
}
