//! The caller's side of a driver.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_channel::{mpsc, oneshot};
use futures_util::{Stream, StreamExt, stream};

use crate::driver::Known;
use crate::error::JournalError;
use crate::ids::{CallId, ConversationId, PhoneNumberId};
use crate::notice::CallReport;
use crate::ports::{AgentProfile, Journal, Number, Recorded};
use crate::request::CallRequest;
use crate::time::Instant;

/// What a handle asks of its driver.
pub(super) enum Command {
    Submit(Box<CallRequest>, oneshot::Sender<CallReport>),
    KnowAgent(AgentProfile, Instant),
    KnowNumber(Number, Instant),
    Cancel(CallId),
    ShutDown,
    Serve(Option<BTreeSet<PhoneNumberId>>),
    Nudge,
    Leave,
    Interrupt,
    Abandon,
    Watch(CallId, mpsc::UnboundedSender<Recorded>, oneshot::Sender<()>),
    Trust(PhoneNumberId),
    Ended(ConversationId),
}

/// Feeds a driver. Clones feed the same one; the driver ends when all of them are gone.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    journal: Arc<dyn Journal>,
    open: Arc<OpenCalls>,
}

/// A call that was asked for.
pub struct Placed {
    id: CallId,
    report: oneshot::Receiver<CallReport>,
    journal: Arc<dyn Journal>,
}

/// How many calls the driver has that have not ended.
#[derive(Debug)]
pub(super) struct OpenCalls {
    count: AtomicUsize,
    limit: usize,
}

impl OpenCalls {
    pub(super) fn new(limit: usize) -> Self {
        Self { count: AtomicUsize::new(0), limit }
    }

    fn enter(&self) -> bool {
        let next = |count: usize| (count < self.limit).then_some(count + 1);
        self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }

    pub(super) fn leave(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A call that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The driver has ended.
    #[error("the dispatcher takes no more calls")]
    Closed,
    /// The driver has as many calls as it may have ([`crate::LinePolicy::calls_max`]). Nothing was done; submit it
    /// again when another has ended.
    #[error("the dispatcher has as many calls as it may have")]
    Full,
}

impl Handle {
    pub(super) fn new(
        commands: mpsc::UnboundedSender<Command>,
        journal: Arc<dyn Journal>,
        open: Arc<OpenCalls>,
    ) -> Self {
        Self { commands, journal, open }
    }

    /// Hands over what was read by somebody else. What the driver knows better stays.
    pub fn know(&self, known: Known) {
        let sent = known.sent;
        let agents = known.agents.into_iter().map(|agent| Command::KnowAgent(agent, sent));
        for command in agents.chain(known.numbers.into_iter().map(|number| Command::KnowNumber(number, sent))) {
            self.send(command);
        }
    }

    /// Asks for a call. A call whose id the driver has already is not taken twice: its report is `None`.
    ///
    /// # Errors
    /// [`SubmitError::Closed`] where the driver has ended, [`SubmitError::Full`] where it has too many calls.
    pub fn submit(&self, request: CallRequest) -> Result<Placed, SubmitError> {
        if !self.open.enter() {
            return Err(SubmitError::Full);
        }
        let (sender, report) = oneshot::channel();
        let id = request.id.clone();
        let command = Command::Submit(Box::new(request), sender);
        if self.commands.unbounded_send(command).is_err() {
            self.open.leave();
            return Err(SubmitError::Closed);
        }
        Ok(Placed { id, report, journal: self.journal.clone() })
    }

    /// The events of a call, those of before first, then each as the journal takes it, until the call has ended. (What
    /// pages of the conversation list prove later is in the journal alone.)
    ///
    /// # Errors
    /// One [`JournalError`], and then the end, where the journal cannot be read.
    pub fn events(&self, call: &CallId) -> impl Stream<Item = Result<Recorded, JournalError>> + Send + use<> {
        let (sender, live) = mpsc::unbounded();
        let (registered, is_registered) = oneshot::channel();
        self.send(Command::Watch(call.clone(), sender, registered));
        let watching = Watching { journal: self.journal.clone(), call: call.clone(), live, last: 0 };
        let begin = async move {
            // A driver that has ended leaves everything in the journal.
            let _ = is_registered.await;
            let before = watching.journal.events(&watching.call, 0).await;
            (before, watching)
        };
        stream::once(begin).flat_map(|(before, mut watching)| {
            if let Ok(last) = before.as_ref().map(|events| events.last().map_or(0, |last| last.version)) {
                watching.last = last;
            } else {
                watching.live.close();
            }
            let before = match before {
                Ok(events) => events.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            let Watching { live, last, .. } = watching;
            let after = live.filter(move |recorded| std::future::ready(recorded.version > last));
            stream::iter(before).chain(after.map(Ok))
        })
    }

    /// Takes a call back if its dial has not been sent.
    pub fn cancel(&self, call: &CallId) {
        self.send(Command::Cancel(call.clone()));
    }

    /// Serves these numbers from now on (`None`: all): takes those that are free and for which calls wait in the store,
    /// whoever handed them in. For a driver that [shares](crate::Driver::shared) its numbers.
    pub fn serve(&self, numbers: Option<BTreeSet<PhoneNumberId>>) {
        self.send(Command::Serve(numbers));
    }

    /// Looks for calls in the store now: one has just been handed in.
    pub fn nudge(&self) {
        self.send(Command::Nudge);
    }

    /// Leaves the store: calls that are not dialled wait there for others, those that are go on to their ends, and the
    /// numbers are given back. The driver goes on until its handles are gone, and serves again when it is told to.
    pub fn leave(&self) {
        self.send(Command::Leave);
    }

    /// Stops starting: calls that are not dialled are withdrawn, and those that are go on to their ends.
    pub fn shut_down(&self) {
        self.send(Command::ShutDown);
    }

    /// Uses a number again that was stopped ([`crate::Notice::NumberStopped`]).
    pub fn trust(&self, number: &PhoneNumberId) {
        self.send(Command::Trust(number.clone()));
    }

    /// Tells that a conversation has ended, which frees its place among the live calls. What the driver has not
    /// heard of is ignored.
    pub fn ended(&self, conversation: &ConversationId) {
        self.send(Command::Ended(conversation.clone()));
    }

    /// Stops dialling: calls that are not dialled are withdrawn; open dials are dropped and so in doubt, and
    /// are looked up until their windows end; numbers are still given back.
    pub fn interrupt(&self) {
        self.send(Command::Interrupt);
    }

    /// Ends everything now: what is in doubt ends as unknown, and nothing more is sent.
    pub fn abandon(&self) {
        self.send(Command::Abandon);
    }

    fn send(&self, command: Command) {
        // A driver that has ended needs no telling.
        drop(self.commands.unbounded_send(command));
    }
}

/// A call whose events are followed.
struct Watching {
    journal: Arc<dyn Journal>,
    call: CallId,
    live: mpsc::UnboundedReceiver<Recorded>,
    last: u64,
}

impl Placed {
    /// The call's id.
    pub fn id(&self) -> &CallId {
        &self.id
    }

    /// The call's events after version `after` (0 = all), as far as the journal has them.
    ///
    /// # Errors
    /// [`JournalError`] where the journal cannot be read.
    pub async fn events(&self, after: u64) -> Result<Vec<Recorded>, JournalError> {
        self.journal.events(&self.id, after).await
    }

    /// Waits for the call's end. `None` where the driver was dropped before, or had a call of this id already.
    pub async fn report(self) -> Option<CallReport> {
        self.report.await.ok()
    }
}
