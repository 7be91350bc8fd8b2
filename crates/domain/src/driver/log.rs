//! The driver's one way out to the journal and to people: everything in the order in which it was decided,
//! as many entries at once as have gathered while the journal was busy.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_channel::{mpsc, oneshot};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::dispatch::{Input, Ticket};
use crate::driver::Observer;
use crate::error::{JournalError, SideEffect};
use crate::ids::CallId;
use crate::notice::{CallReport, Notice};
use crate::ports::{Change, Entry, Journal, Recorded};

/// The most entries that are written at once.
const ENTRIES_MAX: usize = 512;

type Answers = Vec<Result<(), JournalError>>;

pub(super) struct Log {
    journal: Arc<dyn Journal>,
    observer: Option<Arc<dyn Observer>>,
    waiting: VecDeque<Item>,
    writing: Option<BoxFuture<'static, Answers>>,
    /// What is being written; where an entry was refused already, with the answer to it.
    tickets: VecDeque<Writing>,
    answers: VecDeque<(Ticket, Result<(), JournalError>)>,
    told_after: VecDeque<Item>,
    watchers: BTreeMap<CallId, Vec<mpsc::UnboundedSender<Recorded>>>,
}

/// An entry that is being written.
struct Writing {
    ticket: Ticket,
    /// The calls that it adds events to.
    calls: Vec<CallId>,
    refused: Option<JournalError>,
}

enum Item {
    Entry(Ticket, Entry),
    /// An entry that continues one that was refused.
    Refused(Ticket, JournalError),
    Notice(Notice),
    /// The place of an entry that is being written: what was told after it waits for it.
    Written(Ticket),
}

impl Log {
    pub(super) fn new(journal: Arc<dyn Journal>, observer: Arc<dyn Observer>) -> Self {
        let observer = observer.is_listening().then_some(observer);
        Self {
            journal,
            observer,
            waiting: VecDeque::new(),
            writing: None,
            tickets: VecDeque::new(),
            answers: VecDeque::new(),
            told_after: VecDeque::new(),
            watchers: BTreeMap::new(),
        }
    }

    /// Tells the events of a call from now on, until it ends.
    pub(super) fn watch(&mut self, call: CallId, events: mpsc::UnboundedSender<Recorded>) {
        self.watchers.entry(call).or_default().push(events);
    }

    pub(super) fn commit(&mut self, ticket: Ticket, entry: Entry) {
        self.waiting.push_back(Item::Entry(ticket, entry));
    }

    pub(super) fn tell(&mut self, notice: Notice) {
        // Without an observer only the reports have somebody who waits for them.
        if self.observer.is_none() && !matches!(notice, Notice::Completed(_)) {
            return;
        }
        self.waiting.push_back(Item::Notice(notice));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.writing.is_none() && self.answers.is_empty() && self.told_after.is_empty()
    }

    /// Writes and tells what is waiting, where that may begin, and returns the next answer of the journal.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        reports: &mut BTreeMap<CallId, oneshot::Sender<CallReport>>,
        begins: bool,
    ) -> Poll<Input> {
        loop {
            if let Some((ticket, answer)) = self.answers.pop_front() {
                self.tell_until(Some(ticket), answer.is_ok(), reports);
                return Poll::Ready(Input::Committed(ticket, answer));
            }
            let Some(write) = &mut self.writing else {
                self.tell_until(None, true, reports);
                if !begins || !self.write() {
                    return Poll::Pending;
                }
                continue;
            };
            let Poll::Ready(answers) = write.poll_unpin(context) else { return Poll::Pending };
            // A journal that answers too little has not kept its contract; nothing may wait for ever.
            let mut answers = answers.into_iter().chain(std::iter::repeat_with(no_answer));
            self.writing = None;
            for Writing { ticket, calls, refused } in std::mem::take(&mut self.tickets) {
                let answer = match refused {
                    Some(error) => Err(error),
                    None => answers.next().unwrap_or_else(no_answer),
                };
                if let Err(error) = &answer {
                    self.refuse_what_follows(&calls, error);
                }
                self.answers.push_back((ticket, answer));
            }
        }
    }

    /// Hands the waiting entries to the journal; `false` where there are none.
    fn write(&mut self) -> bool {
        let mut entries = Vec::new();
        while entries.len() < ENTRIES_MAX {
            match self.waiting.pop_front() {
                Some(Item::Entry(ticket, entry)) => {
                    self.announce(&entry);
                    self.told_after.push_back(Item::Written(ticket));
                    let calls = entry.calls().cloned().collect();
                    self.tickets.push_back(Writing { ticket, calls, refused: None });
                    entries.push(entry);
                }
                Some(Item::Refused(ticket, error)) => {
                    self.told_after.push_back(Item::Written(ticket));
                    self.tickets.push_back(Writing { ticket, calls: Vec::new(), refused: Some(error) });
                }
                Some(item) => self.told_after.push_back(item),
                None => break,
            }
        }
        if entries.is_empty() && self.tickets.is_empty() {
            return !self.told_after.is_empty();
        }
        let journal = self.journal.clone();
        self.writing = Some(async move { journal.commit(entries).await }.boxed());
        true
    }

    /// A refused entry has events that never happened; what was decided after it for the same calls continues them, and
    /// could be taken by mistake if somebody else has written as many events meanwhile.
    fn refuse_what_follows(&mut self, calls: &[CallId], error: &JournalError) {
        for item in &mut self.waiting {
            if let Item::Entry(ticket, entry) = item
                && entry.calls().any(|call| calls.contains(call))
            {
                *item = Item::Refused(*ticket, error.clone());
            }
        }
    }

    /// Keeps the events of an entry, to be told when it is written.
    fn announce(&mut self, entry: &Entry) {
        if self.observer.is_none() && self.watchers.is_empty() {
            return;
        }
        for change in &entry.changes {
            if let Change::Append { call, events, .. } = change {
                for recorded in events {
                    let notice = Notice::Recorded { call: call.clone(), recorded: recorded.clone() };
                    self.told_after.push_back(Item::Notice(notice));
                }
            }
        }
    }

    /// Tells everything up to the entry of `ticket` (which was `written` or not), or up to the first entry.
    fn tell_until(
        &mut self,
        ticket: Option<Ticket>,
        written: bool,
        reports: &mut BTreeMap<CallId, oneshot::Sender<CallReport>>,
    ) {
        while let Some(item) = self.told_after.pop_front() {
            match item {
                Item::Written(at) if Some(at) == ticket => return,
                Item::Notice(Notice::Recorded { .. }) if !written => {}
                Item::Notice(notice) => self.deliver(notice, reports),
                Item::Written(_) | Item::Entry(..) | Item::Refused(..) => {}
            }
        }
    }

    fn deliver(&mut self, notice: Notice, reports: &mut BTreeMap<CallId, oneshot::Sender<CallReport>>) {
        if let Notice::Recorded { call, recorded } = &notice
            && let Some(watchers) = self.watchers.get_mut(call)
        {
            watchers.retain(|watcher| watcher.unbounded_send(recorded.clone()).is_ok());
        }
        if let Some(observer) = &self.observer {
            observer.notice(&notice);
        }
        if let Notice::Completed(report) = &notice {
            self.watchers.remove(&report.request.id);
        }
        if let Notice::Completed(report) = notice
            && let Some(waiting) = reports.remove(&report.request.id)
        {
            // Whoever asked may have gone; the observer and the journal know all the same.
            drop(waiting.send(*report));
        }
    }
}

fn no_answer() -> Result<(), JournalError> {
    let detail = "it did not answer for every entry".to_owned();
    Err(JournalError::Unavailable { detail, effect: SideEffect::Possible })
}
