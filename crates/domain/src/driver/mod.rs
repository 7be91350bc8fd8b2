//! The driver: the only asynchronous code of this crate. It runs the dispatcher's effects through the
//! ports and feeds the answers back, on whatever runtime polls it.

mod handle;
mod log;
mod look_up;
mod work;

use std::collections::{BTreeMap, btree_map};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_channel::{mpsc, oneshot};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, Peekable};
use futures_util::{FutureExt, Stream, StreamExt};

use crate::dispatch::{Dispatcher, Effect, Input, Slot};
use crate::ids::CallId;
use crate::notice::{CallReport, Notice};
use crate::policy::{LinePolicy, SharingPolicy};
use crate::ports::{AgentProfile, Clock, Ids, Journal, Number, Permits, Provider, Store, Timer};
use crate::request::CallRequest;
use crate::time::Instant;

use handle::{Command, OpenCalls};
use log::Log;
use work::Work;

pub use handle::{Handle, Placed, SubmitError};
pub use look_up::find_dial;

/// Everything the driver needs of the world.
#[derive(Clone)]
pub struct Ports {
    /// Agents, numbers, dialling, conversations.
    pub provider: Arc<dyn Provider>,
    /// Reads time.
    pub clock: Arc<dyn Clock>,
    /// Waits for time.
    pub timer: Arc<dyn Timer>,
    /// Makes ids.
    pub ids: Arc<dyn Ids>,
    /// Keeps what happened.
    pub journal: Arc<dyn Journal>,
    /// Grants permits.
    pub permits: Arc<dyn Permits>,
}

/// Is told what happens, while it happens. Must return at once.
pub trait Observer: Send + Sync {
    /// Called from the driver's task, in order.
    fn notice(&self, notice: &Notice);

    /// Whether it wants to be told anything; asked once.
    fn is_listening(&self) -> bool {
        true
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn notice(&self, _notice: &Notice) {}

    fn is_listening(&self) -> bool {
        false
    }
}

/// What has just been read by somebody else and need not be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Agents that were read a moment ago.
    pub agents: Vec<AgentProfile>,
    /// Numbers that were read a moment ago.
    pub numbers: Vec<Number>,
    /// When the first of these reads was sent, by the clock of the driver's ports: so old is what they say.
    pub sent: Instant,
}

/// Places one call from beginning to end: a driver with one call.
///
/// The future must be polled to its end; dropping it while a dial is open leaves that dial in doubt.
/// To be able to take the call back, use [`Driver::new`].
///
/// # Panics
/// Never, unless this crate has a bug: a driver that has run to its end has reported every call.
pub async fn place(ports: Ports, request: CallRequest, known: Known, observer: Arc<dyn Observer>) -> CallReport {
    let (driver, handle) = Driver::new(ports, LinePolicy::default(), observer);
    handle.know(known);
    let placed = handle.submit(request);
    drop(handle);
    driver.run().await;
    let report = placed.ok().and_then(|placed| placed.report().now_or_never()).flatten();
    report.expect("a driver that has run to its end has reported every call")
}

/// What is to be written is put off for so many inputs at most.
const PUT_OFF_MAX: usize = 64;

/// Runs a [`Dispatcher`].
pub struct Driver {
    ports: Ports,
    dispatcher: Dispatcher,
    commands: Option<Peekable<mpsc::UnboundedReceiver<Command>>>,
    open: Arc<OpenCalls>,
    reports: BTreeMap<CallId, oneshot::Sender<CallReport>>,
    log: Log,
    work: FuturesUnordered<Work>,
    /// Permits being given back: these are waited for before the driver ends.
    returns: FuturesUnordered<BoxFuture<'static, ()>>,
    dials: BTreeMap<Slot, work::Dropper>,
    permits: BTreeMap<Slot, work::Dropper>,
    alarm: Option<(Instant, BoxFuture<'static, ()>)>,
    /// What is shared with other processes, and the wait for one of them to change it.
    store: Option<Arc<dyn Store>>,
    change: Option<BoxFuture<'static, ()>>,
    abandoned: bool,
    /// How many inputs there have been since the journal could last be written to.
    put_off: usize,
}

impl Driver {
    /// A driver and the handle that feeds it. Nothing happens until [`Driver::run`] is polled.
    pub fn new(ports: Ports, policy: LinePolicy, observer: Arc<dyn Observer>) -> (Self, Handle) {
        let dispatcher = Dispatcher::new(ports.ids.run_id(), policy);
        Self::build(ports, None, dispatcher, policy.calls_max, observer)
    }

    /// A driver that shares its numbers with other processes: it claims calls from the store, once it is told which
    /// numbers it [serves](Handle::serve), and its journal is the store. Calls are handed in with
    /// [`Store::submit`]; [`Handle::submit`] is for drivers that share nothing.
    pub fn shared(
        ports: Ports,
        store: Arc<dyn Store>,
        policy: LinePolicy,
        sharing: SharingPolicy,
        observer: Arc<dyn Observer>,
    ) -> (Self, Handle) {
        let ports = Ports { journal: store.clone(), ..ports };
        let dispatcher = Dispatcher::shared(store.owner().clone(), policy, sharing);
        Self::build(ports, Some(store), dispatcher, policy.calls_max, observer)
    }

    fn build(
        ports: Ports,
        store: Option<Arc<dyn Store>>,
        dispatcher: Dispatcher,
        calls_max: usize,
        observer: Arc<dyn Observer>,
    ) -> (Self, Handle) {
        let (sender, commands) = mpsc::unbounded();
        let open = Arc::new(OpenCalls::new(calls_max));
        let handle = Handle::new(sender, ports.journal.clone(), open.clone());
        let log = Log::new(ports.journal.clone(), observer);
        let driver = Self {
            ports,
            dispatcher,
            commands: Some(commands.peekable()),
            open,
            reports: BTreeMap::new(),
            log,
            work: FuturesUnordered::new(),
            returns: FuturesUnordered::new(),
            dials: BTreeMap::new(),
            permits: BTreeMap::new(),
            alarm: None,
            store,
            change: None,
            abandoned: false,
            put_off: 0,
        };
        (driver, handle)
    }

    /// Runs until every handle is gone and every call has ended with all that belongs to it, or until
    /// [`Handle::abandon`]. Needs no particular runtime.
    ///
    /// Dropping the future drops every open request: what was sent is then in doubt, and the journal's open
    /// intents say what that is.
    pub async fn run(mut self) {
        let mut effects = Vec::new();
        while let Some(input) = std::future::poll_fn(|context| self.poll_input(context)).await {
            let now = self.ports.clock.now();
            self.dispatcher.handle_into(input, now, &mut effects);
            for effect in effects.drain(..) {
                self.run_effect(effect);
            }
        }
    }

    /// The next input for the dispatcher; `None` when there will be none any more.
    ///
    /// What is to be written waits until nothing else can be decided now: a write to a disk costs as much for one entry as
    /// for many.
    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<Option<Input>> {
        let begins = self.put_off >= PUT_OFF_MAX;
        if let Poll::Ready(input) = self.log.poll(context, &mut self.reports, begins) {
            return Poll::Ready(Some(input));
        }
        self.put_off = if begins { 0 } else { self.put_off + 1 };
        if let Poll::Ready(input) = self.poll_others(context) {
            return Poll::Ready(Some(input));
        }
        self.put_off = 0;
        if let Poll::Ready(input) = self.log.poll(context, &mut self.reports, true) {
            return Poll::Ready(Some(input));
        }
        if self.log.is_empty() && self.is_over() {
            return Poll::Ready(None);
        }
        self.poll_alarm(context)
    }

    /// The next input that has nothing to do with the journal, nor with the time.
    fn poll_others(&mut self, context: &mut Context<'_>) -> Poll<Input> {
        if let Some(input) = self.poll_command(context) {
            return Poll::Ready(input);
        }
        while let Poll::Ready(Some(done)) = Pin::new(&mut self.work).poll_next(context) {
            if let Some(input) = self.finished(done) {
                return Poll::Ready(input);
            }
        }
        while let Poll::Ready(Some(())) = Pin::new(&mut self.returns).poll_next(context) {}
        if self.poll_change(context) { Poll::Ready(Input::Nudge { own: false }) } else { Poll::Pending }
    }

    /// Whether another process may have changed something in the store.
    fn poll_change(&mut self, context: &mut Context<'_>) -> bool {
        let (Some(store), false) = (&self.store, self.abandoned || self.commands.is_none()) else { return false };
        let store = store.clone();
        let change = self.change.get_or_insert_with(|| async move { store.changed().await }.boxed());
        let changed = change.poll_unpin(context).is_ready();
        if changed {
            self.change = None;
        }
        changed
    }

    fn is_over(&self) -> bool {
        let closed = self.commands.is_none() || self.abandoned;
        closed && self.dispatcher.is_idle() && (self.abandoned || self.returns.is_empty())
    }

    fn poll_command(&mut self, context: &mut Context<'_>) -> Option<Input> {
        loop {
            let commands = self.commands.as_mut()?;
            match commands.poll_next_unpin(context) {
                Poll::Ready(Some(Command::Submit(request, report))) => {
                    if self.take_in(&request, report) {
                        return Some(self.gather(*request, context));
                    }
                }
                Poll::Ready(Some(Command::KnowAgent(agent, sent))) => return Some(Input::KnowAgent(agent, sent)),
                Poll::Ready(Some(Command::KnowNumber(number, sent))) => {
                    return Some(Input::KnowNumber(number, sent));
                }
                Poll::Ready(Some(Command::Cancel(call))) => return Some(Input::Cancel(call)),
                Poll::Ready(Some(Command::Watch(call, events, registered))) => {
                    // The events of a call that has ended are all in the journal.
                    if self.reports.contains_key(&call) {
                        self.log.watch(call, events);
                    }
                    // Whoever asked may have gone.
                    let _ = registered.send(());
                }
                Poll::Ready(Some(Command::ShutDown)) => return Some(Input::ShutDown),
                Poll::Ready(Some(Command::Serve(numbers))) => return Some(Input::Serve(numbers)),
                Poll::Ready(Some(Command::Nudge)) => return Some(Input::Nudge { own: true }),
                Poll::Ready(Some(Command::Leave)) => return Some(Input::Leave),
                Poll::Ready(Some(Command::Trust(number))) => return Some(Input::Trust(number)),
                Poll::Ready(Some(Command::Ended(conversation))) => {
                    return Some(Input::ConversationEnded(conversation));
                }
                Poll::Ready(Some(Command::Interrupt)) => return Some(Input::Interrupt),
                Poll::Ready(Some(Command::Abandon)) => {
                    self.abandoned = true;
                    return Some(Input::Abandon);
                }
                Poll::Ready(None) => {
                    self.commands = None;
                    return Some(Input::Drain);
                }
                Poll::Pending => return None,
            }
        }
    }

    /// Notes a call that is asked for; `false` where the driver has it already.
    fn take_in(&mut self, request: &CallRequest, report: oneshot::Sender<CallReport>) -> bool {
        // Whatever the dispatcher has is waited for here, so it need not be asked as well.
        let btree_map::Entry::Vacant(place) = self.reports.entry(request.id.clone()) else {
            self.open.leave();
            return false;
        };
        place.insert(report);
        true
    }

    /// Takes in all the calls that have been asked for by now, so that turns are decided among them together.
    fn gather(&mut self, first: CallRequest, context: &mut Context<'_>) -> Input {
        let mut requests = vec![first];
        while let Some((request, report)) = self.next_submitted(context) {
            if self.take_in(&request, report) {
                requests.push(*request);
            }
        }
        if requests.len() > 1 {
            return Input::SubmitAll(requests);
        }
        Input::Submit(Box::new(requests.swap_remove(0)))
    }

    /// The next command, where it is there and asks for a call.
    fn next_submitted(&mut self, context: &mut Context<'_>) -> Option<(Box<CallRequest>, oneshot::Sender<CallReport>)> {
        let commands = self.commands.as_mut()?;
        let Poll::Ready(Some(Command::Submit(..))) = Pin::new(&mut *commands).poll_peek(context) else { return None };
        match commands.poll_next_unpin(context) {
            Poll::Ready(Some(Command::Submit(request, report))) => Some((request, report)),
            Poll::Ready(_) | Poll::Pending => None,
        }
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<Option<Input>> {
        let Some(deadline) = self.dispatcher.deadline() else {
            self.alarm = None;
            return Poll::Pending;
        };
        if self.alarm.as_ref().is_none_or(|(at, _)| *at != deadline.at) {
            let timer = self.ports.timer.clone();
            let at = deadline.at;
            self.alarm = Some((at, async move { timer.sleep_until(at).await }.boxed()));
        }
        match &mut self.alarm {
            Some((_, alarm)) => match alarm.poll_unpin(context) {
                Poll::Ready(()) => {
                    self.alarm = None;
                    Poll::Ready(Some(Input::Wake))
                }
                Poll::Pending => Poll::Pending,
            },
            None => Poll::Pending,
        }
    }

    fn run_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Commit(ticket, entry) => self.log.commit(ticket, entry),
            Effect::Tell(notice) => {
                // Calls from the store were not counted.
                if let Notice::Completed(report) = &notice
                    && self.reports.contains_key(&report.request.id)
                {
                    self.open.leave();
                }
                self.log.tell(notice);
            }
            Effect::DropPermit(slot) => drop(self.permits.remove(&slot)),
            Effect::DropDial(slot) => drop(self.dials.remove(&slot)),
            Effect::AskPermit(slot, request) => {
                let (work, dropper) = work::ask_permit(&self.ports, slot, request);
                self.permits.insert(slot, dropper);
                self.work.push(work);
            }
            Effect::PlaceCall(slot, request) => {
                let (work, dropper) = work::place_call(&self.ports, slot, request);
                self.dials.insert(slot, dropper);
                self.work.push(work);
            }
            Effect::Claim(claim) => self.ask_store(|store| work::claim(store, claim)),
            Effect::Renew(ttl) => self.ask_store(|store| work::renew(store, ttl)),
            Effect::Release(release) => self.ask_store(|store| work::release(store, *release)),
            Effect::ReturnPermit(permit) => self.returns.push(work::return_permit(&self.ports, permit)),
            Effect::VerifyAgents(agents) => self.work.push(work::verify_agents(&self.ports, agents)),
            Effect::ListNumbers => self.work.push(work::list_numbers(&self.ports)),
            Effect::Survey { started_after, wanted } => {
                self.work.push(work::survey(&self.ports, started_after, wanted));
            }
            Effect::VerifyAgent(agent) => self.work.push(work::verify_agent(&self.ports, agent)),
            Effect::ReadNumber(number) => self.work.push(work::read_number(&self.ports, number)),
            Effect::AssignNumber(order) => self.work.push(work::assign_number(&self.ports, order)),
            Effect::LookUp(slot, look_up) => self.work.push(work::look_up(&self.ports, slot, look_up)),
            Effect::ReadConversation(slot, id) => self.work.push(work::read_conversation(&self.ports, slot, id)),
        }
    }

    fn ask_store(&mut self, question: impl FnOnce(Arc<dyn Store>) -> Work) {
        // Without a store the dispatcher shares nothing and asks nothing.
        if let Some(store) = &self.store {
            self.work.push(question(store.clone()));
        }
    }

    fn finished(&mut self, done: work::Done) -> Option<Input> {
        if let Some(Input::DialAnswered(slot, ..)) = &done {
            self.dials.remove(slot);
        }
        if let Some(Input::Permitted(slot, _)) = &done {
            self.permits.remove(slot);
        }
        done
    }
}
